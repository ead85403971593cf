internal import CommandLineKit
internal import Core
internal import Links
internal import Varlink

enum DoctorCommand {
    private struct Output: Encodable {
        let checks: [DaemonAPI.Check]
        let accelerator: DaemonAPI.Doctor.Accelerator?
        let daemon: DaemonAPI.Doctor.Daemon?
    }

    static func run(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let activity = ActivityLine("Checking this computer", caller: caller, wanted: !invocation.wantsJSON)
        defer { activity.end() }
        let output = answer(invocation, caller)
        activity.end()
        let canStart = !output.checks.contains { $0.status == "fail" }
        if invocation.wantsJSON {
            try caller.console.print(JSONLine.encode(output))
        } else {
            try caller.console.print(lines(output.checks, console: caller.console))
        }
        guard canStart else { return FaultCode.hostFailed.exitStatus }
        return 0
    }

    /// A daemon that cannot be reached is what this command is there to tell.
    private static func answer(_ invocation: Invocation, _ caller: Caller) -> Output {
        do throws(Fault) {
            let client = try DaemonCalls(caller).connect()
            let reply = try client.call(
                DaemonAPI.Doctor.self, .init(probe: invocation.has(Manual.probe)), limit: .seconds(600))
            return Output(checks: reply.checks, accelerator: reply.accelerator, daemon: reply.daemon)
        } catch {
            let check = DaemonAPI.Check(id: "daemon", status: "fail", detail: error.message, remedy: error.hint)
            return Output(checks: [check], accelerator: nil, daemon: nil)
        }
    }

    static func lines(_ checks: [DaemonAPI.Check], console: Console) -> [String] {
        let idWidth = min(20, checks.map { TextWidth.columns($0.id) }.max() ?? 0)
        let indent = 4 + 2 + idWidth + 2
        var lines: [String] = []
        for check in checks {
            let tint: Palette.Tint = check.status == "ok" ? .good : check.status == "warn" ? .warning : .bad
            let status = Display.escaped(check.status, limit: 4)
            let id = TextWidth.cut(Display.escaped(check.id), to: idWidth)
            let head =
                console.palette.paint(status, tint) + String(repeating: " ", count: max(0, 6 - status.count)) + id
                + String(repeating: " ", count: idWidth - TextWidth.columns(id) + 2)
            let room = max(20, console.width - indent)
            let detail = check.detail.split(separator: "\n").flatMap {
                TextWidth.wrap(Display.escaped(String($0)), to: room)
            }
            let remedy = check.remedy.map { TextWidth.wrap("→ " + Display.escaped($0), to: room) } ?? []
            for (index, line) in (detail.isEmpty ? [""] : detail).enumerated() {
                lines.append(index == 0 ? head + line : String(repeating: " ", count: indent) + line)
            }
            lines += remedy.map { String(repeating: " ", count: indent) + $0 }
        }
        let canStart = !checks.contains { $0.status == "fail" }
        return lines + ["", canStart ? "Sessions can start here." : "No session can start here."]
    }
}
