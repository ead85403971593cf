import Core
import Glibc
import System
import Testing
import Wire

@testable import Commands

@Suite struct StreamPumpTests {
    /// A pump on a thread of its own, its standard streams, and its peer.
    private struct Scene: Sendable {
        let peer: Peer
        let mine: SharedDescriptor
        var input: SharedDescriptor?
        var output: SharedDescriptor
        var error: SharedDescriptor
        var signals: SharedDescriptor?

        init(input: SharedDescriptor?, output: SharedDescriptor, error: SharedDescriptor) throws {
            let pair = try UnixSocket.pair().split()
            peer = Peer(pair.second)
            mine = pair.first
            self.input = input
            self.output = output
            self.error = error
        }

        /// Files as outputs.
        init(input: SharedDescriptor? = nil) throws {
            try self.init(input: input, output: temporaryFile(), error: temporaryFile())
        }

        func run(received: [UInt8] = []) async throws -> StreamEnd {
            let scene = self
            return try await onThread {
                var ends = StreamPump.Ends(
                    connection: scene.mine.raw, input: scene.input?.raw, output: OutputSink(scene.output.raw),
                    error: OutputSink(scene.error.raw))
                ends.received = received
                ends.signals = scene.signals?.raw
                return try StreamPump(ends).run()
            }
        }

        func written() throws -> (output: [UInt8], error: [UInt8]) {
            lseek(output.raw, 0, SEEK_SET)
            lseek(error.raw, 0, SEEK_SET)
            return (try readAll(output.raw), try readAll(error.raw))
        }
    }

    private func data(_ channel: Channel, _ bytes: [UInt8]) -> Frame {
        Frame(.data, channel: channel.rawValue, payload: bytes)
    }

    private func exited(_ value: UInt8) -> Frame {
        Frame(.exited, payload: Exited(signalled: false, value: value).encoded)
    }

    @Test func outputGoesWhereItBelongsAndTheStatusComesLast() async throws {
        let scene = try Scene()
        try scene.peer.send(data(.output, [1, 2]), data(.error, [3]), data(.output, [4]), exited(7))
        #expect(try await scene.run() == .exited(Exited(signalled: false, value: 7)))
        let written = try scene.written()
        #expect(written.output == [1, 2, 4])
        #expect(written.error == [3])
    }

    @Test func bytesThatCameWithTheReplyAreNotLost() async throws {
        let scene = try Scene()
        let first = data(.output, Array("early".utf8)).encoded
        try scene.peer.send(bytes: Array(first[9...]) + exited(0).encoded)
        _ = try await scene.run(received: Array(first[..<9]))
        #expect(try scene.written().output == Array("early".utf8))
    }

    @Test func inputArrivesInOrderAndThenEnds() async throws {
        let source = try temporaryInput(100_000)
        let scene = try Scene(input: source.file)
        async let end = scene.run()
        let frames = try await onThread {
            let frames = try scene.peer.frames { $0.contains { $0.kind == .end } }
            try scene.peer.send(Frame(.exited, payload: Exited(signalled: true, value: 9).encoded))
            return frames
        }
        #expect(try await end == .exited(Exited(signalled: true, value: 9)))
        #expect(frames.filter { $0.kind == .data }.flatMap(\.payload) == source.bytes)
        #expect(frames.allSatisfy { $0.channel == Channel.input.rawValue && $0.stream == 0 })
        #expect(frames.filter { $0.kind == .end }.count == 1)
    }

    @Test func withoutInputItEndsAtOnce() async throws {
        let scene = try Scene()
        async let end = scene.run()
        let frames = try await onThread {
            let frames = try scene.peer.frames { !$0.isEmpty }
            try scene.peer.send(self.exited(0))
            return frames
        }
        _ = try await end
        #expect(frames == [Frame(.end, channel: Channel.input.rawValue)])
    }

    @Test func noMoreInputIsSentThanThereIsRoomFor() async throws {
        let source = try temporaryInput(400_000)
        let scene = try Scene(input: source.file)
        async let end = scene.run()
        let (before, after) = try await onThread {
            func count(_ frames: [Frame]) -> Int { frames.reduce(0) { $0 + $1.payload.count } }
            let before = try scene.peer.frames { count($0) >= Int(Wire.initialWindow) }
            // Were more sent than the first room, the next frame would not have these five bytes.
            try scene.peer.send(Frame(.credit, payload: Credit(bytes: 5).encoded))
            let five = try scene.peer.frames { count($0) >= 5 }
            try scene.peer.send(Frame(.credit, payload: Credit(bytes: 1 << 20).encoded))
            let rest = try scene.peer.frames { $0.contains { $0.kind == .end } }
            try scene.peer.send(self.exited(0))
            return (before, five.filter { $0.kind == .data } + rest)
        }
        _ = try await end
        #expect(before.reduce(0) { $0 + $1.payload.count } == Int(Wire.initialWindow))
        #expect(after.first?.payload.count == 5)
        #expect((before + after).filter { $0.kind == .data }.flatMap(\.payload) == source.bytes)
    }

