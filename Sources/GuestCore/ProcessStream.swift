internal import CLinux
internal import Glibc
internal import System
internal import Wire

/// Where a process's stream sends what it has to say, on the loop's thread.
protocol ProcessStreamOwner: AnyObject {
    /// False while so much waits to be sent that output must not be read.
    var hasRoom: Bool { get }
    func send(_ frame: Frame)
    func send(_ bytes: [UInt8], stream: UInt32, channel: Channel)
    /// The last thing a stream does: everything of it has been sent, `exited` included.
    func ended(_ stream: ProcessStream)
}

/// One process and the bytes between it and the host.
///
/// Output is read only while the host has room for it, so a reader that stalls stalls the writer. Input waits here, at
/// most a window of it. When the process ends, its output is read to the end; a descendant that keeps its pipes open is
/// listened to for a moment more, then what is in them is delivered and that is the end.
final class ProcessStream {
    /// What a terminal can hold when its process ends is not told by the kernel; it is less than this.
    private static let mostInTerminal = 128 << 10
    private static let readsInARow = 4
    /// For descendants that outlive the process and write to its pipes. A terminal is over with its session's leader.
    private static let lateOutputLimit = Duration.seconds(2)

    let number: UInt32
    let pid: Int32
    private let loop: EventLoop
    private unowned let owner: any ProcessStreamOwner
    private let child: Child
    private let isTerminal: Bool
    private var input: InputQueue
    private var inputPort: Port?
    private var outputs: [Output] = []
    private var exit: ChildExit?
    private var isExpired = false
    private var timer: EventLoop.Timer?
    private var hasEnded = false

    private final class Output {
        let channel: Channel
        var port: Port?
        var credit = UInt64(Wire.initialWindow)
        /// Set when nothing new is waited for: how much there still is.
        var rest: Int?

        init(_ channel: Channel) { self.channel = channel }
    }

    init(
        number: UInt32, child: Child, ports: ProcessPorts, deadlineMilliseconds: UInt64, loop: EventLoop,
        owner: any ProcessStreamOwner
    ) {
        self.number = number
        self.child = child
        self.loop = loop
        self.owner = owner
        pid = child.pid
        isTerminal = ports.isTerminal
        input = InputQueue(endsBy: ports.isTerminal ? .character : .closing)
        let output = Output(.output)
        let controller = Port(loop: loop, descriptor: ports.output) { [weak self, weak output] ready in
            guard let self else { return }
            if ready.contains(.writable) { writeInput() }
            if !ready.isDisjoint(with: [.readable, .hangup, .error]), let output { pump(output) }
            settle()
        }
        output.port = controller
        outputs = [output]
        if let error = ports.error {
            let errors = Output(.error)
            errors.port = Port(loop: loop, descriptor: error) { [weak self, weak errors] _ in
                guard let self, let errors else { return }
                pump(errors)
                settle()
            }
            outputs.append(errors)
            inputPort = Port(loop: loop, descriptor: ports.input) { [weak self] _ in
                self?.writeInput()
                self?.settle()
            }
        } else {
            inputPort = controller
        }
        startDeadline(deadlineMilliseconds)
    }

    /// Begins to deliver; `opened` has been sent.
    func start() {
        try? loop.watch(child.pidfd, .readable) { [weak self] _ in _ = self?.collect() }
        if isTerminal { owner.send(Frame(.end, stream: number, channel: Channel.error.rawValue)) }
        settle()
    }

    // From the host ---------------------------------------------------------------------------------------------------

    /// False when the host sent more than it was granted.
    func receive(_ bytes: [UInt8]) -> Bool {
        guard input.receive(bytes) else { return false }
        writeInput()
        settle()
        return true
    }

    func endInput() {
        input.end()
        writeInput()
        settle()
    }

    func grant(_ bytes: UInt32, channel: UInt8) {
        guard let output = outputs.first(where: { $0.channel.rawValue == channel }) else { return }
        output.credit = min(output.credit + UInt64(bytes), UInt64(UInt32.max))
        proceed()
    }

    func resize(rows: UInt16, columns: UInt16) {
        guard isTerminal, let inputPort else { return }
        _ = cl_set_window_size(inputPort.raw, UInt32(rows), UInt32(columns))
    }

