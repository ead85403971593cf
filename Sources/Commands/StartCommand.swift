internal import CommandLineKit
internal import Core
internal import Links
internal import System
internal import Varlink

enum StartCommand {
    static func run(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let parameters = try parameters(invocation, caller)
        return invocation.has(Manual.detach)
            ? try detached(parameters, invocation, caller) : try attached(parameters, invocation, caller)
    }

    private static func attached(
        _ parameters: DaemonAPI.Start.Parameters, _ invocation: Invocation, _ caller: Caller
    ) throws(Fault) -> Int32 {
        var parameters = parameters
        var process = parameters.process ?? DaemonAPI.Process(arguments: ["bash", "-l"])
        // A shell is for a person; a command has a terminal if a person sits at both ends of it.
        let isShell = parameters.process == nil
        guard !isShell || caller.console.inputIsTerminal else {
            throw Fault(
                .usage, "start: there is nothing to run, and no terminal for a shell",
                hint: "give a command after --, or --detach to leave the machine running")
        }
        let onTerminal = caller.console.inputIsTerminal && (isShell || caller.console.outputIsTerminal)
        if onTerminal { process.useTerminal(of: caller) }
        parameters.process = process
        let stream = GuestStream(
            caller: caller, subject: "start", lookAt: "see why: cowork ps -a, then cowork show SESSION")
        return try stream.carry(
            DaemonAPI.Start.self, parameters, onTerminal: onTerminal, stage: stage(parameters),
            showsStages: !invocation.wantsJSON, each: show
        ) { reply, interruption in
            if let session = reply.session { awaitEnd(of: session, caller, interruption, invocation) }
        }
    }

    private static func detached(
        _ parameters: DaemonAPI.Start.Parameters, _ invocation: Invocation, _ caller: Caller
    ) throws(Fault) -> Int32 {
        let client = try DaemonCalls(caller).connect()
        let activity = ActivityLine(stage(parameters), caller: caller, wanted: !invocation.wantsJSON)
        defer { activity.end() }
        var started: DaemonAPI.Session?
        try client.stream(DaemonAPI.Start.self, parameters) { reply in
            show(reply, activity)
            if let session = reply.session { started = session }
        }
        activity.end()
        guard let started else {
            throw Fault(
                .protocolViolation, "start: the daemon did not say which session it started", hint: "cowork ps -a")
        }
        try caller.console.print(
            invocation.wantsJSON ? JSONLine.encode(started) : Display.escaped(started.name, limit: 80))
        return 0
    }

    /// The session ends with its command. When we return it has: its machine is gone and its name can be removed.
    private static func awaitEnd(
        of session: DaemonAPI.Session, _ caller: Caller, _ interruption: SharedDescriptor, _ invocation: Invocation
    ) {
        let name = Display.escaped(session.name, limit: 80)
        let activity = ActivityLine("Stopping \(name)", caller: caller, wanted: !invocation.wantsJSON)
        defer { activity.end() }
        // The command's status is the answer, whatever becomes of the machine: `cowork show` has that.
        guard let client = try? DaemonCalls(caller).connect() else { return }
        client.interruption = interruption
        _ = try? client.call(DaemonAPI.Stop.self, .init(session: session.id), limit: .seconds(60))
    }

    private static func stage(_ parameters: DaemonAPI.Start.Parameters) -> String {
        "Starting \(parameters.name ?? "a session")"
    }

    private static func show(_ reply: DaemonAPI.Start.Reply, _ activity: ActivityLine) {
        guard let progress = reply.progress else { return }
        let text = progress.text.isEmpty ? progress.stage : progress.text
        activity.show(Display.escaped(text, limit: 200))
    }

    // MARK: What to start

    static func parameters(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> DaemonAPI.Start.Parameters {
        let folders = try folders(invocation, caller)
        let mode = invocation.value(Manual.mode) ?? "read-only"
        if mode == "staged" {
            throw Fault(
                .unsupported, "start: --mode staged is not available yet",
                hint: "use --mode read-only, or --mode direct to let the machine write to the folders at once")
        }
        if let name = invocation.value(Manual.name), SessionName(name) == nil {
            throw Fault(
                .usage, "start: '\(Display.escaped(name, limit: 80))' cannot be a session's name",
                hint: "letters, digits, '-', '_' and '.', a letter or digit first, at most 63")
        }
        var parameters = DaemonAPI.Start.Parameters(
            folders: folders.map { caller.absolute($0) }, mode: mode, name: invocation.value(Manual.name),
            process: invocation.trailing.map { DaemonAPI.Process(arguments: $0) })
        parameters.memory = try size(Manual.memory, invocation)
        parameters.disk = try size(Manual.disk, invocation)
        if let text = invocation.value(Manual.processors) {
            guard let count = Int(text), (1...1024).contains(count) else {
                throw Fault(
                    .usage, "start: --cpus cannot be '\(Display.escaped(text, limit: 80))'",
                    hint: "a whole number, such as 2")
            }
            parameters.cpus = count
        }
        return parameters
    }

    /// The first operand is a folder; a later one is if it has a slash or names a directory; one other, the last, is a
    /// task for an agent.
    private static func folders(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> [String] {
        let operands = invocation.operands
        for (index, operand) in operands.enumerated().dropFirst() {
            if operand.contains("/") || isDirectory(caller.absolute(operand)) { continue }
            let shown = Display.escaped(operand, limit: 80)
            guard index == operands.count - 1 else {
                throw Fault(
                    .usage, "start: '\(shown)' is not a folder",
                    hint: "only the last operand may be something else than a folder")
            }
            throw Fault(
                .usage, "start: '\(shown)' would be a task, and agents are not available yet",
                hint: "give a command instead, after --; if it is a folder that is yet to be made, make it first")
        }
        return operands
    }

    private static func isDirectory(_ path: String) -> Bool { (try? Files.status(path))?.kind == .directory }

    private static func size(_ option: Option, _ invocation: Invocation) throws(Fault) -> Int? {
        guard let text = invocation.value(option) else { return nil }
        guard let size = ByteSize(text), size.bytes > 0, let bytes = Int(exactly: size.bytes) else {
            throw Fault(
                .usage, "start: --\(option.long) cannot be '\(Display.escaped(text, limit: 80))'",
                hint: "a size is written like 512M or 2G")
        }
        return bytes
    }
}
