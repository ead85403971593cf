/// Folders that would hide a part of the guest's own system, since a folder is mounted in the guest at its own path, and
/// file systems that are interfaces of the host's kernel rather than files.
enum SystemPaths {
    enum Objection: Equatable {
        case isRoot
        /// The guest has a directory of its own there and does not work without it.
        case hides(String)
    }

    static func objection(to path: String) -> Objection? {
        if path == "/" { return .isRoot }
        for kept in whole where path.isPath(orBeneath: kept) {
            if open.contains(where: { path != $0 && path.isPath(orBeneath: $0) }) { continue }
            return .hides(kept)
        }
        return themselves.contains(path) ? .hides(path) : nil
    }

    static func isKernelInterface(_ type: String) -> Bool { kernelInterfaces.contains(type) }

    /// These and everything in them.
    private static let whole = [
        "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys",
        "/usr",
        "/var/cache/apt", "/var/lib/apt", "/var/lib/dpkg", "/var/lib/systemd", "/var/lock", "/var/run",
    ]
    /// Places of people's files within those: what lies in them is fine.
    private static let open = ["/run/media"]
    /// These, but not what lies in them.
    private static let themselves: Set = [
        "/home", "/opt", "/tmp", "/var", "/var/cache", "/var/lib", "/var/log", "/var/mail", "/var/spool", "/var/tmp",
    ]
    private static let kernelInterfaces: Set = [
        "autofs", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs",
        "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nfsd", "nsfs", "proc", "pstore", "resctrl", "rpc_pipefs",
        "securityfs", "selinuxfs", "smackfs", "sysfs", "tracefs",
    ]
}
