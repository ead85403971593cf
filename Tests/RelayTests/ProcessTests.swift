import Glibc
import MachineDouble
import Relay
import System
import Testing
import Wire

/// Bytes in which a lost or moved piece shows.
private func pattern(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count { bytes += Array("\(bytes.count),".utf8) }
    return Array(bytes.prefix(count))
}

extension RelayBench {
    /// A process with a frames client.
    fileprivate func openFrames(main: Bool = false) throws -> (number: UInt32, client: DoubleClient) {
        let client = try DoubleClient()
        let number = try open(.frames, main: main, [client.passed])
        client.handOver()
        return (number, client)
    }

    fileprivate func output(_ bytes: [UInt8], _ number: UInt32, channel: UInt8 = 1) throws {
        try send(Frame(.data, stream: number, channel: channel, payload: bytes))
    }
}

@Suite struct FramesClientTests {
    @Test func aProcessFromReplyToExit() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let client = try DoubleClient()
        let number = try bench.open(.frames, reply: #"{"parameters":{"x":1}}"#, [client.passed])
        client.handOver()
        #expect(
            try bench.waitFor { _ in
                try client.read()
                return client.bytes.last == 0
            })
        #expect(client.bytes == Array(#"{"parameters":{"x":1}}"#.utf8) + [0])
        try client.readFrames()
        try bench.output([1, 2], number)
        try bench.output([3], number, channel: 2)
        try bench.send(Frame(.credit, stream: number, channel: 0, payload: Credit(bytes: 9).encoded))
        try bench.send(Frame(.end, stream: number, channel: 2))
        let exited = Exited(signalled: true, value: 9, expired: true)
        try bench.send(Frame(.exited, stream: number, payload: exited.encoded))
        #expect(try client.waitForFrames(bench) { $0.isClosed })
        #expect(
            client.frames == [
                Frame(.data, channel: 1, payload: [1, 2]), Frame(.data, channel: 2, payload: [3]),
                Frame(.credit, payload: Credit(bytes: 9).encoded), Frame(.end, channel: 2),
                Frame(.exited, payload: exited.encoded),
            ])
    }

    @Test func aClientsFramesReachItsProcess() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let (number, client) = try bench.openFrames()
        let sent = [
            Frame(.data, payload: [1]), Frame(.credit, channel: 1, payload: Credit(bytes: 5).encoded),
            Frame(.resize, payload: Resize(rows: 3, columns: 4).encoded),
            Frame(.signal, payload: Signal(number: 15).encoded), Frame(.ping, payload: [7, 7]), Frame(.end),
        ]
        for frame in sent { try client.send(frame) }
        #expect(try bench.waitFor { $0.frames.count == sent.count })
        #expect(
            bench.takeAllFrames()
                == sent.map { Frame($0.kind, stream: number, channel: $0.channel, payload: $0.payload) })
        try bench.send(Frame(.pong, stream: number, payload: [7, 7]))
        #expect(try client.waitForFrames(bench) { $0.frames == [Frame(.pong, payload: [7, 7])] })
    }

    @Test func aRefusedProcessLeavesItsClientUntouched() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let client = try DoubleClient()
        let request = try bench.command([client.passed]) {
            .run(
                request: $0,
                RelayCommand.Run(
                    client: .frames, main: false, logged: false, process: ProcessSpecification(arguments: ["x"])))
        }
        let number = try bench.frame(.open).stream
        let refusal = Refusal(.notFound, errorNumber: 2, text: "x: not found")
        try bench.send(Frame(.refused, stream: number, payload: refusal.encoded))
        #expect(try bench.waitFor { $0.events.contains(.refused(request: request, refusal)) })
        try client.read()
        #expect(client.bytes.isEmpty && !client.isClosed, "the daemon's copy keeps it open")
        client.handOver()
        try client.read()
        #expect(client.isClosed, "and the relay has closed its own")
    }

    @Test(arguments: [
        Frame(.data, stream: 1, payload: [1]), Frame(.data, channel: 1, payload: [1]), Frame(.data),
        Frame(.data, payload: [UInt8](repeating: 0, count: 40_000)), Frame(.end, channel: 1), Frame(.end, payload: [0]),
        Frame(.credit, payload: Credit(bytes: 1).encoded), Frame(.credit, channel: 1),
        Frame(.credit, channel: 1, payload: Credit(bytes: 1 << 20).encoded), Frame(.resize),
        Frame(.signal, payload: [0]),
        Frame(.signal, payload: [65]), Frame(.ping, payload: [UInt8](repeating: 0, count: 65)), Frame(.pong),
        Frame(.open), Frame(.opened), Frame(.exited), Frame(.hello), Frame(.powerOff), Frame(.mount), Frame(.done),
        Frame(.lost),
    ]) func aFrameThatIsNotTheClientsClosesIt(_ frame: Frame) throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let (number, client) = try bench.openFrames()
        try client.send(frame)
        #expect(try client.waitForFrames(bench) { $0.isClosed })
        #expect(try bench.frame(.signal) == Frame(.signal, stream: number, payload: [1]), "its process is hung up")
        #expect(bench.phases().last == .ready, "and nobody else suffers")
    }

    @Test func inputBeyondItsRoomClosesTheClient() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let (number, client) = try bench.openFrames()
        for _ in 0..<8 {
            try client.send(Frame(.data, payload: [UInt8](repeating: 1, count: 32 << 10)))
            try bench.turn()
        }
        #expect(try bench.waitFor { $0.frames.count == 8 })
        try bench.send(Frame(.credit, stream: number, payload: Credit(bytes: 2).encoded))
        #expect(try client.waitForFrames(bench) { $0.frames.count == 1 })
        try client.send(Frame(.data, payload: [1, 2]))
        #expect(try bench.waitFor { $0.frames.count == 9 })
        try client.send(Frame(.data, payload: [1]))
        #expect(try client.waitForFrames(bench) { $0.isClosed })
    }

    @Test func tooManyPingsCloseTheClient() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let (_, client) = try bench.openFrames()
        for _ in 0..<64 { try client.send(Frame(.ping)) }
        #expect(try bench.waitFor { $0.frames.count == 64 })
        try client.send(Frame(.ping))
        #expect(try client.waitForFrames(bench) { $0.isClosed })
    }

    @Test func nothingIsLostOrReordered() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let (number, client) = try bench.openFrames()
        let whole = pattern(3_000_000)
        var rest = whole[...]
        var room = Int(Wire.initialWindow)
        var granted = 0
        #expect(
            try bench.waitFor { bench in
                while room > 0 && !rest.isEmpty {
                    let piece = rest.prefix(min(room, Wire.largestData))
                    try bench.output(Array(piece), number)
                    room -= piece.count
                    rest = rest.dropFirst(piece.count)
                }
                try client.readFrames()
                let taken = client.frames.reduce(0) { $0 + $1.payload.count }
                if taken - granted >= 64 << 10 {
                    try client.send(
                        Frame(.credit, channel: 1, payload: Credit(bytes: UInt32(taken - granted)).encoded))
                    granted = taken
                }
                for frame in bench.takeAllFrames() where frame.kind == .credit {
                    room += Int(try Credit(payload: frame.payload).bytes)
                }
                return taken == whole.count
            })
        #expect(client.output == whole)
        try bench.send(Frame(.exited, stream: number, payload: Exited(signalled: false, value: 0).encoded))
        #expect(try client.waitForFrames(bench) { $0.isClosed })
    }

    @Test func aStalledReaderStallsNobodyElse() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let (stalled, slow) = try bench.openFrames()
        for _ in 0..<8 { try bench.output([UInt8](repeating: 1, count: 32 << 10), stalled) }
        let (other, quick) = try bench.openFrames()
        try bench.output([5], other)
        #expect(try quick.waitForFrames(bench) { $0.output == [5] })
        #expect(bench.phases().last == .ready)
        // Its output and its end wait for it.
        try bench.send(Frame(.exited, stream: stalled, payload: Exited(signalled: false, value: 4).encoded))
        #expect(
            try slow.waitForFrames(bench) { $0.isClosed })
        #expect(slow.output.count == 256 << 10)
        #expect(slow.frames.last?.kind == .exited)
    }

    @Test func theMainProcessEndsWhenItsClientHasEverything() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let client = try DoubleClient()
        let number = try bench.open(.frames, main: true, [client.passed])
        client.handOver()
        for _ in 0..<8 { try bench.output([UInt8](repeating: 1, count: 32 << 10), number) }
        let exited = Exited(signalled: false, value: 0)
        try bench.send(Frame(.exited, stream: number, payload: exited.encoded))
        for _ in 0..<20 { try bench.turn() }
        let waits = !bench.events.contains(.mainEnded(exited))
        #expect(try client.waitForFrames(bench) { $0.isClosed })
        #expect(waits, "more than the socket's buffer was waiting")
        #expect(client.output.count == 256 << 10)
        #expect(try bench.waitFor { $0.events.contains(.mainEnded(exited)) })
    }

    @Test func aClientThatLeavesHangsItsProcessUp() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let number: UInt32
        do {
            let client: DoubleClient
            (number, client) = try bench.openFrames(main: true)
            try client.send(Frame(.data, payload: [1]))
            #expect(try bench.frame(.data).payload == [1])
        }
        #expect(try bench.frame(.end) == Frame(.end, stream: number))
        #expect(try bench.frame(.signal) == Frame(.signal, stream: number, payload: [1]))
        // Its output is thrown away, and there is always room for it.
        for _ in 0..<5 { try bench.output([UInt8](repeating: 1, count: 32 << 10), number) }
        #expect(try bench.frame(.credit).channel == 1)
        let exited = Exited(signalled: true, value: 1)
        try bench.send(Frame(.exited, stream: number, payload: exited.encoded))
        #expect(try bench.waitFor { $0.events.last == .mainEnded(exited) })
    }

    @Test func aProcessThatIgnoresTheHangupIsKilled() throws {
        var limits = Relay.Limits()
        limits.hangup = .milliseconds(20)
        let bench = try RelayBench(limits: limits)
        try bench.becomeReady()
        let number = try bench.openFrames().number
        #expect(try bench.frame(.signal) == Frame(.signal, stream: number, payload: [1]))
        #expect(try bench.frame(.signal) == Frame(.signal, stream: number, payload: [9]))
    }

    @Test func whoIsLeftIsToldThatTheGuestIsGone() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let (_, frames) = try bench.openFrames(main: true)
        let replies = try DoubleClient()
        _ = try bench.open(.replies, [replies.passed])
        replies.handOver()
        bench.hypervisor.disconnect()
        #expect(try frames.waitForFrames(bench) { $0.isClosed })
        #expect(frames.frames == [Frame(.lost, payload: Lost(text: "the machine's process ended").encoded)])
        #expect(
            try bench.waitFor { _ in
                try replies.read()
                return replies.isClosed
            })
        #expect(
            replies.bytes == Array(
                #"{"error":"dev.cowork.Fault","parameters":{"code":"guest-failed","message":"the machine's process ended"}}"#
                    .utf8) + [0])
        #expect(bench.events.contains(.mainLost(text: "the machine's process ended")))
    }
}

