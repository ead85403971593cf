internal import CommandLineKit
internal import Core
internal import Links
internal import Varlink

enum LogsCommand {
    private struct Output: Encodable {
        let session, at: String?
        let kind: String
        let text, data: String?
    }

    static func run(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let session = invocation.operands.first
        let parameters = DaemonAPI.Logs.Parameters(session: session, follow: invocation.has(Manual.follow))
        var text = LogText(namesSessions: session == nil, palette: caller.console.palette)
        let client = try DaemonCalls(caller).connect()
        try client.stream(DaemonAPI.Logs.self, parameters) { (reply) throws(Fault) in
            guard let entry = reply.entry else { return }
            if invocation.wantsJSON {
                try caller.console.print(
                    JSONLine.encode(
                        Output(
                            session: reply.session, at: entry.at, kind: entry.kind, text: entry.text, data: entry.data))
                )
            } else {
                try caller.console.print(text.lines(entry, session: reply.session))
            }
        }
        try caller.console.print(text.rest())
        return 0
    }
}

/// Log entries as lines. Output comes in pieces that end anywhere: a line is told once it is whole.
struct LogText {
    private let namesSessions: Bool
    private let palette: Palette
    private var unfinished: [UInt8] = []
    private static let longestLine = 4096

    init(namesSessions: Bool, palette: Palette) {
        self.namesSessions = namesSessions
        self.palette = palette
    }

    mutating func lines(_ entry: DaemonAPI.LogEntry, session: String?) -> [String] {
        if let data = entry.data {
            unfinished += Base64.decode(data) ?? []
            guard
                let last = unfinished.lastIndex(of: 10)
                    ?? (unfinished.count > Self.longestLine ? unfinished.count - 1 : nil)
            else { return [] }
            let whole = unfinished[...last]
            defer { unfinished.removeSubrange(...last) }
            return Display.escapedLines(whole).map(output)
        }
        let time = entry.at.map { palette.paint(LocalTime.text($0), .faint) + "  " } ?? ""
        let name =
            namesSessions ? session.map { palette.paint(Display.escaped($0, limit: 80), .strong) + "  " } ?? "" : ""
        return rest() + [
            time + name + Display.escaped(entry.kind, limit: 40) + "  " + Display.escaped(entry.text ?? "")
        ]
    }

    /// What was printed without a line's end.
    mutating func rest() -> [String] {
        defer { unfinished = [] }
        return Display.escapedLines(unfinished).map(output)
    }

    // The bar tells what a guest printed from what happened to it.
    private func output(_ line: String) -> String { palette.paint("│", .faint) + " " + line }
}
