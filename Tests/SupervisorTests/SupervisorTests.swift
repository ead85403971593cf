import Contract
import Core
import Synchronization
import Testing
import Varlink
import Wire

@testable import Supervisor

let stranger = Caller(uid: 1001, pid: 6)

struct OwnershipTests {
    @Test func aSessionExistsForItsOwnerOnly() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        let found = try await fixture.supervisor.find("one", caller: owner)
        #expect(found === session)
        #expect(try await fixture.supervisor.find(session.id.text, caller: owner) === session)
        for text in ["one", session.id.text] {
            for caller in [stranger, Caller(uid: 0, pid: 1)] {
                let fault = await #expect(throws: Fault.self) {
                    try await fixture.supervisor.find(text, caller: caller)
                }
                #expect(fault?.code == .notFound && fault?.message == "no such session: \(text)")
            }
        }
        #expect(await fixture.supervisor.sessions(of: stranger).isEmpty)
        let removal = await #expect(throws: Fault.self) {
            try await fixture.supervisor.remove("one", force: true, caller: stranger)
        }
        #expect(removal?.code == .notFound)
        #expect(await session.phase == .running)
    }

    @Test func twoOwnersMayUseOneName() async throws {
        let fixture = Fixture()
        let mine = try await fixture.running()
        let theirs = try await fixture.start(caller: stranger)
        try await theirs.waitUntilStarted()
        #expect(mine.id != theirs.id)
        #expect(try await fixture.supervisor.find("one", caller: stranger) === theirs)
        #expect(fixture.world.state.withLock { $0.uidsResolved } == [1000, 1001])
    }

    @Test func anOrdinaryUsersDaemonStartsNothingForAnother() async throws {
        let fixture = Fixture { $0.user = 1000 }
        try await fixture.supervisor.open()
        let fault = await #expect(throws: Fault.self) { try await fixture.start(caller: Caller(uid: 0, pid: 1)) }
        #expect(fault?.code == .denied && fixture.done.isEmpty)
        try await fixture.start().waitUntilStarted()
    }

    @Test func aTakenNameIsRefusedAndFreeAgainAfterRemoval() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        let fault = await #expect(throws: Fault.self) { try await fixture.start() }
        #expect(fault?.code == .nameTaken && fault?.hint != nil)
        await session.stop(force: true)
        try await session.finished.value()
        // An ended one still has its name.
        await #expect(throws: Fault.self) { try await fixture.start() }
        try await fixture.supervisor.remove("one", force: false, caller: owner)
        try await fixture.start().waitUntilStarted()
    }

    @Test func twoStartsAtOnceCannotBothHaveAName() async throws {
        let fixture = Fixture()
        try await fixture.supervisor.open()
        let held = fixture.world.hold("image")
        let both = (0..<2).map { _ in Task { await Result { try await fixture.start() } } }
        held.resolve(.success(()))
        var made = 0
        for task in both { if case .success = await task.value { made += 1 } }
        #expect(made == 1)
    }

    @Test func aNameIsMadeWhenNoneIsGiven() async throws {
        let fixture = Fixture()
        try await fixture.supervisor.open()
        let first = try await fixture.start(name: nil)
        let second = try await fixture.start(name: nil)
        #expect(first.name != second.name)
    }

    @Test(arguments: ["", "-x", ".x", "a b", "a/b", "é", String(repeating: "a", count: 64), "a\n", "x\u{0}"])
    func aNameThatIsNoneIsAUsageError(name: String) async throws {
        let fixture = Fixture()
        try await fixture.supervisor.open()
        let fault = await #expect(throws: Fault.self) { try await fixture.start(name: name) }
        #expect(fault?.code == .usage && fault?.hint != nil)
        #expect(fixture.done.isEmpty)
    }

    @Test func refusalsLeaveNothingBehind() async throws {
        let fixture = Fixture()
        try await fixture.supervisor.open()
        fixture.world.fail("resolve /bad", Fault(.badFolder, "bad"))
        for folders in [["/bad"], ["/a", "/bad"], ["/a", "/a"], Array(repeating: "/a", count: 17)] {
            await #expect(throws: Fault.self) { try await fixture.start(folders) }
        }
        fixture.world.state.withLock { $0.space = 1 << 20 }
        let full = await #expect(throws: Fault.self) { try await fixture.start() }
        #expect(full?.code == .noSpace)
        fixture.world.state.withLock { $0.space = 1 << 40 }
        fixture.world.fail("image", Fault(.imageMissing, "no image"))
        let missing = await #expect(throws: Fault.self) { try await fixture.start() }
        #expect(missing?.code == .imageMissing)
        fixture.world.state.withLock { $0.failures = [:] }
        fixture.world.fail("insert", Fault(.noSpace, "full"))
        await #expect(throws: Fault.self) { try await fixture.start() }
        #expect(fixture.done == ["insert"])
        fixture.world.state.withLock { $0.failures = [:] }
        try await fixture.start().waitUntilStarted()
    }
}

