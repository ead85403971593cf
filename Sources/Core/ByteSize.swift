/// An amount of memory or disk, written the way people write it: `512M`, `1.5G`, `20GB`, `4096`.
package struct ByteSize: Sendable, Hashable, Comparable {
    package let bytes: UInt64
    package init(bytes: UInt64) { self.bytes = bytes }

    package static func mebibytes(_ count: UInt64) -> ByteSize { ByteSize(bytes: count << 20) }

    package init?(_ text: String) {
        let lower = text.lowercased()
        let digits = lower.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let shift = Self.shifts[String(lower.dropFirst(digits.count))] else { return nil }
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = UInt64(parts[0]), whole <= UInt64.max >> shift else { return nil }
        var total = whole << shift
        if parts.count == 2 {
            guard shift > 0, (1...6).contains(parts[1].count), let numerator = UInt64(parts[1]) else { return nil }
            var denominator: UInt64 = 1
            for _ in parts[1] { denominator *= 10 }
            let (product, overflow) = numerator.multipliedReportingOverflow(by: 1 << shift)
            guard !overflow else { return nil }
            total &+= product / denominator
        }
        bytes = total
    }

    private static let shifts: [String: UInt64] = [
        "": 0, "b": 0, "k": 10, "kb": 10, "kib": 10, "m": 20, "mb": 20, "mib": 20, "g": 30, "gb": 30, "gib": 30,
        "t": 40, "tb": 40, "tib": 40,
    ]

    package static func < (left: ByteSize, right: ByteSize) -> Bool { left.bytes < right.bytes }
}

extension ByteSize: CustomStringConvertible {
    package var description: String {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] as [(UInt64, String)]
        where bytes >= 1 << shift {
            let tenths = ((bytes >> (shift - 10)) * 10) >> 10
            return tenths % 10 == 0 ? "\(tenths / 10) \(unit)" : "\(tenths / 10).\(tenths % 10) \(unit)"
        }
        return "\(bytes) B"
    }
}
