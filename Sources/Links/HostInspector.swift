package import Contract
internal import Core
internal import Glibc
package import System

/// Looks at this machine: what sessions need of it, and the remedy for what is missing.
package struct HostInspector: HostInspection {
    private let directories: Directories
    private let needsMemory: UInt64
    private static let comfortableSpace: UInt64 = 2 << 30
    private static let leastSpace: UInt64 = 256 << 20
    private static let shareServer = "/usr/lib/qemu/virtiofsd"

    package init(_ directories: Directories, needsMemory: UInt64) {
        self.directories = directories
        self.needsMemory = needsMemory
    }

    package func freeSpace() async -> UInt64 {
        let state = directories.state
        let space = try? await Blocking.run("space") { () throws(Fault) in try? Files.space(at: state).available }
        return (space ?? nil) ?? .max
    }

    package func checks() async -> [HostCheck] {
        let found = try? await Blocking.run("inspect") { () throws(Fault) in
            [
                checkEmulator(), checkShareServer(), checkNamespaces(), checkSpace(), checkMemory(), checkRuntime(),
            ]
        }
        return found ?? []
    }

    private func checkEmulator() -> HostCheck {
        let names = ["/usr/bin", "/usr/local/bin"].map { $0 + "/qemu-system-x86_64" }
        guard let path = names.first(where: { access($0, X_OK) == 0 }) else {
            return HostCheck(
                "qemu", .fail, "qemu-system-x86_64 is not installed",
                remedy: "apt-get install --no-install-recommends qemu-system-x86 libvirt-daemon-driver-qemu")
        }
        return HostCheck("qemu", .ok, path)
    }

    private func checkShareServer() -> HostCheck {
        guard access(Self.shareServer, X_OK) == 0 else {
            return HostCheck(
                "virtiofsd", .fail, "\(Self.shareServer) is not installed",
                remedy: "apt-get install --no-install-recommends qemu-system-x86 (its package brings it)")
        }
        return HostCheck("virtiofsd", .ok, Self.shareServer)
    }

    private func checkNamespaces() -> HostCheck {
        let switches = [
            ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
            ("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"),
            (
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
                "sysctl kernel.apparmor_restrict_unprivileged_userns=0"
            ),
        ]
        guard access("/proc/self/ns/user", F_OK) == 0 else {
            return HostCheck(
                "namespaces", .fail, "this kernel has no user namespaces", remedy: "use a kernel with CONFIG_USER_NS")
        }
        for (path, forbidden, remedy) in switches {
            let value = (try? Files.text(ofFile: path, limit: 64))?.prefix { $0 != "\n" }
            if let value, value == forbidden {
                return HostCheck("namespaces", .fail, "\(path) is \(value)", remedy: "as root: " + remedy)
            }
        }
        return HostCheck("namespaces", .ok, "user namespaces are allowed")
    }

    private func checkSpace() -> HostCheck {
        guard let space = try? Files.space(at: directories.state) else {
            return HostCheck(
                "space", .fail, "\(directories.state) cannot be used", remedy: "check its owner, or set XDG_STATE_HOME")
        }
        let free = ByteSize(bytes: space.available)
        let detail = "\(free) free in \(directories.state)"
        if space.available < Self.leastSpace {
            return HostCheck("space", .fail, detail, remedy: "remove ended sessions with `cowork rm`, or make room")
        }
        let isEnough = space.available >= Self.comfortableSpace
        return HostCheck("space", isEnough ? .ok : .warn, detail, remedy: isEnough ? nil : "make room before long work")
    }

    private func checkMemory() -> HostCheck {
        let text = (try? Files.text(ofFile: "/proc/meminfo", limit: 64 << 10)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
        guard let kibibytes = line?.split(separator: " ").dropFirst().first.flatMap({ UInt64($0) }) else {
            return HostCheck("memory", .warn, "the kernel does not say how much memory is free", remedy: "mount /proc")
        }
        let available = ByteSize(bytes: kibibytes << 10)
        let needed = ByteSize(bytes: needsMemory)
        let isEnough = available >= needed
        return HostCheck(
            "memory", isEnough ? .ok : .warn, "\(available) available, a session may use \(needed)",
            remedy: isEnough ? nil : "give sessions less with --memory, or end other programs")
    }

    private func checkRuntime() -> HostCheck {
        let isUsable = access(directories.runtime, W_OK | X_OK) == 0
        return HostCheck(
            "runtime", isUsable ? .ok : .fail, directories.runtime,
            remedy: isUsable ? nil : "check its owner, or set XDG_RUNTIME_DIR to a directory of your own")
    }
}
