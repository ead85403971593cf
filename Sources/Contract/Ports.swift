package import Core
package import Wire

// What the supervisor needs of the outside world. Modules of layer 3 implement these; tests bring fakes.

package protocol MachineHost: Sendable {
    /// Connects to a hypervisor half that an earlier daemon started; false when none lives. Every other call starts one.
    func attach() async -> Bool
    func report() async throws(Fault) -> HypervisorReport
    func probe(image: ImageParts, again: Bool) async throws(Fault) -> AcceleratorReport
    func start(_ specification: MachineSpecification) async throws(Fault)
    func destroy(session: SessionID) async throws(Fault)
    func forget(session: SessionID) async throws(Fault)
    func list() async throws(Fault) -> [MachineReport]
    /// Every event since the connection was made; one reader.
    var events: AsyncStream<MachineEvent> { get }
    /// Ends the process if no machine runs.
    func shutDown() async
}

/// A session's `cowork-vsock`.
package protocol SessionRelay: Sendable {
    var identity: ProcessIdentity { get }
    /// `.phase` comes first, on every connection; the stream ends when the relay is gone. One reader.
    var events: AsyncStream<RelayEvent> { get }
    func setUp(secret: [UInt8], proof: [UInt8]) async throws(Fault)
    func configure(hostname: String) async throws(Fault)
    func mount(_ mount: Mount) async throws(Fault)
    func unmount(_ unmount: Unmount) async throws(Fault)
    func status() async throws(Fault) -> GuestStatus
    func console() async throws(Fault) -> String
    func powerOff(graceMilliseconds: UInt32) async throws(Fault)
    /// Descriptors as `RelayCommand.run` says; they are the relay's from then on. Answers the process's pid.
    func run(_ run: RelayCommand.Run, descriptors: [any PassedDescriptor]) async throws(Fault) -> UInt32
    /// Ends the process and waits for its end.
    func quit() async
}

/// An open descriptor on its way to another process, held open until it is sent.
package protocol PassedDescriptor: Sendable {
    var raw: Int32 { get }
}

package protocol RelayHost: Sendable {
    /// Starts a relay whose sockets lie in the session's socket directory, which this makes.
    func launch(session: SessionID) async throws(Fault) -> any SessionRelay
    /// Connects to the relay an earlier daemon started; nil when it is gone.
    func adopt(session: SessionID, identity: ProcessIdentity) async -> (any SessionRelay)?
    /// Removes the session's socket directory, and ends whatever still listens in it.
    func forget(session: SessionID) async
}

package protocol ShareHost: Sendable {
    /// Resolves a folder as `owner` sees it and refuses what must not be granted.
    func resolve(_ path: String, mode: FolderMode, owner: UInt32) async throws(Fault) -> Grant
    /// Starts a server for one granted folder on `<tag>.sock` in the session's socket directory.
    func launch(_ grant: Grant, tag: String, session: SessionID, owner: UInt32) async throws(Fault) -> ProcessIdentity
    /// Ends a server this or an earlier daemon started; waits for its end. One that is gone is fine.
    func end(_ identity: ProcessIdentity) async
}

package protocol ImageSource: Sendable {
    /// The parts of an installed image, checked against its manifest if anything about its files changed.
    func resolve(_ name: String) async throws(Fault) -> ImageParts
}

package protocol SessionStore: Sendable {
    func sessions() async throws(Fault) -> [SessionRecord]
    func insert(_ record: SessionRecord) async throws(Fault)
    func update(_ record: SessionRecord) async throws(Fault)
    func remove(_ id: SessionID) async throws(Fault)
    func append(_ event: SessionEvent, to id: SessionID) async throws(Fault)
    func events(of id: SessionID, after serial: Int64) async throws(Fault) -> [SessionEvent]
}
