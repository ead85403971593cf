package import Contract
package import Core
internal import Glibc
internal import System
internal import Wire

/// Starts a `cowork-vsock` for each session, with its sockets already listening, and finds those that earlier daemons
/// started.
package struct RelayLauncher: RelayHost {
    /// Who is who when the daemon runs as root: the hypervisor half and the relays are users of their own.
    package struct Users: Sendable, Equatable {
        package let hypervisor, relay: UInt32
        package init(hypervisor: UInt32, relay: UInt32) {
            self.hypervisor = hypervisor
            self.relay = relay
        }
    }

    private let program: String
    private let sockets: String
    private let users: Users?
    private let io: IOThread
    private let processes: Processes

    /// `users` is nil for an ordinary user, who runs everything.
    package init(program: String, runtime: String, users: Users?, io: IOThread, processes: Processes) {
        self.program = program
        sockets = runtime + "/s"
        self.users = users
        self.io = io
        self.processes = processes
    }

    package func launch(session: SessionID) async throws(Fault) -> any SessionRelay {
        let link = try await Blocking.run("relay") { () throws(Fault) in
            do { return try self.start(session) } catch {
                throw Fault(
                    .hostFailed, "the session's relay, cowork-vsock, cannot be started: \(error)",
                    hint: "check the runtime directory \(self.sockets)")
            }
        }
        link.open()
        return link
    }

    private func start(_ session: SessionID) throws -> RelayLink {
        let directory = try makeDirectory(session)
        let vsock = try listen(directory, SocketName.vsock, .stream, for: users?.hypervisor)
        let console = try listen(directory, SocketName.console, .stream, for: users?.hypervisor)
        let control = try listen(directory, SocketName.control, .packets, for: nil)
        var child = ChildSpecification(
            program: program, arguments: ["--daemon-uid", "\(geteuid())"], environment: ["PATH": "/usr/bin:/bin"],
            descriptors: [2: 2, 3: vsock.raw, 4: console.raw, 5: control.raw])
        child.newSession = true
        child.noNewPrivileges = true
        child.workingDirectory = "/"
        // It becomes that user itself: the program may lie where only root can go.
        if let users { child.arguments += ["--become", "\(users.relay)"] }
        let identity = processes.add(try Child.spawn(child))
        let socket = SharedDescriptor(
            try UnixSocket.connect(to: directory + "/" + SocketName.control, kind: .packets))
        return RelayLink(socket: socket, identity: identity, io: io, processes: processes)
    }

    private func makeDirectory(_ session: SessionID) throws -> String {
        // QEMU's user must reach the sockets below, which are protected one by one; everything above is the daemon's.
        let mode: UInt32 = users == nil ? 0o700 : 0o711
        let directory = sockets + "/" + session.text
        for path in [sockets, directory] {
            if mkdir(path, mode) != 0 && errno != EEXIST { throw SystemError("mkdir", subject: path) }
            let found = try Files.status(path, followLinks: false)
            guard found.kind == .directory, found.uid == geteuid() else {
                throw SystemError("use another user's", code: EPERM, subject: path)
            }
            try systemCall("chmod", path) { chmod(path, mode) }
        }
        return directory
    }

    private func listen(
        _ directory: String, _ name: String, _ kind: UnixSocket.Kind, for owner: UInt32?
    ) throws -> FileDescriptor {
        let path = directory + "/" + name
        let listener = try UnixSocket.listen(at: path, kind: kind)
        if let owner { try systemCall("chown", path) { lchown(path, owner, gid_t.max) } }
        return listener
    }

    package func adopt(session: SessionID, identity: ProcessIdentity) async -> (any SessionRelay)? {
        guard RunningProcess.startTicks(of: identity.pid) == identity.startTicks else { return nil }
        let path = sockets + "/" + session.text + "/" + SocketName.control
        let socket = try? await Blocking.run("relay") { () throws(Fault) in
            do throws(SystemError) { return SharedDescriptor(try UnixSocket.connect(to: path, kind: .packets)) } catch {
                throw Fault(.hostFailed, "\(error)")
            }
        }
        guard let socket else { return nil }
        let link = RelayLink(socket: socket, identity: identity, io: io, processes: processes)
        link.open()
        return link
    }

    /// Removes the session's sockets. What still listens on one was started by a daemon that died before it could write
    /// that down: a relay is told to end, and a folder's server ends when its only client leaves.
    package func forget(session: SessionID) async {
        let directory = sockets + "/" + session.text
        _ = try? await Blocking.run("forget") { () throws(Fault) in
            for name in (try? Files.entries(directory)) ?? [] {
                let isControl = name == SocketName.control
                guard
                    let socket = try? UnixSocket.connect(
                        to: directory + "/" + name, kind: isControl ? .packets : .stream)
                else { continue }
                if isControl { Self.quit(socket) }
            }
            try? Files.removeTree(directory)
        }
    }

    /// Tells a relay to end and waits until it has: one whose daemon hangs up at once does not get to read that.
    private static func quit(_ socket: borrowing FileDescriptor) {
        let raw = socket.raw
        _ = try? UnixSocket.send(RelayCommand.quit(request: 1).encoded, to: raw)
        let until = MonotonicClock.nanoseconds() &+ 2_000_000_000
        while MonotonicClock.nanoseconds() < until {
            guard (try? Waiting.poll(raw, Int16(POLLIN), limit: .seconds(2))) == true,
                let message = try? UnixSocket.receive(from: raw), !message.bytes.isEmpty
            else { return }
        }
    }
}
