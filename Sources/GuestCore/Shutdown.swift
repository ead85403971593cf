internal import CLinux
internal import Glibc
internal import System

/// The end of a guest: everybody is asked to leave, then made to, then what is on the disk is made whole.
final class Shutdown {
    private enum Phase { case running, asked, forced, over }

    /// Nobody survives KILL for longer, unless a device holds them.
    private static let forcedLimit = Duration.seconds(2)

    private let loop: EventLoop
    private let disk: SharedDescriptor?
    private var phase = Phase.running
    private var timer: EventLoop.Timer?
    /// Called when nobody is left, before file systems are closed.
    var onLast: () -> Void = {}

    init(loop: EventLoop, disk: SharedDescriptor?) {
        self.loop = loop
        self.disk = disk
    }

    var isUnderWay: Bool { phase != .running }

    /// Asks; or, when there is no time for that, goes straight to the end. `anybodyLeft` reaps and tells.
    func begin(grace: Duration) {
        guard grace > .zero else { return force() }
        guard phase == .running else { return }
        phase = .asked
        signalEverybody(SIGTERM)
        signalEverybody(SIGCONT)
        timer = loop.after(grace) { [weak self] in self?.force() }
    }

    func force() {
        guard phase == .running || phase == .asked else { return }
        phase = .forced
        if let timer { loop.cancel(timer) }
        signalEverybody(SIGKILL)
        timer = loop.after(Self.forcedLimit) { [weak self] in self?.nobodyIsLeft() }
    }

    /// Everybody means the machine: whoever is not its PID 1 has no business here.
    private func signalEverybody(_ signal: Int32) {
        guard getpid() == 1 else { return }
        kill(-1, signal)
    }

    /// The last process has been reaped.
    func nobodyIsLeft() {
        guard phase == .asked || phase == .forced else { return }
        phase = .over
        onLast()
        sync()
        _ = cl_mount(nil, "/", nil, cl_MS_REMOUNT | cl_MS_RDONLY, nil)
        if let disk { _ = cl_mount(nil, "/proc/self/fd/\(disk.raw)", nil, cl_MS_REMOUNT | cl_MS_RDONLY, nil) }
        _ = cl_power_off()
        loop.stop()
    }
}
