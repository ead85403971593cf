/// `--help`, made from a command's description; no line is wider than 80 columns.
package enum HelpText {
    package static let width = 80

    /// `cowork exec SESSION [OPTION…] -- COMMAND…`
    package static func usage(of command: Command, path: String) -> String {
        var parts = [path]
        for operand in command.operands { parts.append(shown(operand)) }
        if !command.subcommands.isEmpty { parts.append("COMMAND") }
        if command.options.contains(where: { $0.unavailable == nil }) || command.subcommands.isEmpty {
            parts.append("[OPTION…]")
        }
        if let trailing = command.trailing {
            parts.append(trailing.isRequired ? "-- \(trailing.name)…" : "[-- \(trailing.name)…]")
        }
        return parts.joined(separator: " ")
    }

    package static func lines(for command: Command, path: String) -> [String] {
        var lines = ["usage: " + usage(of: command, path: path), ""]
        lines += TextWidth.wrap(command.description, to: width)
        var operands = command.operands.map { (shown($0, bare: true), $0.help) }
        if let trailing = command.trailing { operands.append(("-- \(trailing.name)…", trailing.help)) }
        lines += section("Operands", operands)
        lines += section("Commands", command.subcommands.map { ($0.name, $0.summary) })
        let options = command.options.filter { $0.unavailable == nil }
        lines += section("Options", (options + [.json, .help]).map { (shown($0), describe($0)) })
        if !command.examples.isEmpty {
            lines += ["", "Examples:"]
            for example in command.examples {
                lines.append("  " + example.line)
                lines += TextWidth.wrap(example.meaning, to: width - 6).map { "      " + $0 }
            }
        }
        lines += section("Exit status", command.exitStatuses.map { ($0.status, $0.meaning) })
        if !command.subcommands.isEmpty { lines += ["", "More about one of them: \(path) COMMAND --help"] }
        return lines
    }

    private static func shown(_ operand: Operand, bare: Bool = false) -> String {
        switch operand.count {
        case .one: operand.name
        case .oneOrMore: operand.name + "…"
        case .optional: bare ? operand.name : "[\(operand.name)]"
        case .any: bare ? operand.name + "…" : "[\(operand.name)…]"
        }
    }

    private static func shown(_ option: Option) -> String {
        (option.short.map { "-\($0), " } ?? "    ") + "--\(option.long)" + (option.value.map { " " + $0 } ?? "")
    }

    private static func describe(_ option: Option) -> String {
        option.repeats ? option.help + "; may be repeated" : option.help
    }

    // Terms in a column of their own, their meanings beside them.
    private static func section(_ title: String, _ entries: [(term: String, meaning: String)]) -> [String] {
        guard !entries.isEmpty else { return [] }
        let column = min(24, entries.map { TextWidth.columns($0.term) }.max() ?? 0)
        var lines = ["", title + ":"]
        for entry in entries {
            let meaning = TextWidth.wrap(entry.meaning, to: width - column - 4)
            let isLong = TextWidth.columns(entry.term) > column
            let padding = String(repeating: " ", count: max(0, column - TextWidth.columns(entry.term)))
            if isLong { lines.append("  " + entry.term) }
            for (index, line) in meaning.enumerated() {
                let term =
                    index == 0 && !isLong ? entry.term + padding : String(repeating: " ", count: column)
                lines.append("  " + term + "  " + line)
            }
        }
        return lines
    }
}