    @Test func roomIsGrantedForWhatWasWritten() async throws {
        let scene = try Scene()
        async let end = scene.run()
        let granted = try await onThread {
            // Far more than the first room: without grants this could not arrive.
            var room = Int(Wire.initialWindow)
            var granted = 0
            for _ in 0..<64 {
                while room < Wire.largestData {
                    for frame in try scene.peer.frames(until: { $0.contains { $0.kind == .credit } })
                    where frame.kind == .credit {
                        let bytes = Int(try Credit(payload: frame.payload).bytes)
                        room += bytes
                        granted += bytes
                    }
                }
                try scene.peer.send(
                    Frame(.data, channel: 1, payload: [UInt8](repeating: 7, count: Wire.largestData)))
                room -= Wire.largestData
            }
            try scene.peer.send(self.exited(0))
            return granted
        }
        _ = try await end
        #expect(try scene.written().output.count == 64 * Wire.largestData)
        #expect(granted >= 64 * Wire.largestData - Int(Wire.initialWindow))
    }

    @Test func aStalledReaderGetsNoRoomAndLosesNothing() async throws {
        let pipe = try TestPipe()
        let scene = try Scene(input: nil, output: pipe.writing, error: temporaryFile())
        let window = Int(Wire.initialWindow)
        async let end = scene.run()
        let early = try await onThread {
            for _ in 0..<(window / Wire.largestData) {
                try scene.peer.send(
                    Frame(.data, channel: 1, payload: [UInt8](repeating: 1, count: Wire.largestData)))
            }
            // Errors pass a stalled output by. Room for them comes back, so the output before them was handled, too.
            for _ in 0..<4 {
                try scene.peer.send(
                    Frame(.data, channel: 2, payload: [UInt8](repeating: 2, count: Wire.largestData)))
            }
            return try scene.peer.frames { $0.contains { $0.kind == .credit && $0.channel == 2 } }
        }
        // A pipe takes 64 KiB: one step of room at most.
        let room = try early.filter { $0.kind == .credit && $0.channel == 1 }
            .reduce(0) { $0 + Int(try Credit(payload: $1.payload).bytes) }
        #expect(room <= 64 << 10)
        let bytes = try await onThread {
            try scene.peer.send(self.exited(3))
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 64 << 10)
            while bytes.count < window {
                let count = read(pipe.reading.raw, &chunk, chunk.count)
                if count <= 0 { break }
                bytes += chunk[0..<count]
            }
            return bytes
        }
        #expect(try await end == .exited(Exited(signalled: false, value: 3)))
        #expect(bytes == [UInt8](repeating: 1, count: window))
    }

    @Test func ourPipesStayBlockingForOthers() async throws {
        let pipe = try TestPipe()
        let scene = try Scene(input: nil, output: pipe.writing, error: temporaryFile())
        try scene.peer.send(data(.output, [1]), exited(0))
        _ = try await scene.run()
        #expect(fcntl(pipe.writing.raw, F_GETFL) & O_NONBLOCK == 0)
    }

    @Test func aClosedOutputEndsQuietly() async throws {
        var pipe: TestPipe? = try TestPipe()
        let writing = try #require(pipe?.writing)
        let scene = try Scene(input: nil, output: writing, error: temporaryFile())
        pipe = nil
        try scene.peer.send(data(.output, [1]))
        #expect(try await onThreadIgnoringBrokenPipes { try await scene.run() } == .outputClosed)
    }

    @Test func aFullDiskIsAFault() async throws {
        let full = SharedDescriptor(try Files.open("/dev/full", O_WRONLY))
        let scene = try Scene(input: nil, output: full, error: temporaryFile())
        try scene.peer.send(data(.output, [1]))
        await #expect {
            try await scene.run()
        } throws: { ($0 as? Fault)?.message.contains("standard output: No space left") == true }
    }

    @Test func whatIsLostSaysWhy() async throws {
        let scene = try Scene()
        try scene.peer.send(data(.output, [5]), Frame(.lost, payload: Lost(text: "the guest is gone").encoded))
        #expect(try await scene.run() == .lost("the guest is gone"))
        #expect(try scene.written().output == [5])
    }

    @Test func aConnectionThatEndsEarlyIsLost() async throws {
        let scene = try Scene()
        try scene.peer.send(data(.output, [5]))
        shutdown(scene.peer.raw, Int32(SHUT_WR))
        guard case .lost = try await scene.run() else {
            Issue.record("not lost")
            return
        }
        #expect(try scene.written().output == [5])
    }

    @Test(arguments: [
        Frame(.data, channel: 0, payload: [1]), Frame(.data, stream: 1, channel: 1, payload: [1]),
        Frame(.open), Frame(.exited, payload: [9, 9, 9]), Frame(.credit, channel: 1, payload: [1, 0, 0, 0]),
    ])
    func whatBreaksTheProtocolIsRefused(frame: Frame) async throws {
        let scene = try Scene()
        try scene.peer.send(frame)
        await #expect { try await scene.run() } throws: { ($0 as? Fault)?.code == .protocolViolation }
    }

    @Test func moreThanWasGrantedIsRefused() async throws {
        let pipe = try TestPipe()
        let scene = try Scene(input: nil, output: pipe.writing, error: temporaryFile())
        let end = Task { try await scene.run() }
        try await onThread {
            for _ in 0..<(Int(Wire.initialWindow) / Wire.largestData + 3) {
                try? scene.peer.send(
                    Frame(.data, channel: 1, payload: [UInt8](repeating: 1, count: Wire.largestData)))
            }
        }
        await #expect { try await end.value } throws: { ($0 as? Fault)?.code == .protocolViolation }
    }

    @Test func signalsAreForwarded() async throws {
        let scene = try Scene()
        let frames = try await onThread {
            // Blocked and sent in one thread: the rest of this process knows nothing of it.
            let signals = SharedDescriptor(try Signals.descriptor(for: [SIGUSR1, SIGUSR2]))
            pthread_kill(pthread_self(), SIGUSR1)
            pthread_kill(pthread_self(), SIGUSR2)
            var ends = StreamPump.Ends(
                connection: scene.mine.raw, input: nil, output: OutputSink(scene.output.raw),
                error: OutputSink(scene.error.raw))
            ends.signals = signals.raw
            let peer = scene.peer
            try NamedThread.start("peer") {
                let frames = try? peer.frames { $0.filter { $0.kind == .signal }.count == 2 }
                try? peer.send(
                    Frame(
                        .exited,
                        payload: Exited(signalled: true, value: UInt8(frames?.last?.payload.first ?? 0)).encoded))
            }
            return try StreamPump(ends).run()
        }
        #expect(frames == .exited(Exited(signalled: true, value: UInt8(SIGUSR2))))
    }

    @Test(arguments: [false, true])
    func aGuestThatDoesNotAnswerDoesNotHoldUs(answers: Bool) async throws {
        let scene = try Scene()
        let end = try await onThread {
            let signals = SharedDescriptor(try Signals.descriptor(for: [SIGTERM]))
            pthread_kill(pthread_self(), SIGTERM)
            var ends = StreamPump.Ends(
                connection: scene.mine.raw, input: nil, output: OutputSink(scene.output.raw),
                error: OutputSink(scene.error.raw))
            ends.signals = signals.raw
            ends.guestPatience = answers ? .seconds(60) : .milliseconds(20)
            let peer = scene.peer
            try NamedThread.start("peer") {
                guard answers, (try? peer.frames { $0.contains { $0.kind == .ping } }) != nil else { return }
                try? peer.send(Frame(.pong), Frame(.exited, payload: Exited(signalled: false, value: 3).encoded))
            }
            return try StreamPump(ends).run()
        }
        #expect(end == (answers ? .exited(Exited(signalled: false, value: 3)) : .interrupted(SIGTERM)))
    }

    private func temporaryInput(_ count: Int) throws -> (file: SharedDescriptor, bytes: [UInt8]) {
        let file = try temporaryFile()
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        try Files.writeAll(bytes, to: file.raw)
        lseek(file.raw, 0, SEEK_SET)
        return (file, bytes)
    }

    private func onThreadIgnoringBrokenPipes(_ body: () async throws -> StreamEnd) async throws -> StreamEnd {
        CurrentProcess.ignoreBrokenPipes()
        return try await body()
    }
}
