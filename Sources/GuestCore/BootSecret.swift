internal import Wire

/// What only root of this very boot can read: half of it we show, the other half we expect to be shown.
package struct BootSecret: Sendable {
    package static let length = 2 * Wire.secretLength

    package let shown: [UInt8]
    private let expected: [UInt8]

    /// Nil unless `bytes` has the one right length.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        shown = Array(bytes[..<Wire.secretLength])
        expected = Array(bytes[Wire.secretLength...])
    }

    /// Takes the same time wherever the first difference is.
    package func accepts(_ proof: [UInt8]) -> Bool {
        guard proof.count == expected.count else { return false }
        var difference: UInt8 = 0
        for (one, other) in zip(proof, expected) { difference |= one ^ other }
        return difference == 0
    }
}
