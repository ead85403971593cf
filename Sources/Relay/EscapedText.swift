/// A guest's text as it may leave this process: nothing in it moves a cursor, hides, reorders or forges a line.
package enum EscapedText {
    /// One line: newlines are written out too.
    package static func line(_ text: String, limit: Int = 1024) -> String {
        var shown = ""
        for scalar in text.unicodeScalars {
            if shown.utf8.count >= limit { return shown + "…" }
            append(scalar, to: &shown)
        }
        return shown
    }

    /// Lines of a console, at most `limit` bytes of them, the last ones.
    package static func lines(_ bytes: some Sequence<UInt8>, limit: Int) -> String {
        var shown = ""
        for scalar in String(decoding: Array(bytes), as: UTF8.self).unicodeScalars {
            if scalar == "\n" {
                while shown.hasSuffix("\\r") { shown.removeLast(2) }
                shown.unicodeScalars.append(scalar)
            } else {
                append(scalar, to: &shown)
            }
        }
        if shown.utf8.count <= limit { return shown }
        // A piece of a character at the cut is repaired by decoding.
        let tail = shown.utf8.suffix(limit)
        let start = tail.firstIndex(of: 10).map { tail.index(after: $0) } ?? tail.startIndex
        return String(decoding: tail[start...], as: UTF8.self)
    }

    private static func append(_ scalar: Unicode.Scalar, to shown: inout String) {
        switch scalar {
        case "\n": shown += "\\n"
        case "\t": shown += "\\t"
        case "\r": shown += "\\r"
        case "\\": shown += "\\\\"
        case " "..."~": shown.unicodeScalars.append(scalar)
        default:
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
                shown += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: shown.unicodeScalars.append(scalar)
            }
        }
    }
}
