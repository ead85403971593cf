internal import Contract
internal import Core
internal import Varlink
internal import Wire

/// What of ours a client sees.
enum Views {
    static func session(_ record: SessionRecord) -> DaemonAPI.Session {
        DaemonAPI.Session(
            name: record.name.text, id: record.id.text, state: record.state.rawValue, because: record.because,
            hint: record.hint, folders: record.grants.map { DaemonAPI.Folder(path: $0.path, mode: $0.mode.rawValue) },
            command: record.command, created: record.created.text, started: record.started?.text,
            ended: record.ended?.text, accelerator: record.accelerator?.rawValue, image: record.imageID,
            cpus: record.resources.processors, memory: Int(clamping: record.resources.memoryBytes),
            disk: Int(clamping: record.resources.diskBytes), exitStatus: record.exitStatus.map { Int($0) })
    }

    /// The text that ends an upgraded `Start`, which the relay writes. It travels in one packet with the command: one
    /// that has long lists goes without them.
    static func startReply(_ record: SessionRecord) throws(Fault) -> String {
        var shown = session(record)
        do throws(VarlinkError) {
            var text = try Reply.encode(DaemonAPI.Start.Reply(session: shown))
            if text.count > longestReply {
                shown.command = []
                shown.folders = []
                text = try Reply.encode(DaemonAPI.Start.Reply(session: shown))
            }
            return String(decoding: text, as: UTF8.self)
        } catch { throw Fault(.failed, "the session cannot be written as JSON") }
    }

    private static let longestReply = 40 << 10

    static func guest(_ status: GuestStatus) -> DaemonAPI.GuestStatus {
        DaemonAPI.GuestStatus(
            memoryTotal: Int(clamping: status.memoryTotal), memoryAvailable: Int(clamping: status.memoryAvailable),
            diskTotal: Int(clamping: status.diskTotal), diskAvailable: Int(clamping: status.diskAvailable),
            agentResident: Int(clamping: status.agentResident),
            uptimeMilliseconds: Int(clamping: status.uptimeMilliseconds), processes: Int(clamping: status.processes))
    }

    static func event(_ event: SessionEvent) -> DaemonAPI.LogEntry {
        DaemonAPI.LogEntry(at: event.at.text, kind: event.kind, text: event.text)
    }

    static func check(_ check: HostCheck) -> DaemonAPI.Check {
        DaemonAPI.Check(id: check.id, status: check.status.rawValue, detail: check.detail, remedy: check.remedy)
    }
}
