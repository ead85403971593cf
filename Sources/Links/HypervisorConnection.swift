internal import Contract
internal import Core
internal import Glibc
internal import Synchronization
internal import System
internal import Varlink

/// One connection to `cowork-hypervisor`: requests by number, events in between.
final class HypervisorConnection: Sendable {
    /// Ends when the connection does.
    let events: AsyncStream<MachineEvent>

    private struct State {
        var nextNumber: UInt64 = 1
        var waiting: [UInt64: Promise<HypervisorReply.Result>] = [:]
        var isGone = false
    }
    private let state = Mutex(State())
    private let happened: AsyncStream<MachineEvent>.Continuation
    private let socket: SharedDescriptor
    private let io: IOThread
    private let buffers = Buffers()

    /// Used on the I/O thread only.
    private final class Buffers: @unchecked Sendable {
        var decoder = MessageDecoder(limit: 4 << 20)
        var outgoing: [UInt8] = []
    }

    init(socket: SharedDescriptor, io: IOThread) {
        self.socket = socket
        self.io = io
        (events, happened) = AsyncStream.makeStream()
    }

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

    var isGone: Bool { state.withLock { $0.isGone } }

    func ask(_ call: HypervisorRequest.Call, _ limit: Duration) async throws(Fault) -> HypervisorReply.Result {
        let answer = Promise<HypervisorReply.Result>()
        let number: UInt64? = state.withLock { state in
            guard !state.isGone else { return nil }
            defer { state.nextNumber += 1 }
            state.waiting[state.nextNumber] = answer
            return state.nextNumber
        }
        guard let number else { throw Self.gone }
        defer { _ = state.withLock { $0.waiting.removeValue(forKey: number) } }
        let text: [UInt8]
        do throws(VarlinkError) { text = try Varlink.encode(HypervisorRequest(number: number, call: call)) } catch {
            throw Fault(.failed, "the request cannot be written as JSON")
        }
        io.remote.submit { loop in
            self.buffers.outgoing += text + [0]
            self.flush(loop)
        }
        let late = Fault(
            .hostFailed, "the hypervisor half did not answer in \(limit.components.seconds) s",
            hint: "see daemon.log in the state directory")
        return try await RealTimers(io: io).within(limit, else: late) { () async throws(Fault) in
            try await answer.value()
        }
    }

    // MARK: On the I/O thread

    private func receive(_ loop: EventLoop) {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(socket.raw, &chunk, chunk.count, 0)
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
        guard count > 0 else { return lose(loop) }
        buffers.decoder.append(chunk[0..<count])
        do throws(VarlinkError) {
            while let message = try buffers.decoder.next() {
                let reply = try Varlink.decode(HypervisorReply.self, from: message)
                if case .event(let event) = reply.result {
                    happened.yield(event)
                } else if let number = reply.number {
                    state.withLock { $0.waiting.removeValue(forKey: number) }?.resolve(.success(reply.result))
                }
            }
        } catch { lose(loop) }
    }

    private func flush(_ loop: EventLoop) {
        guard !state.withLock({ $0.isGone }) else { return }
        do throws(SystemError) {
            while !buffers.outgoing.isEmpty {
                guard let sent = try UnixSocket.send(buffers.outgoing, to: socket.raw) else { break }
                buffers.outgoing.removeFirst(sent)
            }
            try loop.change(socket.raw, buffers.outgoing.isEmpty ? .readable : [.readable, .writable])
        } catch { lose(loop) }
    }

    private func lose(_ loop: EventLoop) {
        loop.unwatch(socket.raw)
        buffers.outgoing = []
        let waiting = state.withLock { state in
            state.isGone = true
            defer { state.waiting = [:] }
            return state.waiting.values.map { $0 }
        }
        for promise in waiting { promise.resolve(.failure(Self.gone)) }
        happened.finish()
    }

    private static let gone = Fault(
        .hostFailed, "the hypervisor half, cowork-hypervisor, is gone", hint: "see daemon.log in the state directory")
}
