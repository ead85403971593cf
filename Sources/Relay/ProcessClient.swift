internal import System
internal import Wire

/// Who gets a process's output. Calls come on the relay's loop, `flush` at the end of a turn's worth of them.
protocol ProcessClient: AnyObject {
    /// Whether it grants the guest room itself; otherwise the relay does, for what it has taken.
    var grantsItself: Bool { get }
    /// Bytes it has not taken yet.
    var waitingCount: Int { get }
    var isOpen: Bool { get }
    func started()
    func output(_ bytes: [UInt8], _ channel: Channel)
    func ended(_ channel: Channel)
    /// It may send more input.
    func granted(_ bytes: UInt32)
    func pong(_ bytes: [UInt8])
    /// The last thing it is told, if not `lost`; the connection ends when it has taken everything.
    func exited(_ exited: Exited)
    func lost(_ text: String)
    func flush()
    func pauseReading(_ pause: Bool)
    /// Ends the connection at once.
    func drop()
}

/// A client that speaks frames. Everything it is sent is made here; of the guest's frames only payloads arrive.
final class FramesClient: ProcessClient {
    private let socket: ClientSocket
    private let reply: String
    private var decoder = FrameDecoder()
    /// A frame of the client's that is no violation in itself; false ends it.
    private let handle: (Frame) -> Bool
    private let handled: () -> Void

    /// `handle` judges each frame; `handled` comes after a run of them; `gone` when the connection is over.
    init(
        _ socket: ClientSocket, reply: String, handle: @escaping (Frame) -> Bool, handled: @escaping () -> Void,
        taken: @escaping () -> Void, gone: @escaping () -> Void
    ) {
        self.socket = socket
        self.reply = reply
        self.handle = handle
        self.handled = handled
        socket.taken = taken
        socket.closed = gone
        socket.received = { [weak self] in self?.receive($0) }
    }

    let grantsItself = true
    var waitingCount: Int { socket.waitingCount }
    var isOpen: Bool { socket.isOpen }

    func started() {
        socket.send(Array(reply.utf8) + [0])
        socket.start()
        flush()
    }
    func output(_ bytes: [UInt8], _ channel: Channel) { send(.data, channel, bytes) }
    func ended(_ channel: Channel) { send(.end, channel, []) }
    func granted(_ bytes: UInt32) { send(.credit, .input, Credit(bytes: bytes).encoded) }
    func pong(_ bytes: [UInt8]) { send(.pong, .input, bytes) }
    func exited(_ exited: Exited) {
        send(.exited, .input, exited.encoded)
        socket.end()
    }
    func lost(_ text: String) {
        send(.lost, .input, Lost(text: text).encoded)
        socket.end()
    }
    func flush() { socket.flush() }
    func pauseReading(_ pause: Bool) { socket.pauseReading(pause) }
    func drop() { socket.close() }

    private func send(_ kind: FrameKind, _ channel: Channel, _ payload: [UInt8]) {
        socket.send(Frame(kind, channel: channel.rawValue, payload: payload).encoded)
    }

    private func receive(_ bytes: [UInt8]) {
        decoder.append(bytes)
        var isRight = true
        do throws(WireError) {
            while isRight, socket.isOpen, let frame = try decoder.next() {
                isRight = frame.stream == 0 && handle(frame)
            }
        } catch { isRight = false }
        if !isRight { socket.close() }
        handled()
    }
}

/// A client that is sent varlink replies and is then closed. What it sends is not looked at.
final class RepliesClient: ProcessClient {
    private let socket: ClientSocket

    init(_ socket: ClientSocket, taken: @escaping () -> Void, gone: @escaping () -> Void) {
        self.socket = socket
        socket.taken = taken
        socket.closed = gone
    }

    let grantsItself = false
    var waitingCount: Int { socket.waitingCount }
    var isOpen: Bool { socket.isOpen }

    func started() { socket.start() }
    func output(_ bytes: [UInt8], _ channel: Channel) { socket.send(VarlinkReply.output(bytes, channel)) }
    func ended(_ channel: Channel) {}
    func granted(_ bytes: UInt32) {}
    func pong(_ bytes: [UInt8]) {}
    func exited(_ exited: Exited) {
        socket.send(VarlinkReply.exited(exited.status))
        socket.end()
    }
    func lost(_ text: String) {
        socket.send(VarlinkReply.fault("guest-failed", text))
        socket.end()
    }
    func flush() { socket.flush() }
    func pauseReading(_ pause: Bool) {}
    func drop() { socket.close() }
}
