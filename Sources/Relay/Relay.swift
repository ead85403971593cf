internal import Glibc
package import System
package import Vsock
internal import Wire

/// One session's relay: the vsock device of its guest, the guest's control connection, the clients of its processes, its
/// console, and the daemon that decides. Everything happens on one loop's thread.
///
/// The guest is hostile: its frames are decoded and checked here, and what leaves was made here. A guest that breaks a
/// rule loses the connection and with it the session; a client that does loses its own connection.
package final class Relay {
    /// Where the relay listens.
    package struct Sockets: ~Copyable {
        fileprivate let vsock, console, control: FileDescriptor

        package init(
            vsock: consuming FileDescriptor, console: consuming FileDescriptor, control: consuming FileDescriptor
        ) {
            self.vsock = vsock
            self.console = console
            self.control = control
        }
    }

    private static let helloLimit = Duration.seconds(20)
    private static let flushLimit = Duration.seconds(2)
    private static let mostWaitingRequests = 256

    private enum Request { case done, status }

    private let loop: EventLoop
    private let vsock: FileDescriptor
    private let idleLimit: Duration
    private let log: (String) -> Void
    private let console: Console
    let daemon: DaemonLink
    let guest = GuestChannel()
    private var device: VsockDevice?
    private var hadMachine = false
    private var idleTimer: EventLoop.Timer?
    private var helloTimer: EventLoop.Timer?

    private var phase = RelayEvent.phase(.waiting, uptimeMilliseconds: 0, text: "waiting for the machine")
    private var hasFailed = false
    private var isPoweringOff = false
    private var isQuitting = false
    private var lastNumber: UInt32 = 0
    private var requests: [UInt32: (kind: Request, asker: DaemonLink.Asker)] = [:]
    private var openings: [UInt32: DaemonLink.Asker] = [:]
    /// Processes whose end has not come.
    private var streams: [UInt32: ProcessStream] = [:]
    /// Ended ones whose clients have not taken everything.
    private var lingering: [UInt32: ProcessStream] = [:]
    private var areClientsPaused = false
    /// How the main process ended, once it did.
    private var mainEnd: RelayEvent?

    /// `idleLimit`: how long it stays without a machine and without a daemon.
    package init(
        loop: EventLoop, sockets: consuming Sockets, daemonUID: UInt32, idleLimit: Duration = .seconds(60),
        log: @escaping (String) -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.idleLimit = idleLimit
        self.log = log
        console = try Console(loop: loop, listener: sockets.console)
        daemon = try DaemonLink(loop: loop, listener: sockets.control, uid: daemonUID)
        vsock = sockets.vsock
        try loop.watch(vsock.raw, .readable) { [weak self] _ in self?.acceptMachine() }
        daemon.connected = { [weak self] in self?.daemonConnected() }
        daemon.disconnected = { [weak self] in self?.watchIdleness() }
        daemon.received = { [weak self] command, descriptors, asker in self?.obey(command, descriptors, asker) }
        watchIdleness()
    }

    deinit { loop.unwatch(vsock.raw) }

    private func daemonConnected() {
        watchIdleness()
        daemon.send(phase)
        if let mainEnd { daemon.send(mainEnd) }
    }

    /// Nobody needs a relay without a machine and without a daemon.
    private func watchIdleness() {
        if let idleTimer { loop.cancel(idleTimer) }
        idleTimer = nil
        guard device == nil, !daemon.isConnected else { return }
        idleTimer = loop.after(idleLimit) { [weak self] in self?.loop.stop() }
    }

    private func acceptMachine() {
        do throws(SystemError) {
            guard let taken = try UnixSocket.accept(vsock) else { return }
            // One machine in a relay's life.
            guard !hadMachine else { return }
            hadMachine = true
            device = try VsockDevice(loop: loop, connection: taken, host: self)
        } catch { fail("cannot serve the machine: \(error)") }
        watchIdleness()
    }

    // MARK: Phases

    private func become(_ state: RelayEvent.Phase, uptime: UInt64 = 0, _ text: String) {
        phase = .phase(state, uptimeMilliseconds: uptime, text: text)
        log("\(state): \(text)")
        daemon.send(phase)
    }

    private func fail(_ reason: String) {
        guard !hasFailed else { return }
        hasFailed = true
        if let helloTimer { loop.cancel(helloTimer) }
        let text = isPoweringOff ? "the machine was powered off" : reason
        if let connection = guest.close() { device?.reset(connection) }
        let lost = streams
        streams = [:]
        lingering.merge(lost) { $1 }
        for (_, stream) in lost.sorted(by: { $0.key < $1.key }) {
            if stream.isMain && !stream.isOpening { endMain(.mainLost(text: text)) }
            stream.lose(text)
        }
        let refusal = Refusal(.failed, text: text)
        for asker in openings.values { daemon.answer(asker) { .refused(request: $0, refusal) } }
        for request in requests.values { daemon.answer(request.asker) { .refused(request: $0, refusal) } }
        openings = [:]
        requests = [:]
        become(.failed, text)
    }

    private func endMain(_ event: RelayEvent) {
        guard mainEnd == nil else { return }
        mainEnd = event
        daemon.send(event)
    }

    // MARK: The daemon's commands

    private func obey(_ command: RelayCommand, _ descriptors: [SharedDescriptor], _ asker: DaemonLink.Asker) {
        func refuse(_ reason: Refusal.Reason, _ text: String) {
            daemon.answer(asker) { .refused(request: $0, Refusal(reason, text: text)) }
        }
        switch command {
        case .setUp(_, let secret, let proof):
            guard guest.secret == nil else { return refuse(.badRequest, "the relay is set up already") }
            guard secret.count == Wire.secretLength, proof.count == Wire.secretLength else {
                return refuse(.badRequest, "a secret has \(Wire.secretLength) bytes")
            }
            guest.secret = GuestChannel.Secret(guest: secret, host: proof)
            daemon.answer(asker) { .done(request: $0) }
        case .console: daemon.answer(asker) { .console(request: $0, text: console.text) }
        case .quit:
            daemon.answer(asker) { .done(request: $0) }
            quit()
        case .configure, .powerOff, .mount, .unmount, .status, .run:
            guard !hasFailed else { return refuse(.failed, "the machine is gone") }
            let isEarly = guest.state != .ready && guest.state != .proven
            guard !isEarly else { return refuse(.failed, "the guest is not there yet") }
            askGuest(command, descriptors, asker)
            flushToGuest()
        }
    }

    private func askGuest(_ command: RelayCommand, _ descriptors: [SharedDescriptor], _ asker: DaemonLink.Asker) {
        switch command {
        case .configure(_, let hostname):
            let configure = Configure(
                hostname: hostname, realtimeNanoseconds: RealTimeClock.nanoseconds(), entropy: Randomness.bytes(64))
            guest.send(Frame(.configure, payload: configure.encoded))
            daemon.answer(asker) { .done(request: $0) }
        case .powerOff(_, let powerOff):
            isPoweringOff = true
            guest.send(Frame(.powerOff, payload: powerOff.encoded))
            daemon.answer(asker) { .done(request: $0) }
        case .mount(_, let mount): request(.mount, mount.encoded, .done, asker)
        case .unmount(_, let unmount): request(.unmount, unmount.encoded, .done, asker)
        case .status: request(.status, [], .status, asker)
        case .run(_, let run): start(run, descriptors, asker)
        case .setUp, .console, .quit: break
        }
    }

    private func request(_ kind: FrameKind, _ payload: [UInt8], _ answer: Request, _ asker: DaemonLink.Asker) {
        guard guest.state == .ready, requests.count < Self.mostWaitingRequests else {
            let text = guest.state == .ready ? "too many requests wait for the guest" : "the guest is not ready"
            return daemon.answer(asker) { .refused(request: $0, Refusal(.tooMany, text: text)) }
        }
        lastNumber += 1
        requests[lastNumber] = (answer, asker)
        guest.send(Frame(kind, stream: lastNumber, payload: payload))
    }

    private func start(_ run: RelayCommand.Run, _ descriptors: [SharedDescriptor], _ asker: DaemonLink.Asker) {
        func refuse(_ reason: Refusal.Reason, _ text: String) {
            daemon.answer(asker) { .refused(request: $0, Refusal(reason, text: text)) }
        }
        let wanted = (run.client == .none ? 0 : 1) + (run.logged ? 1 : 0) + (run.hasInput ? 1 : 0)
        guard descriptors.count == wanted else { return refuse(.badRequest, "\(wanted) descriptors belong to this") }
        guard guest.state == .ready else { return refuse(.failed, "the guest is not ready") }
        guard streams.count + lingering.count < Wire.mostStreams else {
            return refuse(.tooMany, "\(Wire.mostStreams) processes run already")
        }
        let payload = run.process.encoded
        guard payload.count <= Wire.largestPayload else { return refuse(.badRequest, "the command is too long") }
        var rest = descriptors[...]
        let socket = run.client == .none ? nil : rest.popFirst().map { ClientSocket(loop: loop, descriptor: $0) }
        let output = run.logged ? rest.popFirst().map { OutputLog($0) } : nil
        var input: [UInt8]? = run.client == .frames ? nil : []
        if run.hasInput, let file = rest.popFirst() {
            guard let bytes = PreparedInput.read(file) else { return refuse(.badRequest, "input cannot be read") }
            input = bytes
        }
        lastNumber += 1
        let stream = ProcessStream(
            number: lastNumber, isMain: run.main, input: input, log: output, loop: loop, owner: self)
        if let socket { attach(socket, to: stream, run) }
        streams[lastNumber] = stream
        openings[lastNumber] = asker
        guest.send(Frame(.open, stream: lastNumber, payload: payload))
    }

    private func attach(_ socket: ClientSocket, to stream: ProcessStream, _ run: RelayCommand.Run) {
        let taken = { [weak self, weak stream] in
            stream?.grant()
            self?.flushToGuest()
        }
        let gone: () -> Void = { [weak stream] in stream?.clientIsGone() }
        guard run.client == .frames else {
            return stream.attach(RepliesClient(socket, taken: taken, gone: gone))
        }
        stream.attach(
            FramesClient(
                socket, reply: run.reply, handle: { [weak stream] frame in stream?.receiveFromClient(frame) ?? false },
                handled: { [weak self] in
                    self?.flushToGuest()
                    self?.pauseClientsIfNeeded()
                }, taken: {}, gone: gone))
        if areClientsPaused { stream.client?.pauseReading(true) }
    }

    /// Ends this process, after clients had a moment to take what is theirs.
    private func quit() {
        guard !isQuitting else { return }
        isQuitting = true
        fail("the session was ended")
        loop.after(Self.flushLimit) { [weak self] in self?.loop.stop() }
        stopIfDone()
    }

    private func stopIfDone() {
        // The answer to `quit` has been sent by then: timers run at the end of a turn.
        if isQuitting && lingering.isEmpty { loop.after(.zero) { [weak self] in self?.loop.stop() } }
    }

    // MARK: The guest's frames

    /// Handles what came; a violation ends the session.
    private func handleFrames() {
        do throws(WireError) {
            while let frame = try guest.next() {
                if let wrong = try handle(frame) { return violate(wrong) }
            }
        } catch { return violate("\(error)") }
        if guest.isStuck { return violate("it does not read") }
        for stream in streams.values { stream.client?.flush() }
    }

    private func violate(_ what: String) { fail("the guest broke the protocol: \(what)") }

    /// What is wrong with a frame, if anything.
    private func handle(_ frame: Frame) throws(WireError) -> String? {
        switch guest.state {
        case .greeting:
            if let wrong = try guest.greet(frame) { return wrong }
            if let helloTimer { loop.cancel(helloTimer) }
            become(.connected, "the guest proved itself")
        case .proven: return try handleStart(frame)
        case .ready: return try handleReady(frame)
        case .waiting, .over: break
        }
        return nil
    }

    private func handleStart(_ frame: Frame) throws(WireError) -> String? {
        guard frame.stream == 0 else { return "a \(frame.kind) frame before it was ready" }
        switch frame.kind {
        case .ready:
            let ready = try Ready(payload: frame.payload)
            guest.becomeReady()
            become(.ready, uptime: ready.uptimeMilliseconds, EscapedText.line(ready.agentVersion))
        case .failed:
            fail("the guest could not start: " + EscapedText.line(try Refusal(payload: frame.payload).text))
        case .ping: return pong(frame)
        default: return "a \(frame.kind) frame before it was ready"
        }
        return nil
    }

    private func handleReady(_ frame: Frame) throws(WireError) -> String? {
        let number = frame.stream
        switch frame.kind {
        case .ping: return pong(frame)
        case .failed where number == 0:
            fail("the guest failed: " + EscapedText.line(try Refusal(payload: frame.payload).text))
        case .done, .statusReport: return try finishRequest(frame)
        case .refused: return try refuse(frame)
        case .opened:
            guard let asker = openings.removeValue(forKey: number), let stream = streams[number] else {
                return "an answer to no question"
            }
            let opened = try Opened(payload: frame.payload)
            daemon.answer(asker) { .started(request: $0, pid: opened.pid) }
            stream.opened()
            flushToGuest()
        case .data, .end, .credit, .pong, .exited:
            guard let stream = streams[number] else { return "a \(frame.kind) frame for no process" }
            if frame.kind == .exited {
                streams.removeValue(forKey: number)
                lingering[number] = stream
            }
            let wrong = try stream.receive(frame)
            if frame.kind == .exited { stream.client?.flush() }
            return wrong
        default: return "a \(frame.kind) frame"
        }
        return nil
    }

    private func finishRequest(_ frame: Frame) throws(WireError) -> String? {
        guard let request = requests.removeValue(forKey: frame.stream),
            (frame.kind == .statusReport) == (request.kind == .status)
        else { return "an answer to no question" }
        if frame.kind == .statusReport {
            let status = try GuestStatus(payload: frame.payload)
            daemon.answer(request.asker) { .status(request: $0, status) }
        } else {
            guard frame.payload.isEmpty else { return "a wrong done" }
            daemon.answer(request.asker) { .done(request: $0) }
        }
        return nil
    }

    private func refuse(_ frame: Frame) throws(WireError) -> String? {
        let said = try Refusal(payload: frame.payload)
        let refusal = Refusal(said.reason, errorNumber: said.errorNumber, text: EscapedText.line(said.text))
        if let request = requests.removeValue(forKey: frame.stream) {
            daemon.answer(request.asker) { .refused(request: $0, refusal) }
        } else if let asker = openings.removeValue(forKey: frame.stream),
            let stream = streams.removeValue(forKey: frame.stream)
        {
            stream.lose(refusal.text)
            daemon.answer(asker) { .refused(request: $0, refusal) }
        } else {
            return "an answer to no question"
        }
        return nil
    }

    private func pong(_ frame: Frame) -> String? {
        guard frame.payload.count <= Wire.largestPing else { return "a ping of \(frame.payload.count) bytes" }
        guest.send(Frame(.pong, stream: frame.stream, payload: frame.payload))
        flushToGuest()
        return nil
    }

    // MARK: Clients and the guest's room

    /// A guest that does not read stops the clients, and nothing else.
    private func pauseClientsIfNeeded() {
        let pause = areClientsPaused ? !guest.hasRoomAgain : guest.isFull
        guard pause != areClientsPaused else { return }
        areClientsPaused = pause
        for stream in streams.values { stream.client?.pauseReading(pause) }
    }
}

