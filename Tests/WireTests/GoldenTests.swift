import Testing
import Wire

/// The bytes of version 1, every kind of frame: whoever changes one of these changes the protocol.
@Suite struct GoldenFrameTests {
    static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.utf8.filter { $0 != 32 && $0 != 10 }.map { $0 > 57 ? $0 - 87 : $0 - 48 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// A frame's golden bytes, both ways.
    private func check(_ frame: Frame, _ hex: String, location: SourceLocation = #_sourceLocation) throws {
        let golden = Self.bytes(hex)
        #expect(frame.encoded == golden, sourceLocation: location)
        var decoder = FrameDecoder()
        decoder.append(golden)
        #expect(try decoder.next() == frame, sourceLocation: location)
        #expect(decoder.buffered == 0, sourceLocation: location)
    }

    /// A payload's golden bytes, both ways; and every shorter or longer message is refused.
    private func check<Payload: FramePayload>(
        _ kind: FrameKind, _ payload: Payload, stream: UInt32 = 0, channel: UInt8 = 0, _ hex: String,
        location: SourceLocation = #_sourceLocation
    ) throws {
        let frame = Frame(kind, stream: stream, channel: channel, payload: payload.encoded)
        try check(frame, hex, location: location)
        #expect(try Payload(payload: frame.payload) == payload, sourceLocation: location)
        for count in 0..<frame.payload.count {
            #expect(throws: WireError.self, sourceLocation: location) {
                _ = try Payload(payload: Array(frame.payload[..<count]))
            }
        }
        #expect(throws: WireError.malformed("trailing bytes"), sourceLocation: location) {
            _ = try Payload(payload: frame.payload + [0])
        }
    }

    @Test func handshake() throws {
        let secret = [UInt8](repeating: 0xAB, count: 32)
        let half = String(repeating: "ab", count: 32)
        try check(
            .hello, Hello(lowestVersion: 1, highestVersion: 2, secret: secret),
            "28000000 01 00 0000 00000000 434f574b 0100 0200" + half)
        try check(.welcome, Welcome(version: 1, proof: secret), "22000000 02 00 0000 00000000 0100" + half)
        try check(
            .configure, Configure(hostname: "ab", realtimeNanoseconds: -2, entropy: [1, 2, 3]),
            "15000000 03 00 0000 00000000 02000000 6162 feffffffffffffff 03000000 010203")
        try check(
            .ready, Ready(uptimeMilliseconds: 258, agentVersion: "1"),
            "0d000000 04 00 0000 00000000 0201000000000000 01000000 31")
        try check(
            .failed, Refusal(.failed, errorNumber: 5, text: "no"),
            "0b000000 05 00 0000 00000000 00 05000000 02000000 6e6f")
        try check(.powerOff, PowerOff(graceMilliseconds: 500), "04000000 06 00 0000 00000000 f4010000")
    }

    @Test func requests() throws {
        try check(
            .mount, Mount(tag: "f0", path: "/a", readOnly: true), stream: 7,
            "0d000000 10 00 0000 07000000 02000000 6630 02000000 2f61 01")
        try check(.unmount, Unmount(path: "/a"), stream: 8, "06000000 11 00 0000 08000000 02000000 2f61")
        try check(Frame(.status, stream: 9), "00000000 12 00 0000 09000000")
        try check(
            .statusReport,
            GuestStatus(
                memoryTotal: 1, memoryAvailable: 2, diskTotal: 3, diskAvailable: 4, agentResident: 5,
                uptimeMilliseconds: 6, processes: 7), stream: 9,
            """
            34000000 13 00 0000 09000000 0100000000000000 0200000000000000 0300000000000000 0400000000000000
            0500000000000000 0600000000000000 07000000
            """)
        try check(Frame(.done, stream: 7), "00000000 14 00 0000 07000000")
        try check(
            .refused, Refusal(.denied, errorNumber: 13, text: ""), stream: 7,
            "09000000 15 00 0000 07000000 07 0d000000 00000000")
    }

    @Test func processes() throws {
        try check(
            .open,
            ProcessSpecification(
                arguments: ["ls", "-l"], environment: ["A=b"], directory: "/", user: "root", terminal: true, rows: 24,
                columns: 80, limits: [.init(resource: 7, soft: 1, hard: 2)], deadlineMilliseconds: 3),
            stream: 1,
            """
            47000000 20 00 0000 01000000 02000000 02000000 6c73 02000000 2d6c 01000000 03000000 413d62 01000000 2f
            04000000 726f6f74 01 1800 5000 01 07 0100000000000000 0200000000000000 0300000000000000
            """)
        try check(.opened, Opened(pid: 300), stream: 1, "04000000 21 00 0000 01000000 2c010000")
        try check(Frame(.data, stream: 1, channel: 2, payload: [1, 2]), "02000000 22 02 0000 01000000 0102")
        try check(Frame(.end, stream: 1, channel: 1), "00000000 23 01 0000 01000000")
        try check(
            .credit, Credit(bytes: 65536), stream: 1, channel: 1, "04000000 24 01 0000 01000000 00000100")
        try check(.resize, Resize(rows: 50, columns: 132), stream: 1, "04000000 25 00 0000 01000000 3200 8400")
        try check(.signal, Signal(number: 15), stream: 1, "01000000 26 00 0000 01000000 0f")
        try check(
            .exited, Exited(signalled: true, value: 9, expired: true), stream: 1,
            "03000000 27 00 0000 01000000 01 09 01")
        try check(.lost, Lost(text: "a"), "05000000 28 00 0000 00000000 01000000 61")
    }

    @Test func liveness() throws {
        try check(Frame(.ping, stream: 2, payload: [9]), "01000000 30 00 0000 02000000 09")
        try check(Frame(.pong, stream: 2, payload: [9]), "01000000 31 00 0000 02000000 09")
    }

    @Test func everyKindIsHere() {
        #expect(FrameKind.allCases.map(\.rawValue) == Array(1...6) + Array(16...21) + Array(32...40) + [48, 49])
        #expect(Channel.allCases.map(\.rawValue) == [0, 1, 2])
        #expect(Wire.version == 1)
    }

    @Test func exitStatus() {
        #expect(Exited(signalled: false, value: 7).status == 7)
        #expect(Exited(signalled: true, value: 9).status == 137)
        #expect(Exited(signalled: true, value: 15, expired: true).status == 124)
    }
}

