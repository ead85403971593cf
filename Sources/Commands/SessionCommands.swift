internal import CommandLineKit
internal import Core
internal import System
internal import Varlink

enum ListCommand {
    static func run(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let isAll = invocation.has(Manual.all)
        let sessions = try DaemonCalls(caller).call(DaemonAPI.List.self, .init(all: isAll)).sessions
        if invocation.wantsJSON {
            try caller.console.print(sessions.map { JSONLine.encode($0) })
            return 0
        }
        if sessions.isEmpty {
            if caller.console.errorIsTerminal {
                caller.console.tell([isAll ? "no sessions yet" : "no sessions; ended ones: cowork ps -a"])
            }
            return 0
        }
        try caller.console.print(lines(sessions, caller: caller, now: RealTimeClock.milliseconds()))
        return 0
    }

    static func lines(_ sessions: [DaemonAPI.Session], caller: Caller, now: Int64) -> [String] {
        // Off a terminal a name is never cut: a program may want to use it.
        let nameFit = Table.Column.Fit.cut(priority: 1, least: 24, keepingEnd: false)
        var table = Table([
            Table.Column("NAME", fit: caller.console.outputIsTerminal ? nameFit : .whole), Table.Column("STATE"),
            Table.Column("AGE"), Table.Column("MODE"),
            Table.Column("FOLDER", fit: .cut(priority: 0, least: 12, keepingEnd: true)),
        ])
        for session in sessions {
            let age = Moment(session.created).map { TimeText.span(milliseconds: now - $0.milliseconds) } ?? ""
            let folder = session.folders.first.map { Display.escaped(caller.abbreviated($0.path)) } ?? ""
            let more = session.folders.count > 1 ? " +\(session.folders.count - 1)" : ""
            table.append([
                Table.Cell(Display.escaped(session.name, limit: 80), tint: .strong), SessionText.state(session),
                Table.Cell(age), Table.Cell(Display.escaped(session.folders.first?.mode ?? "", limit: 20)),
                Table.Cell(folder + more),
            ])
        }
        return table.lines(width: caller.console.width, palette: caller.console.palette)
    }
}

enum ShowCommand {
    private struct Output: Encodable {
        let session: DaemonAPI.Session
        let guest: DaemonAPI.GuestStatus?

        enum Key: String, CodingKey { case guest }

        /// The session's own fields, and the guest's beside them.
        func encode(to encoder: any Encoder) throws {
            try session.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encodeIfPresent(guest, forKey: .guest)
        }
    }

    static func run(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let reply = try DaemonCalls(caller).call(DaemonAPI.Show.self, .init(session: invocation.operands[0]))
        if invocation.wantsJSON {
            try caller.console.print(JSONLine.encode(Output(session: reply.session, guest: reply.guest)))
        } else {
            try caller.console.print(
                SessionText.lines(reply.session, guest: reply.guest, palette: caller.console.palette))
        }
        return 0
    }
}

enum StopCommand {
    static func run(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let shown = Display.escaped(invocation.operands[0], limit: 80)
        let activity = ActivityLine("Stopping \(shown)", caller: caller, wanted: !invocation.wantsJSON)
        defer { activity.end() }
        let reply = try DaemonCalls(caller).call(
            DaemonAPI.Stop.self, .init(session: invocation.operands[0], force: invocation.has(Manual.force)))
        activity.end()
        if invocation.wantsJSON { try caller.console.print(JSONLine.encode(reply.session)) }
        return 0
    }
}

enum RemoveCommand {
    static func run(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let shown = Display.escaped(invocation.operands[0], limit: 80)
        let activity = ActivityLine("Removing \(shown)", caller: caller, wanted: !invocation.wantsJSON)
        defer { activity.end() }
        _ = try DaemonCalls(caller).call(
            DaemonAPI.Remove.self,
            .init(session: invocation.operands[0], force: invocation.has(Manual.forceRemoval)))
        return 0
    }
}
