import Contract
import Core
import Synchronization
import Testing
import Varlink
import Wire

@testable import Supervisor

struct DispatcherTests {
    private func ask(_ fixture: Fixture, _ message: String, uid: UInt32 = 1000) async -> [String] {
        let client = FakeClient(fixture.world.journal, uid: uid)
        await fixture.dispatcher.serve(Array(message.utf8), from: client)
        return client.received
    }

    private func call<Method: VarlinkMethod>(
        _ fixture: Fixture, _ method: Method.Type, _ parameters: Method.Parameters, more: Bool = false,
        upgrade: Bool = false, client: FakeClient? = nil
    ) async throws -> [Reply] {
        let client = client ?? FakeClient(fixture.world.journal)
        let text = try Call.encode(method, parameters, more: more, upgrade: upgrade)
        await fixture.dispatcher.serve(text, from: client)
        return try client.received.map { try Reply(Array($0.utf8)) }
    }

    @Test func whatIsNotKnownIsNamed() async throws {
        let fixture = Fixture()
        #expect(
            await ask(fixture, #"{"method":"dev.cowork.Nope"}"#) == [
                #"{"error":"org.varlink.service.MethodNotFound","parameters":{"method":"dev.cowork.Nope"}}"#
            ])
        #expect(
            await ask(fixture, #"{"method":"dev.other.Nope"}"#) == [
                #"{"error":"org.varlink.service.InterfaceNotFound","parameters":{"interface":"dev.other"}}"#
            ])
        #expect(
            await ask(fixture, #"{"method":"dev.cowork.Show","parameters":{}}"#) == [
                #"{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"session"}}"#
            ])
        for method in ["Exec", "Logs"] {
            let parameters = #"{"session":"x","process":{"arguments":["a"]}}"#
            #expect(
                await ask(fixture, #"{"method":"dev.cowork.\#(method)","parameters":\#(parameters)}"#) == [
                    #"{"error":"org.varlink.service.ExpectedMore","parameters":{}}"#
                ])
        }
    }

    @Test func garbageIsNotAnswered() async throws {
        let fixture = Fixture()
        #expect(await ask(fixture, "GET / HTTP/1.1").isEmpty)
        #expect(fixture.done == ["close"])
    }

    @Test func theLogTellsOfCallsThatChangeOrFailAndOfNoText() async throws {
        let lines = Lines()
        let world = World()
        let log = EventLog(sink: lines, clock: StillClock())
        let outside = world.outside.logging(to: log)
        let settings = Settings(version: "1", pid: 9, socket: "/s")
        let supervisor = Supervisor(outside: outside, settings: settings) {}
        let dispatcher = Dispatcher(supervisor, outside: outside, settings: settings)
        for message in [
            #"{"method":"dev.cowork.Version"}"#, #"{"method":"dev.cowork.Doctor"}"#,
            #"{"method":"dev.cowork.Show","parameters":{"session":"x"}}"#, #"{"method":"a\u001b[2J\nb"}"#,
        ] { await dispatcher.serve(Array(message.utf8), from: FakeClient(world.journal)) }
        let told = lines.all
        #expect(told.count == 3)
        #expect(told[0].contains(#""method":"dev.cowork.Doctor""#) && told[0].contains(#""outcome":"ok""#))
        #expect(told[1].contains(#""outcome":"not-found""#))
        #expect(told[2].contains(#"a\\u{1b}[2J\\nb"#) && !told[2].contains("\u{1B}"))
    }

    @Test func onewayIsDoneAndNotAnswered() async throws {
        let fixture = Fixture()
        #expect(await ask(fixture, #"{"method":"dev.cowork.Version","oneway":true}"#).isEmpty)
        #expect(
            await ask(fixture, #"{"method":"dev.cowork.Version"}"#) == [#"{"parameters":{"protocol":1,"version":"1"}}"#]
        )
    }

    @Test func theServiceDescribesItself() async throws {
        let fixture = Fixture()
        let info = try await call(fixture, ServiceAPI.GetInfo.self, Nothing())
        #expect(try info[0].parameters(ServiceAPI.GetInfo.Reply.self).interfaces.contains("dev.cowork"))
        let text = try await call(
            fixture, ServiceAPI.GetInterfaceDescription.self, .init(interface: "dev.cowork"))
        #expect(
            try text[0].parameters(ServiceAPI.GetInterfaceDescription.Reply.self).description == DaemonAPI.description)
    }

    @Test func aCallThatTakesTooLongIsEnded() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        _ = session
        let held = fixture.world.hold("report")
        let client = FakeClient(fixture.world.journal)
        let asking = Task { try await call(fixture, DaemonAPI.Doctor.self, .init(), client: client) }
        try await fixture.world.journal.until("sleep 170.0 seconds")
        fixture.world.timers.pass(.seconds(170))
        #expect(try await asking.value.first?.fault?.code == .deadline)
        held.resolve(.success(()))
    }

    @Test func aStrangerSeesNothing() async throws {
        let fixture = Fixture()
        _ = try await fixture.running()
        for uid in [1001, 0] as [UInt32] {
            #expect(
                await ask(fixture, #"{"method":"dev.cowork.List"}"#, uid: uid) == [#"{"parameters":{"sessions":[]}}"#])
            for method in ["Show", "Stop", "Remove"] {
                let replies = await ask(
                    fixture, #"{"method":"dev.cowork.\#(method)","parameters":{"session":"one"}}"#, uid: uid)
                #expect(replies.count == 1 && replies[0].contains("no such session: one"))
            }
        }
        #expect(await ask(fixture, #"{"method":"dev.cowork.List"}"#)[0].contains(#""name":"one""#))
    }

    @Test func startTellsProgressThenTheSession() async throws {
        let fixture = Fixture()
        try await fixture.supervisor.open()
        let replies = try await call(fixture, DaemonAPI.Start.self, .init(folders: ["/a"], name: "x"), more: true)
        let last = try #require(replies.last)
        let areEarlier = replies.dropLast().allSatisfy(\.continues)
        #expect(!last.continues && areEarlier)
        #expect(try last.parameters(DaemonAPI.Start.Reply.self).session?.state == "running")
        for reply in replies.dropLast() {
            #expect(try reply.parameters(DaemonAPI.Start.Reply.self).progress?.stage.isEmpty == false)
        }
    }

    @Test func anUpgradedStartHandsTheConnectionOver() async throws {
        let fixture = Fixture()
        try await fixture.supervisor.open()
        let client = FakeClient(fixture.world.journal)
        let replies = try await call(
            fixture, DaemonAPI.Start.self, .init(folders: ["/a"], name: "x", process: .init(arguments: ["sh"])),
            more: true, upgrade: true, client: client)
        let areAllEarlier = replies.allSatisfy(\.continues)
        #expect(areAllEarlier)
        #expect(fixture.done.suffix(2) == ["run sh [40,50]", "close"])
        let run = try #require(fixture.world.state.withLock { $0.lastRun })
        #expect(run.client == .frames && run.main && run.logged)
        let final = try Reply(Array(run.reply.utf8))
        #expect(!final.continues)
        #expect(try final.parameters(DaemonAPI.Start.Reply.self).session?.state == "running")
    }

    @Test func aRefusedCommandIsAnsweredByTheDaemon() async throws {
        let fixture = Fixture()
        try await fixture.supervisor.open()
        fixture.world.fail("run nope [40,50]", Fault(.commandNotFound, "command not found: nope"))
        let replies = try await call(
            fixture, DaemonAPI.Start.self, .init(folders: ["/a"], name: "x", process: .init(arguments: ["nope"])),
            more: true, upgrade: true)
        #expect(replies.last?.fault?.code == .commandNotFound)
        try await fixture.world.journal.until("power-off")
        #expect(await fixture.supervisor.hasLiveSessions())
    }

    @Test func execHandsTheConnectionOver() async throws {
        let fixture = Fixture()
        _ = try await fixture.running()
        let parameters = DaemonAPI.Exec.Parameters(session: "one", process: .init(arguments: ["ls"]))
        let replies = try await call(fixture, DaemonAPI.Exec.self, parameters, upgrade: true)
        #expect(replies.isEmpty)
        #expect(fixture.done.suffix(3) == ["lend", "run ls [40]", "close"])
        let run = try #require(fixture.world.state.withLock { $0.lastRun })
        #expect(run.client == .frames && !run.main && !run.logged && run.reply == #"{"parameters":{}}"#)
    }

    @Test func execWithoutUpgradeTakesItsInputAsBase64() async throws {
        let fixture = Fixture()
        _ = try await fixture.running()
        var parameters = DaemonAPI.Exec.Parameters(
            session: "one", process: .init(arguments: ["cat"]), stdin: Base64.encode([1, 2, 3]))
        #expect(try await call(fixture, DaemonAPI.Exec.self, parameters, more: true).isEmpty)
        let run = try #require(fixture.world.state.withLock { $0.lastRun })
        #expect(run.client == .replies && run.hasInput)
        #expect(fixture.world.journal.entries.contains("run cat [40,60]"))
        parameters.stdin = "not base64!"
        #expect(try await call(fixture, DaemonAPI.Exec.self, parameters, more: true).first?.fault?.code == .usage)
        parameters.stdin = Base64.encode([UInt8](repeating: 0, count: (1 << 20) + 1))
        #expect(try await call(fixture, DaemonAPI.Exec.self, parameters, more: true).first?.fault?.code == .tooLarge)
    }

    @Test func execNeedsARunningSessionAndASaneProcess() async throws {
        let fixture = Fixture()
        let session = try await fixture.running()
        let bad: [DaemonAPI.Process] = [
            .init(arguments: []), .init(arguments: [""]), .init(arguments: ["a\u{0}"]),
            .init(arguments: ["a"], environment: ["x"]), .init(arguments: ["a"], environment: ["=x"]),
            .init(arguments: ["a"], directory: "relative"), .init(arguments: ["a"], user: ""),
            .init(arguments: ["a"], rows: -1), .init(arguments: ["a"], columns: 70_000),
            .init(arguments: ["a"], deadlineMilliseconds: -1),
            .init(arguments: [String](repeating: "a", count: 5000)),
            .init(arguments: [String(repeating: "a", count: 100_000)]),
        ]
        for process in bad {
            let replies = try await call(
                fixture, DaemonAPI.Exec.self, .init(session: "one", process: process), upgrade: true)
            #expect([.usage, .tooLarge].contains(replies.first?.fault?.code))
        }
        await session.stop(force: true)
        try await session.finished.value()
        let replies = try await call(
            fixture, DaemonAPI.Exec.self, .init(session: "one", process: .init(arguments: ["a"])), upgrade: true)
        #expect(replies.first?.fault?.code == .badState)
    }

    @Test func startChecksEveryValue() async throws {
        let fixture = Fixture()
        try await fixture.supervisor.open()
        let bad: [DaemonAPI.Start.Parameters] = [
            .init(folders: [], mode: "rw"), .init(folders: [], mode: "staged"), .init(folders: [], cpus: 0),
            .init(folders: [], cpus: 65), .init(folders: [], memory: 1), .init(folders: [], memory: -1),
            .init(folders: [], disk: 0), .init(folders: [], disk: .max),
        ]
        for parameters in bad {
            let fault = try await call(fixture, DaemonAPI.Start.self, parameters).first?.fault
            #expect([.usage, .unsupported].contains(fault?.code) && fault?.hint != nil)
        }
        let replies = try await call(
            fixture, DaemonAPI.Start.self,
            .init(folders: [], name: "y", cpus: 1, memory: 256 << 20, disk: 64 << 20))
        let session = try replies[0].parameters(DaemonAPI.Start.Reply.self).session
        #expect(session?.cpus == 1 && session?.memory == 256 << 20 && session?.disk == 64 << 20)
    }

    @Test func logsTellEventsAndOutput() async throws {
        let fixture = Fixture()
        let session = try await fixture.running(command: ["x"])
        fixture.world.state.withLock { $0.output = Array("hello\n".utf8) }
        let replies = try await call(fixture, DaemonAPI.Logs.self, .init(session: "one"), more: true)
        let entries = try replies.map { try $0.parameters(DaemonAPI.Logs.Reply.self).entry }
        #expect(entries.compactMap { $0?.kind } == ["created", "running", "output"])
        #expect(entries.compactMap { $0?.data } == [Base64.encode(Array("hello\n".utf8))])
        #expect(entries.last == .some(nil) && replies.last?.continues == false)

        // A follower hears of what comes later, until the session's end.
        let following = Task {
            try await call(fixture, DaemonAPI.Logs.self, .init(session: "one", follow: true), more: true)
        }
        await session.stop(force: true)
        let followed = try await following.value
        #expect(followed.last?.continues == false)
        let kinds = try followed.compactMap { try $0.parameters(DaemonAPI.Logs.Reply.self).entry?.kind }
        #expect(kinds.contains("output") && kinds.contains("stopped"))

        let all = try await call(fixture, DaemonAPI.Logs.self, .init(), more: true)
        #expect(try all[0].parameters(DaemonAPI.Logs.Reply.self).session == "one")
    }

    @Test func doctorWorksWithoutAnImageAndWithoutAHypervisor() async throws {
        let fixture = Fixture()
        let good = try await call(fixture, DaemonAPI.Doctor.self, .init())[0]
            .parameters(DaemonAPI.Doctor.Reply.self)
        #expect(good.accelerator == .init(kind: "tcg", because: "no kvm here"))
        #expect(good.checks.map(\.id) == ["qemu", "image", "libvirt", "accelerator"])
        #expect(!good.checks.contains { $0.status == "fail" })
        #expect(good.daemon == .init(pid: 9, version: "1", socket: "/s"))

        fixture.world.fail("image", Fault(.imageMissing, "no image", hint: "make image"))
        fixture.world.fail("report", Fault(.hostFailed, "no libvirt"))
        let bad = try await call(fixture, DaemonAPI.Doctor.self, .init())[0].parameters(DaemonAPI.Doctor.Reply.self)
        let failed = bad.checks.filter { $0.status == "fail" }
        #expect(failed.map(\.id) == ["image", "libvirt"] && failed.allSatisfy { $0.remedy != nil })
        #expect(bad.accelerator.kind == "tcg")
    }
}

private final class Lines: EventSink {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func write(_ line: String) { lines.withLock { $0.append(line) } }
}

extension Outside {
    fileprivate func logging(to log: EventLog) -> Outside {
        Outside(
            machines: machines, relays: relays, shares: shares, images: images, store: store, files: files,
            processes: processes, host: host, clock: clock, timers: timers, log: log, randomBytes: randomBytes)
    }
}
