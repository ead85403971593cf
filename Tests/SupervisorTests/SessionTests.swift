import Contract
import Core
import Synchronization
import Testing
import Varlink
import Wire

@testable import Supervisor

let owner = Caller(uid: 1000, pid: 5)

/// A supervisor in a fake world.
struct Fixture {
    let world = World()
    let supervisor: Supervisor
    let dispatcher: Dispatcher
    let left = Promise<Void>()

    init(_ change: (inout Settings) -> Void = { _ in }) {
        var settings = Settings(version: "1", pid: 9, socket: "/s")
        change(&settings)
        let outside = world.outside
        let left = self.left
        supervisor = Supervisor(outside: outside, settings: settings) { left.resolve(.success(())) }
        dispatcher = Dispatcher(supervisor, outside: outside, settings: settings)
    }

    func start(
        _ folders: [String] = ["/a"], name: String? = "one", command: [String]? = nil,
        client: (any ClientConnection)? = nil, caller: Caller = owner
    ) async throws -> Session {
        try await supervisor.start(
            DaemonAPI.Start.Parameters(
                folders: folders, mode: "direct", name: name, process: command.map { .init(arguments: $0) }),
            caller: caller, client: client)
    }

    func running(command: [String]? = nil) async throws -> Session {
        try await supervisor.open()
        let session = try await start(command: command)
        try await session.waitUntilStarted()
        return session
    }

    /// What was done, waiting apart.
    var done: [String] { world.journal.entries.filter { !$0.hasPrefix("sleep") } }

    /// What was done after `entry`.
    func journal(after entry: String) -> [String] { Array(done.drop { $0 != entry }.dropFirst()) }
}