    /// To the process's group; on a terminal to the group in the foreground, and to the session's leader too if it is meant
    /// to end: a shell does not leave because its foreground did. A process that has ended has no number any more that
    /// would be safe to signal.
    func signal(_ signal: Int32) {
        // The group of number 1 or less would be everybody.
        guard exit == nil, pid > 1 else { return }
        let foreground = isTerminal ? inputPort.map { tcgetpgrp($0.raw) } ?? pid : pid
        let isMeantToEnd = [SIGHUP, SIGTERM, SIGKILL].contains(signal)
        // The leader first: it must not see its foreground end and go on.
        if foreground <= 1 || foreground == pid || isMeantToEnd { kill(-pid, signal) }
        if foreground > 1, foreground != pid { kill(-foreground, signal) }
    }

    // To the host -----------------------------------------------------------------------------------------------------

    /// Goes on where credit or room was missing.
    func proceed() {
        if exit != nil { for output in outputs { pump(output) } }
        settle()
    }

    /// Reaps the process if it has ended just now; true then.
    @discardableResult
    func collect() -> Bool {
        guard exit == nil, let found = child.poll() else { return false }
        exit = found
        loop.unwatch(child.pidfd)
        if let timer { loop.cancel(timer) }
        if !isTerminal { inputPort = nil }
        if isTerminal {
            takeTheRest()
        } else {
            timer = loop.after(Self.lateOutputLimit) { [weak self] in self?.takeTheRest() }
            proceed()
        }
        return true
    }

    /// From now on only what is there already is delivered.
    private func takeTheRest() {
        for output in outputs {
            guard let port = output.port else { continue }
            output.rest = isTerminal ? Self.mostInTerminal : max(0, Int(cl_bytes_waiting(port.raw)))
        }
        proceed()
    }

    /// Reads what may be read now. A channel without a port is at its end.
    private func pump(_ output: Output) {
        for _ in 0..<Self.readsInARow {
            guard let port = output.port else { return }
            if output.rest == 0 { return close(output) }
            let allowed = allowance(output)
            guard allowed > 0 else { return }
            var failure: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: allowed) { room, filled in
                let count = read(port.raw, room.baseAddress, allowed)
                if count < 0 { failure = errno }
                filled = max(0, count)
            }
            if failure == EINTR { continue }
            if failure == EAGAIN {
                if output.rest != nil { close(output) }
                return
            }
            // A terminal that no process has open any more answers EIO.
            if bytes.isEmpty { return close(output) }
            output.credit -= UInt64(bytes.count)
            if let rest = output.rest { output.rest = rest - bytes.count }
            owner.send(bytes, stream: number, channel: output.channel)
        }
    }

    private func allowance(_ output: Output) -> Int {
        guard owner.hasRoom else { return 0 }
        return min(Wire.largestData, Int(clamping: output.credit), output.rest ?? .max)
    }

    private func close(_ output: Output) {
        output.port?.want([])
        output.port = nil
        owner.send(Frame(.end, stream: number, channel: output.channel.rawValue))
    }

    private func writeInput() {
        guard let port = inputPort else {
            input.discard()
            return
        }
        if input.write(to: port.raw) == .ended, !isTerminal { inputPort = nil }
    }

    /// Asks the loop for what is wanted now, grants what was taken, and ends the stream when nothing more can come.
    private func settle() {
        guard !hasEnded else { return }
        let granted = input.takeGrant()
        if granted > 0, exit == nil {
            owner.send(Frame(.credit, stream: number, payload: Credit(bytes: granted).encoded))
        }
        let writable: EventLoop.Readiness = input.isWaiting ? .writable : []
        for output in outputs {
            guard let port = output.port else { continue }
            let readable: EventLoop.Readiness = allowance(output) > 0 ? .readable : []
            port.want(port === inputPort ? readable.union(writable) : readable)
        }
        if !isTerminal { inputPort?.want(writable) }
        guard let exit, outputs.allSatisfy({ $0.port == nil }) else { return }
        hasEnded = true
        inputPort = nil
        if let timer { loop.cancel(timer) }
        owner.send(Frame(.exited, stream: number, payload: exited(exit).encoded))
        owner.ended(self)
    }

    private func exited(_ exit: ChildExit) -> Exited {
        switch exit {
        case .code(let code): Exited(signalled: false, value: UInt8(truncatingIfNeeded: code), expired: isExpired)
        case .signal(let number): Exited(signalled: true, value: UInt8(clamping: number), expired: isExpired)
        }
    }

    private func startDeadline(_ milliseconds: UInt64) {
        guard milliseconds > 0 else { return }
        timer = loop.after(.milliseconds(Int64(clamping: milliseconds))) { [weak self] in
            guard let self, exit == nil else { return }
            isExpired = true
            signal(SIGTERM)
            timer = loop.after(.seconds(2)) { [weak self] in self?.signal(SIGKILL) }
        }
    }
}
