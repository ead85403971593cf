import Contract
import Core
import Synchronization
import Wire

@testable import Supervisor

/// What happened, in order; tests wait for what is to happen.
final class Journal: Sendable {
    private struct State {
        var entries: [String] = []
        var waiting: [(wanted: String, promise: Promise<Void>)] = []
    }
    private let state = Mutex(State())

    func write(_ entry: String) {
        let reached = state.withLock { state -> [Promise<Void>] in
            state.entries.append(entry)
            let reached = state.waiting.filter { $0.wanted == entry }.map(\.promise)
            state.waiting.removeAll { $0.wanted == entry }
            return reached
        }
        for promise in reached { promise.resolve(.success(())) }
    }

    var entries: [String] { state.withLock { $0.entries } }

    /// Returns once `entry` has been written, now or earlier.
    func until(_ entry: String) async throws {
        let promise = Promise<Void>()
        state.withLock { state in
            if state.entries.contains(entry) {
                promise.resolve(.success(()))
            } else {
                state.waiting.append((entry, promise))
            }
        }
        try await promise.value()
    }
}

/// Time that passes when a test says so.
final class ManualTimers: Timers {
    private let sleeping = Mutex<[(duration: Duration, promise: Promise<Void>)]>([])
    private let journal: Journal

    init(journal: Journal) { self.journal = journal }

    func sleep(_ duration: Duration) async {
        let promise = Promise<Void>()
        sleeping.withLock { $0.append((duration, promise)) }
        journal.write("sleep \(duration)")
        try? await promise.value()
    }

    /// Lets everything that sleeps for exactly `duration` wake.
    func pass(_ duration: Duration) {
        let due = sleeping.withLock { sleeping in
            defer { sleeping.removeAll { $0.duration == duration } }
            return sleeping.filter { $0.duration == duration }.map(\.promise)
        }
        for promise in due { promise.resolve(.success(())) }
    }
}

struct StillClock: WallClock {
    func now() -> Moment { Moment(milliseconds: 1_700_000_000_000) }
}

struct NoLog: EventSink {
    func write(_ line: String) {}
}

/// A fake of the whole outside. Each call is written down, and fails when the test wants it to.
final class World: Sendable {
    struct State {
        var failures: [String: Fault] = [:]
        /// Calls that wait until a test lets them go.
        var held: [String: Promise<Void>] = [:]
        var records: [SessionID: SessionRecord] = [:]
        var events: [SessionID: [SessionEvent]] = [:]
        var serial: Int64 = 0
        var machines: [MachineReport] = []
        var adoptable: Set<SessionID> = []
        var relays: [SessionID: FakeRelay] = [:]
        var processEnds: [Int32: Promise<Void>] = [:]
        var nextPid: Int32 = 100
        var output: [UInt8] = []
        var found: [SessionID] = []
        var console = "boot line\nlast words"
        var isReadyAtOnce = true
        var space: UInt64 = 100 << 30
        var uidsResolved: [UInt32] = []
        var lastSecret = ""
        var lastRun: RelayCommand.Run?
        var isHypervisorAlive = false
    }
    let state = Mutex(State())
    let journal = Journal()
    let timers: ManualTimers
    let events: AsyncStream<MachineEvent>
    private let happened: AsyncStream<MachineEvent>.Continuation

    init() {
        timers = ManualTimers(journal: journal)
        (events, happened) = AsyncStream.makeStream()
    }

    func fail(_ call: String, _ fault: Fault = Fault(.hostFailed, "on purpose", hint: "hint")) {
        state.withLock { $0.failures[call] = fault }
    }

    /// Makes a call wait; the result lets it go.
    func hold(_ call: String) -> Promise<Void> {
        let promise = Promise<Void>()
        state.withLock { $0.held[call] = promise }
        return promise
    }

    func end(_ session: SessionID, _ end: MachineEnd) {
        happened.yield(MachineEvent(session: session.text, end: end))
    }

    /// One step: written down, held back, failed, as the test wants.
    func step(_ call: String, quietly: Bool = false) async throws(Fault) {
        if !quietly { journal.write(call) }
        if let held = state.withLock({ $0.held[call] }) {
            // As a real one, it does not end early because nobody wants its result.
            await Task { _ = try? await held.value() }.value
        }
        if let fault = state.withLock({ $0.failures[call] }) { throw fault }
    }

    func newProcess() -> ProcessIdentity {
        state.withLock { state in
            state.nextPid += 1
            state.processEnds[state.nextPid] = Promise<Void>()
            return ProcessIdentity(pid: state.nextPid, startTicks: 1)
        }
    }

    func kill(_ identity: ProcessIdentity) {
        state.withLock { $0.processEnds[identity.pid] }?.resolve(.success(()))
    }

