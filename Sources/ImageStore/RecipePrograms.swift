import Core
import Glibc
import System

/// Runs the programs of a recipe: with a small environment, one after the other, on the thread that asks.
struct RecipePrograms {
    private let environment: [String: String]

    /// What a recipe may know of its surroundings: where programs and temporary files are, and how to reach a mirror.
    private static let inherited = [
        "PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    ]
    private static let longestLine = 4096

    /// `scratch` is for temporary files, nil for the system's usual place.
    init(environment: [String: String], scratch: String? = nil) {
        var kept = environment.filter { Self.inherited.contains($0.key) }
        kept["PATH"] = kept["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        if let scratch { kept["TMPDIR"] = scratch }
        kept["LC_ALL"] = "C.UTF-8"
        self.environment = kept
    }

    /// Runs `program` to its end and hands on every line it prints. It dies with this process, and after `limit`.
    func run(_ program: String, _ arguments: [String], limit: Duration, line: (String) -> Void) throws(Fault) {
        let name = program.split(separator: "/").suffix(2).joined(separator: "/")
        let output = try hosted("cannot run \(name)") { () throws(SystemError) -> Pipe in try Pipe() }
        var specification = ChildSpecification(
            program: program, arguments: arguments, environment: environment,
            descriptors: [1: output.writing, 2: output.writing])
        specification.parentDeathSignal = SIGTERM
        specification.umask = 0o022
        let child: Child
        do {
            child = try Child.spawn(specification)
        } catch {
            throw Fault(.hostFailed, "cannot run \(name): \(error.reason)")
        }
        let read = output.closeWriting()
        var last = ""
        let ended = Self.readLines(from: read.raw, limit: limit) { text in
            last = text
            line(text)
        }
        guard ended else {
            child.end(grace: .seconds(10))
            throw Fault(.deadline, "\(name) did not end within \(limit.components.seconds) s")
        }
        switch child.wait() {
        case .code(0): return
        case .code(let code):
            throw Fault(.failed, "\(name) failed with status \(code)\(last.isEmpty ? "" : ": \(last)")")
        case .signal(let number): throw Fault(.failed, "\(name) was ended by signal \(number)")
        case nil: throw Fault(.hostFailed, "\(name) was reaped by somebody else")
        }
    }

    /// False when the deadline passed before everybody had closed the other end.
    private static func readLines(from raw: Int32, limit: Duration, line: (String) -> Void) -> Bool {
        let until = ContinuousClock.now + limit
        var pending: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        func flush() {
            line(Display.escaped(String(decoding: pending, as: UTF8.self)))
            pending.removeAll(keepingCapacity: true)
        }
        while true {
            let left = (until - .now).components.seconds
            if left < 0 { return false }
            var item = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
            guard poll(&item, 1, Int32(clamping: left * 1000 + 1000)) > 0 else { continue }
            let count = read(raw, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            for byte in chunk[0..<count] {
                // Programs redraw a line with a carriage return: each state is a line of its own.
                if byte == 10 || byte == 13 {
                    if !pending.isEmpty { flush() }
                } else if pending.count < longestLine {
                    pending.append(byte)
                }
            }
        }
        if !pending.isEmpty { flush() }
        return true
    }
}

private struct Pipe: ~Copyable {
    private let reader: FileDescriptor
    private let writer: FileDescriptor
    var writing: Int32 { writer.raw }

    init() throws(SystemError) {
        var raw: [Int32] = [-1, -1]
        try systemCall("pipe") { pipe(&raw) }
        for end in raw { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        reader = FileDescriptor(owning: raw[0])
        writer = FileDescriptor(owning: raw[1])
    }

    consuming func closeWriting() -> FileDescriptor { reader }
}
