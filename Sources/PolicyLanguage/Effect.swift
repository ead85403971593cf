/// What a sentence, a layer or a whole policy answers. Ordered by strictness: `allow < ask < deny`.
package enum Effect: UInt8, Sendable, Hashable, Comparable, CaseIterable {
    case allow, ask, deny

    package static func < (left: Effect, right: Effect) -> Bool { left.rawValue < right.rawValue }

    package var word: String {
        switch self {
        case .allow: "allow"
        case .ask: "ask"
        case .deny: "deny"
        }
    }

    /// Whether names and ranges in a sentence of this effect are read narrowly.
    package var opens: Bool { self == .allow }
}

/// The protocols that a sentence can open. ICMP is none of them: nothing opens it.
package enum Transport: UInt8, Sendable, Hashable, Comparable, CaseIterable {
    case any, tcp, udp
    package static func < (left: Transport, right: Transport) -> Bool { left.rawValue < right.rawValue }
}

/// Ports of one protocol, or of all of them.
package struct PortSpan: Sendable, Hashable, Comparable {
    package var transport: Transport
    package var low: UInt16
    package var high: UInt16

    package init(_ transport: Transport, _ low: UInt16, _ high: UInt16) {
        self.transport = transport
        self.low = low
        self.high = high
    }

    package static let everything = PortSpan(.any, 1, 65535)
    package static let https = PortSpan(.tcp, 443, 443)

    package func contains(_ other: PortSpan) -> Bool {
        (transport == .any || transport == other.transport) && low <= other.low && high >= other.high
    }

    package func meets(_ other: PortSpan) -> Bool {
        (transport == .any || other.transport == .any || transport == other.transport)
            && low <= other.high && other.low <= high
    }

    package static func < (left: PortSpan, right: PortSpan) -> Bool {
        (left.transport.rawValue, left.low, left.high) < (right.transport.rawValue, right.low, right.high)
    }
}

/// How far a name reaches.
package enum NameScope: UInt8, Sendable, Hashable, Comparable {
    /// The name alone.
    case exact
    /// The name and everything beneath it.
    case wide
    /// Only what is beneath it.
    case under
    package static func < (left: NameScope, right: NameScope) -> Bool { left.rawValue < right.rawValue }
}

/// What a web request does, as far as a sentence can say it.
package enum Content: Sendable, Hashable {
    /// Anything: nothing has to be looked into.
    case all
    case downloads
    case uploads
    /// Upper-case method names, sorted.
    case methods([String])
}

/// The path of a URL: `/v1/` is everything below, `/v1` that one.
package struct WebPath: Sendable, Hashable, Comparable {
    package var segments: [String]
    package var below: Bool

    package init(segments: [String], below: Bool) {
        self.segments = segments
        self.below = below
    }

    package static func < (left: WebPath, right: WebPath) -> Bool { left.text < right.text }

    package var text: String {
        var text = ""
        for segment in segments { text += "/" + Self.encoded(segment) }
        return below ? text + "/" : (text.isEmpty ? "/" : text)
    }

    private static func encoded(_ segment: String) -> String {
        var text = ""
        for byte in segment.utf8 {
            if Self.plain.contains(byte) {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                text += "%" + (digits.count == 1 ? "0" + digits : digits)
            }
        }
        return text
    }

    private static let plain: Set<UInt8> = Set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~!$&'()*+=:@".utf8)
}
