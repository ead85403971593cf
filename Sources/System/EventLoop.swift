internal import CLinux
internal import Glibc
internal import Synchronization

/// One thread's wait for descriptors, timers and work from other threads. Level-triggered.
///
/// Everything but `remote` belongs to the thread that calls `run`. Handlers run one at a time on that thread and may
/// add or remove watches, their own included.
package final class EventLoop {
    package struct Readiness: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let readable = Readiness(rawValue: EPOLLIN.rawValue)
        package static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
        /// The peer closed its writing half, or all of it; always reported with `hangup` watched implicitly.
        package static let peerClosed = Readiness(rawValue: EPOLLRDHUP.rawValue)
        package static let hangup = Readiness(rawValue: EPOLLHUP.rawValue)
        package static let error = Readiness(rawValue: EPOLLERR.rawValue)
    }

    package typealias Handler = (Readiness) -> Void

    package struct Timer: Hashable, Sendable {
        fileprivate let serial: UInt64
    }

    private struct Watch {
        let serial: UInt32
        let handler: Handler
    }

    private struct Deadline {
        let at: UInt64
        let serial: UInt64
    }

    package let remote: Remote
    private let epoll: FileDescriptor
    private var watches: [Int32: Watch] = [:]
    private var nextWatch: UInt32 = 1
    private var deadlines: [Deadline] = []
    private var timers: [UInt64: () -> Void] = [:]
    private var nextTimer: UInt64 = 1
    private var isStopped = false

    package init() throws(SystemError) {
        epoll = FileDescriptor(owning: try systemCall("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
        let wake = FileDescriptor(
            owning: try systemCall("eventfd") {
                eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
            })
        remote = Remote(wake: wake)
        let remote = self.remote
        try watch(remote.wakeDescriptor, .readable) { [unowned self] _ in
            for work in remote.takeAll() { work(self) }
        }
    }

    /// Calls `handler` while `raw` is ready. The caller keeps `raw` open until `unwatch`.
    package func watch(
        _ raw: Int32, _ interest: Readiness, _ handler: @escaping Handler
    ) throws(SystemError) {
        let serial = nextWatch
        nextWatch &+= 1
        var event = epoll_event(events: interest.rawValue, data: Self.data(raw, serial))
        let epoll = self.epoll.raw
        try systemCall("epoll_ctl") { epoll_ctl(epoll, EPOLL_CTL_ADD, raw, &event) }
        watches[raw] = Watch(serial: serial, handler: handler)
    }

    package func change(_ raw: Int32, _ interest: Readiness) throws(SystemError) {
        guard let watch = watches[raw] else { throw SystemError("epoll_ctl", code: ENOENT) }
        var event = epoll_event(events: interest.rawValue, data: Self.data(raw, watch.serial))
        let epoll = self.epoll.raw
        try systemCall("epoll_ctl") { epoll_ctl(epoll, EPOLL_CTL_MOD, raw, &event) }
    }

    /// Ends a watch; unknown descriptors are fine. Call it before closing `raw`.
    package func unwatch(_ raw: Int32) {
        guard watches.removeValue(forKey: raw) != nil else { return }
        _ = epoll_ctl(epoll.raw, EPOLL_CTL_DEL, raw, nil)
    }

    /// Calls `handler` once, after `delay` of monotonic time.
    @discardableResult
    package func after(_ delay: Duration, _ handler: @escaping () -> Void) -> Timer {
        let serial = nextTimer
        nextTimer += 1
        timers[serial] = handler
        deadlines.append(Deadline(at: MonotonicClock.nanoseconds() &+ delay.wholeNanoseconds, serial: serial))
        return Timer(serial: serial)
    }

    package func cancel(_ timer: Timer) {
        timers.removeValue(forKey: timer.serial)
        deadlines.removeAll { $0.serial == timer.serial }
    }

    package func stop() { isStopped = true }

    /// Runs handlers until `stop`.
    package func run() throws(SystemError) {
        while !isStopped { try turn() }
    }

    /// Waits once, for at most `limit`, and runs what is due.
    package func turn(limit: Duration? = nil) throws(SystemError) {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        let epoll = self.epoll.raw
        let timeout = waitMilliseconds(limit)
        let count = epoll_wait(epoll, &events, 64, timeout)
        if count < 0 && errno != EINTR { throw SystemError("epoll_wait") }
        for event in events.prefix(max(0, Int(count))) {
            let raw = Int32(truncatingIfNeeded: event.data.u64 & 0xFFFF_FFFF)
            let serial = UInt32(truncatingIfNeeded: event.data.u64 >> 32)
            guard let watch = watches[raw], watch.serial == serial else { continue }
            watch.handler(Readiness(rawValue: event.events))
        }
        runDueTimers()
    }

    private func runDueTimers() {
        guard !deadlines.isEmpty else { return }
        let now = MonotonicClock.nanoseconds()
        let due = deadlines.filter { $0.at <= now }.sorted { ($0.at, $0.serial) < ($1.at, $1.serial) }
        guard !due.isEmpty else { return }
        deadlines.removeAll { $0.at <= now }
        for deadline in due { timers.removeValue(forKey: deadline.serial)?() }
    }

    private func waitMilliseconds(_ limit: Duration?) -> Int32 {
        var wait = limit.map(\.wholeNanoseconds)
        if let next = deadlines.map(\.at).min() {
            let now = MonotonicClock.nanoseconds()
            wait = min(wait ?? .max, next > now ? next - now : 0)
        }
        guard let wait else { return -1 }
        return Int32(clamping: (wait + 999_999) / 1_000_000)
    }

    private static func data(_ raw: Int32, _ serial: UInt32) -> epoll_data {
        epoll_data(u64: UInt64(UInt32(bitPattern: raw)) | UInt64(serial) << 32)
    }

    /// Hands work to the loop's thread from any other.
    package final class Remote: Sendable {
        private let wake: FileDescriptor
        private let waiting = Mutex<[@Sendable (EventLoop) -> Void]>([])

        fileprivate init(wake: consuming FileDescriptor) { self.wake = wake }
        fileprivate var wakeDescriptor: Int32 { wake.raw }

        package func submit(_ work: @escaping @Sendable (EventLoop) -> Void) {
            waiting.withLock { $0.append(work) }
            var one: UInt64 = 1
            _ = write(wake.raw, &one, 8)
        }

        fileprivate func takeAll() -> [@Sendable (EventLoop) -> Void] {
            var count: UInt64 = 0
            _ = read(wake.raw, &count, 8)
            return waiting.withLock { work in
                defer { work.removeAll() }
                return work
            }
        }
    }
}

package enum MonotonicClock {
    /// Nanoseconds since boot, sleep included.
    package static func nanoseconds() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_BOOTTIME, &now)
        return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
    }
}

package enum RealTimeClock {
    package static func nanoseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
    }
    package static func milliseconds() -> Int64 { nanoseconds() / 1_000_000 }
}

extension Duration {
    /// Whole nanoseconds, at least 0, at most what fits.
    package var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return UInt64.max / 2 }
        return min(product, UInt64.max / 2) + UInt64(attoseconds / 1_000_000_000)
    }
}
