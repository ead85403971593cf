internal import Core
internal import Glibc
internal import Links
internal import System
internal import Varlink

/// The daemon as commands use it: reached, or started, or a fault that says what its log says.
struct DaemonCalls {
    private let caller: Caller

    init(_ caller: Caller) { self.caller = caller }

    func connect() throws(Fault) -> DaemonClient {
        let log = caller.directories.state + "/daemon.log"
        let before = (try? Files.status(log))?.size ?? 0
        do throws(Fault) {
            return try DaemonClient.connect(caller.directories, environment: caller.environment)
        } catch {
            // A daemon of another version was reached. Whatever else went wrong, none was.
            guard error.code != .unsupported else { throw error }
            let told =
                Self.tail(of: log, after: before, besides: error.message)
                .map { "; its log says:\n" + $0 } ?? ""
            throw Fault(.noDaemon, error.message + told, hint: error.hint ?? "see \(log)")
        }
    }

    /// Of the daemon that runs; nil when none does.
    func version() throws(Fault) -> DaemonAPI.Version.Reply? {
        guard let client = try DaemonClient.connectOnce(caller.directories) else { return nil }
        return try client.call(DaemonAPI.Version.self, Nothing())
    }

    func call<Method: VarlinkMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters
    ) throws(Fault) -> Method.Reply {
        try connect().call(method, parameters)
    }

    /// The last lines that came into the log since it was `before` bytes long: what the message does not already say,
    /// and not what is only worth knowing when all is well.
    private static func tail(of log: String, after before: UInt64, besides message: String) -> String? {
        guard let bytes = try? Files.contents(ofFile: log), !bytes.isEmpty else { return nil }
        let start = Int(clamping: before) <= bytes.count ? Int(clamping: before) : 0
        let lines = Display.escapedLines(bytes[start...].suffix(4096)).filter { line in
            let entry = try? Varlink.decode(Entry.self, from: Array(line.utf8))
            return !message.contains(line) && entry?.level != "info" && entry?.level != "debug"
        }
        return lines.isEmpty ? nil : lines.suffix(3).joined(separator: "\n")
    }

    private struct Entry: Decodable {
        let level: String
    }
}
