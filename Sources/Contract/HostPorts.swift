package import Core

// What the supervisor needs of the machine it runs on, apart from guests.

/// What is kept on disk for a session beside its record: the output of the command given to `start`.
package protocol SessionFiles: Sendable {
    /// The file the command's output goes to, made if it does not exist.
    func openOutput(of session: SessionID) async throws(Fault) -> any PassedDescriptor
    /// A file without a name that holds `bytes`, read from its start.
    func anonymous(_ bytes: [UInt8]) async throws(Fault) -> any PassedDescriptor
    /// What the command printed from `position` on; nil when there is no more.
    func output(of session: SessionID, from position: UInt64) async -> OutputPiece?
    /// An element whenever the output may have grown, the first at once. Ends when nobody listens.
    func outputChanges(of session: SessionID) -> AsyncStream<Void>
    func remove(_ session: SessionID) async
    /// Sessions that left something on disk or in the runtime directory.
    func found() async -> [SessionID]
}

/// A piece of a command's output; `start` is beyond what was asked for where older output was not kept.
package struct OutputPiece: Sendable, Equatable {
    package let start: UInt64
    package let bytes: [UInt8]
    package var end: UInt64 { start &+ UInt64(bytes.count) }

    package init(start: UInt64, bytes: [UInt8]) {
        self.start = start
        self.bytes = bytes
    }
}

/// Processes that this or an earlier daemon started.
package protocol ProcessTable: Sendable {
    /// Answers when the process has ended, or when the task is cancelled.
    func waitForEnd(of identity: ProcessIdentity) async
    /// Ends it and waits for its end; one that is gone is fine.
    func end(_ identity: ProcessIdentity) async
}

package protocol Timers: Sendable {
    /// Answers after `duration`, or when the task is cancelled.
    func sleep(_ duration: Duration) async
}

/// One thing that must be right on this machine for sessions to work.
package struct HostCheck: Sendable, Equatable {
    package enum Status: String, Sendable { case ok, warn, fail }

    package let id: String
    package let status: Status
    package let detail: String
    package let remedy: String?

    package init(_ id: String, _ status: Status, _ detail: String, remedy: String? = nil) {
        self.id = id
        self.status = status
        self.detail = detail
        self.remedy = remedy
    }
}

package protocol HostInspection: Sendable {
    func checks() async -> [HostCheck]
    /// Bytes that may still be written where machines' disks lie.
    func freeSpace() async -> UInt64
}

/// Where one-line JSON events go.
package protocol EventSink: Sendable {
    func write(_ line: String)
}
