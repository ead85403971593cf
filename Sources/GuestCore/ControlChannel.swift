internal import Glibc
package import System
package import Wire

/// What a control channel tells the one it serves, on the loop's thread.
package protocol ControlChannelOwner: AnyObject {
    func received(_ frame: Frame)
    /// The channel was full and can take output again.
    func channelHasRoom()
    /// It will neither send nor receive any more. Said once.
    func channelEnded(because reason: String)
}

/// The one connection to the host: frames in, frames out, never blocking.
///
/// What a turn of the loop sends leaves in one write, because many small packets are what vsock bears worst. What waits
/// to be sent is bounded by whoever asks `hasRoom` before making more of it.
package final class ControlChannel {
    /// Output is asked to stop above, and to go on below.
    private static let high = 256 << 10
    private static let low = 64 << 10

    package weak var owner: (any ControlChannelOwner)?
    private let loop: EventLoop
    private let descriptor: FileDescriptor
    private var decoder: FrameDecoder
    private var outgoing: [UInt8] = []
    private var sent = 0
    private var flushIsDue = false
    private var waitsForRoom = false
    private var isFull = false
    private var hasEnded = false

    /// Takes over a non-blocking stream socket; `decoder` may hold what came after the handshake.
    package init(loop: EventLoop, descriptor: consuming FileDescriptor, decoder: FrameDecoder = FrameDecoder()) {
        self.loop = loop
        self.descriptor = descriptor
        self.decoder = decoder
    }

    deinit { loop.unwatch(descriptor.raw) }

    /// Starts receiving; frames that are already here are delivered at once.
    package func start() throws(SystemError) {
        try loop.watch(descriptor.raw, .readable) { [weak self] ready in
            guard let self else { return }
            if !ready.isDisjoint(with: [.readable, .hangup, .error]) { receive() }
            if ready.contains(.writable) { flush() }
        }
        deliver()
    }

    package var hasRoom: Bool { !isFull && !hasEnded }

    package func send(_ frame: Frame) {
        guard !hasEnded else { return }
        outgoing.append(contentsOf: frame.encoded)
        scheduleFlush()
    }

    /// A `data` frame, without a detour of its bytes through one.
    package func send(_ bytes: [UInt8], stream: UInt32, channel: Channel) {
        guard !hasEnded else { return }
        var header = ByteWriter(reservingCapacity: Wire.headerLength)
        header.append(UInt32(clamping: bytes.count))
        header.append(FrameKind.data.rawValue)
        header.append(channel.rawValue)
        header.append(UInt16(0))
        header.append(stream)
        outgoing.append(contentsOf: header.bytes)
        outgoing.append(contentsOf: bytes)
        scheduleFlush()
    }

    private func scheduleFlush() {
        if outgoing.count - sent >= Self.high { isFull = true }
        guard !flushIsDue, !waitsForRoom else { return }
        flushIsDue = true
        // Timers that are due run at the end of this very turn.
        loop.after(.zero) { [weak self] in
            self?.flushIsDue = false
            self?.flush()
        }
    }

    /// Writes what can be written now.
    package func flush() {
        while !hasEnded, sent < outgoing.count {
            let count = outgoing.withUnsafeBytes { bytes in
                bytes.baseAddress.map { Glibc.send(descriptor.raw, $0 + sent, bytes.count - sent, Int32(MSG_NOSIGNAL)) }
                    ?? 0
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { break }
                return end("the host's connection broke: \(String(cString: strerror(errno)))")
            }
            sent += count
        }
        if sent == outgoing.count {
            outgoing.removeAll(keepingCapacity: outgoing.capacity <= 2 * Self.high)
            sent = 0
        } else if sent >= Self.high {
            outgoing.removeSubrange(..<sent)
            sent = 0
        }
        waitForRoom(!outgoing.isEmpty)
        if isFull, outgoing.count - sent < Self.low {
            isFull = false
            owner?.channelHasRoom()
        }
    }

    /// Gives back the memory of a busy time.
    package func rest() {
        if outgoing.isEmpty { outgoing = [] }
    }

    private func waitForRoom(_ wait: Bool) {
        guard wait != waitsForRoom, !hasEnded else { return }
        waitsForRoom = wait
        try? loop.change(descriptor.raw, wait ? [.readable, .writable] : .readable)
    }

    private func receive() {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 64 << 10) { room, filled in
            let count = read(descriptor.raw, room.baseAddress, room.count)
            if count < 0 { failure = errno }
            filled = max(0, count)
        }
        if failure == EAGAIN || failure == EINTR { return }
        if failure != 0 { return end("the host's connection broke: \(String(cString: strerror(failure)))") }
        if bytes.isEmpty { return end("the host closed the connection") }
        decoder.append(bytes)
        deliver()
    }

    private func deliver() {
        while !hasEnded {
            do throws(WireError) {
                guard let frame = try decoder.next() else { return }
                owner?.received(frame)
            } catch {
                return end("the host sent what is no frame: \(error)")
            }
        }
    }

    /// Ends the channel from this side, as when the host breaks the protocol.
    package func end(_ reason: String) {
        guard !hasEnded else { return }
        hasEnded = true
        loop.unwatch(descriptor.raw)
        owner?.channelEnded(because: reason)
    }
}
