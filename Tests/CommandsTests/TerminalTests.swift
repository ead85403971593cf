import Core
import Glibc
import System
import Testing
import Wire

@testable import Commands

@Suite(.serialized) struct TerminalTests {
    /// A pseudo-terminal: what is typed and shown on one end, a terminal on the other.
    private struct PseudoTerminal: Sendable {
        let controller, terminal: SharedDescriptor

        init(rows: UInt16, columns: UInt16) throws {
            controller = SharedDescriptor(try Files.open("/dev/ptmx", O_RDWR | O_NOCTTY))
            var unlock: Int32 = 0
            var number: Int32 = 0
            let raw = controller.raw
            // TIOCSPTLCK and TIOCGPTN, which Glibc's module lacks.
            try systemCall("ioctl") { ioctl(raw, 0x4004_5431, &unlock) }
            try systemCall("ioctl") { ioctl(raw, 0x8004_5430, &number) }
            terminal = SharedDescriptor(try Files.open("/dev/pts/\(number)", O_RDWR | O_NOCTTY))
            try resize(rows: rows, columns: columns)
        }

        func resize(rows: UInt16, columns: UInt16) throws {
            var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
            let raw = terminal.raw
            try systemCall("ioctl") { ioctl(raw, UInt(TIOCSWINSZ), &size) }
        }

        var mode: [UInt32] {
            var now = termios()
            tcgetattr(terminal.raw, &now)
            return [now.c_iflag, now.c_oflag, now.c_cflag, now.c_lflag]
        }
    }

    @Test func aTerminalIsGivenBackAsItWas() throws {
        let pseudo = try PseudoTerminal(rows: 31, columns: 77)
        #expect(Terminal.isTerminal(pseudo.terminal.raw))
        #expect(Terminal.size(of: pseudo.terminal.raw) == Terminal.Size(rows: 31, columns: 77))
        let before = pseudo.mode
        do {
            let raw = try RawTerminal(pseudo.terminal.raw)
            #expect(pseudo.mode != before)
            raw.restore()
            #expect(pseudo.mode == before)
            try raw.enter()
            try raw.enter()
            #expect(pseudo.mode[3] & UInt32(ECHO) == 0)
        }
        #expect(pseudo.mode == before)
    }

    @Test func whatIsNoTerminalIsNotTakenForOne() throws {
        let pipe = try TestPipe()
        #expect(!Terminal.isTerminal(pipe.reading.raw) && Terminal.size(of: pipe.reading.raw) == nil)
        #expect(throws: SystemError.self) { try RawTerminal(pipe.reading.raw) }
    }

    @Test func sizeAndSignalsReachTheProcess() async throws {
        let pseudo = try PseudoTerminal(rows: 31, columns: 77)
        let pair = try UnixSocket.pair().split()
        let peer = Peer(pair.second)
        try NamedThread.start("peer") {
            let frames = try? peer.frames { $0.contains { $0.kind == .resize } && $0.contains { $0.kind == .data } }
            let resize = frames?.first { $0.kind == .resize }.flatMap { try? Resize(payload: $0.payload) }
            let typed = frames?.first { $0.kind == .data }?.payload ?? []
            // Control-C came as a byte, and the size is the new one.
            let isRight = resize == Resize(rows: 40, columns: 100) && typed == [3]
            try? peer.send(
                Frame(.data, channel: 1, payload: Array("shown\n".utf8)),
                Frame(.exited, payload: Exited(signalled: false, value: isRight ? 5 : 1).encoded))
        }
        let before = pseudo.mode
        let end = try await onThread {
            let signals = SharedDescriptor(try Signals.descriptor(for: [SIGWINCH]))
            var ends = StreamPump.Ends(
                connection: pair.first.raw, input: pseudo.terminal.raw, output: OutputSink(pseudo.terminal.raw),
                error: OutputSink(pseudo.terminal.raw))
            ends.signals = signals.raw
            ends.sizedLike = pseudo.terminal.raw
            let rawTerminal = try RawTerminal(pseudo.terminal.raw)
            ends.rawTerminal = rawTerminal
            defer { rawTerminal.restore() }
            try pseudo.resize(rows: 40, columns: 100)
            pthread_kill(pthread_self(), SIGWINCH)
            try Files.writeAll([3], to: pseudo.controller.raw)
            return try StreamPump(ends).run()
        }
        #expect(end == .exited(Exited(signalled: false, value: 5)))
        #expect(pseudo.mode == before)
        // Raw: no carriage return was added here; the guest's own terminal does that.
        var shown = [UInt8](repeating: 0, count: 64)
        let count = read(pseudo.controller.raw, &shown, shown.count)
        #expect(Array(shown.prefix(max(0, count))) == Array("shown\n".utf8))
    }
}
