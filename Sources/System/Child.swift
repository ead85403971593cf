internal import CLinux
internal import Glibc

/// What to run, and as whom. The child gets exactly these arguments, this environment and these descriptors, default
/// signals and a closed rest.
package struct ChildSpecification: Sendable {
    /// A path; without a slash it is looked up in `searchPath`.
    package var program: String
    package var arguments: [String]
    package var environment: [String: String]
    package var searchPath: String?
    package var workingDirectory: String?
    /// Child's descriptor number to ours. Missing 0, 1, 2 become /dev/null.
    package var descriptors: [Int32: Int32]
    package var newSession = false
    /// The child's descriptor number that becomes its controlling terminal.
    package var controllingTerminal: Int32?
    package var identity: Identity?
    package var limits: [Limit] = []
    /// Sent when the *thread* that spawned ends: only for long-lived threads.
    package var parentDeathSignal: Int32 = 0
    package var noNewPrivileges = false
    package var umask: UInt32?
    /// Undoes this process's own protection from the out-of-memory killer.
    package var ordinaryOOMScore = false
    package var sandbox = Sandbox()

    package struct Identity: Sendable, Equatable {
        package let uid, gid: UInt32
        package let groups: [UInt32]
        package init(uid: UInt32, gid: UInt32, groups: [UInt32] = []) {
            self.uid = uid
            self.gid = gid
            self.groups = groups
        }
    }

    package struct Limit: Sendable, Equatable {
        package let resource: Int32
        package let soft, hard: UInt64
        package init(resource: Int32, soft: UInt64, hard: UInt64) {
            self.resource = resource
            self.soft = soft
            self.hard = hard
        }
    }

    /// Applied after the identity, in this order.
    package struct Sandbox: Sendable {
        /// A user namespace that maps exactly the child's own ids, to these inside.
        package var userNamespace: Identity?
        package var mountNamespace = false
        package var networkNamespace = false
        package var ipcNamespace = false
        /// With `mountNamespace`: the child's whole view of files. Its working directory is then `/`.
        package var root: PrivateRoot?
        /// With at least one: Landlock, which refuses the rest.
        package var pathRules: [PathRule] = []
        /// Not nil: exactly these stay with the program, bit by number, and it can never have more.
        package var capabilities: UInt64?
        /// A compiled seccomp filter, installed just before the program starts.
        package var filter: [UInt8] = []
        package init() {}
    }

    /// An empty read-only root that holds one open directory, and paths of the host read-only. A path that is a link on
    /// the host is the same link inside; one that the host lacks is left out.
    package struct PrivateRoot: Sendable, Equatable {
        package let folder: Int32
        package let at: String
        package let isReadOnly: Bool
        package let hostPaths: [String]
        package init(folder: Int32, at: String, isReadOnly: Bool, hostPaths: [String]) {
            self.folder = folder
            self.at = at
            self.isReadOnly = isReadOnly
            self.hostPaths = hostPaths
        }
    }

    /// Landlock's rights beneath a path of the child's own view; an absent path is left out.
    package struct PathRule: Sendable, Equatable {
        package let path: String
        package let rights: UInt64
        package init(path: String, rights: UInt64) {
            self.path = path
            self.rights = rights
        }
    }

    package init(
        program: String, arguments: [String], environment: [String: String] = [:],
        descriptors: [Int32: Int32] = [:]
    ) {
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.descriptors = descriptors
    }
}

/// A child could not be started: where in its preparation, and why.
package struct SpawnError: Error, Sendable, Equatable {
    package enum Stage: Int32, Sendable {
        case fork = 1, descriptors, session, limits, identity, namespaces, mount, filter, workingDirectory, execution
    }
    package let stage: Stage
    package let code: Int32
    package var reason: String { String(cString: strerror(code)) }
}

package enum ChildExit: Sendable, Equatable {
    case code(Int32)
    case signal(Int32)
}

