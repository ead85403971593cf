import Glibc
import MachineDouble
import Relay
import System
import Testing
import Wire

@Suite struct DaemonTests {
    @Test func anotherUserIsTurnedAway() throws {
        let bench = try RelayBench(daemonUID: getuid() + 1, setUp: false)
        #expect(try !bench.daemonIsConnected())
        #expect(bench.events.isEmpty)
        let twin = try RelayBench(setUp: false)
        #expect(try twin.daemonIsConnected())
        #expect(twin.phases() == [.waiting])
    }

    @Test func aSecondSecretIsRefused() throws {
        let bench = try RelayBench()
        let request = try bench.command { .setUp(request: $0, secret: RelayBench.proof, proof: RelayBench.proof) }
        #expect(
            try bench.waitFor {
                $0.events.contains(
                    .refused(request: request, Refusal(.badRequest, text: "the relay is set up already")))
            })
    }

    @Test func requestsAreAnsweredUnderTheirNumbers() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let mount = try bench.command { .mount(request: $0, Mount(tag: "f0", path: "/a", readOnly: true)) }
        let unmount = try bench.command { .unmount(request: $0, Unmount(path: "/a")) }
        let status = try bench.command { .status(request: $0) }
        let first = try bench.frame(.mount)
        let second = try bench.frame(.unmount)
        let third = try bench.frame(.status)
        #expect(try Mount(payload: first.payload).path == "/a")
        #expect(Set([first.stream, second.stream, third.stream]).count == 3)
        let report = GuestStatus(
            memoryTotal: 1, memoryAvailable: 2, diskTotal: 3, diskAvailable: 4, agentResident: 5,
            uptimeMilliseconds: 6, processes: 7)
        try bench.send(Frame(.statusReport, stream: third.stream, payload: report.encoded))
        try bench.send(
            Frame(.refused, stream: second.stream, payload: Refusal(.notFound, text: "no\u{202E}thing").encoded))
        try bench.send(Frame(.done, stream: first.stream))
        #expect(try bench.waitFor { $0.events.contains(.done(request: mount)) })
        #expect(bench.events.contains(.status(request: status, report)))
        #expect(
            bench.events.contains(.refused(request: unmount, Refusal(.notFound, text: #"no\u{202e}thing"#))))
    }

    @Test func configureBringsClockAndEntropy() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        try bench.command { .configure(request: $0, hostname: "quiet-heron") }
        try bench.expectDone()
        let configure = try Configure(payload: bench.frame(.configure).payload)
        #expect(configure.hostname == "quiet-heron")
        #expect(configure.realtimeNanoseconds > 1_700_000_000_000_000_000)
        #expect(configure.entropy.count == 64 && Set(configure.entropy).count > 8)
    }

    @Test func earlyRequestsAreRefused() throws {
        let bench = try RelayBench()
        let request = try bench.command { .status(request: $0) }
        #expect(
            try bench.waitFor {
                $0.events.contains(.refused(request: request, Refusal(.failed, text: "the guest is not there yet")))
            })
    }

    @Test func aNewDaemonIsToldWhatCounts() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let number = try bench.open(.none, main: true)
        try bench.connectDaemon()
        #expect(try bench.waitFor { $0.phases().suffix(1) == [.ready] && $0.phases().count == 4 })
        let exited = Exited(signalled: false, value: 3)
        try bench.send(Frame(.exited, stream: number, payload: exited.encoded))
        #expect(try bench.waitFor { $0.events.last == .mainEnded(exited) })
        bench.disconnectDaemon()
        try bench.connectDaemon()
        #expect(try bench.waitFor { $0.events.filter { $0 == .mainEnded(exited) }.count == 2 })
    }

    @Test func anAnswerReachesNobodyElse() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let request = try bench.command { .status(request: $0) }
        let frame = try bench.frame(.status)
        try bench.connectDaemon()
        #expect(try bench.waitFor { $0.phases().count == 4 })
        try bench.send(Frame(.refused, stream: frame.stream, payload: Refusal(.failed, text: "").encoded))
        try bench.command { .console(request: $0) }
        #expect(try bench.waitFor { if case .console = $0.events.last { true } else { false } })
        #expect(!bench.events.contains(.refused(request: request, Refusal(.failed, text: ""))))
    }

    @Test func nonsenseEndsTheConnection() throws {
        let bench = try RelayBench()
        try bench.sendToRelay([200, 1, 0, 0, 0])
        #expect(try !bench.daemonIsConnected())
        try bench.connectDaemon()
        #expect(try bench.daemonIsConnected(), "the twin: the relay serves the next one")
    }

    @Test func theConsoleLeavesAsEscapedText() throws {
        let bench = try RelayBench()
        let console = try UnixSocket.connect(to: bench.directory + "/console")
        try Files.writeAll("boot\r\n\u{1B}[2Jpanic \u{7}\u{202E}x\\ é\n".utf8, to: console.raw)
        _ = try UnixSocket.send([0xFF, 0xFE, 10], to: console.raw)
        for _ in 0..<5 { try bench.turn() }
        let request = try bench.command { .console(request: $0) }
        let expected = "boot\n\\u{1b}[2Jpanic \\u{7}\\u{202e}x\\\\ é\n\u{FFFD}\u{FFFD}\n"
        #expect(try bench.waitFor { $0.events.contains(.console(request: request, text: expected)) })
    }

    @Test func theConsoleIsBounded() throws {
        let bench = try RelayBench()
        let console = try UnixSocket.connect(to: bench.directory + "/console")
        let line = [UInt8](repeating: 27, count: 1023) + [10]
        for number in 0..<400 {
            _ = try UnixSocket.send(number == 399 ? Array("the last\n".utf8) : line, to: console.raw)
            try bench.turn()
        }
        try bench.command { .console(request: $0) }
        #expect(try bench.waitFor { if case .console = $0.events.last { true } else { false } })
        guard case .console(_, let text) = bench.events.last else { return }
        #expect(text.hasSuffix("\nthe last\n"))
        #expect(text.utf8.count <= 64 << 10)
    }

    @Test func nobodyKeepsARelayWithoutMachineAndDaemon() throws {
        var limits = Relay.Limits()
        limits.idle = .milliseconds(20)
        let bench = try RelayBench(limits: limits)
        func endsByItself() throws -> Bool {
            var waited = false
            let timer = bench.loop.after(.seconds(20)) {
                waited = true
                bench.loop.stop()
            }
            try bench.loop.run()
            bench.loop.cancel(timer)
            return !waited
        }
        bench.hypervisor.disconnect()
        bench.disconnectDaemon()
        #expect(try endsByItself())
        let withDaemon = try RelayBench(limits: limits)
        withDaemon.hypervisor.disconnect()
        var turns = 0
        withDaemon.loop.after(.milliseconds(60)) { turns += 1 }
        while turns == 0 { try withDaemon.loop.turn(limit: .milliseconds(50)) }
        #expect(try withDaemon.daemonIsConnected(), "the twin: a daemon keeps it")
    }

    @Test func quitEndsTheLoop() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        try bench.command { .quit(request: $0) }
        try bench.loop.run()
        try bench.turn()
        #expect(try bench.failure() == "the session was ended")
    }
}