struct RemovalTests {
    @Test func aRunningSessionIsRemovedOnlyByForce() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        let fault = await #expect(throws: Fault.self) {
            try await fixture.supervisor.remove("one", force: false, caller: owner)
        }
        #expect(fault?.code == .badState)
        try await fixture.supervisor.remove("one", force: true, caller: owner)
        #expect(fixture.world.record(session.id) == nil)
        #expect(fixture.world.journal.entries.contains("files-remove"))
        await #expect(throws: Fault.self) { try await fixture.supervisor.find("one", caller: owner) }
    }

    @Test func stopAndManyRemovalsAtOnceAreOneOfEach() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        let supervisor = fixture.supervisor
        let stop = Task { await session.stop(force: false) }
        let removals = (0..<4).map { _ in
            Task { await Result { try await supervisor.remove("one", force: true, caller: owner) } }
        }
        await stop.value
        for removal in removals { _ = await removal.value }
        let done = fixture.world.journal.entries
        for entry in ["machine-destroy", "remove", "files-remove"] { #expect(done.filter { $0 == entry }.count == 1) }
    }
}

struct ReconciliationTests {
    private func record(_ number: Int, _ state: SessionState) throws -> SessionRecord {
        SessionRecord(
            id: try #require(SessionID("000000000000000\(number)")), name: try #require(SessionName("s\(number)")),
            owner: 1000, grants: [Grant(path: "/a", mode: .direct)],
            resources: Resources(processors: 1, memoryBytes: 1, diskBytes: 1), imageID: "i",
            created: Moment(milliseconds: 1), command: [], endsWithCommand: false, state: state,
            processes: [
                "relay": ProcessIdentity(pid: 11, startTicks: 1), "share f0": ProcessIdentity(pid: 12, startTicks: 1),
            ])
    }

    private func fixture(_ records: [SessionRecord], machines: [SessionRecord], relays: [SessionRecord]) -> Fixture {
        let fixture = Fixture()
        fixture.world.state.withLock { state in
            for record in records { state.records[record.id] = record }
            state.machines = machines.map { MachineReport(session: $0.id.text, isRunning: true, pid: 3) }
            state.adoptable = Set(relays.map(\.id))
            state.processEnds = [12: Promise<Void>()]
            state.isHypervisorAlive = !machines.isEmpty
        }
        return fixture
    }

    @Test func aRunningSessionGoesOn() async throws {
        let one = try record(1, .running)
        let fixture = fixture([one], machines: [one], relays: [one])
        try await fixture.supervisor.open()
        let session = try await fixture.supervisor.find("s1", caller: owner)
        #expect(await session.phase == .running)
        #expect(await session.guestStatus()?.processes == 7)
        // Its parts are watched again.
        fixture.world.end(one.id, .crashed)
        try await session.finished.value()
        #expect(fixture.world.record(one.id)?.state == .failed)
        #expect(fixture.journal(after: "state failed").isEmpty)
    }

