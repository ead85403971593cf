internal import PolicyCompiler
internal import PolicyLanguage

/// Faults as people and programs read them.
enum Report {
    static func text(_ compilation: Compilation) -> String {
        var text = ""
        for fault in compilation.faults {
            let source = compilation.sources[fault.file]
            let place = source.position(of: fault.range.lowerBound)
            text += "\(source.name):\(place.line):\(place.column): \(fault.severity.rawValue): \(fault.message)\n"
            let line = source.line(at: fault.range.lowerBound)
            if !line.text.isEmpty {
                let shown = shorten(line.text, around: place.column - 1, source, fault)
                text +=
                    "    \(shown.text)\n    \(String(repeating: " ", count: shown.column))"
                    + String(repeating: "^", count: max(1, shown.length)) + "\n"
            }
            for related in fault.related {
                let other = compilation.sources[related.file]
                let position = other.position(of: related.range.lowerBound)
                let words = other.text(related.range).split(whereSeparator: \.isNewline).joined(separator: " ")
                text += "  see \(other.name):\(position.line): \(escaped(String(words.prefix(160))))\n"
            }
            for (index, hint) in fault.hints.enumerated() { text += (index == 0 ? "hint: " : "  or: ") + hint + "\n" }
        }
        return text
    }

    /// A long line is cut around the fault; what a terminal would act on is shown as a mark.
    private static func shorten(
        _ line: String, around column: Int, _ source: SourceText, _ fault: Diagnostic
    ) -> (text: String, column: Int, length: Int) {
        let letters = Array(escaped(line))
        let from = column > 100 ? column - 60 : 0
        let cut = letters.dropFirst(from).prefix(120)
        let length = min(
            source.scalars(in: fault.range.clamped(to: 0..<source.bytes.count)), max(1, cut.count - (column - from)))
        return (String(cut), column - from, length)
    }

    private static func escaped(_ text: String) -> String {
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
                shown.append(scalar == "\t" ? " " : "\u{FFFD}")
            default: shown.append(scalar)
            }
        }
        return String(shown)
    }

    static func json(_ compilation: Compilation) -> String {
        var text = ""
        for fault in compilation.faults {
            let source = compilation.sources[fault.file]
            let place = source.position(of: fault.range.lowerBound)
            let related = fault.related.map { related -> JSONText in
                let other = compilation.sources[related.file]
                return .fields(
                    ("file", .text(other.name)), ("line", .number(other.position(of: related.range.lowerBound).line)))
            }
            text +=
                JSONText.fields(
                    ("severity", .text(fault.severity.rawValue)), ("code", .text(fault.code.rawValue)),
                    ("file", .text(source.name)),
                    ("line", .number(place.line)), ("column", .number(place.column)),
                    ("length", .number(max(1, source.scalars(in: fault.range.clamped(to: 0..<source.bytes.count))))),
                    ("message", .text(fault.message)), ("hints", .list(fault.hints.map { .text($0) })),
                    ("related", .list(related))
                ).written + "\n"
        }
        return text
    }
}
