internal import CommandLineKit
internal import Core
internal import Varlink

enum ExecCommand {
    static func run(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let session = invocation.operands[0]
        var process = DaemonAPI.Process(arguments: invocation.trailing ?? [])
        process.user = invocation.value(Manual.user)
        process.directory = invocation.value(Manual.directory)
        process.environment = try environment(invocation)
        process.deadlineMilliseconds = try timeLimit(invocation)
        let onTerminal = invocation.has(Manual.terminal)
        if onTerminal { process.useTerminal(of: caller) }

        let stream = GuestStream(
            caller: caller, subject: "exec", lookAt: "see why: cowork show \(Display.escaped(session, limit: 80))")
        return try stream.carry(
            DaemonAPI.Exec.self, DaemonAPI.Exec.Parameters(session: session, process: process),
            onTerminal: onTerminal, stage: "", showsStages: false
        ) { _, _ in }
    }

    private static func environment(_ invocation: Invocation) throws(Fault) -> [String]? {
        let variables = invocation.values(Manual.variable)
        for variable in variables {
            guard let equals = variable.firstIndex(of: "="), equals > variable.startIndex else {
                throw Fault(
                    .usage, "exec: --env needs NAME=VALUE, not '\(Display.escaped(variable, limit: 80))'",
                    hint: "as in: cowork exec -e LANG=C.UTF-8 SESSION -- COMMAND")
            }
        }
        return variables.isEmpty ? nil : variables
    }

    private static func timeLimit(_ invocation: Invocation) throws(Fault) -> Int? {
        guard let text = invocation.value(Manual.timeLimit) else { return nil }
        guard let milliseconds = TimeText.milliseconds(text) else {
            throw Fault(
                .usage, "exec: --time-limit cannot be '\(Display.escaped(text, limit: 80))'",
                hint: "a length of time is written like 90s, 5m or 1h30m")
        }
        return Int(milliseconds)
    }
}