    @Test func whatWasStartingIsTakenDown() async throws {
        let one = try record(1, .starting)
        let fixture = fixture([one], machines: [one], relays: [])
        try await fixture.supervisor.open()
        let session = try await fixture.supervisor.find("s1", caller: owner)
        try await session.finished.value()
        #expect(
            fixture.done == [
                "list", "machine-destroy", "end-process", "end-process", "machine-forget", "sockets-forget",
                "state failed",
            ])
        let because = fixture.world.record(one.id)?.because
        #expect(because == "the daemon was stopped while the session was starting")
    }

    @Test func whatWasStoppingIsStopped() async throws {
        let one = try record(1, .stopping)
        let fixture = fixture([one], machines: [one], relays: [one])
        try await fixture.supervisor.open()
        try await fixture.world.journal.until("power-off")
        fixture.world.end(one.id, .shutdown)
        try await fixture.supervisor.find("s1", caller: owner).finished.value()
        #expect(fixture.world.record(one.id)?.state == .stopped)
    }

    @Test func halfASessionFails() async throws {
        let (noMachine, noRelay) = (try record(1, .running), try record(2, .running))
        let fixture = fixture([noMachine, noRelay], machines: [noRelay], relays: [noMachine])
        try await fixture.supervisor.open()
        for name in ["s1", "s2"] { try await fixture.supervisor.find(name, caller: owner).finished.value() }
        #expect(fixture.world.record(noMachine.id)?.because?.contains("machine ended") == true)
        #expect(fixture.world.record(noRelay.id)?.because?.contains("relay") == true)
    }

    @Test func whatBelongsToNobodyIsReaped() async throws {
        let (ended, unknown) = (try record(1, .stopped), try record(2, .running))
        let fixture = fixture([ended], machines: [unknown, ended], relays: [])
        fixture.world.state.withLock { $0.found = [ended.id, unknown.id] }
        try await fixture.supervisor.open()
        let done = fixture.world.journal.entries
        #expect(done.filter { $0 == "machine-destroy" }.count == 2)
        #expect(done.filter { $0 == "machine-forget" }.count == 2)
        #expect(done.filter { $0 == "sockets-forget" }.count == 2)
        // The output of an ended session stays until it is removed.
        #expect(done.filter { $0 == "files-remove" }.count == 1)
        #expect(fixture.world.record(ended.id)?.state == .stopped)
    }

    @Test func nothingLeftMeansNoHypervisorIsStarted() async throws {
        let ended = try record(1, .failed)
        let fixture = fixture([ended], machines: [], relays: [])
        try await fixture.supervisor.open()
        #expect(fixture.done.isEmpty)
        let session = try await fixture.supervisor.find("s1", caller: owner)
        #expect(await session.phase.isOver)
    }

    @Test func aCommandThatEndedMeanwhileEndsItsSession() async throws {
        var one = try record(1, .running)
        one = SessionRecord(
            id: one.id, name: one.name, owner: one.owner, grants: one.grants, resources: one.resources,
            imageID: one.imageID, created: one.created, command: ["x"], endsWithCommand: true, state: .running,
            processes: one.processes)
        let fixture = fixture([one], machines: [one], relays: [one])
        try await fixture.supervisor.open()
        fixture.world.relay(one.id)?.say(.mainEnded(Exited(signalled: true, value: 9)))
        try await fixture.world.journal.until("power-off")
        fixture.world.end(one.id, .shutdown)
        try await fixture.supervisor.find("s1", caller: owner).finished.value()
        #expect(fixture.world.record(one.id)?.exitStatus == 137)
    }
}

struct IdlenessTests {
    @Test func itLeavesWhenNobodyNeedsIt() async throws {
        let fixture = Fixture {
            $0.endsWhenIdle = true
            $0.idleExit = .seconds(44)
        }
        try await fixture.supervisor.open()
        try await fixture.world.journal.until("sleep 44.0 seconds")
        await fixture.supervisor.clientCame()
        fixture.world.timers.pass(.seconds(44))
        #expect(!fixture.left.isResolved)
        await fixture.supervisor.clientLeft()
        try await fixture.again("sleep 44.0 seconds", times: 2)
        fixture.world.timers.pass(.seconds(44))
        try await fixture.left.value()
    }

    @Test func itStaysForASessionAndWhenItWasStartedByHand() async throws {
        let busy = Fixture {
            $0.endsWhenIdle = true
            $0.idleExit = .seconds(44)
        }
        let session = try await busy.running()
        busy.world.timers.pass(.seconds(44))
        #expect(!busy.left.isResolved)
        await session.stop(force: true)
        try await session.finished.value()
        try await busy.again("sleep 44.0 seconds", times: 2)
        busy.world.timers.pass(.seconds(44))
        try await busy.left.value()

        let byHand = Fixture()
        try await byHand.supervisor.open()
        #expect(byHand.done.isEmpty)
    }
}