    func relay(_ id: SessionID) -> FakeRelay? { state.withLock { $0.relays[id] } }
    func record(_ id: SessionID) -> SessionRecord? { state.withLock { $0.records[id] } }

    var outside: Outside {
        let parts = Parts(world: self)
        return Outside(
            machines: parts, relays: Relays(world: self), shares: parts, images: parts, store: parts,
            files: KeptFiles(world: self),
            processes: parts, host: parts, clock: StillClock(), timers: timers,
            log: EventLog(sink: NoLog(), clock: StillClock()), randomBytes: { [UInt8](repeating: 7, count: $0) })
    }
}

struct Parts {
    let world: World
}

extension Parts: MachineHost {
    var events: AsyncStream<MachineEvent> { world.events }
    func attach() async -> Bool { world.state.withLock { $0.isHypervisorAlive } }
    func report() async throws(Fault) -> HypervisorReport {
        try await world.step("report")
        return HypervisorReport(pid: 1, uid: 2, libvirtVersion: "9", emulatorVersion: "7", uri: "test:///")
    }
    func probe(image: ImageParts, again: Bool) async throws(Fault) -> AcceleratorReport {
        try await world.step("probe")
        return AcceleratorReport(kind: .tcg, because: "no kvm here")
    }
    func start(_ specification: MachineSpecification) async throws(Fault) {
        world.state.withLock { $0.lastSecret = specification.secret }
        try await world.step("machine-start")
        guard let id = SessionID(specification.session), world.state.withLock({ $0.isReadyAtOnce }) else { return }
        world.relay(id)?.say(.phase(.ready, uptimeMilliseconds: 1, text: ""))
    }
    func destroy(session: SessionID) async throws(Fault) { try await world.step("machine-destroy") }
    func forget(session: SessionID) async throws(Fault) { try await world.step("machine-forget") }
    func list() async throws(Fault) -> [MachineReport] {
        try await world.step("list")
        return world.state.withLock { $0.machines }
    }
    func shutDown() async { world.journal.write("shut-down") }
}

struct Relays: RelayHost {
    let world: World

    func launch(session: SessionID) async throws(Fault) -> any SessionRelay {
        try await world.step("relay-launch")
        let relay = FakeRelay(world: world, identity: world.newProcess())
        world.state.withLock { $0.relays[session] = relay }
        return relay
    }
    func adopt(session: SessionID, identity: ProcessIdentity) async -> (any SessionRelay)? {
        guard world.state.withLock({ $0.adoptable.contains(session) }) else { return nil }
        let relay = FakeRelay(world: world, identity: identity)
        world.state.withLock { $0.relays[session] = relay }
        relay.say(.phase(.ready, uptimeMilliseconds: 1, text: ""))
        return relay
    }
    func forget(session: SessionID) async { world.journal.write("sockets-forget") }
}

extension Parts: ShareHost {
    func resolve(_ path: String, mode: FolderMode, owner: UInt32) async throws(Fault) -> Grant {
        try await world.step("resolve \(path)", quietly: true)
        world.state.withLock { $0.uidsResolved.append(owner) }
        return Grant(path: path, mode: mode)
    }
    func launch(
        _ grant: Grant, tag: String, session: SessionID, owner: UInt32
    ) async throws(Fault) -> ProcessIdentity {
        try await world.step("share-launch \(tag)")
        return world.newProcess()
    }
}

extension Parts: ProcessTable {
    func waitForEnd(of identity: ProcessIdentity) async {
        try? await world.state.withLock { $0.processEnds[identity.pid] }?.value()
    }
    /// Both of a share's server and of any process.
    func end(_ identity: ProcessIdentity) async { world.journal.write("end-process") }
}

extension Parts: ImageSource {
    func resolve(_ name: String) async throws(Fault) -> ImageParts {
        try await world.step("image", quietly: true)
        return ImageParts(id: "base-1", kernel: "/k", initramfs: "/i", root: "/r")
    }
}

extension Parts: SessionStore {
    func sessions() async throws(Fault) -> [SessionRecord] {
        try await world.step("sessions", quietly: true)
        return world.state.withLock { Array($0.records.values) }
    }
    func insert(_ record: SessionRecord) async throws(Fault) {
        try await world.step("insert")
        world.state.withLock { $0.records[record.id] = record }
    }
    func update(_ record: SessionRecord) async throws(Fault) {
        try await world.step("update", quietly: true)
        world.state.withLock { $0.records[record.id] = record }
        world.journal.write("state \(record.state.rawValue)")
    }
    func remove(_ id: SessionID) async throws(Fault) {
        try await world.step("remove")
        world.state.withLock { $0.records[id] = nil }
    }
    func append(_ event: SessionEvent, to id: SessionID) async throws(Fault) {
        world.state.withLock { state in
            state.serial += 1
            state.events[id, default: []].append(
                SessionEvent(serial: state.serial, at: event.at, kind: event.kind, text: event.text))
        }
    }
    func events(of id: SessionID, after serial: Int64) async throws(Fault) -> [SessionEvent] {
        world.state.withLock { $0.events[id, default: []].filter { $0.serial > serial } }
    }
}

