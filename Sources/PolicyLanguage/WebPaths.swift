/// The path of a URL, after decoding and removal of dots; what can be read in two ways is told apart.
package enum WebPaths {
    package enum Reading: Sendable, Equatable {
        case path(WebPath)
        /// Servers disagree about what this names.
        case twoWays
    }

    package static func parse(_ text: some StringProtocol) -> Reading {
        guard text.hasPrefix("/") || text.isEmpty else { return .twoWays }
        var segments: [String] = []
        let pieces = text.utf8.dropFirst().split(separator: 47, omittingEmptySubsequences: false)
        var endsInFolder = true
        for (position, piece) in pieces.enumerated() {
            let isLast = position == pieces.count - 1
            guard let segment = decoded(piece) else { return .twoWays }
            switch segment {
            case "":
                // An empty segment in the middle is one to some servers and none to others.
                if !isLast { return .twoWays }
                endsInFolder = true
            case ".": endsInFolder = true
            case "..":
                if segments.popLast() == nil { return .twoWays }
                endsInFolder = true
            default:
                if segment.hasPrefix("..;") || segment.hasPrefix(".;") { return .twoWays }
                segments.append(segment)
                endsInFolder = false
            }
        }
        return .path(WebPath(segments: segments, below: endsInFolder))
    }

    private static func decoded(_ piece: some Collection<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var iterator = piece.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case 37:
                guard let high = iterator.next().flatMap(hex), let low = iterator.next().flatMap(hex) else {
                    return nil
                }
                let value = high << 4 | low
                // An encoded slash, backslash, percent, NUL or control character.
                if value == 47 || value == 92 || value == 37 || value < 32 || value == 127 { return nil }
                bytes.append(value)
            case 92, 0...32, 127: return nil
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
}
