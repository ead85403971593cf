internal import Glibc
internal import System

/// The guest's console: what the hypervisor writes to the socket, of which the last 256 KiB are kept. It leaves only as
/// escaped text.
final class Console {
    private static let kept = 256 << 10
    /// How much of it one answer has, at most.
    private static let shown = 64 << 10

    private let loop: EventLoop
    private let listener: FileDescriptor
    private var connection: SharedDescriptor?
    private var bytes = ByteQueue()

    init(loop: EventLoop, listener: consuming FileDescriptor) throws(SystemError) {
        self.loop = loop
        self.listener = listener
        try loop.watch(self.listener.raw, .readable) { [weak self] _ in self?.accept() }
    }

    deinit {
        loop.unwatch(listener.raw)
        if let connection { loop.unwatch(connection.raw) }
    }

    var text: String {
        let tail = bytes.withPrefix(bytes.count) { Array($0.suffix(Self.shown)) }
        return EscapedText.lines(tail, limit: Self.shown)
    }

    private func accept() {
        guard let taken = Accepted.next(of: listener) else { return }
        // There is one console; a second connection is closed again.
        guard connection == nil else { return }
        let raw = taken.raw
        do throws(SystemError) {
            try loop.watch(raw, .readable) { [weak self] _ in self?.read() }
            connection = taken
        } catch {}
    }

    private func read() {
        guard let connection else { return }
        var isOver = false
        let chunk = [UInt8](unsafeUninitializedCapacity: 64 << 10) { room, filled in
            let count = recv(connection.raw, room.baseAddress, room.count, Int32(MSG_DONTWAIT))
            isOver = count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)
            filled = max(0, count)
        }
        bytes.append(chunk)
        bytes.removeFirst(bytes.count - Self.kept)
        if isOver {
            loop.unwatch(connection.raw)
            self.connection = nil
        }
    }
}
