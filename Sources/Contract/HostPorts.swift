package import Core

// What the supervisor needs of the machine it runs on, apart from guests.

/// What is kept on disk for a session beside its record: the output of the command given to `start`.
package protocol SessionFiles: Sendable {
    /// The file the command's output goes to, made if it does not exist.
    func openOutput(of session: SessionID) async throws(Fault) -> any PassedDescriptor
    /// A file without a name that holds `bytes`, read from its start.
    func anonymous(_ bytes: [UInt8]) async throws(Fault) -> any PassedDescriptor
    /// What the command printed after `place`; nil when there is no more. Output that was cut meanwhile to make room is
    /// read again from its beginning, which says how much is missing.
    func output(of session: SessionID, after place: OutputPlace) async -> OutputPiece?
    /// An element whenever the output may have grown.
    func outputChanges(of session: SessionID) -> AsyncStream<Void>
    func remove(_ session: SessionID) async
    /// Sessions that left something on disk or in the runtime directory.
    func found() async -> [SessionID]
}

/// How far a reader of a command's output is.
package struct OutputPlace: Sendable, Equatable {
    package let offset: UInt64
    /// How the output began when it was read: it begins differently once it was cut.
    package let beginning: [UInt8]

    package init(offset: UInt64 = 0, beginning: [UInt8] = []) {
        self.offset = offset
        self.beginning = beginning
    }
}

package struct OutputPiece: Sendable, Equatable {
    package let bytes: [UInt8]
    /// Behind these bytes.
    package let place: OutputPlace

    package init(bytes: [UInt8], place: OutputPlace) {
        self.bytes = bytes
        self.place = place
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
