internal import CLinux
internal import Glibc
internal import System
internal import Wire

/// PID 1: comes up, serves the host, and powers the machine off whatever happens.
package enum Guest {
    package static let version = "0.1.0"

    /// Returns only when the machine could not be powered off.
    package static func run() {
        let console = Console()
        let commandLine = KernelCommandLine((try? Files.text(ofFile: "/proc/cmdline", limit: 64 << 10)) ?? "")
        if commandLine.isProbe {
            console.bareLine("cowork-probe-ok")
        } else if !commandLine.alone.isEmpty {
            StandAlone.run(commandLine.alone, LinuxBoot(console: console, commandLine: commandLine))
        } else {
            let boot = LinuxBoot(console: console, commandLine: commandLine)
            if let booted = BootSequence.run(boot), let modules = boot.modules() {
                let decoder = booted.decoder
                do throws(SystemError) {
                    let guest = try RunningGuest(
                        console: console, connection: booted.take(), decoder: decoder, modules: modules,
                        disk: boot.disk)
                    try guest.run()
                } catch { console.line("\(error)") }
            }
        }
        sync()
        _ = cl_power_off()
    }
}

/// A guest that is up.
private final class RunningGuest: GuestMachine {
    private let loop: EventLoop
    private let console: Console
    private let signals: FileDescriptor
    private let channel: ControlChannel
    private let folders: FolderMounts
    private let shutdown: Shutdown
    private var server: GuestServer?
    private var hostname = ""

    init(
        console: Console, connection: consuming FileDescriptor, decoder: FrameDecoder, modules: ModuleLoader,
        disk: SharedDescriptor?
    ) throws(SystemError) {
        let loop = try EventLoop()
        self.loop = loop
        self.console = console
        signals = try Signals.descriptor(for: [SIGCHLD, SIGTERM, SIGINT])
        channel = ControlChannel(loop: loop, descriptor: connection, decoder: decoder)
        folders = FolderMounts(loop: loop, modules: modules)
        shutdown = Shutdown(loop: loop, disk: disk)
    }

    func run() throws(SystemError) {
        let server = GuestServer(
            loop: loop, channel: channel, launcher: ProcessLauncher(standing: .guest), machine: self)
        self.server = server
        shutdown.onLast = { [unowned self] in
            channel.flush()
            folders.unmountAll()
        }
        try loop.watch(signals.raw, .readable) { [unowned self] _ in readSignals() }
        try server.start(version: Guest.version)
        try loop.run()
    }

    // GuestMachine ----------------------------------------------------------------------------------------------------

    func configure(_ wanted: Configure) {
        if wanted.realtimeNanoseconds > 0 {
            let (seconds, nanoseconds) = wanted.realtimeNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
            _ = cl_set_realtime(seconds, nanoseconds)
        }
        if !wanted.entropy.isEmpty { _ = cl_add_entropy(wanted.entropy, wanted.entropy.count) }
        _ = cl_bring_up_loopback()
        let isName = !wanted.hostname.isEmpty && wanted.hostname.utf8.allSatisfy(isHostnameByte)
        guard isName, wanted.hostname != hostname else { return }
        hostname = wanted.hostname
        _ = cl_sethostname(hostname)
        let hosts = "127.0.0.1 localhost \(hostname)\n::1 localhost ip6-localhost ip6-loopback\n"
        if let file = try? Files.open("/etc/hosts", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o644) {
            try? Files.writeAll(hosts.utf8, to: file.raw)
        }
    }

    func mount(_ mount: Mount, answer: @escaping (Refused?) -> Void) { folders.mount(mount, answer: answer) }
    func unmount(_ unmount: Unmount) throws(Refused) { try folders.unmount(unmount) }
    func status() -> GuestStatus { MachineStatus.read() }

    func powerOff(grace: Duration, because reason: String) {
        if !shutdown.isUnderWay { console.line("powering off: \(reason)") }
        server?.refuseProcesses()
        shutdown.begin(grace: grace)
        // An interactive shell does not leave on TERM.
        server?.signalAll(SIGHUP)
        reap()
    }

    // Signals ---------------------------------------------------------------------------------------------------------

    private func readSignals() {
        while let signal = Signals.next(from: signals.raw) {
            if signal != SIGCHLD { powerOff(grace: .seconds(5), because: "it got signal \(signal)") }
        }
        reap()
    }

    /// Our own processes are reaped with their streams, orphans here. Each is looked at before it is taken, so that no
    /// stream loses its exit status.
    private func reap() {
        var found = cl_exit()
        while true {
            switch cl_wait_peek(&found) {
            case 1: if server?.collect(pid: found.pid) != true { _ = cl_reap(found.pid) }
            case 0: return
            default: return shutdown.nobodyIsLeft()
            }
        }
    }

    private func isHostnameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
