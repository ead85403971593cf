internal import Glibc
internal import System
internal import Wire

/// The daemon's connection. One at a time: a daemon that was restarted replaces the one before. Events for a daemon that
/// is gone are dropped; the next one is told what counts when it connects.
final class DaemonLink {
    /// What a daemon that does not read may leave here before it is dropped.
    private static let mostWaiting = 256

    /// Which daemon asked, and under which number: an answer reaches nobody else.
    struct Asker {
        fileprivate let connection: UInt64
        let request: UInt32

        fileprivate init(connection: UInt64, request: UInt32) {
            self.connection = connection
            self.request = request
        }
    }

    private let loop: EventLoop
    private let listener: FileDescriptor
    private let uid: UInt32
    private var connection: SharedDescriptor?
    private var serial: UInt64 = 0
    private var waiting: [[UInt8]] = []
    private var isWatchingWritable = false

    var received: ((RelayCommand, [SharedDescriptor], Asker) -> Void)?
    var connected: (() -> Void)?
    var disconnected: (() -> Void)?

    init(loop: EventLoop, listener: consuming FileDescriptor, uid: UInt32) throws(SystemError) {
        self.loop = loop
        self.listener = listener
        self.uid = uid
        try loop.watch(self.listener.raw, .readable) { [weak self] _ in self?.accept() }
    }

    deinit {
        loop.unwatch(listener.raw)
        if let connection { loop.unwatch(connection.raw) }
    }

    var isConnected: Bool { connection != nil }

    func send(_ event: RelayEvent) {
        guard connection != nil else { return }
        guard waiting.count < Self.mostWaiting else { return close() }
        waiting.append(event.encoded)
        flush()
    }

    /// Answers one request, if its daemon is still there.
    func answer(_ asker: Asker, _ event: (UInt32) -> RelayEvent) {
        if asker.connection == serial && connection != nil { send(event(asker.request)) }
    }

    private func accept() {
        guard let taken = Accepted.next(of: listener) else { return }
        guard let peer = try? UnixSocket.peer(ofRaw: taken.raw), peer.uid == uid else { return }
        close()
        let raw = taken.raw
        do throws(SystemError) {
            try loop.watch(raw, .readable) { [weak self] ready in self?.handle(ready) }
        } catch { return }
        connection = taken
        serial += 1
        connected?()
    }

    private func handle(_ ready: EventLoop.Readiness) {
        if ready.contains(.writable) { flush() }
        guard let raw = connection?.raw, ready.contains(.readable) else {
            if !ready.isDisjoint(with: [.hangup, .error]) { close() }
            return
        }
        let message: UnixSocket.Message?
        do throws(SystemError) {
            message = try UnixSocket.receive(from: raw, mostDescriptors: 3)
        } catch { return close() }
        guard let message else { return }
        guard !message.bytes.isEmpty else { return close() }
        do throws(WireError) {
            let command = try RelayCommand(message.bytes)
            received?(command, message.descriptors, Asker(connection: serial, request: command.request))
        } catch { close() }
    }

    private func flush() {
        while let raw = connection?.raw, let next = waiting.first {
            do throws(SystemError) {
                guard try UnixSocket.send(next, to: raw) != nil else { break }
            } catch { return close() }
            waiting.removeFirst()
        }
        guard let raw = connection?.raw, isWatchingWritable == waiting.isEmpty else { return }
        isWatchingWritable = !waiting.isEmpty
        try? loop.change(raw, isWatchingWritable ? [.readable, .writable] : .readable)
    }

    private func close() {
        guard let connection else { return }
        loop.unwatch(connection.raw)
        self.connection = nil
        waiting = []
        isWatchingWritable = false
        disconnected?()
    }
}
