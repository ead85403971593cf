internal import CommandLineKit
internal import Core
internal import Links
internal import PolicyCommands
internal import Varlink

/// From arguments to an exit status.
package struct Program: Sendable {
    typealias Action = @Sendable (Invocation, Caller) throws(Fault) -> Int32

    /// By the path of its command, such as `image build`.
    static let actions: [String: Action] = [
        "start": StartCommand.run, "exec": ExecCommand.run, "ps": ListCommand.run, "show": ShowCommand.run,
        "logs": LogsCommand.run, "stop": StopCommand.run, "rm": RemoveCommand.run, "doctor": DoctorCommand.run,
        "image build": ImageCommands.build, "image list": ImageCommands.list, "image verify": ImageCommands.verify,
        "image prune": ImageCommands.prune, "version": VersionCommand.run, "help": HelpCommand.run,
    ]

    /// Commands that read their own arguments.
    static let ownParsers: [String: @Sendable (ArraySlice<String>, Caller) throws(Fault) -> Int32] = [
        "policy": PolicyProgram.run
    ]

    private let caller: Caller

    package init(caller: Caller) { self.caller = caller }

    package func run(_ arguments: [String]) -> Int32 {
        do throws(Fault) {
            return try carryOut(arguments)
        } catch {
            return tell(error, arguments)
        }
    }

    private func carryOut(_ arguments: [String]) throws(Fault) -> Int32 {
        if arguments.isEmpty {
            caller.console.tell(HelpText.lines(for: Manual.program, path: Manual.program.name) + [""])
        }
        if arguments.first == "--" + Manual.version.long { return try carryOut(["version"] + arguments.dropFirst()) }
        if let name = arguments.first, let run = Self.ownParsers[name] { return try run(arguments.dropFirst(), caller) }
        let invocation = try CommandParser(Manual.program).parse(arguments)
        if invocation.wantsHelp {
            try caller.console.print(HelpText.lines(for: invocation.command, path: invocation.path))
            return 0
        }
        guard let action = Self.actions[invocation.subject] else {
            throw Fault(.unsupported, "\(invocation.subject): not available", hint: "cowork help")
        }
        return try action(invocation, caller)
    }

    private func tell(_ fault: Fault, _ arguments: [String]) -> Int32 {
        if fault.code == .outputClosed { return 128 + 13 }
        let fault = fault.hint == nil ? fault.adding(hint: Self.generalHint(for: fault.code)) : fault
        caller.console.tell(FaultText.lines(for: fault, palette: caller.console.errorPalette))
        if CommandParser.asksForJSON(arguments) { caller.console.tell([FaultText.json(for: fault)]) }
        return fault.code.exitStatus
    }

    /// A failure is never told without a next step.
    private static func generalHint(for code: FaultCode) -> String {
        switch code {
        case .usage: "cowork help"
        case .notFound, .nameTaken, .badState: "cowork ps -a"
        case .badFolder: "name a folder of yours that Cowork does not use itself"
        case .imageMissing: "cowork image build"
        case .imageDamaged: "cowork image build --refresh"
        case .noSpace: "free some space, or give the machine less: --disk, --memory"
        case .commandNotFound, .notExecutable: "the command must be a program of the machine, not of this computer"
        case .deadline: "allow more time, or see what it was doing: cowork logs"
        case .protocolViolation: "this program and the session may be of different versions: start a new session"
        default: "cowork doctor shows what works on this computer"
        }
    }
}

/// Policies are compiled in this program, without a daemon. Their commands read their own arguments: a request such as
/// `tcp:host:22` and a file of sentences are no sessions or folders.
enum PolicyProgram {
    static func run(_ arguments: ArraySlice<String>, _ caller: Caller) throws(Fault) -> Int32 {
        let outcome = PolicyCommand.run(arguments: Array(arguments))
        try caller.console.print(raw: outcome.standardOutput)
        caller.console.tell(raw: outcome.standardError)
        return outcome.exitStatus
    }
}

enum HelpCommand {
    static func run(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        if let name = invocation.operands.first, let run = Program.ownParsers[name] {
            return try run(["--help"], caller)
        }
        var command = Manual.program
        var path = command.name
        for name in invocation.operands {
            guard let next = command.subcommand(name) else {
                let near = Suggestion.nearest(to: name, among: command.subcommands.map(\.name))
                throw Fault(
                    .usage, "help: there is no command '\(Display.escaped(name, limit: 80))'",
                    hint: near.map { "did you mean '\($0)'?" } ?? "cowork help lists the commands")
            }
            command = next
            path += " " + name
        }
        try caller.console.print(HelpText.lines(for: command, path: path))
        return 0
    }
}

enum VersionCommand {
    private struct Output: Encodable {
        struct Daemon: Encodable {
            let version: String
            let `protocol`: Int
        }
        let version: String
        let daemon: Daemon?
    }

    static func run(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let daemon = try? DaemonCalls(caller).version()
        if invocation.wantsJSON {
            let output = Output(
                version: Release.version,
                daemon: daemon.map { Output.Daemon(version: $0.version, protocol: $0.protocol) })
            try caller.console.print(JSONLine.encode(output))
        } else {
            var lines = ["cowork \(Release.version)"]
            if let daemon, daemon.version != Release.version {
                lines.append("the running daemon is version \(Display.escaped(daemon.version, limit: 40))")
            }
            try caller.console.print(lines)
        }
        return 0
    }
}
