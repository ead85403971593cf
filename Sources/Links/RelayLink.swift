package import Contract
package import Core
internal import Glibc
internal import Synchronization
internal import System
package import Wire

/// The daemon's end of one session's `cowork-vsock`: a socket that keeps message boundaries.
package final class RelayLink: SessionRelay {
    package let identity: ProcessIdentity
    package let events: AsyncStream<RelayEvent>

    private struct State {
        var nextRequest: UInt32 = 1
        var waiting: [UInt32: Promise<RelayEvent>] = [:]
        var isGone = false
    }
    private let state = Mutex(State())
    private let heard: AsyncStream<RelayEvent>.Continuation
    private let socket: SharedDescriptor
    private let io: IOThread
    private let processes: Processes
    private let timers: RealTimers
    private let outbox: Outbox

    /// Used on the I/O thread only: messages that the socket did not take yet.
    private final class Outbox: @unchecked Sendable {
        struct Item {
            let bytes: [UInt8]
            let descriptors: [any PassedDescriptor]
        }
        var items: [Item] = []
    }

    init(socket: SharedDescriptor, identity: ProcessIdentity, io: IOThread, processes: Processes) {
        self.socket = socket
        self.identity = identity
        self.io = io
        timers = RealTimers(io: io)
        self.processes = processes
        outbox = Outbox()
        // A relay reads the guest and is not trusted with our memory.
        (events, heard) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(256))
    }

    /// Begins to listen. Events come from here on.
    func open() {
        io.remote.submit { loop in
            do {
                try loop.watch(self.socket.raw, .readable) { [self, unowned loop] readiness in
                    if readiness.contains(.writable) { flush(loop) }
                    if readiness != .writable { receive(loop) }
                }
            } catch { self.lose(loop) }
        }
    }

    // MARK: On the I/O thread

    private func receive(_ loop: EventLoop) {
        do throws(SystemError) {
            while let message = try UnixSocket.receive(from: socket.raw, mostDescriptors: 1) {
                guard !message.bytes.isEmpty, let event = try? RelayEvent(message.bytes) else { return lose(loop) }
                accept(event)
            }
        } catch { lose(loop) }
    }

    private func accept(_ event: RelayEvent) {
        let request: UInt32
        switch event {
        case .done(let number), .refused(let number, _), .status(let number, _), .console(let number, _),
            .started(let number, _):
            request = number
        case .phase, .mainEnded, .mainLost:
            heard.yield(event)
            return
        }
        state.withLock { $0.waiting.removeValue(forKey: request) }?.resolve(.success(event))
    }

    private func flush(_ loop: EventLoop) {
        do throws(SystemError) {
            while let item = outbox.items.first {
                guard
                    try UnixSocket.send(item.bytes, descriptors: item.descriptors.map(\.raw), to: socket.raw) != nil
                else { break }
                outbox.items.removeFirst()
            }
            try loop.change(socket.raw, outbox.items.isEmpty ? .readable : [.readable, .writable])
        } catch { lose(loop) }
    }

    private func lose(_ loop: EventLoop) {
        loop.unwatch(socket.raw)
        outbox.items = []
        let waiting = state.withLock { state in
            state.isGone = true
            defer { state.waiting = [:] }
            return state.waiting.values.map { $0 }
        }
        for promise in waiting { promise.resolve(.failure(Self.gone)) }
        heard.finish()
    }

    private static let gone = Fault(
        .hostFailed, "the session's relay, cowork-vsock, is gone", hint: "see daemon.log, and start the session again")

    // MARK: From anywhere

    private func ask(
        _ limit: Duration, descriptors: [any PassedDescriptor] = [], _ command: (UInt32) -> RelayCommand
    ) async throws(Fault) -> RelayEvent {
        let answer = Promise<RelayEvent>()
        let number: UInt32? = state.withLock { state in
            guard !state.isGone else { return nil }
            defer { state.nextRequest &+= 1 }
            state.waiting[state.nextRequest] = answer
            return state.nextRequest
        }
        guard let number else { throw Self.gone }
        let bytes = command(number).encoded
        guard bytes.count <= UnixSocket.largestMessage else {
            _ = state.withLock { $0.waiting.removeValue(forKey: number) }
            throw Fault(.tooLarge, "the command has \(bytes.count) bytes", hint: "shorten its arguments")
        }
        io.remote.submit { loop in
            guard !self.state.withLock({ $0.isGone }) else { return answer.resolve(.failure(Self.gone)) }
            self.outbox.items.append(Outbox.Item(bytes: bytes, descriptors: descriptors))
            self.flush(loop)
        }
        defer { _ = state.withLock { $0.waiting.removeValue(forKey: number) } }
        let late = Fault(
            .guestFailed, "the guest did not answer in \(limit.components.seconds) s",
            hint: "it may be out of memory: stop it with `cowork stop`")
        let event = try await timers.within(limit, else: late) { () async throws(Fault) in try await answer.value() }
        if case .refused(_, let refusal) = event { throw Self.fault(refusal) }
        return event
    }

    /// A guest's refusal in our words, with its own shown as such.
    static func fault(_ refusal: Refusal) -> Fault {
        let text = Display.escaped(refusal.text, limit: 500)
        switch refusal.reason {
        case .notFound:
            return Fault(.commandNotFound, "command not found: \(text)", hint: "it must be in the guest's PATH")
        case .notExecutable:
            return Fault(.notExecutable, "cannot be executed: \(text)", hint: "check its mode and its interpreter")
        case .noSuchUser: return Fault(.usage, "no such user in the guest: \(text)", hint: "try agent or root")
        case .noSuchDirectory:
            return Fault(.usage, "no such directory in the guest: \(text)", hint: "give one that exists there")
        case .badRequest: return Fault(.usage, "the guest refused it: \(text)", hint: "check the command")
        case .tooMany:
            return Fault(.failed, "the guest runs too many programs already: \(text)", hint: "wait for one to end")
        case .denied: return Fault(.denied, "the guest refused it: \(text)")
        case .failed: return Fault(.guestFailed, "the guest failed: \(text)", hint: "`cowork logs` has its console")
        }
    }

    package func setUp(secret: [UInt8], proof: [UInt8]) async throws(Fault) {
        _ = try await ask(.seconds(10)) { .setUp(request: $0, secret: secret, proof: proof) }
    }

    package func configure(hostname: String) async throws(Fault) {
        _ = try await ask(.seconds(20)) { .configure(request: $0, hostname: hostname) }
    }

    package func mount(_ mount: Mount) async throws(Fault) {
        _ = try await ask(.seconds(30)) { .mount(request: $0, mount) }
    }

    package func unmount(_ unmount: Unmount) async throws(Fault) {
        _ = try await ask(.seconds(30)) { .unmount(request: $0, unmount) }
    }

    package func status() async throws(Fault) -> GuestStatus {
        guard case .status(_, let status) = try await ask(.seconds(5), { .status(request: $0) }) else { throw Self.odd }
        return status
    }

    package func console() async throws(Fault) -> String {
        guard case .console(_, let text) = try await ask(.seconds(5), { .console(request: $0) }) else { throw Self.odd }
        return text
    }

    package func powerOff(graceMilliseconds: UInt32) async throws(Fault) {
        let limit = Duration.milliseconds(Int64(graceMilliseconds)) + .seconds(10)
        _ = try await ask(limit) {
            .powerOff(request: $0, PowerOff(graceMilliseconds: graceMilliseconds))
        }
    }

    package func run(
        _ run: RelayCommand.Run, descriptors: [any PassedDescriptor]
    ) async throws(Fault) -> UInt32 {
        let event = try await ask(.seconds(30), descriptors: descriptors) { .run(request: $0, run) }
        guard case .started(_, let pid) = event else { throw Self.odd }
        return pid
    }

    private static let odd = Fault(.protocolViolation, "the session's relay gave an answer to another question")

    package func quit() async {
        _ = try? await ask(.seconds(2)) { .quit(request: $0) }
        let ended: Void? = try? await timers.within(.seconds(2), else: Self.gone) { () async throws(Fault) in
            await self.processes.waitForEnd(of: self.identity)
        }
        if ended == nil { await processes.end(identity, grace: .milliseconds(500)) }
        io.remote.submit { self.lose($0) }
    }
}