extension Relay: ProcessStreamOwner {
    func send(_ frame: Frame) { guest.send(frame) }
    func flushToGuest() { device?.flush() }

    func clientEnded(of stream: ProcessStream) {
        guard stream.isFinished else { return }
        lingering.removeValue(forKey: stream.number)
        if stream.isMain, let exit = stream.exit { endMain(.mainEnded(exit)) }
        stopIfDone()
    }
}

extension Relay: VsockHost {
    package func accepts(from guest: VsockAddress, to host: VsockAddress) -> Bool {
        self.guest.accepts(from: guest, to: host)
    }

    package func opened(_ connection: VsockConnection) {
        guest.open(connection)
        helloTimer = loop.after(Self.helloLimit) { [weak self] in
            if self?.guest.state == .greeting { self?.fail("the guest connected and said nothing") }
        }
    }

    package func received(_ bytes: [UInt8], on connection: VsockConnection) {
        guard guest.isCurrent(connection) else { return }
        guest.append(bytes)
        handleFrames()
    }

    package func sent(on connection: VsockConnection) { pauseClientsIfNeeded() }

    package func closed(_ connection: VsockConnection, _ end: VsockConnection.End) {
        guard guest.isCurrent(connection) else { return }
        _ = guest.close()
        switch end {
        case .byGuest: fail("the guest closed its control channel")
        case .violation(let what): fail("the guest broke the vsock protocol: \(what)")
        case .guestReset: fail("the guest was reset")
        // What stopped it comes next.
        case .deviceStopped: break
        }
    }

    package func deviceStopped(because reason: String) {
        device = nil
        fail(reason)
        watchIdleness()
    }
}
