import MachineDouble
import Relay
import System
import Testing
import Wire

@Suite struct HandshakeTests {
    @Test func aGuestProvesItselfAndBecomesReady() throws {
        let bench = try RelayBench()
        try bench.greet()
        let welcome = try bench.frame(.welcome)
        #expect(try Welcome(payload: welcome.payload) == Welcome(version: 1, proof: RelayBench.proof))
        #expect(try bench.waitFor { $0.phases() == [.waiting, .connected] })
        try bench.send(Frame(.ready, payload: Ready(uptimeMilliseconds: 1234, agentVersion: "7\u{1B}[2J").encoded))
        #expect(
            try bench.waitFor { $0.events.last == .phase(.ready, uptimeMilliseconds: 1234, text: #"7\u{1b}[2J"#) })
    }

    @Test func aWrongSecretIsNotAnswered() throws {
        let bench = try RelayBench()
        var secret = RelayBench.secret
        secret[31] ^= 1
        try bench.greet(secret: secret)
        #expect(try bench.failure() == "the guest broke the protocol: it did not prove itself")
        #expect(bench.takeAllFrames().isEmpty)
        #expect(try !bench.driver.connect(), "and there is no second try")
    }

    @Test func noCommonVersion() throws {
        let bench = try RelayBench()
        #expect(try bench.driver.connect())
        try bench.send(
            Frame(.hello, payload: Hello(lowestVersion: 2, highestVersion: 9, secret: RelayBench.secret).encoded))
        #expect(try bench.failure() == "the guest broke the protocol: it speaks versions 2 to 9, we speak 1")
    }

    @Test func onlyOneConnectionFromAPrivilegedPort() throws {
        let bench = try RelayBench(setUp: false)
        #expect(try !bench.driver.connect(), "nobody, before the secret is known")
        try bench.command { .setUp(request: $0, secret: RelayBench.secret, proof: RelayBench.proof) }
        try bench.expectDone()
        #expect(try !bench.driver.connect(from: 1024))
        #expect(try !bench.driver.connect(from: .max))
        #expect(try !bench.driver.connect(to: 2))
        #expect(try bench.driver.connect(from: 1023))
        #expect(try !bench.driver.connect(from: 1022), "one at a time")
    }

    @Test(arguments: [
        Frame(.ready, payload: Ready(uptimeMilliseconds: 1, agentVersion: "").encoded), Frame(.ping),
        Frame(
            .hello, stream: 1, payload: Hello(lowestVersion: 1, highestVersion: 1, secret: RelayBench.secret).encoded),
        Frame(.hello, payload: [1, 2, 3]), Frame(.data, stream: 1, channel: 1, payload: [1]),
    ]) func anythingButAHelloEndsIt(_ frame: Frame) throws {
        let bench = try RelayBench()
        #expect(try bench.driver.connect())
        try bench.send(frame)
        #expect(try bench.failure()?.hasPrefix("the guest broke the protocol: ") == true)
    }

    @Test func silenceEndsIt() throws {
        var limits = Relay.Limits()
        limits.hello = .milliseconds(20)
        let bench = try RelayBench(limits: limits)
        #expect(try bench.driver.connect())
        #expect(try bench.failure() == "the guest connected and said nothing")
        let twin = try RelayBench(limits: limits)
        try twin.becomeReady()
        var waited = false
        twin.loop.after(.milliseconds(60)) { waited = true }
        #expect(try twin.waitFor { _ in waited })
        #expect(twin.phases().last == .ready)
    }

    @Test func theGuestsFailureIsTold() throws {
        let bench = try RelayBench()
        try bench.greet()
        _ = try bench.frame(.welcome)
        try bench.send(Frame(.failed, payload: Refusal(.failed, text: "no root\n\u{1B}[31m").encoded))
        #expect(try bench.failure() == #"the guest could not start: no root\n\u{1b}[31m"#)
    }

    @Test func theGuestsEndIsNamed() throws {
        let closed = try RelayBench()
        try closed.becomeReady()
        closed.driver.send(closed.driver.packet(DoubleVsockDriver.Operation.shutdown))
        #expect(try closed.failure() == "the guest closed its control channel")

        let reset = try RelayBench()
        try reset.becomeReady()
        for index in 0..<2 { _ = try reset.hypervisor.stopRing(index) }
        let memory = try DoubleMemory()
        try reset.hypervisor.start([DoubleRing(in: memory), DoubleRing(in: memory)])
        #expect(try reset.failure() == "the guest was reset")

        let broken = try RelayBench()
        try broken.becomeReady()
        broken.driver.transmitRing.show(broken.driver.transmitRing.availableIndex &+ 500)
        broken.hypervisor.kick(1)
        #expect(try broken.failure() == "the guest's driver broke its ring: the available index ran ahead of the ring")

        let gone = try RelayBench()
        try gone.becomeReady()
        gone.hypervisor.disconnect()
        #expect(try gone.failure() == "the machine's process ended")

        let off = try RelayBench()
        try off.becomeReady()
        try off.command { .powerOff(request: $0, PowerOff(graceMilliseconds: 5)) }
        #expect(try PowerOff(payload: off.frame(.powerOff).payload).graceMilliseconds == 5)
        off.hypervisor.disconnect()
        #expect(try off.failure() == "the machine was powered off")
    }
}
