internal import Contract
internal import Core
internal import Glibc
internal import System
internal import Varlink

/// One client of a `VarlinkServer`. Its state belongs to the I/O thread; the functions of `ClientConnection` come from
/// anywhere and go there.
final class VarlinkConnection: ClientConnection, @unchecked Sendable {
    let caller: Caller
    private let socket: SharedDescriptor
    private let io: IOThread
    private let patience: Duration
    private let serve: @Sendable ([UInt8], any ClientConnection) async -> Void

    // The I/O thread's.
    private var decoder = MessageDecoder()
    private var outgoing: [UInt8] = []
    private var sent = 0
    private var drained: [Promise<Void>] = []
    private var serving: Task<Void, Never>?
    private var isLent = false
    private var isClosed = false
    private var isEnding = false
    private var patienceTimer: EventLoop.Timer?
    private var whenClosed: () -> Void = {}

    init(
        socket: SharedDescriptor, caller: Caller, io: IOThread, patience: Duration,
        serve: @escaping @Sendable ([UInt8], any ClientConnection) async -> Void
    ) {
        self.socket = socket
        self.caller = caller
        self.io = io
        self.patience = patience
        self.serve = serve
    }

    /// Says why, as far as the kernel takes it at once.
    static func refuse(_ socket: SharedDescriptor) {
        let fault = Fault(.failed, "the daemon has too many connections", hint: "end some programs that wait for it")
        guard let text = try? Reply.encode(.fault(fault)) else { return }
        _ = try? UnixSocket.send(text + [0], to: socket.raw)
    }

    // MARK: On the I/O thread

    func open(_ loop: EventLoop, whenClosed: @escaping () -> Void) {
        self.whenClosed = whenClosed
        watch(loop)
    }

    private func watch(_ loop: EventLoop) {
        do {
            // The loop keeps it until it is closed or lent.
            try loop.watch(socket.raw, interest) { [self, unowned loop] readiness in handle(readiness, loop) }
        } catch { close(loop) }
    }

    /// While a call is answered nothing is read: the next one waits in the kernel.
    private var interest: EventLoop.Readiness {
        var interest: EventLoop.Readiness = serving == nil ? .readable : []
        if sent < outgoing.count { interest.insert(.writable) }
        return interest
    }

    private func handle(_ readiness: EventLoop.Readiness, _ loop: EventLoop) {
        if readiness.contains(.writable) { flush(loop) }
        if !isClosed, serving == nil, readiness.contains(.readable) { read(loop) }
        // Both directions are closed: nobody reads the answer.
        if !isClosed, readiness.contains(.hangup) || readiness.contains(.error) {
            if serving != nil || !readiness.contains(.readable) { close(loop) }
        }
    }

    private func read(_ loop: EventLoop) {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(socket.raw, &chunk, chunk.count, 0)
        if count > 0 {
            decoder.append(chunk[0..<count])
            next(loop)
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            close(loop)
        }
    }

    /// Begins the next call, if all of it is here.
    private func next(_ loop: EventLoop) {
        let message: [UInt8]?
        do throws(VarlinkError) { message = try decoder.next() } catch { return close(loop) }
        guard let message else {
            if decoder.buffered > 0, patienceTimer == nil {
                patienceTimer = loop.after(patience) { [weak self, unowned loop] in self?.close(loop) }
            }
            return update(loop)
        }
        if let patienceTimer { loop.cancel(patienceTimer) }
        patienceTimer = nil
        serving = Task { [self] in
            await serve(message, self)
            io.remote.submit { self.served($0) }
        }
        update(loop)
    }

    private func served(_ loop: EventLoop) {
        serving = nil
        guard !isClosed else { return }
        if isEnding { return endIfDrained(loop) }
        next(loop)
    }

    private func endIfDrained(_ loop: EventLoop) {
        if isLent || sent == outgoing.count { close(loop) } else { update(loop) }
    }

    private func update(_ loop: EventLoop) {
        guard !isClosed, !isLent else { return }
        do { try loop.change(socket.raw, interest) } catch { close(loop) }
    }

    private func flush(_ loop: EventLoop) {
        while sent < outgoing.count {
            let count = outgoing[sent...].withUnsafeBytes {
                Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN {
                return update(loop)
            } else if errno != EINTR {
                return close(loop)
            }
        }
        outgoing = []
        sent = 0
        let waiting = drained
        drained = []
        for promise in waiting { promise.resolve(.success(())) }
        if isEnding, serving == nil { close(loop) } else { update(loop) }
    }

    func close(_ loop: EventLoop) {
        guard !isClosed else { return }
        isClosed = true
        loop.unwatch(socket.raw)
        if let patienceTimer { loop.cancel(patienceTimer) }
        serving?.cancel()
        for promise in drained { promise.resolve(.failure(Self.gone)) }
        drained = []
        outgoing = []
        sent = 0
        whenClosed()
        whenClosed = {}
    }

    private static let gone = Fault(.failed, "the client went away")

    // MARK: From anywhere

    func send(_ message: [UInt8]) async throws(Fault) {
        let done = Promise<Void>()
        io.remote.submit { loop in
            guard !self.isClosed else { return done.resolve(.failure(Self.gone)) }
            if self.isLent {
                self.isLent = false
                self.watch(loop)
            }
            self.outgoing += message + [0]
            self.drained.append(done)
            self.flush(loop)
        }
        try await done.value()
    }

    func offer(_ message: [UInt8]) async {
        io.remote.submit { loop in
            guard !self.isClosed, !self.isLent, self.outgoing.isEmpty else { return }
            self.outgoing = message + [0]
            self.flush(loop)
        }
    }

    func lend() async throws(Fault) -> any PassedDescriptor {
        let done = Promise<Void>()
        io.remote.submit { loop in
            guard !self.isClosed else { return done.resolve(.failure(Self.gone)) }
            self.drained.append(done)
            self.flush(loop)
        }
        try await done.value()
        let lent = Promise<any PassedDescriptor>()
        io.remote.submit { loop in
            guard !self.isClosed else { return lent.resolve(.failure(Self.gone)) }
            guard self.decoder.buffered == 0, self.outgoing.isEmpty else {
                let early = Fault(
                    .protocolViolation, "the connection was used before the call was answered",
                    hint: "wait for the last reply before sending more")
                return lent.resolve(.failure(early))
            }
            self.isLent = true
            loop.unwatch(self.socket.raw)
            lent.resolve(.success(Passed(self.socket)))
        }
        return try await lent.value()
    }

    func closeAfterCall() async {
        io.remote.submit { loop in
            self.isEnding = true
            if self.serving == nil { self.endIfDrained(loop) }
        }
    }
}
