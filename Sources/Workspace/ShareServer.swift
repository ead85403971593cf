internal import Confinement
internal import Contract
internal import Core
internal import Glibc
internal import System

/// How one folder is served: by which program, in which view of the machine, with which rights.
///
/// The program is QEMU's C virtiofsd. It runs as the owner, in a user namespace where the guest's agent is the owner and
/// nobody else exists, with an empty network, in a root that holds the folder and the libraries it needs, under Landlock
/// and two lists of system calls (ours from its first instruction, its own before it reads a byte of the guest), and
/// gives up its last capability before that too.
struct ShareServer: Sendable {
    static let program = "/usr/lib/qemu/virtiofsd"
    /// Where the folder is in the server's own root: a folder's name never becomes part of an option.
    static let place = "/shared"
    /// The guest's agent.
    static let agent: UInt32 = 1000

    let grant: Grant
    let tag: String
    let session: SessionID
    let owner: Owner
    let setting: Workspace.Setting

    /// Starts the server on `directory` and answers when it waits for its guest.
    func start(_ directory: SharedDescriptor) throws(Fault) -> RunningShare {
        guard Self.isTag(tag) else {
            throw Fault(.hostFailed, "a share cannot be called \(Display.escaped(tag))")
        }
        guard Files.exists(Self.program) else {
            throw Fault(
                .hostFailed, "the folder server \(Self.program) is missing",
                hint: "as root: apt-get install --no-install-recommends qemu-system-common")
        }
        let path = "\(setting.sockets)/\(session)/\(SocketName.share(tag))"
        do throws(Fault) {
            let running = try spawn(directory, path)
            try running.waitUntilReady(limit: .seconds(20))
            return running
        } catch {
            unlink(path)
            throw error
        }
    }

    /// What it says, for the daemon's log.
    func say(_ line: String) { setting.log("folder server \(tag) of session \(session): \(line)") }

    /// Short, and safe as a file name and as a QEMU option.
    private static func isTag(_ text: String) -> Bool {
        (1...36).contains(text.utf8.count)
            && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) }
    }

    private func spawn(_ directory: SharedDescriptor, _ path: String) throws(Fault) -> RunningShare {
        let filter = try ShareConfinement.filter()
        let prepared: (output: SharedDescriptor, Result<Child, SpawnError>)
        do throws(SystemError) {
            let listener = try listen(at: path)
            let (output, input) = try UnixSocket.pair().split()
            let child = specification(directory: directory, listener: listener.raw, log: input.raw, filter: filter)
            do throws(SpawnError) { prepared = (output, .success(try Child.spawn(child))) } catch {
                prepared = (output, .failure(error))
            }
        } catch { throw Fault(.hostFailed, "cannot make the socket \(Display.escaped(path)): \(error.reason)") }
        switch prepared.1 {
        case .success(let child):
            guard let running = RunningShare(child: child, output: prepared.output) else {
                child.end(grace: .zero)
                throw Fault(.hostFailed, "cannot read when the folder server was started", hint: "is /proc mounted?")
            }
            return running
        case .failure(let error): throw explained(error)
        }
    }

    private func listen(at path: String) throws(SystemError) -> FileDescriptor {
        for folder in [setting.sockets, "\(setting.sockets)/\(session)"] where !Files.exists(folder) {
            try Directories.makePrivate(folder, owner: geteuid())
            // What lies above is closed to everybody; the hypervisor half gets here by a mount of its own.
            if setting.hypervisor != geteuid() { try systemCall("chmod", folder) { chmod(folder, 0o711) } }
        }
        let listener = try UnixSocket.listen(at: path)
        if setting.hypervisor != geteuid() {
            try systemCall("chown", path) { lchown(path, setting.hypervisor, gid_t.max) }
        }
        try UnixSocket.makeBlocking(listener, limit: setting.patience)
        return listener
    }

    /// Everything that confines it.
    func specification(
        directory: SharedDescriptor, listener: Int32, log: Int32, filter: [UInt8]
    ) -> ChildSpecification {
        var child = ChildSpecification(
            program: Self.program, arguments: Self.arguments, descriptors: [2: log, 3: listener])
        child.identity = owner.identity
        child.newSession = true
        child.noNewPrivileges = true
        child.workingDirectory = "/"
        child.limits = [
            .init(resource: Int32(RLIMIT_NOFILE.rawValue), soft: Self.mostFiles, hard: Self.mostFiles),
            .init(resource: Int32(RLIMIT_CORE.rawValue), soft: 0, hard: 0),
        ]
        child.sandbox.userNamespace = .init(uid: Self.agent, gid: Self.agent)
        child.sandbox.mountNamespace = true
        child.sandbox.networkNamespace = true
        child.sandbox.ipcNamespace = true
        child.sandbox.root = .init(
            folder: directory.raw, at: Self.place, isReadOnly: grant.mode == .readOnly,
            hostPaths: ShareConfinement.libraries + ["/proc"])
        child.sandbox.pathRules = ShareConfinement.paths(mode: grant.mode)
        child.sandbox.capabilities = ShareConfinement.capabilities
        child.sandbox.filter = filter
        return child
    }

    private static let arguments = [
        "--fd=3", "-f", "--rlimit-nofile=0", "-o", "source=\(place)", "-o", "sandbox=chroot", "-o", "cache=auto",
        // For how long the guest may believe a name or an attribute without asking: edits on the host are seen after it.
        "-o", "timeout=0.5", "-o", "no_xattr", "-o", "no_posix_lock", "-o", "no_flock", "-o", "no_writeback",
        "-o", "no_posix_acl", "-o", "modcaps=\(ShareConfinement.givenUp)",
    ]

    /// The server holds one descriptor for every file the guest knows, so it gets as many as this process may have.
    private static var mostFiles: UInt64 {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 4096 }
        return UInt64(limit.rlim_max)
    }

    private func explained(_ error: SpawnError) -> Fault {
        switch error.stage {
        case .namespaces:
            Fault(
                .hostFailed,
                "this machine does not let user \(owner.uid) make the namespaces a folder is served in: \(error.reason)",
                hint:
                    "allow unprivileged user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)"
            )
        case .mount where error.code == EACCES: Refusal.changed(grant.path)
        default:
            Fault(.hostFailed, "cannot start the folder server: \(error.reason) (while preparing: \(error.stage))")
        }
    }
}