/// A process we started. It is reaped by `wait` or `poll`; dropping the object neither ends nor reaps it.
package final class Child: Sendable {
    package let pid: Int32
    private let descriptor: FileDescriptor
    /// Becomes readable when the process ends.
    package var pidfd: Int32 { descriptor.raw }

    private init(pid: Int32, descriptor: consuming FileDescriptor) {
        self.pid = pid
        self.descriptor = descriptor
    }

    /// A process that an earlier one of ours started: it can be watched and signalled, not reaped.
    package static func adopt(pid: Int32) throws(SystemError) -> Child {
        Child(
            pid: pid, descriptor: FileDescriptor(owning: try systemCall("pidfd_open") { cl_pidfd_open(pid) }))
    }

    package static func spawn(_ specification: ChildSpecification) throws(SpawnError) -> Child {
        let environment = specification.environment.map { "\($0.key)=\($0.value)" }.sorted()
        var arguments = CStrings([specification.program] + specification.arguments)
        var variables = CStrings(environment)
        var rootPaths = CStrings(specification.sandbox.root?.hostPaths ?? [])
        var rulePaths = CStrings(specification.sandbox.pathRules.map(\.path))
        defer {
            arguments.free()
            variables.free()
            rootPaths.free()
            rulePaths.free()
        }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        var wanted = specification.descriptors
        for standard in 0...2 as ClosedRange<Int32> where wanted[standard] == nil { wanted[standard] = null }
        let moves = wanted.map { cl_fd_move(from: $0.value, to: $0.key) }
        let limits = specification.limits.map { cl_limit(resource: $0.resource, soft: $0.soft, hard: $0.hard) }
        let groups = specification.identity?.groups ?? []
        let sandbox = specification.sandbox
        let rules = sandbox.pathRules.enumerated().map { index, rule in
            cl_path_rule(path: rulePaths.pointer[index], rights: rule.rights)
        }

        var out = cl_spawned()
        let result = specification.program.withCString { program in
            withOptional(specification.searchPath) { search in
                withOptional(specification.workingDirectory) { directory in
                    withOptional(sandbox.root?.at) { folderPoint in
                        moves.withUnsafeBufferPointer { moves in
                            limits.withUnsafeBufferPointer { limits in
                                groups.withUnsafeBufferPointer { groups in
                                    rules.withUnsafeBufferPointer { rules in
                                        sandbox.filter.withUnsafeBytes { filter in
                                            var request = cl_spawn(
                                                path: program, search: search, argv: arguments.pointer,
                                                envp: variables.pointer, cwd: directory, moves: moves.baseAddress,
                                                move_count: moves.count,
                                                new_session: specification.newSession ? 1 : 0,
                                                controlling_terminal: specification.controllingTerminal ?? -1,
                                                set_ids: specification.identity == nil ? 0 : 1,
                                                uid: specification.identity?.uid ?? 0,
                                                gid: specification.identity?.gid ?? 0, groups: groups.baseAddress,
                                                group_count: groups.count, limits: limits.baseAddress,
                                                limit_count: limits.count,
                                                parent_death_signal: specification.parentDeathSignal,
                                                no_new_privileges: specification.noNewPrivileges ? 1 : 0,
                                                umask: specification.umask.map { Int32($0) } ?? -1,
                                                ordinary_oom_score: specification.ordinaryOOMScore ? 1 : 0,
                                                new_user_namespace: sandbox.userNamespace == nil ? 0 : 1,
                                                inside_uid: sandbox.userNamespace?.uid ?? 0,
                                                inside_gid: sandbox.userNamespace?.gid ?? 0,
                                                new_mount_namespace: sandbox.mountNamespace ? 1 : 0,
                                                new_network_namespace: sandbox.networkNamespace ? 1 : 0,
                                                new_ipc_namespace: sandbox.ipcNamespace ? 1 : 0,
                                                folder_fd: sandbox.root?.folder ?? -1, folder_at: folderPoint,
                                                folder_read_only: sandbox.root?.isReadOnly == true ? 1 : 0,
                                                root_paths: rootPaths.pointer,
                                                root_path_count: sandbox.root?.hostPaths.count ?? 0,
                                                path_rules: rules.isEmpty ? nil : rules.baseAddress,
                                                path_rule_count: rules.count,
                                                keep_capabilities: sandbox.capabilities == nil ? 0 : 1,
                                                capabilities: sandbox.capabilities ?? 0,
                                                filter: sandbox.filter.isEmpty ? nil : filter.baseAddress,
                                                filter_length: filter.count)
                                            return cl_spawn(&request, &out)
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        guard result == 0 else {
            throw SpawnError(stage: SpawnError.Stage(rawValue: out.stage) ?? .fork, code: out.error)
        }
        return Child(pid: out.pid, descriptor: FileDescriptor(owning: out.pidfd))
    }

    /// Signals this very process, never a later one with its number. False when it has ended.
    @discardableResult
    package func signal(_ number: Int32) -> Bool { cl_pidfd_signal(descriptor.raw, number) == 0 }

    /// Its end, if it has ended; reaps it.
    package func poll() -> ChildExit? { collect(block: false) }

    /// Blocks until it ends; reaps it. Nil when it is not ours to reap.
    package func wait() -> ChildExit? { collect(block: true) }

    /// Blocks for at most `limit`; true when the process has ended (it is not reaped).
    package func waitForEnd(limit: Duration) -> Bool {
        var item = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
        let until = MonotonicClock.nanoseconds() &+ limit.wholeNanoseconds
        while true {
            let now = MonotonicClock.nanoseconds()
            let left = until > now ? until - now : 0
            let result = Glibc.poll(&item, 1, Int32(clamping: (left + 999_999) / 1_000_000))
            if result > 0 { return true }
            if result == 0 { return false }
            if errno != EINTR { return false }
        }
    }

    /// TERM, then KILL after `grace`; reaps it when it is ours. Blocks.
    @discardableResult
    package func end(grace: Duration = .seconds(2)) -> ChildExit? {
        signal(SIGTERM)
        if !waitForEnd(limit: grace) {
            signal(SIGKILL)
            _ = waitForEnd(limit: .seconds(5))
        }
        return poll()
    }

    private func collect(block: Bool) -> ChildExit? {
        var out = cl_exit()
        guard cl_wait_pidfd(descriptor.raw, block ? 1 : 0, &out) == 1 else { return nil }
        return out.exited != 0 ? .code(out.code) : .signal(out.signal)
    }
}

private func withOptional<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let text else { return body(nil) }
    return text.withCString { body($0) }
}

/// A NULL-terminated array of C strings, freed by hand because it crosses a fork.
private struct CStrings {
    let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointer = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { pointer[index] = strdup(string) }
        pointer[count] = nil
    }

    mutating func free() {
        for index in 0..<count { Glibc.free(pointer[index]) }
        pointer.deallocate()
    }
}
