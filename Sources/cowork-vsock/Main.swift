internal import Glibc
internal import Relay
internal import System

/// One session's relay: `cowork-vsock --daemon-uid N`, started by coworkd with its sockets listening on descriptors 3
/// (the hypervisor's vhost-user connection), 4 (the guest's console) and 5 (the daemon).
@main enum Main {
    private static let sockets: [Int32] = [3, 4, 5]

    static func main() {
        guard let uid = daemonUID(CommandLine.arguments) else {
            end(2, "usage: cowork-vsock --daemon-uid N, with listening sockets on descriptors 3, 4 and 5")
        }
        for raw in sockets where (try? Files.status(ofRaw: raw))?.kind != .socket {
            end(2, "descriptor \(raw) is no socket: coworkd starts this program")
        }
        CurrentProcess.closeDescriptors(from: 6)
        CurrentProcess.ignoreBrokenPipes()
        CurrentProcess.raiseDescriptorLimit()
        do throws(SystemError) {
            try CurrentProcess.dropPrivileges()
            CurrentProcess.forbidTracing()
            let loop = try EventLoop()
            let relay = try Relay(
                loop: loop,
                sockets: Relay.Sockets(
                    vsock: FileDescriptor(owning: 3), console: FileDescriptor(owning: 4),
                    control: FileDescriptor(owning: 5)),
                daemonUID: uid, log: { say($0) })
            try loop.run()
            withExtendedLifetime(relay) {}
        } catch { end(1, "\(error)") }
    }

    private static func daemonUID(_ arguments: [String]) -> UInt32? {
        arguments.count == 3 && arguments[1] == "--daemon-uid" ? UInt32(arguments[2]) : nil
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
