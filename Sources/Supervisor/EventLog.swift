package import Contract
package import Core
internal import Varlink

/// What the daemon does, as one line of JSON an event. Text of unknown origin is escaped here, whoever passes it.
package struct EventLog: Sendable {
    package enum Level: String, Sendable, Encodable {
        /// For who looks into a problem.
        case info
        /// A session's owner must act, or has lost something.
        case warning
        /// Whoever runs this machine must act.
        case error
    }

    private let sink: any EventSink
    private let clock: any WallClock

    package init(sink: any EventSink, clock: any WallClock) {
        self.sink = sink
        self.clock = clock
    }

    package func write(
        _ level: Level, _ event: String, session: SessionID? = nil, _ fields: [String: String] = [:]
    ) {
        let line = Line(
            ts: clock.now().text, level: level, event: event, session: session?.text,
            fields: fields.isEmpty ? nil : fields.mapValues { Display.escaped($0, limit: 1000) })
        guard let text = try? Varlink.encode(line) else { return }
        sink.write(String(decoding: text, as: UTF8.self))
    }

    private struct Line: Encodable {
        let ts: String
        let level: Level
        let event: String
        let session: String?
        let fields: [String: String]?
    }
}

/// Wakes whoever follows the events of sessions. What happened is read from the store; this only says when to look.
final class Announcements: Sendable {
    private let streams = Listeners()

    func announce() { streams.forEach { $0.yield() } }

    /// An element now, and after each announcement that was not yet seen.
    func stream() -> AsyncStream<Void> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            let ticket = streams.add(continuation)
            continuation.onTermination = { [streams] _ in streams.remove(ticket) }
            continuation.yield()
        }
    }
}
