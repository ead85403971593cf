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

    /// How long it waits for what, so that tests need not.
    package struct Limits: Sendable {
        /// Without a machine and without a daemon, until it ends.
        package var idle = Duration.seconds(60)
        /// For a guest that connected to say who it is.
        package var hello = Duration.seconds(20)
        /// After `quit`, for clients to take what is theirs.
        package var flush = Duration.seconds(2)
        /// For a process that was hung up to end by itself.
        package var hangup = Duration.seconds(5)
        package init() {}
    }

    static let mostWaitingRequests = 256

    enum Request { case done, status }

    let loop: EventLoop
    private let vsock: FileDescriptor
    let limits: Limits
    private let log: (String) -> Void
    let console: Console
    let daemon: DaemonLink
    let guest = GuestChannel()
    var device: VsockDevice?
    private var hadMachine = false
    private var idleTimer: EventLoop.Timer?
    var helloTimer: EventLoop.Timer?

    private var phase = RelayEvent.phase(.waiting, uptimeMilliseconds: 0, text: "waiting for the machine")
    private(set) var hasFailed = false
    var isPoweringOff = false
    var isQuitting = false
    var lastNumber: UInt32 = 0
    var requests: [UInt32: (kind: Request, asker: DaemonLink.Asker)] = [:]
    var openings: [UInt32: DaemonLink.Asker] = [:]
    /// Processes whose end has not come.
    var streams: [UInt32: ProcessStream] = [:]
    /// Ended ones whose clients have not taken everything.
    var lingering: [UInt32: ProcessStream] = [:]
    var areClientsPaused = false
    /// How the main process ended, once it did.
    private var mainEnd: RelayEvent?

    package init(
        loop: EventLoop, sockets: consuming Sockets, daemonUID: UInt32, limits: Limits = Limits(),
        log: @escaping (String) -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.limits = limits
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
        idleTimer = loop.after(limits.idle) { [weak self] in self?.loop.stop() }
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

    func become(_ state: RelayEvent.Phase, uptime: UInt64 = 0, _ text: String) {
        phase = .phase(state, uptimeMilliseconds: uptime, text: text)
        log("\(state): \(text)")
        daemon.send(phase)
    }

    func fail(_ reason: String) {
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

    func endMain(_ event: RelayEvent) {
        guard mainEnd == nil else { return }
        mainEnd = event
        daemon.send(event)
    }

    // MARK: Clients and the guest's room

    /// A guest that does not read stops the clients, and nothing else.
    func pauseClientsIfNeeded() {
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
        helloTimer = loop.after(limits.hello) { [weak self] in
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
