/// How text of unknown origin is shown to a person.
package enum Display {
    /// `text` with every character that could move a cursor, hide, reorder or forge a line written out as `\u{…}`.
    package static func escaped(_ text: String, limit: Int = 4096) -> String {
        var shown = ""
        var count = 0
        for scalar in text.unicodeScalars {
            if count == limit { return shown + "…" }
            count += 1
            switch scalar {
            case "\n": shown += "\\n"
            case "\t": shown += "\\t"
            case "\r": shown += "\\r"
            case "\\": shown += "\\\\"
            default:
                if isHarmless(scalar) {
                    shown.unicodeScalars.append(scalar)
                } else {
                    shown += "\\u{" + String(scalar.value, radix: 16) + "}"
                }
            }
        }
        return shown
    }

    /// Bytes as a person may read them: what is not UTF-8 becomes `\xHH`, line by line, newlines kept.
    package static func escapedLines(_ bytes: some Sequence<UInt8>) -> [String] {
        var lines: [String] = []
        var line: [UInt8] = []
        for byte in bytes {
            if byte == 10 {
                lines.append(escaped(String(decoding: line, as: UTF8.self).trimmingCarriageReturn()))
                line.removeAll(keepingCapacity: true)
            } else {
                line.append(byte)
            }
        }
        if !line.isEmpty { lines.append(escaped(String(decoding: line, as: UTF8.self).trimmingCarriageReturn())) }
        return lines
    }

    private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}

extension String {
    fileprivate func trimmingCarriageReturn() -> String { hasSuffix("\r") ? String(dropLast()) : self }
}
