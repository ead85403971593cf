package import Core

/// Turns arguments into an invocation of a described command.
///
/// Options may stand before or after operands, until `--`: `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, and
/// short ones without a value together, `-tu root`. A lone `-` is an operand. The last of an option given twice counts,
/// unless it repeats.
package struct CommandParser: Sendable {
    package let program: Command

    package init(_ program: Command) { self.program = program }

    package func parse(_ arguments: [String]) throws(Fault) -> Invocation {
        var run = Run(program: program, rest: arguments[...])
        try run.parse()
        return run.invocation
    }

    /// Whether `--json` was asked for, also where parsing fails.
    package static func asksForJSON(_ arguments: [String]) -> Bool {
        arguments.prefix { $0 != "--" }.contains("--" + Option.json.long)
    }

    private struct Run {
        var invocation: Invocation
        var rest: ArraySlice<String>

        init(program: Command, rest: ArraySlice<String>) {
            invocation = Invocation(commands: [program])
            self.rest = rest
        }

        mutating func parse() throws(Fault) {
            while let argument = rest.popFirst() {
                if argument == "--" {
                    try takeTrailing()
                } else if argument.hasPrefix("--") {
                    try takeLong(argument.dropFirst(2))
                } else if argument.hasPrefix("-") && argument != "-" {
                    try takeShort(argument.dropFirst())
                } else if !invocation.command.subcommands.isEmpty {
                    try enter(argument)
                } else {
                    invocation.operands.append(argument)
                }
            }
            if !invocation.wantsHelp { try checkCounts() }
        }

        // MARK: Commands

        private mutating func enter(_ name: String) throws(Fault) {
            guard let next = invocation.command.subcommand(name) else {
                let known = invocation.command.subcommands.map(\.name)
                throw fault("unknown command '\(shown(name))'", nearest: Suggestion.nearest(to: name, among: known))
            }
            invocation.commands.append(next)
        }

        private mutating func takeTrailing() throws(Fault) {
            let trailing = Array(rest)
            rest = []
            if invocation.command.trailing == nil {
                // Then `--` only ends the options.
                guard invocation.command.subcommands.isEmpty else { throw fault("unexpected '--'") }
                invocation.operands += trailing
            } else {
                invocation.trailing = trailing
            }
        }

        private func checkCounts() throws(Fault) {
            let command = invocation.command
            guard command.subcommands.isEmpty else {
                let names = command.subcommands.map(\.name)
                throw fault(
                    "no command given",
                    hint: names.count > 6
                        ? "\(invocation.path) help lists the commands" : "one of: " + names.joined(separator: ", "))
            }
            var least = 0
            var most = 0
            for operand in command.operands {
                if invocation.operands.count <= least && (operand.count == .one || operand.count == .oneOrMore) {
                    throw fault(
                        "missing \(operand.name)", hint: "usage: " + HelpText.usage(of: command, path: invocation.path))
                }
                least += operand.count == .one || operand.count == .oneOrMore ? 1 : 0
                most = operand.count == .one || operand.count == .optional ? most + 1 : .max / 2
            }
            if invocation.operands.count > most { throw unexpected(invocation.operands[most]) }
            if let trailing = command.trailing, invocation.trailing?.isEmpty ?? trailing.isRequired {
                throw fault(
                    "missing -- \(trailing.name)", hint: "usage: " + HelpText.usage(of: command, path: invocation.path))
            }
        }

        private func unexpected(_ operand: String) -> Fault {
            guard invocation.command.trailing != nil, invocation.trailing == nil else {
                return fault("unexpected operand '\(shown(operand))'")
            }
            return fault(
                "unexpected operand '\(shown(operand))'",
                hint: "a command to run comes after --, as in: \(invocation.path) … -- \(shown(operand))")
        }

        // MARK: Options

        private var options: [Option] { invocation.command.options + [.json, .help] }

        private mutating func takeLong(_ text: Substring) throws(Fault) {
            let name = String(text.prefix { $0 != "=" })
            let attached = text.count > name.count ? String(text.dropFirst(name.count + 1)) : nil
            guard let option = options.first(where: { $0.long == name }) else { throw unknown(long: name) }
            if option.value == nil, attached != nil { throw fault("--\(name) takes no value") }
            try take(option, shownAs: "--\(name)", attached: attached)
        }

        private mutating func takeShort(_ cluster: Substring) throws(Fault) {
            var letters = cluster
            while let letter = letters.popFirst() {
                guard let option = options.first(where: { $0.short == letter }) else { throw unknown(short: letter) }
                if option.value != nil {
                    try take(option, shownAs: "-\(letter)", attached: letters.isEmpty ? nil : String(letters))
                    return
                }
                try take(option, shownAs: "-\(letter)", attached: nil)
            }
        }

        private mutating func take(_ option: Option, shownAs name: String, attached: String?) throws(Fault) {
            if let unavailable = option.unavailable {
                throw Fault(.usage, "\(prefix)\(name): \(unavailable.why)", hint: unavailable.hint)
            }
            guard let metavariable = option.value else {
                invocation.given[option.long, default: []].append("")
                return
            }
            let value = attached ?? nextValue()
            guard let value else {
                throw fault("\(name) needs a value", hint: "as in: \(name) \(metavariable)")
            }
            if !option.choices.isEmpty && !option.choices.contains(value) {
                throw fault(
                    "\(name) cannot be '\(shown(value))'",
                    hint: Suggestion.nearest(to: value, among: option.choices).map { "did you mean '\($0)'?" }
                        ?? "one of: " + option.choices.joined(separator: ", "))
            }
            if option.repeats {
                invocation.given[option.long, default: []].append(value)
            } else {
                invocation.given[option.long] = [value]
            }
        }

        // A value that is itself an option's name was forgotten, not meant; `--name=--detach` says it is.
        private mutating func nextValue() -> String? {
            guard let next = rest.first, next != "--" else { return nil }
            let isOption = options.contains { next == "--\($0.long)" || $0.short.map { next == "-\($0)" } ?? false }
            return isOption ? nil : rest.popFirst()
        }

        private func unknown(long name: String) -> Fault {
            let known = options.filter { $0.unavailable == nil }.map(\.long)
            return fault(
                "unknown option '--\(shown(name))'",
                nearest: Suggestion.nearest(to: name, among: known).map { "--" + $0 })
        }

        private func unknown(short letter: Character) -> Fault {
            if invocation.command.trailing != nil, let operand = invocation.operands.dropFirst().first {
                return unexpected(operand)
            }
            let other = letter.isUppercase ? letter.lowercased() : letter.uppercased()
            let near = options.first { $0.short.map(String.init) == other }?.short
            return fault("unknown option '-\(shown(String(letter)))'", nearest: near.map { "-\($0)" })
        }

        // MARK: Messages

        private var prefix: String { invocation.subject.isEmpty ? "" : invocation.subject + ": " }
        private func shown(_ text: String) -> String { Display.escaped(text, limit: 80) }

        private func fault(_ message: String, nearest: String?) -> Fault {
            let more = "\(invocation.path) --help"
            return fault(message, hint: nearest.map { "did you mean '\($0)'? see: \(more)" } ?? "see: \(more)")
        }

        private func fault(_ message: String, hint: String? = nil) -> Fault {
            Fault(.usage, prefix + message, hint: hint ?? "see: \(invocation.path) --help")
        }
    }
}
