internal import CLinux
internal import Glibc
package import System
internal import Wire

/// The steps of a real boot, by PID 1 in the initramfs.
package final class LinuxBoot: BootSteps {
    private static let root = "/newroot", lower = "/lower", upper = "/upper"
    private static let rootDisk = "/dev/vda", overlayDisk = "/dev/vdb"
    private static let secretFile = "/sys/firmware/qemu_fw_cfg/by_name/opt/dev.cowork/secret/raw"
    private static let host: UInt32 = 2

    private let console: Console
    private let commandLine: KernelCommandLine
    private var loader: ModuleLoader?
    private var staysInInitramfs = false
    /// The file system below the root that can be written, if it is a disk; it is to be flushed and closed at the end.
    private(set) var disk: SharedDescriptor?

    package init(console: Console, commandLine: KernelCommandLine) {
        self.console = console
        self.commandLine = commandLine
    }

    package func log(_ line: String) { console.line(line) }

    package func prepare() throws(StepFailure) {
        umask(0o022)
        try mount("sysfs", "/sys", "sysfs", cl_MS_NOSUID | cl_MS_NODEV | cl_MS_NOEXEC)
        try mount("devtmpfs", "/dev", "devtmpfs", cl_MS_NOSUID, "mode=0755")
        for directory in ["/dev/pts", "/dev/shm"] { mkdir(directory, 0o755) }
        try mount("devpts", "/dev/pts", "devpts", cl_MS_NOSUID | cl_MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666")
        try mount("tmpfs", "/dev/shm", "tmpfs", cl_MS_NOSUID | cl_MS_NODEV, "mode=1777")
        try mount("tmpfs", "/run", "tmpfs", cl_MS_NOSUID | cl_MS_NODEV, "mode=0755")
        mkdir("/run/lock", 0o1777)
        chmod("/run/lock", 0o1777)
        for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
            symlink("/proc/self/fd" + target, "/dev/" + name)
        }
        // The kernel need not look for a program that fetches modules, and not talk over the guest's own lines.
        setting("sys/kernel/modprobe", "\n")
        setting("sys/kernel/printk", "3 4 1 3")
        setting("sys/kernel/dmesg_restrict", "1")
        setting("self/oom_score_adj", "-1000")
        CurrentProcess.raiseDescriptorLimit()
        CurrentProcess.ignoreBrokenPipes()
        _ = cl_signal_on_ctrl_alt_delete()
        _ = cl_bring_up_loopback()
        loader = try ModuleLoader(directory: "/modules")
    }

    package func loadModules(_ group: ModuleList.Group) throws(StepFailure) {
        do throws(SystemError) { try loader?.load(group) } catch { throw StepFailure(error) }
    }

    package func readSecret() throws(StepFailure) -> BootSecret {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try Files.contents(ofFile: Self.secretFile, limit: 4096)
        } catch { throw StepFailure(error) }
        guard let secret = BootSecret(bytes) else { throw StepFailure("it has \(bytes.count) bytes") }
        return secret
    }

    package func connect() throws(StepFailure) -> FileDescriptor {
        do throws(SystemError) {
            let connection = FileDescriptor(
                owning: try systemCall("vsock") { cl_vsock_connect(Self.host, Wire.controlPort, 1) })
            let raw = connection.raw
            try systemCall("fcntl") { cl_set_nonblocking(raw, 1) }
            return connection
        } catch { throw StepFailure(error) }
    }

    package func mountRoot() throws(StepFailure) {
        guard Files.exists(Self.rootDisk) else {
            guard commandLine.mayStayInInitramfs else { throw StepFailure("there is no \(Self.rootDisk)") }
            staysInInitramfs = true
            return
        }
        for directory in [Self.lower, Self.upper, Self.root] { mkdir(directory, 0o755) }
        try mount(Self.rootDisk, Self.lower, "erofs", cl_MS_RDONLY)
        readAhead()
        if Files.exists(Self.overlayDisk) {
            try mount(Self.overlayDisk, Self.upper, "ext4", cl_MS_NOATIME)
            do throws(SystemError) {
                disk = SharedDescriptor(try Files.openDirectory(Self.upper))
            } catch { throw StepFailure(error) }
        } else {
            try mount("tmpfs", Self.upper, "tmpfs", 0, "mode=0755")
        }
        for directory in ["/upper", "/work"] { mkdir(Self.upper + directory, 0o755) }
        try mount(
            "overlay", Self.root, "overlay", cl_MS_NOATIME,
            "lowerdir=\(Self.lower),upperdir=\(Self.upper)/upper,workdir=\(Self.upper)/work,redirect_dir=on")
    }

    package func enterRoot() throws(StepFailure) {
        if !staysInInitramfs {
            for directory in ["/proc", "/sys", "/dev", "/run"] {
                mkdir(Self.root + directory, 0o755)
                try mount(directory, Self.root + directory, nil, cl_MS_MOVE)
            }
            do throws(SystemError) {
                try systemCall("chdir") { chdir(Self.root) }
                try systemCall("move the root") { cl_mount(".", "/", nil, cl_MS_MOVE, nil) }
                try systemCall("chroot") { cl_chroot(".") }
            } catch { throw StepFailure(error) }
        }
        chdir("/")
        for directory in ["/tmp", "/etc"] { mkdir(directory, 0o755) }
        chmod("/tmp", 0o1777)
    }

    /// What the running guest takes over.
    func modules() -> ModuleLoader? { loader }

    /// Starts reading what every program needs first, while the rest of the root is mounted and the host answers.
    private func readAhead() {
        for path in ["/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/libc.so.6"] {
            guard let file = try? Files.open(Self.lower + path, O_RDONLY) else { continue }
            posix_fadvise(file.raw, 0, 0, POSIX_FADV_WILLNEED)
        }
    }

    private func setting(_ name: String, _ value: String) {
        guard let file = try? Files.open("/proc/" + name, O_WRONLY) else { return }
        try? Files.writeAll(value.utf8, to: file.raw)
    }

    private func mount(
        _ source: String, _ target: String, _ type: String?, _ flags: UInt, _ data: String? = nil
    ) throws(StepFailure) {
        if cl_mount(source, target, type, flags, data) != 0 {
            let error = SystemError("mount", subject: "\(source) on \(target)")
            // The kernel may have mounted its own /dev already.
            if error.code != EBUSY || type != "devtmpfs" { throw StepFailure(error) }
        }
    }
}
