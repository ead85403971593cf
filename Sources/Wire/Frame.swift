/// The control channel's framing; `docs/protocol.md` is its specification and `WireTests` hold its golden bytes.
package enum Wire {
    package static let version: UInt16 = 1
    package static let magic: [UInt8] = Array("COWK".utf8)
    package static let headerLength = 12
    /// No payload is larger, whatever its kind.
    package static let largestPayload = 128 << 10
    /// No `data` payload is larger.
    package static let largestData = 32 << 10
    /// What each side may send on a channel of a stream before it has been granted more.
    package static let initialWindow: UInt32 = 256 << 10
    /// What was granted on a channel and not yet used, and what waits for its reader, together never exceed this.
    package static let largestWindow: UInt32 = 1 << 20
    /// Pings of one stream that may be unanswered.
    package static let mostPings = 64
    package static let largestPing = 64
    /// The host listens on this vsock port for the guest's one control connection.
    package static let controlPort: UInt32 = 1
    package static let secretLength = 32
    package static let mostStreams = 256
}

package enum FrameKind: UInt8, Sendable, CaseIterable {
    // Handshake and life of the guest, on stream 0
    case hello = 1, welcome, configure, ready, failed, powerOff
    // Requests, answered by `done`, `refused` or a report on the same stream number
    case mount = 16, unmount, status, statusReport, done, refused
    // Processes, one stream each
    case open = 32, opened, data, end, credit, resize, signal, exited, lost
    // Either side, any stream
    case ping = 48, pong
}

/// What a byte of a process's stream belongs to.
package enum Channel: UInt8, Sendable, CaseIterable {
    case input = 0, output = 1, error = 2
}

package struct Frame: Sendable, Equatable {
    package let kind: FrameKind
    package let channel: UInt8
    package let stream: UInt32
    package let payload: [UInt8]

    package init(_ kind: FrameKind, stream: UInt32 = 0, channel: UInt8 = 0, payload: [UInt8] = []) {
        self.kind = kind
        self.channel = channel
        self.stream = stream
        self.payload = payload
    }

    package var encoded: [UInt8] {
        var writer = ByteWriter(reservingCapacity: Wire.headerLength + payload.count)
        writer.append(UInt32(clamping: payload.count))
        writer.append(kind.rawValue)
        writer.append(channel)
        writer.append(UInt16(0))
        writer.append(stream)
        writer.append(raw: payload)
        return writer.bytes
    }
}

/// Cuts a byte stream into frames. Holds at most one partial frame beyond what it was last given.
package struct FrameDecoder: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0

    package init() {}

    package var buffered: Int { buffer.count - start }

    package mutating func append(_ bytes: some Collection<UInt8>) {
        if start > 0 {
            buffer.removeSubrange(0..<start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame; nil until more bytes come. After an error the stream cannot be used any more.
    package mutating func next() throws(WireError) -> Frame? {
        guard buffered >= Wire.headerLength else { return nil }
        var header = ByteReader(buffer[start..<start + Wire.headerLength])
        let length = Int(try header.integer(UInt32.self))
        let number = try header.integer(UInt8.self)
        let channel = try header.integer(UInt8.self)
        let zero = try header.integer(UInt16.self)
        let stream = try header.integer(UInt32.self)
        guard let kind = FrameKind(rawValue: number) else { throw .unknownKind(number) }
        guard zero == 0, channel <= 2 else { throw .malformed("header") }
        guard length <= (kind == .data ? Wire.largestData : Wire.largestPayload) else { throw .tooLarge }
        guard buffered >= Wire.headerLength + length else { return nil }
        let body = start + Wire.headerLength
        let payload = Array(buffer[body..<body + length])
        start = body + length
        return Frame(kind, stream: stream, channel: channel, payload: payload)
    }
}
