internal import CIDN2

/// The name of a host as every part of Cowork compares it: lower-case ASCII after IDNA mapping, no final dot.
package struct HostName: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let text: String

    /// For names that were normalised before.
    package init(normalised text: String) { self.text = text }

    package static func < (left: HostName, right: HostName) -> Bool { left.text < right.text }
    package var description: String { text }

    package var labels: [Substring] { text.split(separator: ".") }

    /// Whether `self` is beneath `other`, at any depth.
    package func isBeneath(_ other: HostName) -> Bool {
        let own = text.utf8
        let above = other.text.utf8
        guard own.count > above.count else { return false }
        let cut = own.index(own.endIndex, offsetBy: -above.count)
        return own[own.index(before: cut)] == 46 && own[cut...].elementsEqual(above)
    }

    package enum Problem: Error, Equatable {
        case empty, tooLong
        case badCharacter(Character)
        case badLabel(String)
        case oneLabel
        case looksLikeAddress
        case notInternational
        case lookAlike(String)
    }

    /// Names that stand for no public host, whatever they resolve to.
    package var isPublic: Bool {
        guard text.utf8.contains(46) else { return false }
        for suffix in Self.privateSuffixes where text == suffix || text.hasSuffix("." + suffix) { return false }
        return true
    }
    private static let privateSuffixes: [String] = ["localhost", "local", "internal", "home.arpa", "onion"]

    /// The name through which a guest reaches the computer it runs on.
    package static let thisComputer = HostName(normalised: "host.cowork.internal")
    package static let metadata = HostName(normalised: "metadata.google.internal")

    /// Reads a name as people write it. `lookAlikes` says whether a mixture of scripts is let through.
    package static func parse(
        _ written: some StringProtocol, singleLabel: Bool = false, lookAlikes: Bool = true
    ) throws(Problem) -> HostName {
        var text = written.lowercased()
        if text.hasSuffix(".") { text.removeLast() }
        guard !text.isEmpty else { throw .empty }
        if !text.utf8.allSatisfy({ $0 < 128 }) {
            text = try mapped(text)
            if text.hasSuffix(".") { text.removeLast() }
        }
        guard text.utf8.count <= 253 else { throw .tooLong }
        var count = 0
        var international = false
        var last: Substring = ""
        for label in text.split(separator: ".", omittingEmptySubsequences: false) {
            count += 1
            guard !label.isEmpty, label.utf8.count <= 63, !label.hasPrefix("-"), !label.hasSuffix("-") else {
                throw .badLabel(String(label))
            }
            for byte in label.utf8
            where !((97...122).contains(byte) || (48...57).contains(byte) || byte == 45) {
                throw .badCharacter(Character(Unicode.Scalar(byte)))
            }
            let bytes = Array(label.utf8.prefix(4))
            if bytes.count == 4, bytes[2] == 45, bytes[3] == 45 {
                guard label.hasPrefix("xn--") else { throw .badLabel(String(label)) }
                international = true
            }
            last = label
        }
        if last.utf8.allSatisfy({ (48...57).contains($0) }) || last.hasPrefix("0x") { throw .looksLikeAddress }
        if count == 1, !singleLabel { throw .oneLabel }
        if international {
            guard let shown = unicode(text), let again = try? mapped(shown), again == text else {
                throw .notInternational
            }
            if !lookAlikes {
                for label in shown.split(separator: ".") where LookAlike.isSuspicious(label) {
                    throw .lookAlike(String(label))
                }
            }
        }
        return HostName(normalised: text)
    }

    /// The name in the letters people read, when it is an international one.
    package var shown: String { text.contains("xn--") ? Self.unicode(text) ?? text : text }

    private static func mapped(_ text: String) throws(Problem) -> String {
        var output: UnsafeMutablePointer<UInt8>?
        let flags = Int32(IDN2_NONTRANSITIONAL.rawValue | IDN2_NFC_INPUT.rawValue | IDN2_USE_STD3_ASCII_RULES.rawValue)
        let status = text.withCString { pointer in
            pointer.withMemoryRebound(to: UInt8.self, capacity: text.utf8.count + 1) { bytes in
                idn2_lookup_u8(bytes, &output, flags)
            }
        }
        guard status == 0, let output else { throw .notInternational }
        defer { idn2_free(output) }
        return String(cString: output)
    }

    private static func unicode(_ text: String) -> String? {
        var output: UnsafeMutablePointer<CChar>?
        guard text.withCString({ idn2_to_unicode_8z8z($0, &output, 0) }) == 0, let output else { return nil }
        defer { idn2_free(output) }
        return String(cString: output)
    }
}
