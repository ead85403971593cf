internal import Glibc
internal import System
package import Wire

/// Both sides show that they belong to this boot, over a blocking wait with a deadline: nothing else runs yet.
package enum Handshake {
    package struct Failure: Error, Sendable, Equatable {
        package let reason: String
    }

    package static func greet(on raw: Int32, secret: BootSecret) throws(Failure) {
        let hello = Hello(lowestVersion: Wire.version, highestVersion: Wire.version, secret: secret.shown)
        try sendAll(Frame(.hello, payload: hello.encoded), to: raw)
    }

    /// Waits for the host's answer and checks it. The decoder that is returned holds what came with it.
    package static func awaitWelcome(
        on raw: Int32, secret: BootSecret, limit: Duration
    ) throws(Failure) -> FrameDecoder {
        var decoder = FrameDecoder()
        let until = MonotonicClock.nanoseconds() &+ limit.wholeNanoseconds
        while true {
            if let frame = try next(&decoder) {
                guard frame.kind == .welcome, frame.stream == 0 else { throw Failure(reason: "no welcome") }
                guard let welcome = try? Welcome(payload: frame.payload) else { throw Failure(reason: "bad welcome") }
                guard welcome.version == Wire.version else {
                    throw Failure(reason: "the host speaks version \(welcome.version)")
                }
                guard secret.accepts(welcome.proof) else { throw Failure(reason: "the host did not prove itself") }
                return decoder
            }
            decoder.append(try receive(from: raw, until: until))
        }
    }

    /// Sends a frame before the loop runs, or after it has ended.
    package static func sendAll(_ frame: Frame, to raw: Int32) throws(Failure) {
        let bytes = frame.encoded
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                bytes.baseAddress.map { send(raw, $0 + sent, bytes.count - sent, Int32(MSG_NOSIGNAL)) } ?? 0
            }
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN {
                try wait(raw, Int16(POLLOUT), until: MonotonicClock.nanoseconds() &+ 5_000_000_000)
            } else if errno != EINTR {
                throw Failure(reason: "the host's connection broke: \(String(cString: strerror(errno)))")
            }
        }
    }

    private static func next(_ decoder: inout FrameDecoder) throws(Failure) -> Frame? {
        do { return try decoder.next() } catch { throw Failure(reason: "the host sent what is no frame: \(error)") }
    }

    private static func receive(from raw: Int32, until: UInt64) throws(Failure) -> [UInt8] {
        while true {
            try wait(raw, Int16(POLLIN), until: until)
            var failure: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: 16 << 10) { room, filled in
                let count = read(raw, room.baseAddress, room.count)
                if count < 0 { failure = errno }
                filled = max(0, count)
            }
            if failure == EAGAIN || failure == EINTR { continue }
            if failure != 0 {
                throw Failure(reason: "the host's connection broke: \(String(cString: strerror(failure)))")
            }
            if bytes.isEmpty { throw Failure(reason: "the host closed the connection") }
            return bytes
        }
    }

    private static func wait(_ raw: Int32, _ events: Int16, until: UInt64) throws(Failure) {
        var item = pollfd(fd: raw, events: events, revents: 0)
        while true {
            let now = MonotonicClock.nanoseconds()
            guard now < until else { throw Failure(reason: "the host did not answer in time") }
            let result = poll(&item, 1, Int32(clamping: (until - now + 999_999) / 1_000_000))
            if result > 0 { return }
            if result < 0 && errno != EINTR {
                throw Failure(reason: "poll: \(String(cString: strerror(errno)))")
            }
        }
    }
}
