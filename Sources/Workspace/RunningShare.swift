internal import Contract
internal import Core
internal import Glibc
internal import System

/// A server that was started, as the one thread sees it that started it.
final class RunningShare {
    let identity: ProcessIdentity
    private let child: Child
    private let output: SharedDescriptor
    private var lines = LineReader()

    /// Nil when the kernel does not say when it was started.
    init?(child: Child, output: SharedDescriptor) {
        guard let ticks = RunningProcess.startTicks(of: child.pid) else { return nil }
        identity = ProcessIdentity(pid: child.pid, startTicks: ticks)
        self.child = child
        self.output = output
    }

    /// It says so when it waits for its guest; before that its options may turn out to be wrong.
    func waitUntilReady(limit: Duration) throws(Fault) {
        let end = MonotonicClock.nanoseconds() &+ limit.wholeNanoseconds
        var last = ""
        while true {
            let now = MonotonicClock.nanoseconds()
            switch read(waiting: end > now ? Int32(clamping: (end - now) / 1_000_000) : 0) {
            case .line(let line):
                if line.contains("Waiting for vhost-user socket connection") { return }
                last = line
            case .late:
                child.end(grace: .zero)
                throw Fault(.hostFailed, "the folder server did not get ready", hint: "the machine may be overloaded")
            case .ended:
                child.end(grace: .seconds(1))
                throw Fault(.hostFailed, "the folder server ended at once: \(Display.escaped(last, limit: 400))")
            }
        }
    }

    /// Reads what it says until it ends, and reaps it. A guest can make a server talk: only so much of it is kept.
    func attend(log: (String) -> Void) {
        var left = 16 << 10
        while true {
            guard case .line(let line) = read(waiting: -1) else { break }
            guard left > 0 else { continue }
            let shown = Display.escaped(line, limit: 500)
            left -= shown.utf8.count
            log(left > 0 ? shown : "(it says more than is kept)")
        }
        switch child.wait() {
        case nil, .code(0): break
        case .code(let code): log("ended with status \(code)")
        case .signal(let number): log("ended by signal \(number)")
        }
    }

    private enum Heard { case line(String), late, ended }

    private func read(waiting milliseconds: Int32) -> Heard {
        while true {
            if let line = lines.next() { return .line(line) }
            var item = pollfd(fd: output.raw, events: Int16(POLLIN), revents: 0)
            let ready = poll(&item, 1, milliseconds)
            if ready == 0 { return .late }
            if ready < 0 && errno != EINTR { return .ended }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(output.raw, &chunk, chunk.count)
            if count > 0 {
                lines.append(chunk[..<count])
            } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
                return .ended
            }
        }
    }
}

/// Bytes to lines, of which an unreasonably long one is cut.
struct LineReader {
    private static let longest = 1024
    private var bytes: [UInt8] = []

    mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    mutating func next() -> String? {
        let end = bytes.firstIndex(of: 10)
        guard let length = end ?? (bytes.count > Self.longest ? Self.longest : nil) else { return nil }
        let line = String(decoding: bytes[..<length], as: UTF8.self)
        bytes.removeFirst(end == nil ? length : length + 1)
        return line
    }
}
