import Contract
import Core
import Glibc
import Synchronization
import System
import Testing
import Varlink

@testable import Links

/// Hypervisor halves that a test plays.
private final class Halves: HypervisorSource {
    struct State {
        var living: SharedDescriptor?
        var started = 0
        var refusal: Fault?
        /// The ends that the test speaks on.
        var ends: [Plain] = []
    }
    let state = Mutex(State())
    let arrived = AsyncStream<Plain>.makeStream()

    func reach() async -> SharedDescriptor? { state.withLock { $0.living.take() } }

    func start() async throws(Fault) -> SharedDescriptor {
        if let refusal = state.withLock({ $0.refusal }) { throw refusal }
        guard let pair = try? UnixSocket.pair().split() else { throw Fault(.hostFailed, "no pair") }
        _ = fcntl(pair.second.raw, F_SETFL, 0)
        state.withLock { $0.started += 1 }
        arrived.continuation.yield(Plain(socket: pair.second))
        return pair.first
    }
}

extension Plain {
    fileprivate func request() async throws -> HypervisorRequest {
        let text = try await blocking { try #require(try message()) }
        return try Varlink.decode(HypervisorRequest.self, from: Array(text.utf8))
    }

    fileprivate func answer(_ number: UInt64?, _ result: HypervisorReply.Result) throws {
        let text = try Varlink.encode(HypervisorReply(number: number, result: result))
        try send(String(decoding: text, as: UTF8.self) + "\0")
    }

    fileprivate func hangUp() { shutdown(socket.raw, Int32(SHUT_RDWR)) }
}

struct HypervisorLinkTests {
    private let halves = Halves()
    private let id = "00000000000000aa"

    private func link() throws -> HypervisorLink {
        HypervisorLink(launcher: halves, io: try IOThread("test-io"), log: { _ in })
    }

    private func specification() -> MachineSpecification {
        MachineSpecification(
            session: id, accelerator: .tcg, resources: Resources(processors: 1, memoryBytes: 1, diskBytes: 1),
            image: ImageParts(id: "i", kernel: "k", initramfs: "i", root: "r"), shares: [], secret: "s")
    }

    @Test func manyCallsStartOneHalfAndGetTheirOwnAnswers() async throws {
        let link = try link()
        async let report = link.report()
        async let list = link.list()
        var arrivals = halves.arrived.stream.makeAsyncIterator()
        let half = try #require(await arrivals.next())
        let requests = [try await half.request(), try await half.request()]
        for request in requests.reversed() {
            switch request.call {
            case .report:
                try half.answer(
                    request.number,
                    .report(HypervisorReport(pid: 1, uid: 2, libvirtVersion: "l", emulatorVersion: "e", uri: "u")))
            default: try half.answer(request.number, .machines([]))
            }
        }
        #expect(try await report.uid == 2)
        #expect(try await list.isEmpty)
        #expect(halves.state.withLock { $0.started } == 1)
    }

    @Test func aFaultKeepsItsCode() async throws {
        let link = try link()
        async let result = Result { try await link.start(specification()) }
        var arrivals = halves.arrived.stream.makeAsyncIterator()
        let half = try #require(await arrivals.next())
        try half.answer(try await half.request().number, .fault(code: "no-space", message: "full", hint: "h"))
        let outcome = await result
        #expect(#expect(throws: Fault.self) { try outcome.get() } == Fault(.noSpace, "full", hint: "h"))
    }

    @Test func eventsArrive() async throws {
        let link = try link()
        async let list = link.list()
        var arrivals = halves.arrived.stream.makeAsyncIterator()
        let half = try #require(await arrivals.next())
        try half.answer(nil, .event(MachineEvent(session: id, end: .panicked)))
        try half.answer(try await half.request().number, .machines([]))
        _ = try await list
        var events = link.events.makeAsyncIterator()
        #expect(await events.next() == MachineEvent(session: id, end: .panicked))
    }

    /// A machine outlives its half: the next one tells what became of it.
    @Test(arguments: [true, false])
    func aHalfThatDiesIsReplaced(machineLives: Bool) async throws {
        let link = try link()
        async let started = Result { try await link.start(specification()) }
        var arrivals = halves.arrived.stream.makeAsyncIterator()
        let first = try #require(await arrivals.next())
        try first.answer(try await first.request().number, .done)
        try await started.get()
        first.hangUp()
        // The second dies as it is asked.
        let second = try #require(await arrivals.next())
        _ = try await second.request()
        second.hangUp()
        let third = try #require(await arrivals.next())
        let request = try await third.request()
        try third.answer(
            request.number, .machines(machineLives ? [MachineReport(session: id, isRunning: true, pid: 1)] : []))
        if machineLives { try third.answer(nil, .event(MachineEvent(session: id, end: .shutdown))) }
        var events = link.events.makeAsyncIterator()
        #expect(await events.next() == MachineEvent(session: id, end: machineLives ? .shutdown : .crashed))
    }

    @Test func withoutMachinesNoneIsStartedAnew() async throws {
        let link = try link()
        async let list = link.list()
        var arrivals = halves.arrived.stream.makeAsyncIterator()
        let half = try #require(await arrivals.next())
        try half.answer(try await half.request().number, .machines([]))
        _ = try await list
        half.hangUp()
        // The next call is what starts one.
        async let again = link.list()
        let next = try #require(await arrivals.next())
        try next.answer(try await next.request().number, .machines([]))
        _ = try await again
        #expect(halves.state.withLock { $0.started } == 2)
    }

    @Test func whyItCannotStartIsTold() async throws {
        halves.state.withLock { $0.refusal = Fault(.hostFailed, "no namespaces", hint: "sysctl") }
        let link = try link()
        await #expect(throws: Fault(.hostFailed, "no namespaces", hint: "sysctl")) { try await link.report() }
        #expect(await link.attach() == false)
    }
}