@Suite struct GoldenRelayMessageTests {
    private func check(_ command: RelayCommand, _ hex: String, location: SourceLocation = #_sourceLocation) throws {
        let golden = GoldenFrameTests.bytes(hex)
        #expect(command.encoded == golden, sourceLocation: location)
        #expect(try RelayCommand(golden) == command, sourceLocation: location)
        for count in 0..<golden.count {
            #expect(throws: WireError.self, sourceLocation: location) { _ = try RelayCommand(Array(golden[..<count])) }
        }
        #expect(throws: WireError.self, sourceLocation: location) { _ = try RelayCommand(golden + [0]) }
    }

    private func check(_ event: RelayEvent, _ hex: String, location: SourceLocation = #_sourceLocation) throws {
        let golden = GoldenFrameTests.bytes(hex)
        #expect(event.encoded == golden, sourceLocation: location)
        #expect(try RelayEvent(golden) == event, sourceLocation: location)
        for count in 0..<golden.count {
            #expect(throws: WireError.self, sourceLocation: location) { _ = try RelayEvent(Array(golden[..<count])) }
        }
    }

    @Test func commands() throws {
        try check(.setUp(request: 1, secret: [1], proof: [2, 3]), "01 01000000 01000000 01 02000000 0203")
        try check(.configure(request: 2, hostname: "h"), "02 02000000 01000000 68")
        try check(
            .mount(request: 3, Mount(tag: "t", path: "/", readOnly: false)), "03 03000000 01000000 74 01000000 2f 00")
        try check(.unmount(request: 4, Unmount(path: "/")), "04 04000000 01000000 2f")
        try check(.status(request: 5), "05 05000000")
        try check(.powerOff(request: 6, PowerOff(graceMilliseconds: 7)), "06 06000000 07000000")
        try check(.console(request: 7), "07 07000000")
        try check(
            .run(
                request: 8,
                RelayCommand.Run(
                    client: .replies, main: true, logged: false, hasInput: true, reply: "{}",
                    process: ProcessSpecification(arguments: ["a"], user: "u", rows: 1, columns: 2))),
            """
            08 08000000 02 01 00 01 02000000 7b7d 01000000 01000000 61 00000000 00000000 01000000 75 00 0100 0200 00
            0000000000000000
            """)
        try check(.quit(request: 9), "09 09000000")
    }

    @Test func events() throws {
        try check(.phase(.ready, uptimeMilliseconds: 1, text: "x"), "01 02 0100000000000000 01000000 78")
        try check(.done(request: 1), "02 01000000")
        try check(.refused(request: 2, Refusal(.tooMany, text: "")), "03 02000000 06 00000000 00000000")
        try check(
            .status(
                request: 3,
                GuestStatus(
                    memoryTotal: 0, memoryAvailable: 0, diskTotal: 0, diskAvailable: 0, agentResident: 0,
                    uptimeMilliseconds: 0, processes: 1)),
            "04 03000000" + String(repeating: "00", count: 48) + "01000000")
        try check(.console(request: 4, text: "a"), "05 04000000 01000000 61")
        try check(.started(request: 5, pid: 6), "06 05000000 06000000")
        try check(.mainEnded(Exited(signalled: false, value: 1)), "07 00 01 00")
        try check(.mainLost(text: "b"), "08 01000000 62")
    }

    @Test func numbersAreFound() {
        #expect(RelayCommand.quit(request: 9).request == 9)
        #expect(RelayCommand.console(request: 4).request == 4)
    }
}
