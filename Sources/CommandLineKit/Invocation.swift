/// Arguments as a command's description understood them.
package struct Invocation: Sendable {
    /// From the program down to the innermost command.
    package internal(set) var commands: [Command]
    package internal(set) var operands: [String] = []
    /// What followed `--`, if it was there.
    package internal(set) var trailing: [String]?
    var given: [String: [String]] = [:]

    package var command: Command { commands[commands.count - 1] }
    /// `cowork image build`
    package var path: String { commands.map(\.name).joined(separator: " ") }
    /// Without the program: how messages begin.
    package var subject: String { commands.dropFirst().map(\.name).joined(separator: " ") }

    package func has(_ option: Option) -> Bool { given[option.long] != nil }
    package func value(_ option: Option) -> String? { given[option.long]?.last }
    package func values(_ option: Option) -> [String] { given[option.long] ?? [] }
    package var wantsHelp: Bool { has(.help) }
    package var wantsJSON: Bool { has(.json) }
}
