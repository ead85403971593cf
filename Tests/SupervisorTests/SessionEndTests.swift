import Contract
import Core
import Synchronization
import Testing
import Wire

@testable import Supervisor

struct SessionEndTests {
    @Test func aStopAsksTheGuestThenTakesEverythingDown() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        await session.stop(force: false)
        try await fixture.world.journal.until("power-off")
        #expect(fixture.world.record(session.id)?.state == .stopping)
        fixture.world.end(session.id, .shutdown)
        try await session.finished.value()
        #expect(
            fixture.journal(after: "power-off") == [
                "machine-destroy", "end-process", "relay-quit", "machine-forget", "sockets-forget", "state stopped",
            ])
        #expect(fixture.world.record(session.id)?.because == nil)
    }

    @Test func aGuestThatDoesNotEndIsDestroyed() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        await session.stop(force: false)
        try await fixture.world.journal.until("sleep 15.0 seconds")
        fixture.world.timers.pass(.seconds(15))
        try await session.finished.value()
        #expect(fixture.journal(after: "power-off").first == "machine-destroy")
    }

    @Test func aForcedStopDoesNotAsk() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        await session.stop(force: true)
        try await session.finished.value()
        #expect(!fixture.world.journal.entries.contains("power-off"))
        #expect(fixture.world.record(session.id)?.state == .stopped)
    }

    @Test func forceHurriesAStopThatWaits() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        await session.stop(force: false)
        try await fixture.world.journal.until("power-off")
        await session.stop(force: true)
        try await session.finished.value()
        #expect(fixture.done.filter { $0 == "machine-destroy" }.count == 1)
    }

    @Test func manyStopsAreOne() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { await session.stop(force: false) } }
        }
        fixture.world.end(session.id, .shutdown)
        try await session.finished.value()
        for entry in ["power-off", "machine-destroy", "relay-quit", "machine-forget"] {
            #expect(fixture.done.filter { $0 == entry }.count == 1)
        }
        await session.stop(force: true)
        #expect(await session.record.state == .stopped)
    }

    @Test func theCommandsEndIsTheSessionsEnd() async throws {
        let fixture = Fixture()
        let session = try await fixture.running(command: ["make", "test"])
        #expect(fixture.world.journal.entries.contains("run make test [50]"))
        let run = try #require(fixture.world.state.withLock { $0.lastRun })
        #expect(run.main && run.logged && run.client == .none && run.process.directory == "/a")
        fixture.world.relay(session.id)?.say(.mainEnded(Exited(signalled: false, value: 3)))
        try await fixture.world.journal.until("power-off")
        fixture.world.end(session.id, .shutdown)
        try await session.finished.value()
        let record = try #require(fixture.world.record(session.id))
        #expect(record.state == .stopped && record.exitStatus == 3 && record.because == nil)
    }

    @Test(arguments: [MachineEnd.crashed, .panicked, .destroyed])
    func aMachineThatDiesIsNamedWithItsLastWords(end: MachineEnd) async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        fixture.world.end(session.id, end)
        try await session.finished.value()
        let record = try #require(fixture.world.record(session.id))
        #expect(record.state == .failed && record.hint != nil)
        #expect(record.because?.hasPrefix(Lifecycle.fault(for: .machineEnded(end)).message) == true)
        #expect(record.because?.hasSuffix("boot line / last words") == true)
    }

    @Test func aRelayThatDiesIsNamed() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        fixture.world.fail("console")
        fixture.world.relay(session.id)?.die()
        try await session.finished.value()
        let record = try #require(fixture.world.record(session.id))
        #expect(record.state == .failed && record.because?.contains("cowork-vsock") == true)
        #expect(fixture.world.journal.entries.contains("machine-destroy"))
    }

    @Test func aFoldersServerThatDiesIsNamed() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        let server = try #require(fixture.world.record(session.id)?.processes["share f0"])
        fixture.world.kill(server)
        // Its machine lives on, so it did not just end with QEMU.
        try await fixture.world.journal.until("sleep 3.0 seconds")
        fixture.world.timers.pass(.seconds(3))
        try await session.finished.value()
        let record = try #require(fixture.world.record(session.id))
        #expect(record.state == .failed && record.because?.contains("folder /a") == true)
    }

    @Test func aGuestThatPowersItselfOffWhileItsRelayNoticesFirstIsNoFailure() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        fixture.world.relay(session.id)?.say(.phase(.failed, uptimeMilliseconds: 1, text: "the guest is gone"))
        try await fixture.world.journal.until("sleep 3.0 seconds")
        fixture.world.end(session.id, .shutdown)
        try await session.finished.value()
        let record = try #require(fixture.world.record(session.id))
        #expect(record.state == .stopped && record.because == "the guest powered itself off")
    }

    @Test func aGuestThatBreaksTheProtocolFailsWithItsTextEscaped() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        fixture.world.relay(session.id)?.say(.phase(.failed, uptimeMilliseconds: 1, text: "bad\u{1B}[2Jframe"))
        try await fixture.world.journal.until("sleep 3.0 seconds")
        fixture.world.timers.pass(.seconds(3))
        try await session.finished.value()
        let record = try #require(fixture.world.record(session.id))
        #expect(record.state == .failed && record.because?.hasPrefix("bad\\u{1b}[2Jframe") == true)
    }

    @Test func takingDownGoesOnWhenAStepFails() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        for step in ["machine-destroy", "machine-forget"] { fixture.world.fail(step) }
        await session.stop(force: true)
        try await session.finished.value()
        #expect(fixture.done.suffix(2) == ["sockets-forget", "state stopped"])
        #expect(fixture.world.journal.entries.contains("relay-quit"))
    }
}
