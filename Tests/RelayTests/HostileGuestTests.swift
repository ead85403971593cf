import MachineDouble
import System
import Testing
import Wire

/// What a guest that was taken over may try on its control channel: the session fails, by name, and nothing else happens.
@Suite struct HostileGuestTests {
    private static func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    @Test(arguments: [
        Frame(.hello, payload: Hello(lowestVersion: 1, highestVersion: 1, secret: RelayBench.secret).encoded),
        Frame(.welcome), Frame(.configure), Frame(.powerOff), Frame(.mount), Frame(.open), Frame(.lost),
        Frame(.ready, payload: Ready(uptimeMilliseconds: 1, agentVersion: "").encoded), Frame(.done, stream: 77),
        Frame(.statusReport, stream: 77), Frame(.refused, stream: 77, payload: Refusal(.failed, text: "").encoded),
        Frame(.opened, stream: 77, payload: Opened(pid: 1).encoded), Frame(.data, stream: 77, channel: 1, payload: [1]),
        Frame(.exited, stream: 77, payload: Exited(signalled: false, value: 0).encoded), Frame(.pong, stream: 77),
        Frame(.ping, payload: bytes(65)), Frame(.signal, stream: 77, payload: [9]),
    ]) func outOfTurn(_ frame: Frame) throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        try bench.send(frame)
        #expect(try bench.failure()?.hasPrefix("the guest broke the protocol: ") == true)
        #expect(try !bench.driver.connect())
    }

    @Test(arguments: [
        Frame(.data, stream: 1, channel: 0, payload: [1]), Frame(.data, stream: 1, channel: 1),
        Frame(.end, stream: 1, channel: 0), Frame(.end, stream: 1, channel: 1, payload: [1]),
        Frame(.credit, stream: 1, channel: 1, payload: Credit(bytes: 1).encoded),
        Frame(.credit, stream: 1, channel: 0, payload: Credit(bytes: .max).encoded), Frame(.credit, stream: 1),
        Frame(.opened, stream: 1, payload: Opened(pid: 1).encoded), Frame(.pong, stream: 1), Frame(.resize, stream: 1),
        Frame(.exited, stream: 1), Frame(.exited, stream: 1, payload: [2, 0, 0]), Frame(.lost, stream: 1),
        Frame(.refused, stream: 1, payload: Refusal(.failed, text: "").encoded),
    ]) func onAProcess(_ frame: Frame) throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        #expect(try bench.open(.none) == 1)
        try bench.send(frame)
        #expect(try bench.failure()?.hasPrefix("the guest broke the protocol: ") == true)
    }

    @Test func moreOutputThanThereIsRoomFor() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let client = try DoubleClient()
        let number = try bench.open(.frames, [client.passed])
        client.handOver()
        for _ in 0..<8 {
            try bench.send(Frame(.data, stream: number, channel: 1, payload: Self.bytes(32 << 10)))
        }
        for _ in 0..<10 { try bench.turn() }
        #expect(bench.phases().last == .ready)
        try bench.send(Frame(.data, stream: number, channel: 1, payload: [1]))
        #expect(try bench.failure() == "the guest broke the protocol: more output than there was room for")
        #expect(try client.waitForFrames(bench) { $0.isClosed })
        #expect(client.frames.last?.kind == .lost)
    }

    @Test func dataAfterTheEnd() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let number = try bench.open(.none)
        try bench.send(Frame(.end, stream: number, channel: 2))
        try bench.send(Frame(.data, stream: number, channel: 1, payload: [1]))
        for _ in 0..<10 { try bench.turn() }
        #expect(bench.phases().last == .ready)
        try bench.send(Frame(.data, stream: number, channel: 2, payload: [1]))
        #expect(try bench.failure() == "the guest broke the protocol: data after the end")
    }

    @Test(arguments: [
        [255, 255, 255, 255, 34, 1, 0, 0, 1, 0, 0, 0], [1, 128, 0, 0, 34, 1, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 48, 3, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 48, 0, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]) func headers(_ header: [UInt8]) throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        try bench.driver.write(header)
        #expect(try bench.failure()?.hasPrefix("the guest broke the protocol: ") == true)
    }

    @Test func aGuestThatAsksAndNeverReads() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        bench.driver.readsAtOnce = false
        let pings = (0..<2000).flatMap { _ in Frame(.ping, payload: Self.bytes(64)).encoded }
        for _ in 0..<200 where bench.phases().last == .ready { try bench.driver.write(pings) }
        #expect(try bench.failure() == "the guest broke the protocol: it does not read")
    }

    @Test func pingsOfTheGuestAreAnswered() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        try bench.send(Frame(.ping, stream: 5, payload: [1, 2, 3]))
        #expect(try bench.frame(.pong) == Frame(.pong, stream: 5, payload: [1, 2, 3]))
    }

    /// Whatever bytes come after the handshake: a named end or a session that goes on, never a trap.
    @Test func noise() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<40 {
            let bench = try RelayBench()
            try bench.becomeReady()
            _ = try bench.open(.none)
            for _ in 0..<20 where bench.phases().last == .ready {
                let kind = FrameKind.allCases.randomElement(using: &generator) ?? .data
                let payload = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                    UInt8.random(in: 0...4, using: &generator)
                }
                try bench.send(
                    Frame(
                        kind, stream: UInt32.random(in: 0...2, using: &generator),
                        channel: UInt8.random(in: 0...2, using: &generator), payload: payload))
                try bench.turn()
            }
        }
    }
}