@Suite struct OtherClientTests {
    @Test func repliesAreVarlink() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let client = try DoubleClient()
        let file = try SharedMemory.create("input", size: 5)
        try Files.writeAll("hello".utf8, to: file.raw)
        let number = try bench.open(.replies, hasInput: true, [client.passed, file.raw])
        client.handOver()
        #expect(try bench.frame(.data) == Frame(.data, stream: number, payload: Array("hello".utf8)))
        _ = try bench.frame(.end)
        try bench.output(Array("out\n".utf8), number)
        try bench.output(Array("er".utf8), number, channel: 2)
        try bench.send(Frame(.exited, stream: number, payload: Exited(signalled: false, value: 7).encoded))
        #expect(
            try bench.waitFor { _ in
                try client.read()
                return client.isClosed
            })
        let text = String(decoding: client.bytes, as: UTF8.self).split(separator: "\0")
        #expect(
            text == [
                #"{"parameters":{"stdout":"b3V0Cg=="},"continues":true}"#,
                #"{"parameters":{"stderr":"ZXI="},"continues":true}"#, #"{"parameters":{"exitStatus":7}}"#,
            ])
    }

    @Test func preparedInputWaitsForRoom() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let input = pattern(700_000)
        let file = try SharedMemory.create("input", size: input.count)
        try Files.writeAll(input, to: file.raw)
        let number = try bench.open(.none, hasInput: true, [file.raw])
        var taken: [UInt8] = []
        func take() throws {
            for _ in 0..<20 { try bench.turn() }
            taken += bench.takeAllFrames().filter { $0.kind == .data }.flatMap(\.payload)
        }
        try take()
        #expect(taken.count == 256 << 10)
        try bench.send(Frame(.credit, stream: number, payload: Credit(bytes: 100).encoded))
        try take()
        #expect(taken.count == 256 << 10 + 100)
        try bench.send(Frame(.credit, stream: number, payload: Credit(bytes: 500_000).encoded))
        #expect(try bench.waitFor { $0.frames.contains { $0.kind == .end } })
        try take()
        #expect(taken == input)
    }

    @Test func repliesGrantWhatWasTaken() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let client = try DoubleClient()
        let number = try bench.open(.replies, [client.passed])
        client.handOver()
        _ = try bench.frame(.end)
        for _ in 0..<8 { try bench.output([UInt8](repeating: 1, count: 32 << 10), number) }
        for _ in 0..<50 { try bench.turn() }
        let early = bench.takeAllFrames().filter { $0.kind == .credit }
        let granted = try early.reduce(0) { $0 + Int(try Credit(payload: $1.payload).bytes) }
        #expect(granted < 256 << 10, "a client that does not read stalls its writer")
        #expect(
            try bench.waitFor { bench in
                try client.read()
                return bench.frames.contains { $0.kind == .credit }
            })
    }

    @Test func theLogKeepsOutputWithinItsBounds() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let path = bench.directory + "/output.log"
        let file = try Files.open(path, O_RDWR | O_CREAT)
        let number = try bench.open(.none, main: true, logged: true, [file.raw])
        try bench.output(Array("one\n".utf8), number)
        try bench.output(Array("two\n".utf8), number, channel: 2)
        try bench.send(Frame(.exited, stream: number, payload: Exited(signalled: false, value: 0).encoded))
        #expect(try bench.waitFor { if case .mainEnded = $0.events.last { true } else { false } })
        #expect(try Files.text(ofFile: path) == "one\ntwo\n")
    }

    @Test func aFullLogKeepsItsLastMebibyte() throws {
        let file = SharedDescriptor(try SharedFile.create())
        let log = OutputLog(file)
        let chunk = [UInt8](repeating: 97, count: 31 << 10) + Array("line\n".utf8)
        for _ in 0..<300 { log.append(chunk) }
        log.append(Array("the end\n".utf8))
        let size = Int(try Files.status(ofRaw: file.raw).size)
        #expect(size <= OutputLog.largest)
        let text = [UInt8](unsafeUninitializedCapacity: size) { room, filled in
            filled = max(0, pread(file.raw, room.baseAddress, size, 0))
        }
        let head = String(decoding: text.prefix(80), as: UTF8.self)
        #expect(head.hasPrefix("[cowork: "))
        let left = try #require(Int(head.dropFirst(9).prefix { $0.isNumber }))
        let marker = "[cowork: \(left) bytes were left out here]\n".utf8.count
        #expect(left + size - marker == 300 * chunk.count + 8, "every byte is here or counted")
        #expect(String(decoding: text.suffix(13), as: UTF8.self) == "line\nthe end\n")
    }

    @Test func descriptorsMustFitTheCommand() throws {
        let bench = try RelayBench()
        try bench.becomeReady()
        let request = try bench.command {
            .run(
                request: $0,
                RelayCommand.Run(
                    client: .frames, main: false, logged: true, process: ProcessSpecification(arguments: ["x"])))
        }
        #expect(
            try bench.waitFor {
                $0.events.contains(
                    .refused(request: request, Refusal(.badRequest, text: "2 descriptors belong to this")))
            })
    }
}

private enum SharedFile {
    static func create() throws -> FileDescriptor {
        var template = Array("/tmp/relay-log-XXXXXX".utf8CString)
        let raw = mkstemp(&template)
        guard raw >= 0 else { throw SystemError("mkstemp") }
        unlink(template)
        return FileDescriptor(owning: raw)
    }
}