struct SessionBootTests {
    @Test func aStartDoesEverythingInOrder() async throws {
        let fixture = Fixture()
        try await fixture.supervisor.open()
        let session = try await fixture.start(["/b", "/a"])
        try await session.waitUntilStarted()
        let done = fixture.world.journal.entries.filter { !$0.hasPrefix("sleep") && !$0.hasPrefix("state") }
        let index = { (entry: String) in done.firstIndex(of: entry) ?? -1 }
        #expect(
            Set(done) == [
                "insert", "probe", "relay-launch", "set-up", "share-launch f0", "share-launch f1", "machine-start",
                "configure one", "mount f0 /b rw", "mount f1 /a rw",
            ])
        #expect(done.first == "insert")
        #expect(index("relay-launch") < index("set-up") && index("relay-launch") < index("share-launch f0"))
        #expect(index("share-launch f1") < index("machine-start") && index("set-up") < index("machine-start"))
        #expect(index("machine-start") < index("configure one"))
        // A folder is mounted before what lies in it.
        #expect(index("mount f1 /a rw") < index("mount f0 /b rw"))
        let record = try #require(fixture.world.record(session.id))
        #expect(record.state == .running && record.accelerator == .tcg && record.started != nil)
        #expect(Set(record.processes.keys) == ["relay", "share f0", "share f1"])
        #expect(fixture.world.state.withLock { $0.lastSecret } == Base64.encode([UInt8](repeating: 7, count: 64)))
    }

    /// Whatever step fails, everything made before it is taken back, newest first, and the record says why.
    @Test(arguments: [
        ("probe", [String]()), ("relay-launch", ["end-relay"]),
        ("set-up", ["end-process", "end-process", "relay-quit"]),
        ("share-launch f0", ["relay-quit"]), ("share-launch f1", ["end-process", "relay-quit"]),
        ("machine-start", ["machine-destroy", "end-process", "end-process", "relay-quit", "machine-forget"]),
        ("configure one", ["machine-destroy", "end-process", "end-process", "relay-quit", "machine-forget"]),
        ("mount f1 /b rw", ["machine-destroy", "end-process", "end-process", "relay-quit", "machine-forget"]),
    ])
    func aFailedStepIsTakenBack(step: String, undone: [String]) async throws {
        let fixture = Fixture()
        try await fixture.supervisor.open()
        fixture.world.fail(step)
        let session = try await fixture.start(["/a", "/b"])
        await #expect(throws: Fault.self) { try await session.waitUntilStarted() }
        try await session.finished.value()
        let known: Set = ["machine-destroy", "end-process", "relay-quit", "machine-forget", "sockets-forget"]
        let taken = fixture.world.journal.entries.filter { known.contains($0) }
        #expect(taken == undone.filter { $0 != "end-relay" } + ["sockets-forget"])
        let record = try #require(fixture.world.record(session.id))
        #expect(record.state == .failed && record.because?.hasPrefix("on purpose") == true && record.hint == "hint")
        #expect(record.processes.isEmpty && record.ended != nil)
        #expect(await fixture.supervisor.hasLiveSessions() == false)
    }

    @Test func aFailureOfTheGuestComesWithItsLastWords() async throws {
        let fixture = Fixture()
        fixture.world.fail("configure one", Fault(.guestFailed, "no answer"))
        try await fixture.supervisor.open()
        let session = try await fixture.start()
        let fault = await #expect(throws: Fault.self) { try await session.waitUntilStarted() }
        #expect(fault?.message == "no answer; its console ended with: boot line / last words")
        let kinds = fixture.world.state.withLock { $0.events[session.id]?.map(\.kind) }
        #expect(kinds == ["created", "console", "console", "failed"])
    }

    @Test func aSilentBootIsGivenUpAndAChattyOneIsNot() async throws {
        let fixture = Fixture()
        fixture.world.state.withLock { $0.isReadyAtOnce = false }
        try await fixture.supervisor.open()
        let session = try await fixture.start()
        let waiting = Task { await Result { try await session.waitUntilStarted() } }
        try await fixture.world.journal.until("sleep 60.0 seconds")
        // The console grew: it goes on.
        fixture.world.state.withLock { $0.console += "\nmore" }
        fixture.world.timers.pass(.seconds(60))
        try await fixture.again("sleep 60.0 seconds", times: 2)
        #expect(await session.record.state == .starting)
        fixture.world.timers.pass(.seconds(60))
        let result = await waiting.value
        #expect(throws: Fault.self) { try result.get() }
        #expect(await session.record.because?.contains("said nothing for 60 s") == true)
    }

    @Test func whoeverGoesAwayCallsTheStartOff() async throws {
        let fixture = Fixture()
        fixture.world.state.withLock { $0.isReadyAtOnce = false }
        try await fixture.supervisor.open()
        let session = try await fixture.start()
        let waiting = Task { await Result { try await session.waitUntilStarted() } }
        try await fixture.world.journal.until("machine-start")
        waiting.cancel()
        _ = await waiting.value
        try await session.finished.value()
        let record = try #require(fixture.world.record(session.id))
        #expect(record.state == .failed && record.because?.contains("went away") == true)
        #expect(fixture.world.journal.entries.contains("machine-destroy"))
    }

    @Test func aStopCallsTheStartOff() async throws {
        let fixture = Fixture()
        let held = fixture.world.hold("machine-start")
        try await fixture.supervisor.open()
        let session = try await fixture.start()
        try await fixture.world.journal.until("machine-start")
        await session.stop(force: false)
        // The machine may be half made: its start is waited for, then it is destroyed.
        #expect(!fixture.world.journal.entries.contains("machine-destroy"))
        held.resolve(.success(()))
        try await session.finished.value()
        #expect(fixture.world.record(session.id)?.state == .stopped)
        #expect(fixture.world.journal.entries.contains("machine-destroy"))
        #expect(!fixture.world.journal.entries.contains("configure one"))
    }

    @Test(arguments: [MachineEnd.crashed, .panicked, .shutdown])
    func aMachineThatEndsWhileItBootsIsNamed(end: MachineEnd) async throws {
        let fixture = Fixture()
        fixture.world.state.withLock { $0.isReadyAtOnce = false }
        try await fixture.supervisor.open()
        let session = try await fixture.start()
        try await fixture.world.journal.until("machine-start")
        fixture.world.end(session.id, end)
        try await session.finished.value()
        let because = fixture.world.record(session.id)?.because ?? ""
        #expect(because.hasPrefix(Lifecycle.fault(for: .machineEnded(end)).message))
    }
}

extension Fixture {
    /// Waits until `entry` was written `times` times.
    func again(_ entry: String, times: Int) async throws {
        while world.journal.entries.filter({ $0 == entry }).count < times { await Task.yield() }
    }
}

extension Result where Failure == any Error {
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
