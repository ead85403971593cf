package import Core
internal import Glibc
package import System
package import Wire

/// How a process's stream ended for us.
package enum StreamEnd: Sendable, Equatable {
    case exited(Exited)
    /// Without an exit status; why.
    case lost(String)
    /// Nobody reads our output any more.
    case outputClosed
    /// A signal for us came when the process was over and only its output was left to write.
    case interrupted(Int32)
}

/// Carries a process in a guest: its input from our standard input, its output to ours, our signals to it.
///
/// One thread, one poll, nothing that blocks: a reader that stalls stalls the process (it is granted room only for what
/// was written), and signals and input go on meanwhile.
package final class StreamPump {
    /// The side of the conversation that is ours; the pump closes none of it.
    package struct Ends {
        package var connection: Int32
        /// Bytes of the conversation that came with the reply before it.
        package var received: [UInt8] = []
        /// Nil: the process's input ends at once.
        package var input: Int32?
        package var output: OutputSink
        package var error: OutputSink
        /// What `Signals.descriptor` made.
        package var signals: Int32?
        /// Whose size the process's terminal has, if it has one.
        package var sizedLike: Int32?
        package var rawTerminal: RawTerminal?
        /// How long a guest may take to answer once we were asked to end.
        package var guestPatience = Duration.seconds(5)

        package init(connection: Int32, input: Int32?, output: OutputSink, error: OutputSink) {
            self.connection = connection
            self.input = input
            self.output = output
            self.error = error
        }
    }

    private let ends: Ends
    private var decoder = FrameDecoder()
    private var outgoing: [UInt8] = []
    private var isConnectionBroken = false
    private var inputRoom = Int(Wire.initialWindow)
    private var hasInputEnded = false
    private var granted: [Channel: Int] = [.output: Int(Wire.initialWindow), .error: Int(Wire.initialWindow)]
    private var taken: [Channel: Int] = [:]
    private var end: StreamEnd?
    // What still waits to be written is not waited for.
    private var isAbandoned = false
    /// A signal that asked for an end, and when a guest that has not answered since is given up.
    private var unanswered: (signal: Int32, giveUpAt: UInt64)?
    private var chunk = [UInt8](repeating: 0, count: 64 << 10)

    // Room is granted in such steps, not for each write.
    private static let creditStep = 64 << 10
    // No more input is read while this much has not left us.
    private static let mostOutgoing = 64 << 10

    package init(_ ends: Ends) {
        self.ends = ends
        if ends.input == nil { endInput() }
    }

    /// Returns once the process is over and every byte of its output is written.
    package func run() throws(Fault) -> StreamEnd {
        try take(ends.received)
        while true {
            if let end, isAbandoned { return end }
            if let end, ends.output.waitingCount == 0, ends.error.waitingCount == 0 { return end }
            try turn()
        }
    }

    private func turn() throws(Fault) {
        let wantsInput = end == nil && !hasInputEnded && inputRoom > 0 && outgoing.count < Self.mostOutgoing
        var items = [
            item(end == nil ? ends.connection : nil, POLLIN | (outgoing.isEmpty ? 0 : POLLOUT)),
            item(wantsInput ? ends.input : nil, POLLIN),
            item(ends.output.waitingCount > 0 ? ends.output.raw : nil, POLLOUT),
            item(ends.error.waitingCount > 0 ? ends.error.raw : nil, POLLOUT),
            item(ends.signals, POLLIN),
        ]
        guard poll(&items, nfds_t(items.count), patience) >= 0 else {
            if errno == EINTR { return }
            throw Fault(.hostFailed, "poll: \(SystemError("poll").reason)")
        }
        giveUpIfUnanswered()
        if items[4].revents != 0 { takeSignals() }
        if items[2].revents != 0 { try flush(.output, isReady: true) }
        if items[3].revents != 0 { try flush(.error, isReady: true) }
        if items[1].revents != 0 { readInput() }
        if items[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 { try readConnection() }
        if !outgoing.isEmpty { sendOutgoing() }
    }

    private func item(_ raw: Int32?, _ events: Int32) -> pollfd {
        pollfd(fd: raw ?? -1, events: Int16(truncatingIfNeeded: events), revents: 0)
    }

    // MARK: The conversation

    private func send(_ frame: Frame) {
        if !isConnectionBroken { outgoing += frame.encoded }
    }

    private func sendOutgoing() {
        while !outgoing.isEmpty {
            let count = outgoing.withUnsafeBytes {
                Glibc.send(ends.connection, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return }
                // What the other side still had to say is read all the same.
                isConnectionBroken = true
                outgoing = []
                return
            }
            outgoing.removeSubrange(0..<count)
        }
    }

    private func readConnection() throws(Fault) {
        let count = chunk.withUnsafeMutableBytes {
            recv(ends.connection, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
        }
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
        if count <= 0 {
            end = .lost("the connection ended")
            return
        }
        try take(chunk[0..<count])
    }

    private func take(_ bytes: some Collection<UInt8>) throws(Fault) {
        decoder.append(bytes)
        do throws(WireError) {
            while end == nil, let frame = try decoder.next() { try handle(frame) }
        } catch {
            throw Fault(.protocolViolation, "the session sent what cannot be understood (\(error))")
        }
        try flush(.output, isReady: false)
        try flush(.error, isReady: false)
    }

    private func handle(_ frame: Frame) throws(WireError) {
        guard frame.stream == 0 else { throw .malformed("stream") }
        switch frame.kind {
        case .data:
            guard let channel = Channel(rawValue: frame.channel), let room = granted[channel],
                frame.payload.count <= room
            else { throw .malformed("more than was granted") }
            granted[channel] = room - frame.payload.count
            sink(channel).append(frame.payload)
        case .credit:
            guard frame.channel == Channel.input.rawValue else { throw .malformed("credit") }
            let room = inputRoom.addingReportingOverflow(Int(try Credit(payload: frame.payload).bytes))
            guard !room.overflow else { throw .malformed("credit") }
            inputRoom = room.partialValue
        case .end: break
        case .pong: unanswered = nil
        case .exited: end = .exited(try Exited(payload: frame.payload))
        case .lost: end = .lost(try Lost(payload: frame.payload).text)
        default: throw .unknownKind(frame.kind.rawValue)
        }
    }

    // MARK: Output

    private func sink(_ channel: Channel) -> OutputSink { channel == .error ? ends.error : ends.output }

    private func flush(_ channel: Channel, isReady: Bool) throws(Fault) {
        do throws(SystemError) {
            taken[channel, default: 0] += try sink(channel).flush(isReady: isReady)
        } catch {
            if error.code == EPIPE || error.code == ECONNRESET {
                end = .outputClosed
                isAbandoned = true
                return
            }
            let name = channel == .error ? "error" : "output"
            throw Fault(.failed, "cannot write to standard \(name): \(error.reason)")
        }
        guard let count = taken[channel], count >= Self.creditStep, end == nil else { return }
        taken[channel] = 0
        granted[channel, default: 0] += count
        let credit = Credit(bytes: UInt32(clamping: count))
        send(Frame(.credit, channel: channel.rawValue, payload: credit.encoded))
    }

    // MARK: Input

    private func readInput() {
        guard let input = ends.input else { return }
        let most = min(inputRoom, Wire.largestData)
        let count = chunk.withUnsafeMutableBytes { read(input, $0.baseAddress, min(most, $0.count)) }
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
        guard count > 0 else {
            endInput()
            return
        }
        inputRoom -= count
        send(Frame(.data, channel: Channel.input.rawValue, payload: Array(chunk[0..<count])))
    }

    private func endInput() {
        hasInputEnded = true
        send(Frame(.end, channel: Channel.input.rawValue))
    }

    // MARK: Signals

    /// What is passed on to the process, and what concerns the terminal.
    package static let signals: [Int32] =
        [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP].filter { !Signals.isIgnored($0) }
        + [SIGWINCH, SIGCONT]

    private func takeSignals() {
        guard let signals = ends.signals else { return }
        while let number = Signals.next(from: signals) {
            switch number {
            case SIGWINCH: resize()
            case SIGTSTP:
                ends.rawTerminal?.restore()
                raise(SIGSTOP)
            case SIGCONT:
                // Whoever stopped us may have left the terminal in another mode and another size.
                try? ends.rawTerminal?.enter()
                resize()
            default:
                if end == nil { forward(number) } else { leave(number) }
            }
        }
    }

    /// The process decides what a signal means, as long as its guest is there: a ping goes along with one that asks for an
    /// end, and a guest that does not answer it does not hold us.
    private func forward(_ number: Int32) {
        send(Frame(.signal, payload: Signal(number: UInt8(clamping: number)).encoded))
        guard [SIGINT, SIGTERM, SIGHUP, SIGQUIT].contains(number) else { return }
        if unanswered == nil {
            unanswered = (number, MonotonicClock.nanoseconds() &+ ends.guestPatience.wholeNanoseconds)
            send(Frame(.ping))
        }
    }

    private var patience: Int32 {
        guard let unanswered, end == nil else { return -1 }
        let now = MonotonicClock.nanoseconds()
        return unanswered.giveUpAt > now ? Int32(clamping: (unanswered.giveUpAt - now) / 1_000_000 + 1) : 0
    }

    private func giveUpIfUnanswered() {
        if let unanswered, end == nil, MonotonicClock.nanoseconds() >= unanswered.giveUpAt { leave(unanswered.signal) }
    }

    private func leave(_ number: Int32) {
        end = .interrupted(number)
        isAbandoned = true
    }

    private func resize() {
        guard let terminal = ends.sizedLike, let size = Terminal.size(of: terminal) else { return }
        send(Frame(.resize, payload: Resize(rows: size.rows, columns: size.columns).encoded))
    }
}
