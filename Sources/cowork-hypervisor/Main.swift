import Core
import Glibc
import System
import Virtualization

/// The hypervisor half. `coworkd` starts it with the control socket as descriptor 3 and a pipe as descriptor 4, which
/// gets one zero byte once requests are served, or the reason why they never will be.
///
/// `cowork-hypervisor --warm DIR` finds out what libvirt wants to know about QEMU and leaves it in DIR.
@main
enum Program {
    static func main() {
        CurrentProcess.ignoreBrokenPipes()
        let arguments = Array(CommandLine.arguments.dropFirst())
        do throws(Fault) {
            switch arguments.first {
            case "--warm":
                guard arguments.count == 2, arguments[1].hasPrefix("/") else {
                    throw Fault(.usage, "--warm needs one absolute path")
                }
                try CapabilityCache.make(at: arguments[1])
            case "--learn":
                try CapabilityCache.learn(HypervisorOptions.parse(Array(arguments.dropFirst())))
            default:
                try serve(arguments)
            }
        } catch {
            Log.write(error.description)
            exit(error.code == .usage ? 2 : 1)
        }
        exit(0)
    }

    private static func serve(_ arguments: [String]) throws(Fault) {
        var ready: SharedDescriptor? = SharedDescriptor(try inherit(4, "the readiness pipe"))
        do throws(Fault) {
            let options = try HypervisorOptions.parse(arguments)
            try run(options, listener: try inherit(3, "the control socket")) {
                if let raw = ready?.raw { _ = try? Files.writeAll([0], to: raw) }
                ready = nil
            }
        } catch {
            if let raw = ready?.raw { _ = try? Files.writeAll(error.description.utf8, to: raw) }
            throw error
        }
    }

    private static func run(
        _ options: HypervisorOptions, listener: consuming FileDescriptor, whenReady: () -> Void
    ) throws(Fault) {
        let isolated = try Isolation.enter(options)
        do {
            let loop = try EventLoop()
            let orphans = try OrphanReaper(loop: loop)
            let machines = Machines(
                connection: try Driver.open(options.library, isolated), places: isolated.places)
            let calls = HypervisorCalls(
                machines: machines, places: isolated.places, kvm: isolated.kvm,
                forcedAccelerator: options.forcedAccelerator)
            let server = try HypervisorServer(
                loop: loop, listener: listener, daemonUID: options.daemonUID, calls: calls)
            let remote = server.remote
            try machines.watch { remote.tell($0) }
            server.takeStock()
            whenReady()
            try loop.run()
            withExtendedLifetime((server, orphans)) {}
        } catch let fault as Fault {
            throw fault
        } catch {
            throw Fault(.hostFailed, "requests cannot be served: \(error)")
        }
    }

    /// A descriptor that the daemon left open for us, and that nobody we start gets.
    private static func inherit(_ raw: Int32, _ what: String) throws(Fault) -> FileDescriptor {
        guard fcntl(raw, F_SETFD, FD_CLOEXEC) == 0 else {
            throw Fault(.usage, "\(what) is not open as descriptor \(raw)", hint: "coworkd starts this program")
        }
        return FileDescriptor(owning: raw)
    }
}
