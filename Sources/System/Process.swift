internal import CLinux
internal import Glibc

/// This process's own state.
package enum CurrentProcess {
    package static var environment: [String: String] {
        var found: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                found[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            next += 1
        }
        return found
    }

    /// The real file this program was started from, links resolved.
    package static func executable() throws(SystemError) -> String { try Files.readLink("/proc/self/exe") }

    package static func setName(_ name: String) { _ = cl_set_name(name) }
    package static func forbidTracing() { _ = cl_set_dumpable(0) }

    /// No capability, in any set, and none by a later exec.
    package static func dropPrivileges() throws(SystemError) {
        try systemCall("capset") { cl_drop_capabilities() }
        try systemCall("no_new_privs") { cl_no_new_privileges() }
    }

    /// Becomes another user for good, without any group but its own.
    package static func become(uid: UInt32, gid: UInt32) throws(SystemError) {
        try systemCall("setuid") { cl_set_ids(uid, gid, nil, 0) }
    }

    /// Closes what a careless parent left open.
    package static func closeDescriptors(from first: Int32) {
        _ = cl_close_range(UInt32(bitPattern: max(first, 3)), UInt32.max)
    }

    package static func ignoreBrokenPipes() { _ = Glibc.signal(SIGPIPE, SIG_IGN) }

    /// Makes /dev/null of standard descriptors that we were started without, so that nothing else gets their numbers.
    package static func fillStandardDescriptors() {
        for number in 0...2 as ClosedRange<Int32> where fcntl(number, F_GETFD) == -1 {
            // The lowest free number is this one.
            _ = open("/dev/null", number == 0 ? O_RDONLY : O_WRONLY)
        }
    }

    /// As many descriptors as the hard limit allows.
    package static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    package static var residentBytes: UInt64 {
        var bytes: UInt64 = 0
        return cl_own_memory(&bytes) == 0 ? bytes : 0
    }
}

/// Processes by number, as /proc shows them.
package enum RunningProcess {
    /// When the kernel started it, in clock ticks since boot: with the number, one process and no later one. Nil when
    /// there is none; a zombie still counts.
    package static func startTicks(of pid: Int32) -> UInt64? {
        guard pid > 0, let text = try? Files.text(ofFile: "/proc/\(pid)/stat", limit: 64 << 10),
            let name = text.lastIndex(of: ")")
        else { return nil }
        // The second field is the program's own choice of name: what follows its last parenthesis starts with field 3.
        let fields = text[text.index(after: name)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }
}

/// Signals as readable events.
package enum Signals {
    /// Blocks `numbers` in this thread, and in those it starts later, and returns a descriptor that reads them.
    package static func descriptor(for numbers: [Int32]) throws(SystemError) -> FileDescriptor {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        try systemCall("sigprocmask") { pthread_sigmask(SIG_BLOCK, &set, nil) == 0 ? 0 : -1 }
        return FileDescriptor(
            owning: try systemCall("signalfd") {
                signalfd(-1, &set, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK))
            })
    }

    /// Whether whoever started us wants `number` ignored, as `nohup` does. A descriptor would read it all the same.
    package static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// The next signal waiting on such a descriptor.
    package static func next(from raw: Int32) -> Int32? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        return read(raw, &info, size) == size ? Int32(info.ssi_signo) : nil
    }
}

/// A thread of our own, with a name that `ps -L` shows. Never joined: it ends with its body.
package enum NamedThread {
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let box = Unmanaged.passRetained(Body(name: name, run: body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                let body = Unmanaged<Body>.fromOpaque(raw).takeRetainedValue()
                _ = cl_set_thread_name(body.name)
                body.run()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            throw SystemError("pthread_create", code: result)
        }
        pthread_detach(thread)
    }

    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = String(name.prefix(15))
            self.run = run
        }
    }
}

package enum Randomness {
    /// From the kernel's generator.
    package static func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { room, filled in
            filled = cl_getrandom(room.baseAddress, count) == 0 ? count : 0
            precondition(filled == count, "the kernel gave no randomness")
        }
    }
}
