internal import Core
internal import Glibc
internal import Links
internal import System

/// The daemon: `coworkd [--auto] [--ready-fd N]`. With `--auto` it ends itself when nobody needs it; `--ready-fd` is
/// told `ready`, or why not, with a NUL at the end. Its log goes to standard error.
@main
enum Program {
    static func main() {
        CurrentProcess.ignoreBrokenPipes()
        CurrentProcess.raiseDescriptorLimit()
        _ = umask(0o077)
        do throws(Fault) {
            let readiness = try Readiness(Array(CommandLine.arguments.dropFirst()))
            let signals = try takeSignals()
            Task.detached { await run(readiness, signals) }
        } catch {
            StandardError.say(error.message)
            exit(error.code.exitStatus)
        }
        // This thread has no more to do, and must stay: it is the process's first.
        while true { pause() }
    }

    /// Blocked before the first thread of ours starts, so that every thread leaves them to this descriptor.
    private static func takeSignals() throws(Fault) -> SharedDescriptor {
        do throws(SystemError) {
            return SharedDescriptor(try Signals.descriptor(for: [SIGTERM, SIGINT, SIGHUP]))
        } catch { throw Fault(.hostFailed, "signals cannot be received: \(error)") }
    }

    private static func run(_ readiness: Readiness, _ signals: SharedDescriptor) async {
        do throws(Fault) {
            try await serve(readiness, signals)
            exit(0)
        } catch {
            StandardError.say(error.message)
            readiness.tell([error.message, error.hint ?? "see daemon.log in the state directory"])
            exit(error.code.exitStatus)
        }
    }

    private static func serve(_ readiness: Readiness, _ signals: SharedDescriptor) async throws(Fault) {
        let directories: Directories
        do throws(SystemError) {
            directories = try Directories.forUser(environment: CurrentProcess.environment)
            try directories.prepare()
        } catch {
            throw Fault(
                .hostFailed, "the daemon's directories cannot be used: \(error)",
                hint: "check XDG_STATE_HOME and XDG_RUNTIME_DIR: they must be yours and writable")
        }
        guard let lock = try DaemonLock.claim(directories) else {
            readiness.tell(["ready"])
            return
        }
        let daemon = try await Daemon.open(directories, endsWhenIdle: readiness.endsWhenIdle)
        try daemon.listen()
        daemon.follow(signals)
        readiness.tell(["ready"])
        await daemon.untilOver()
        withExtendedLifetime(lock) {}
    }
}

/// Who waits for this daemon to come up, and what else it was told.
private struct Readiness {
    let endsWhenIdle: Bool
    private let descriptor: Int32?

    init(_ arguments: [String]) throws(Fault) {
        var endsWhenIdle = false
        var descriptor: Int32?
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--auto": endsWhenIdle = true
            case "--ready-fd":
                guard let number = rest.popFirst().flatMap({ Int32($0) }), number > 2, fcntl(number, F_GETFD) >= 0
                else {
                    throw Fault(.usage, "--ready-fd needs an open descriptor")
                }
                _ = fcntl(number, F_SETFD, FD_CLOEXEC)
                descriptor = number
            case "--version":
                print(Release.version)
                exit(0)
            default: throw Fault(.usage, "usage: coworkd [--auto] [--ready-fd N]")
            }
        }
        self.endsWhenIdle = endsWhenIdle
        self.descriptor = descriptor
    }

    func tell(_ lines: [String]) {
        guard let descriptor else { return }
        try? Files.writeAll((lines.joined(separator: "\n") + "\0").utf8, to: descriptor)
        close(descriptor)
    }
}

enum StandardError {
    static func say(_ line: String) { try? Files.writeAll("\(line)\n".utf8, to: 2) }
}
