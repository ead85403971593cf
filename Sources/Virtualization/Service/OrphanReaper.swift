internal import CLinux
internal import Glibc
package import System

/// Reaps emulators as soon as they end. libvirt starts each through a child that exits, so that it outlives us; it then
/// waits until the emulator's number is gone, which may be seconds or for ever where the system's first process reaps
/// late or never, as in many containers. While we live, we are the one who inherits and reaps it.
///
/// Belongs to the loop's thread. Must be made before the process has a second thread that could start a child.
package final class OrphanReaper {
    /// Between looks at a child that its own starter has yet to reap.
    private static let patience = Duration.milliseconds(20)
    /// By then nobody else is going to: an emulator that began a session of its own.
    private static let mostLooks = 100

    private let loop: EventLoop
    private let signals: FileDescriptor
    private var timer: EventLoop.Timer?
    private var looks = (pid: Int32(0), count: 0)

    package init(loop: EventLoop) throws(SystemError) {
        self.loop = loop
        signals = try Signals.descriptor(for: [SIGCHLD])
        try systemCall("prctl") { cl_set_child_subreaper() }
        try loop.watch(signals.raw, .readable) { [unowned self] _ in
            while Signals.next(from: signals.raw) != nil {}
            reap()
        }
    }

    private func reap() {
        while true {
            let pid = cl_peek_ended_child()
            guard pid > 0 else { return }
            looks = pid == looks.pid ? (pid, looks.count + 1) : (pid, 1)
            guard isOrphan(pid) || looks.count > Self.mostLooks else { return lookAgain() }
            var status: Int32 = 0
            waitpid(pid, &status, 0)
        }
    }

    /// An emulator is in the session that its vanished parent began. What this process starts itself is in our session,
    /// and the vanishing parents lead their own.
    private func isOrphan(_ pid: Int32) -> Bool {
        let session = getsid(pid)
        return session > 0 && session != pid && session != getsid(0)
    }

    private func lookAgain() {
        guard timer == nil else { return }
        timer = loop.after(Self.patience) { [unowned self] in
            timer = nil
            reap()
        }
    }
}
