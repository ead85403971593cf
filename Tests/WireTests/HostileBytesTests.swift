import Testing
import Wire

/// Bytes that no honest peer makes: each is refused by name before anything is allocated for it.
@Suite struct HostileBytesTests {
    private func frame(_ hex: String) throws -> Frame? {
        var decoder = FrameDecoder()
        decoder.append(GoldenFrameTests.bytes(hex))
        return try decoder.next()
    }

    @Test func headers() throws {
        #expect(throws: WireError.tooLarge) { _ = try frame("ffffffff 30 00 0000 00000000") }
        #expect(throws: WireError.tooLarge) { _ = try frame("01000200 30 00 0000 00000000") }
        #expect(throws: WireError.tooLarge) { _ = try frame("01800000 22 01 0000 00000000") }
        #expect(try frame("00800000 22 01 0000 00000000") == nil, "the twin: the largest data frame, under way")
        #expect(throws: WireError.unknownKind(0)) { _ = try frame("00000000 00 00 0000 00000000") }
        #expect(throws: WireError.unknownKind(7)) { _ = try frame("00000000 07 00 0000 00000000") }
        #expect(throws: WireError.unknownKind(255)) { _ = try frame("00000000 ff 00 0000 00000000") }
        #expect(throws: WireError.malformed("header")) { _ = try frame("00000000 30 03 0000 00000000") }
        #expect(throws: WireError.malformed("header")) { _ = try frame("00000000 30 00 0100 00000000") }
        #expect(try frame("00000000 30 00 0000 000000") == nil, "a header that is not whole is waited for")
    }

    @Test func framesMayComeInAnyPieces() throws {
        let frames = [
            Frame(.ping, payload: [1, 2, 3]), Frame(.data, stream: 9, channel: 1, payload: [4]), Frame(.end),
        ]
        let bytes = frames.flatMap(\.encoded)
        for size in 1...bytes.count {
            var decoder = FrameDecoder()
            var found: [Frame] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                decoder.append(bytes[start..<min(start + size, bytes.count)])
                while let frame = try decoder.next() { found.append(frame) }
            }
            #expect(found == frames)
            #expect(decoder.buffered == 0)
        }
    }

    @Test func flagsAndNumbers() throws {
        #expect(throws: WireError.malformed("flag")) { _ = try Exited(payload: [2, 0, 0]) }
        #expect(throws: WireError.malformed("signal")) { _ = try Signal(payload: [0]) }
        #expect(throws: WireError.malformed("signal")) { _ = try Signal(payload: [65]) }
        #expect(throws: WireError.malformed("magic")) {
            _ = try Hello(payload: Array("COWX".utf8) + [UInt8](repeating: 0, count: 36))
        }
        #expect(try Signal(payload: [64]).number == 64)
    }

    @Test func lengthsInsideMessages() {
        #expect(throws: WireError.tooLarge) { _ = try Unmount(payload: [255, 255, 255, 255]) }
        #expect(throws: WireError.tooLarge) { _ = try Unmount(payload: GoldenFrameTests.bytes("01100000")) }
        #expect(throws: WireError.truncated) { _ = try Unmount(payload: GoldenFrameTests.bytes("00100000")) }
        #expect(throws: WireError.tooLarge) { _ = try ProcessSpecification(payload: [255, 255, 255, 255]) }
        #expect(throws: WireError.tooLarge) {
            _ = try ProcessSpecification(payload: GoldenFrameTests.bytes("00010000"))
        }
        #expect(throws: WireError.tooLarge) { _ = try Configure(payload: GoldenFrameTests.bytes("41000000")) }
    }

    @Test func commandsThatCannotRun() {
        func refused(_ specification: ProcessSpecification) -> Bool {
            (try? ProcessSpecification(payload: specification.encoded)) == nil
        }
        #expect(refused(ProcessSpecification(arguments: [])))
        #expect(refused(ProcessSpecification(arguments: [""])))
        #expect(refused(ProcessSpecification(arguments: ["a\0b"])))
        #expect(refused(ProcessSpecification(arguments: ["a"], environment: ["A=\0"])))
        #expect(refused(ProcessSpecification(arguments: ["a"], directory: "\0")))
        #expect(!refused(ProcessSpecification(arguments: ["a"])))
    }

    @Test func refusalsOfLaterVersionsStillRead() throws {
        #expect(try Refusal(payload: GoldenFrameTests.bytes("ff 00000000 00000000")).reason == .failed)
    }

    /// Any bytes at all: a value or an error, and what is read is what was written.
    @Test func noise() {
        var generator = SystemRandomNumberGenerator()
        var values = 0
        for _ in 0..<3000 {
            let count = Int.random(in: 0...80, using: &generator)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...6, using: &generator) }
            func tryOne<Payload: FramePayload>(_: Payload.Type) {
                guard let value = try? Payload(payload: bytes) else { return }
                values += 1
                #expect((try? Payload(payload: value.encoded)) == value)
            }
            tryOne(Hello.self)
            tryOne(Welcome.self)
            tryOne(Configure.self)
            tryOne(Ready.self)
            tryOne(Refusal.self)
            tryOne(Mount.self)
            tryOne(Unmount.self)
            tryOne(GuestStatus.self)
            tryOne(PowerOff.self)
            tryOne(ProcessSpecification.self)
            tryOne(Opened.self)
            tryOne(Credit.self)
            tryOne(Resize.self)
            tryOne(Signal.self)
            tryOne(Exited.self)
            tryOne(Lost.self)
            _ = try? RelayCommand(bytes)
            _ = try? RelayEvent(bytes)
            var decoder = FrameDecoder()
            decoder.append(bytes)
            do { while try decoder.next() != nil {} } catch { values += 0 }
        }
        #expect(values > 0)
    }
}
