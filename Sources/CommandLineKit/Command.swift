/// A command as data: parsing, `--help`, and whatever else must agree with them are made from this one description.
package struct Command: Sendable {
    package let name: String
    /// One line, for a list of commands.
    package let summary: String
    /// A paragraph.
    package let description: String
    package let operands: [Operand]
    package let options: [Option]
    /// What may follow `--`, taken as it is.
    package let trailing: Trailing?
    package let examples: [Example]
    package let exitStatuses: [ExitStatus]
    package let subcommands: [Command]

    package init(
        _ name: String, summary: String, description: String, operands: [Operand] = [], options: [Option] = [],
        trailing: Trailing? = nil, examples: [Example] = [], exitStatuses: [ExitStatus] = [],
        subcommands: [Command] = []
    ) {
        self.name = name
        self.summary = summary
        self.description = description
        self.operands = operands
        self.options = options
        self.trailing = trailing
        self.examples = examples
        self.exitStatuses = exitStatuses
        self.subcommands = subcommands
    }

    package func subcommand(_ name: String) -> Command? { subcommands.first { $0.name == name } }
}

package struct Operand: Sendable {
    package enum Count: Sendable { case one, optional, oneOrMore, any }

    package let name: String
    package let count: Count
    package let help: String

    package init(_ name: String, _ count: Count = .one, help: String) {
        self.name = name
        self.count = count
        self.help = help
    }
}

package struct Option: Sendable {
    /// Without its dashes; it also identifies the option.
    package let long: String
    package let short: Character?
    /// The name of its value in help; nil: it has none.
    package let value: String?
    package let repeats: Bool
    /// The only values it takes; empty: any.
    package let choices: [String]
    package let help: String
    /// Said instead of accepting it. Such an option is not listed in help.
    package let unavailable: Unavailable?

    package struct Unavailable: Sendable {
        package let why: String
        package let hint: String
        package init(_ why: String, hint: String) {
            self.why = why
            self.hint = hint
        }
    }

    package init(
        _ long: String, short: Character? = nil, value: String? = nil, repeats: Bool = false, choices: [String] = [],
        help: String, unavailable: Unavailable? = nil
    ) {
        self.long = long
        self.short = short
        self.value = value
        self.repeats = repeats
        self.choices = choices
        self.help = help
        self.unavailable = unavailable
    }

    /// Every command has these two.
    package static let help = Option("help", short: "h", help: "show this and exit")
    package static let json = Option("json", help: "print JSON, one object a line; errors too, on standard error")
}

package struct Trailing: Sendable {
    package let name: String
    package let isRequired: Bool
    package let help: String

    package init(_ name: String, isRequired: Bool, help: String) {
        self.name = name
        self.isRequired = isRequired
        self.help = help
    }
}

package struct Example: Sendable {
    package let line: String
    package let meaning: String

    package init(_ line: String, _ meaning: String) {
        self.line = line
        self.meaning = meaning
    }
}

package struct ExitStatus: Sendable {
    package let status: String
    package let meaning: String

    package init(_ status: String, _ meaning: String) {
        self.status = status
        self.meaning = meaning
    }
}
