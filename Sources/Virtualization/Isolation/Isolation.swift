internal import CLinux
package import Core
internal import Glibc
internal import System

/// Takes this process out of the host: it becomes an unprivileged user with user, network, mount and IPC namespaces of
/// its own, in a root directory that holds the system's programs and our own files and nothing of anybody else.
///
/// What QEMU could reach if a guest broke out of it is what is left here: no interface but loopback, no home, no socket
/// of the host, no capability (its exec drops them), and sessions' sockets of the same owner.
package enum Isolation {
    package struct Result: Sendable, Equatable {
        package let places: Places
        package let kvm: KernelVirtualization
    }

    /// Must run while the process has one thread. After a fault the process is half way and must end.
    package static func enter(_ options: HypervisorOptions) throws(Fault) -> Result {
        do throws(SystemError) {
            return try isolate(options)
        } catch {
            throw explain(error)
        }
    }

    private static let fresh = cl_CLONE_NEWNET | cl_CLONE_NEWNS | cl_CLONE_NEWIPC

    private static func isolate(_ options: HypervisorOptions) throws(SystemError) -> Result {
        let isRoot = geteuid() == 0
        guard isRoot ? options.uid != 0 : options.uid == geteuid() && options.gid == getegid() else {
            throw SystemError("become", code: EPERM, subject: "user \(options.uid)")
        }
        _ = umask(0o022)
        let program = try CurrentProcess.executable()
        let node = KernelVirtualization.Node.find()
        if isRoot {
            try systemCall("unshare") { cl_unshare(cl_CLONE_NEWNS) }
        } else {
            try systemCall("unshare") { cl_unshare_as_self(fresh) }
        }
        // Mounts that the host makes or ends later still follow, ours never reach the host.
        try Mounting.change("/", cl_MS_REC | cl_MS_SLAVE)

        var root = PrivateRoot(owner: isRoot ? PrivateRoot.Owner(uid: options.uid, gid: options.gid) : nil)
        try root.collect(options, program: program)
        let images = root.imageNames
        let hasSeed = root.hasSeed
        try root.build()

        if isRoot {
            // With a node of our own, the group that may use the host's is not needed.
            let groups = root.madeOwnNodes ? [] : node.group.map { [$0] } ?? []
            try systemCall("setuid") { cl_set_ids(options.uid, options.gid, groups, groups.count) }
            try systemCall("unshare") { cl_unshare_as_self(fresh) }
        }
        let places = Places.isolated(images: images, hasSeed: hasSeed)
        for (name, at) in [("libvirt", places.libvirt), ("machines", places.machines)] {
            try Directories.makePrivate(places.own + "/" + name, owner: options.uid)
            try Mounting.bind(places.own + "/" + name, at: at)
        }
        try systemCall("ioctl lo") { cl_bring_up_loopback() }
        try systemCall("prctl") { cl_no_new_privileges() }
        try systemCall("chdir") { chdir("/") }
        _ = umask(0o077)
        setEnvironment()
        return Result(places: places, kvm: node.asSeenFromHere())
    }

    /// Nothing of the caller's environment is passed on to libvirt, QEMU or mkfs.
    private static func setEnvironment() {
        clearenv()
        let scratch = Places.runDirectory + "/private"
        let values = [
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": scratch, "TMPDIR": scratch,
            "XDG_RUNTIME_DIR": scratch, "XDG_CACHE_HOME": scratch, "XDG_CONFIG_HOME": scratch,
            "XDG_DATA_HOME": scratch, "XDG_STATE_HOME": scratch,
            // Errors only, to our log: what fails is answered as a fault anyway.
            "LIBVIRT_LOG_OUTPUTS": "4:stderr",
        ]
        for (name, value) in values { setenv(name, value, 1) }
    }

    private static func explain(_ error: SystemError) -> Fault {
        switch (error.call, error.code) {
        case ("unshare", EPERM), ("unshare", ENOSPC), ("unshare", EINVAL), ("open", EACCES), ("write", EPERM):
            Fault(
                .hostFailed, "this system does not let user \(geteuid()) make namespaces (\(error))",
                hint: "allow it: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000"
                    + " kernel.apparmor_restrict_unprivileged_userns=0 (those that exist)")
        default:
            Fault(.hostFailed, "the hypervisor half cannot isolate itself: \(error)")
        }
    }
}