struct KeptFiles: SessionFiles {
    let world: World

    func openOutput(of session: SessionID) async throws(Fault) -> any PassedDescriptor {
        try await world.step("open-output", quietly: true)
        return FakeDescriptor(raw: 50)
    }
    func anonymous(_ bytes: [UInt8]) async throws(Fault) -> any PassedDescriptor { FakeDescriptor(raw: 60) }
    func output(of session: SessionID, after place: OutputPlace) async -> OutputPiece? {
        let bytes = world.state.withLock { Array($0.output.dropFirst(Int(place.offset))) }
        return bytes.isEmpty
            ? nil : OutputPiece(bytes: bytes, place: OutputPlace(offset: place.offset + UInt64(bytes.count)))
    }
    func outputChanges(of session: SessionID) -> AsyncStream<Void> { AsyncStream { $0.yield() } }
    func remove(_ session: SessionID) async { world.journal.write("files-remove") }
    func found() async -> [SessionID] { world.state.withLock { $0.found } }
}

extension Parts: HostInspection {
    func checks() async -> [HostCheck] { [HostCheck("qemu", .ok, "here")] }
    func freeSpace() async -> UInt64 { world.state.withLock { $0.space } }
}

struct FakeDescriptor: PassedDescriptor {
    let raw: Int32
}

/// A relay whose guest does as it is told.
final class FakeRelay: SessionRelay {
    let identity: ProcessIdentity
    let events: AsyncStream<RelayEvent>
    private let heard: AsyncStream<RelayEvent>.Continuation
    private let world: World

    init(world: World, identity: ProcessIdentity) {
        self.world = world
        self.identity = identity
        (events, heard) = AsyncStream.makeStream()
    }

    func say(_ event: RelayEvent) { heard.yield(event) }
    func die() { heard.finish() }

    func setUp(secret: [UInt8], proof: [UInt8]) async throws(Fault) { try await world.step("set-up") }
    func configure(hostname: String) async throws(Fault) { try await world.step("configure \(hostname)") }
    func mount(_ mount: Mount) async throws(Fault) {
        try await world.step("mount \(mount.tag) \(mount.path) \(mount.readOnly ? "ro" : "rw")")
    }
    func unmount(_ unmount: Unmount) async throws(Fault) {}
    func status() async throws(Fault) -> GuestStatus {
        try await world.step("status", quietly: true)
        return GuestStatus(
            memoryTotal: 1, memoryAvailable: 2, diskTotal: 3, diskAvailable: 4, agentResident: 5,
            uptimeMilliseconds: 6, processes: 7)
    }
    func console() async throws(Fault) -> String {
        try await world.step("console", quietly: true)
        return world.state.withLock { $0.console }
    }
    func powerOff(graceMilliseconds: UInt32) async throws(Fault) { try await world.step("power-off") }
    func run(_ run: RelayCommand.Run, descriptors: [any PassedDescriptor]) async throws(Fault) -> UInt32 {
        world.state.withLock { $0.lastRun = run }
        let numbers = descriptors.map { "\($0.raw)" }.joined(separator: ",")
        try await world.step("run \(run.process.arguments.joined(separator: " ")) [\(numbers)]")
        return 77
    }
    func quit() async { world.journal.write("relay-quit") }
}

/// A client whose messages are kept.
final class FakeClient: ClientConnection {
    let caller: Caller
    private let messages = Mutex<[String]>([])
    private let journal: Journal
    let canLend: Bool

    init(_ journal: Journal, uid: UInt32 = 1000, canLend: Bool = true) {
        caller = Caller(uid: uid, pid: 5)
        self.journal = journal
        self.canLend = canLend
    }

    var received: [String] { messages.withLock { $0 } }

    func send(_ message: [UInt8]) async throws(Fault) {
        messages.withLock { $0.append(String(decoding: message, as: UTF8.self)) }
        journal.write("sent")
    }
    func offer(_ message: [UInt8]) async { messages.withLock { $0.append(String(decoding: message, as: UTF8.self)) } }
    func lend() async throws(Fault) -> any PassedDescriptor {
        journal.write("lend")
        guard canLend else { throw Fault(.failed, "gone") }
        return FakeDescriptor(raw: 40)
    }
    func closeAfterCall() async { journal.write("close") }
}
