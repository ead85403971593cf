internal import CommandLineKit
internal import Core
internal import Varlink

/// A session in words.
enum SessionText {
    static func state(_ session: DaemonAPI.Session) -> Table.Cell {
        let tint: Palette.Tint? =
            switch session.state {
            case "running": .good
            case "starting", "stopping": .warning
            case "failed": .bad
            default: .faint
            }
        let status = session.exitStatus.map { " (\($0))" } ?? ""
        return Table.Cell(Display.escaped(session.state, limit: 20) + status, tint: tint)
    }

    static func lines(
        _ session: DaemonAPI.Session, guest: DaemonAPI.GuestStatus?, palette: Palette
    ) -> [String] {
        var entries: [(String, String)] = [
            ("name", shown(session.name)), ("id", shown(session.id)),
            ("state", palette.paint(shown(session.state), state(session).tint)),
        ]
        if let because = session.because { entries.append(("because", shown(because))) }
        if let hint = session.hint { entries.append(("hint", shown(hint))) }
        for (index, folder) in session.folders.enumerated() {
            entries.append((index == 0 ? "folders" : "", "\(shown(folder.path)) (\(shown(folder.mode)))"))
        }
        if !session.command.isEmpty {
            entries.append(("command", shown(session.command.map(quoted).joined(separator: " "))))
        }
        if let status = session.exitStatus { entries.append(("exit status", String(status))) }
        entries.append(("machine", machine(session)))
        entries.append(("image", shown(session.image)))
        entries.append(("created", LocalTime.text(session.created)))
        if let started = session.started { entries.append(("started", LocalTime.text(started))) }
        if let ended = session.ended { entries.append(("ended", LocalTime.text(ended))) }
        if let guest { entries += [("guest says", space(guest)), ("", load(guest))] }
        let width = entries.map(\.0.count).max() ?? 0
        return entries.map { name, value in
            palette.paint(name + String(repeating: " ", count: width - name.count), .faint) + "  " + value
        }
    }

    private static func machine(_ session: DaemonAPI.Session) -> String {
        let parts = [
            session.cpus == 1 ? "1 processor" : "\(session.cpus) processors", size(session.memory) + " memory",
            size(session.disk) + " disk",
        ]
        return (parts + (session.accelerator.map { [shown($0)] } ?? [])).joined(separator: ", ")
    }

    private static func space(_ guest: DaemonAPI.GuestStatus) -> String {
        "\(size(guest.memoryAvailable)) of \(size(guest.memoryTotal)) memory free, "
            + "\(size(guest.diskAvailable)) of \(size(guest.diskTotal)) disk free"
    }

    private static func load(_ guest: DaemonAPI.GuestStatus) -> String {
        let processes = guest.processes == 1 ? "1 process" : "\(guest.processes) processes"
        return processes + ", up " + TimeText.span(milliseconds: Int64(guest.uptimeMilliseconds))
    }

    private static func size(_ bytes: Int) -> String { ByteSize(bytes: UInt64(max(0, bytes))).description }
    private static func shown(_ text: String) -> String { Display.escaped(text) }

    /// An argument as a shell would want it.
    static func quoted(_ argument: String) -> String {
        let isPlain =
            !argument.isEmpty
            && argument.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || "-_./=:,+@%".utf8.contains(byte)
            }
        return isPlain
            ? argument
            : "'" + argument.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }
}
