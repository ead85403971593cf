internal import Glibc
internal import System

/// Blocking waits with a deadline, for threads that may block.
enum Waiting {
    /// True when `raw` has one of `events`, false when `limit` passed. Nil waits without end.
    static func poll(_ raw: Int32, _ events: Int16, limit: Duration?) throws(SystemError) -> Bool {
        try poll([(raw, events)], limit: limit) != nil
    }

    /// The index of the first of `items` that is ready; nil when `limit` passed.
    static func poll(_ items: [(raw: Int32, events: Int16)], limit: Duration?) throws(SystemError) -> Int? {
        var entries = items.map { pollfd(fd: $0.raw, events: $0.events, revents: 0) }
        let until = limit.map { MonotonicClock.nanoseconds() &+ $0.wholeNanoseconds }
        while true {
            var timeout: Int32 = -1
            if let until {
                let now = MonotonicClock.nanoseconds()
                timeout = Int32(clamping: ((until > now ? until - now : 0) + 999_999) / 1_000_000)
            }
            let count = Glibc.poll(&entries, nfds_t(entries.count), timeout)
            if count > 0 { return entries.firstIndex { $0.revents != 0 } }
            if count == 0 { return nil }
            if errno != EINTR { throw SystemError("poll") }
        }
    }

    /// What comes until the byte `end`, which is included, or until the other side closes. Nil when `limit` passed.
    static func readAll(_ raw: Int32, until end: UInt8, limit: Duration) throws(SystemError) -> [UInt8]? {
        var told: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        let until = MonotonicClock.nanoseconds() &+ limit.wholeNanoseconds
        while told.count < 16 << 10, told.last != end {
            let now = MonotonicClock.nanoseconds()
            let left = Duration.nanoseconds(until > now ? Int64(clamping: until - now) : 0)
            guard try poll(raw, Int16(POLLIN), limit: left) else { return nil }
            let count = read(raw, &chunk, chunk.count)
            if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
            if count <= 0 { break }
            told += chunk[0..<count]
        }
        return told
    }
}
