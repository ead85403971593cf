internal import Glibc
internal import System

/// A client's connection: what it sends is handed on, what it is sent waits here until it takes it.
final class ClientSocket {
    private static let chunk = 64 << 10

    private let loop: EventLoop
    private var descriptor: SharedDescriptor?
    private var outgoing = ByteQueue()
    private var isReading = true
    private var isEnding = false
    private var interest: EventLoop.Readiness = .readable
    var received: (([UInt8]) -> Void)?
    /// Some of what waited was taken.
    var taken: (() -> Void)?
    /// It is closed: by the client, or because everything was sent after `end`.
    var closed: (() -> Void)?

    init(loop: EventLoop, descriptor: SharedDescriptor) {
        self.loop = loop
        self.descriptor = descriptor
    }

    deinit {
        if let descriptor { loop.unwatch(descriptor.raw) }
    }

    var isOpen: Bool { descriptor != nil }
    var waitingCount: Int { outgoing.count }

    /// Begins to read; until then nothing of the client is looked at.
    func start() {
        guard let descriptor else { return }
        do throws(SystemError) {
            try loop.watch(descriptor.raw, interest) { [weak self] ready in self?.handle(ready) }
        } catch { close() }
    }

    func send(_ bytes: [UInt8]) {
        if descriptor != nil && !isEnding { outgoing.append(bytes) }
    }

    /// Writes what the client takes now, and waits for the rest.
    func flush() {
        let before = outgoing.count
        while let raw = descriptor?.raw, !outgoing.isEmpty {
            var failure: Int32 = 0
            let count = outgoing.withPrefix(1 << 20) { bytes in
                let count = Glibc.send(
                    raw, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
                failure = errno
                return count
            }
            if count > 0 {
                outgoing.removeFirst(count)
            } else if failure == EAGAIN {
                break
            } else if failure != EINTR {
                return close()
            }
        }
        if isEnding && outgoing.isEmpty { return close() }
        updateInterest()
        if outgoing.count < before { taken?() }
    }

    /// Closes once everything has been taken.
    func end() {
        isEnding = true
        flush()
    }

    func pauseReading(_ pause: Bool) {
        isReading = !pause
        updateInterest()
    }

    func close() {
        guard let descriptor else { return }
        loop.unwatch(descriptor.raw)
        self.descriptor = nil
        outgoing.removeAll()
        let closed = self.closed
        received = nil
        taken = nil
        self.closed = nil
        closed?()
    }

    private func updateInterest() {
        guard let descriptor else { return }
        var wanted: EventLoop.Readiness = isReading ? .readable : []
        if !outgoing.isEmpty { wanted.insert(.writable) }
        guard wanted != interest else { return }
        interest = wanted
        try? loop.change(descriptor.raw, wanted)
    }

    private func handle(_ ready: EventLoop.Readiness) {
        if ready.contains(.writable) { flush() }
        if ready.contains(.readable) && isReading { return read() }
        // Nobody is at the other end any more, whatever is still unread.
        if !ready.isDisjoint(with: [.hangup, .error]) { close() }
    }

    private func read() {
        guard let raw = descriptor?.raw else { return }
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.chunk) { room, filled in
            let count = recv(raw, room.baseAddress, Self.chunk, Int32(MSG_DONTWAIT))
            if count < 0 { failure = errno }
            filled = max(0, count)
        }
        if failure == EAGAIN || failure == EINTR { return }
        if bytes.isEmpty { return close() }
        if !isEnding { received?(bytes) }
    }
}
