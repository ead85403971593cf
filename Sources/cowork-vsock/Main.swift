internal import Glibc
internal import Relay
internal import System

/// One session's relay: `cowork-vsock --daemon-uid N [--become UID]`, started by coworkd with its sockets listening on
/// descriptors 3 (the hypervisor's vhost-user connection), 4 (the guest's console) and 5 (the daemon). Root's daemon starts
/// it as root, because it may lie where only root can go; it is never root when it meets a guest.
@main enum Main {
    private static let sockets: [Int32] = [3, 4, 5]

    static func main() {
        guard let options = Options(CommandLine.arguments) else {
            end(2, "usage: cowork-vsock --daemon-uid N [--become UID], with listening sockets on descriptors 3, 4, 5")
        }
        for raw in sockets where (try? Files.status(ofRaw: raw))?.kind != .socket {
            end(2, "descriptor \(raw) is no socket: coworkd starts this program")
        }
        CurrentProcess.closeDescriptors(from: 6)
        CurrentProcess.ignoreBrokenPipes()
        CurrentProcess.raiseDescriptorLimit()
        do throws(SystemError) {
            if let user = options.become { try CurrentProcess.become(uid: user, gid: user) }
            guard geteuid() != 0 else { end(2, "root must name the user to become: --become UID") }
            try CurrentProcess.dropPrivileges()
            CurrentProcess.forbidTracing()
            let loop = try EventLoop()
            let relay = try Relay(
                loop: loop,
                sockets: Relay.Sockets(
                    vsock: FileDescriptor(owning: 3), console: FileDescriptor(owning: 4),
                    control: FileDescriptor(owning: 5)),
                daemonUID: options.daemonUID, log: { say($0) })
            try loop.run()
            withExtendedLifetime(relay) {}
        } catch { end(1, "\(error)") }
    }

    private struct Options {
        let daemonUID: UInt32
        let become: UInt32?

        init?(_ arguments: [String]) {
            guard arguments.count == 3 || arguments.count == 5, arguments[1] == "--daemon-uid",
                let daemonUID = UInt32(arguments[2])
            else { return nil }
            self.daemonUID = daemonUID
            guard arguments.count == 5 else {
                become = nil
                return
            }
            guard arguments[3] == "--become", let user = UInt32(arguments[4]), user != 0 else { return nil }
            become = user
        }
    }

    /// One line in the daemon's log.
    private static func say(_ text: String) {
        try? Files.writeAll("cowork-vsock[\(getpid())]: \(text)\n".utf8, to: 2)
    }

    private static func end(_ status: Int32, _ text: String) -> Never {
        say(text)
        exit(status)
    }
}
