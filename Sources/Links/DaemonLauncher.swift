package import Core
internal import Glibc
package import System

/// Starts coworkd for this user, detached, exactly once however many programs want it at the same time.
package struct DaemonLauncher {
    package static let deadline = Duration.seconds(20)
    /// The log of an earlier daemon is set aside when it is larger.
    private static let largestLog: UInt64 = 4 << 20
    /// Where things are, and nothing else of the caller's, so that a daemon does not depend on who started it.
    private static let inherited = [
        "HOME", "PATH", "LANG", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
    ]

    private let directories: Directories
    private let environment: [String: String]

    package init(directories: Directories, environment: [String: String]) {
        self.directories = directories
        self.environment = environment
    }

    /// Answers when a daemon listens: ours, or one that somebody else started meanwhile.
    package func start() throws(Fault) {
        do throws(SystemError) { try directories.prepare() } catch {
            throw Fault(
                .noDaemon, "cannot prepare the daemon's directories: \(error)",
                hint: "check XDG_STATE_HOME and XDG_RUNTIME_DIR: they must be yours and writable")
        }
        let lock: FileLock?
        do { lock = try FileLock.wait(directories.state + "/start.lock", limit: Self.deadline) } catch {
            throw Fault(.noDaemon, "cannot lock \(directories.state)/start.lock: \(error)", hint: "check the directory")
        }
        guard let lock else {
            throw Fault(.noDaemon, "another program has been starting the daemon for too long", hint: "try again")
        }
        defer { withExtendedLifetime(lock) {} }
        if try DaemonClient.connectOnce(directories) != nil { return }
        try launch()
    }

    private func launch() throws(Fault) {
        let program = try HelperPrograms.find("coworkd")
        let reading: SharedDescriptor
        do {
            let ready = try UnixSocket.pair().split()
            reading = ready.first
            let log = try openLog()
            var child = ChildSpecification(
                program: program, arguments: ["--auto", "--ready-fd", "3"],
                environment: environment.filter { Self.inherited.contains($0.key) },
                descriptors: [2: log.raw, 3: ready.second.raw])
            child.newSession = true
            child.workingDirectory = "/"
            child.umask = 0o077
            _ = try Child.spawn(child)
        } catch let error as SpawnError {
            throw Fault(.noDaemon, "cannot start \(program): \(error.reason)", hint: "install Cowork again")
        } catch {
            throw Fault(.noDaemon, "cannot start the daemon: \(error)", hint: "check \(directories.state)")
        }
        try awaitReadiness(reading)
    }

    /// A daemon says `ready`, or why it cannot be: a message and a hint, a line each.
    private func awaitReadiness(_ reading: SharedDescriptor) throws(Fault) {
        guard let told = try? Waiting.readAll(reading.raw, until: 0, limit: Self.deadline) else {
            throw Fault(
                .noDaemon, "the daemon did not come up in \(Self.deadline.components.seconds) s",
                hint: "see \(directories.state)/daemon.log")
        }
        let lines = Display.escapedLines(told.filter { $0 != 0 })
        if lines.first == "ready" { return }
        throw Fault(
            .noDaemon, lines.first.map { "the daemon could not start: " + $0 } ?? "the daemon ended as it started",
            hint: lines.count > 1 ? lines[1] : "see \(directories.state)/daemon.log")
    }

    private func openLog() throws(SystemError) -> FileDescriptor {
        let path = directories.state + "/daemon.log"
        if let found = try? Files.status(path, followLinks: false), found.size > Self.largestLog {
            try systemCall("rename", path) { rename(path, path + ".1") }
        }
        return try Files.open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
    }
}
