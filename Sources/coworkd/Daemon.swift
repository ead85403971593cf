internal import Contract
internal import Core
internal import Glibc
internal import Links
internal import Store
internal import Supervisor
internal import System
internal import Workspace

/// All parts of the daemon, put together.
final class Daemon: Sendable {
    private let directories: Directories
    private let io: IOThread
    private let supervisor: Supervisor
    private let dispatcher: Dispatcher
    private let machines: HypervisorLink
    private let log: EventLog
    private let over: Promise<Void>

    private init(
        directories: Directories, io: IOThread, supervisor: Supervisor, dispatcher: Dispatcher,
        machines: HypervisorLink, log: EventLog, over: Promise<Void>
    ) {
        self.directories = directories
        self.io = io
        self.supervisor = supervisor
        self.dispatcher = dispatcher
        self.machines = machines
        self.log = log
        self.over = over
    }

    /// Opens the store and takes over what an earlier daemon left.
    static func open(_ directories: Directories, endsWhenIdle: Bool) async throws(Fault) -> Daemon {
        let log = EventLog(sink: LogFile(), clock: RealClock())
        log.write(.info, "start", ["version": Release.version, "pid": "\(getpid())"])
        let configuration = try Configuration.load(directories)
        let users = try ServiceUsers.choose(state: directories.state)
        let io: IOThread
        let executable: String
        do throws(SystemError) {
            io = try IOThread("io")
            executable = try CurrentProcess.executable()
        } catch { throw Fault(.hostFailed, "the daemon cannot start: \(error)") }

        let processes = Processes(io: io)
        let images = configuration.imageDirectories(directories, executable: executable)
        let machines = HypervisorLink(
            launcher: HypervisorLauncher(
                program: try HelperPrograms.find("cowork-hypervisor"),
                options: HypervisorLauncher.Options(
                    state: directories.state, runtime: directories.runtime, uid: users?.hypervisor ?? geteuid(),
                    gid: users?.hypervisorGroup ?? getegid(), images: images, uri: configuration.libvirtURI,
                    accelerator: configuration.accelerator), processes: processes), io: io,
            log: { log.write(.warning, "hypervisor", ["text": $0]) })
        let outside = Outside(
            machines: machines,
            relays: RelayLauncher(
                program: try HelperPrograms.find("cowork-vsock"), runtime: directories.runtime,
                users: users.map { RelayLauncher.Users(hypervisor: $0.hypervisor, relay: $0.relay) }, io: io,
                processes: processes),
            shares: Workspace(
                rules: FolderRules(directories: directories, images: images),
                setting: Workspace.Setting(
                    runtime: directories.runtime, hypervisor: users?.hypervisor ?? geteuid(),
                    log: { log.write(.info, "share", ["text": $0]) })),
            images: InstalledImages(directories: images, stamps: directories.state + "/images"),
            store: try Store(path: directories.state + "/store.db"),
            files: SessionDirectories(directories, io: io), processes: processes,
            host: HostInspector(directories, needsMemory: configuration.memory.bytes), clock: RealClock(),
            timers: RealTimers(io: io), log: log, randomBytes: { Randomness.bytes($0) })
        let settings = settings(configuration, directories, endsWhenIdle: endsWhenIdle)
        let over = Promise<Void>()
        let supervisor = Supervisor(outside: outside, settings: settings) { over.resolve(.success(())) }
        try await supervisor.open()
        return Daemon(
            directories: directories, io: io, supervisor: supervisor,
            dispatcher: Dispatcher(supervisor, outside: outside, settings: settings), machines: machines, log: log,
            over: over)
    }

    private static func settings(
        _ configuration: Configuration, _ directories: Directories, endsWhenIdle: Bool
    ) -> Settings {
        var settings = Settings(version: Release.version, pid: getpid(), socket: directories.socket)
        settings.accelerator = configuration.accelerator.map { .fixed($0) } ?? .automatic
        settings.resources = Resources(
            processors: configuration.processors, memoryBytes: configuration.memory.bytes,
            diskBytes: configuration.disk.bytes)
        settings.image = configuration.image
        settings.bootSilence = configuration.bootSilence
        settings.idleExit = configuration.idleExit
        settings.endsWhenIdle = endsWhenIdle
        return settings
    }

    func listen() throws(Fault) {
        let listener: FileDescriptor
        do throws(SystemError) { listener = try UnixSocket.listen(at: directories.socket) } catch {
            throw Fault(
                .hostFailed, "the daemon's socket cannot be made: \(error)", hint: "remove \(directories.socket)")
        }
        let own = geteuid()
        let (supervisor, dispatcher, log) = (supervisor, dispatcher, log)
        let server = VarlinkServer(
            io: io, listener: listener,
            handlers: VarlinkServer.Handlers(
                // Root may ask, and sees its own sessions as everybody does.
                admits: { $0.uid == own || $0.uid == 0 },
                serve: { await dispatcher.serve($0, from: $1) },
                came: { await supervisor.clientCame() }, left: { await supervisor.clientLeft() },
                log: { log.write(.warning, "server", ["text": $0]) }))
        Task { [over, directories] in
            _ = try? await over.value()
            unlink(directories.socket)
            await server.close()
        }
    }

    func follow(_ signals: SharedDescriptor) {
        let (over, log) = (over, log)
        io.remote.submit { loop in
            try? loop.watch(signals.raw, .readable) { _ in
                while let number = Signals.next(from: signals.raw) {
                    log.write(.info, "signal", ["number": "\(number)"])
                    // A terminal that closes is no reason to end.
                    if number != SIGHUP { over.resolve(.success(())) }
                }
            }
        }
    }

    /// Ends with the daemon: guests stay; without any, the hypervisor half goes too.
    func untilOver() async {
        _ = try? await over.value()
        if await supervisor.hasLiveSessions() {
            log.write(.info, "end", ["guests": "stay"])
        } else {
            await machines.shutDown()
            log.write(.info, "end")
        }
    }
}

/// Standard error, which is `daemon.log` when a program started this daemon.
private struct LogFile: EventSink {
    func write(_ line: String) { StandardError.say(line) }
}
