package import Core
internal import Glibc
package import System
package import Varlink

/// One connection to coworkd, for a program that may block. Calls go one after the other; not for several threads.
package final class DaemonClient {
    /// When this descriptor becomes readable, a wait ends with the fault `interrupted`.
    package var interruption: SharedDescriptor?

    private let socket: SharedDescriptor
    private var decoder = MessageDecoder(limit: DaemonClient.largestReply)

    private static let largestReply = 16 << 20

    private init(socket: SharedDescriptor) { self.socket = socket }

    /// Connects to the daemon of `directories`. With `autoStart`, one is started when none runs.
    package static func connect(
        _ directories: Directories, environment: [String: String], autoStart: Bool = true
    ) throws(Fault) -> DaemonClient {
        if let found = try connectOnce(directories) { return found }
        guard autoStart else {
            throw Fault(
                .noDaemon, "no daemon runs for this user",
                hint: "any command that needs it, such as `cowork start`, starts it")
        }
        try DaemonLauncher(directories: directories, environment: environment).start()
        if let started = try connectOnce(directories) { return started }
        throw Fault(
            .noDaemon, "the daemon was started and is gone again", hint: "see \(directories.state)/daemon.log")
    }

    /// Nil when no daemon answers: nobody listens, or the one that did is ending.
    package static func connectOnce(_ directories: Directories) throws(Fault) -> DaemonClient? {
        let socket: SharedDescriptor
        let peer: PeerCredentials
        do throws(SystemError) {
            socket = SharedDescriptor(try UnixSocket.connect(to: directories.socket))
            peer = try UnixSocket.peer(ofRaw: socket.raw)
        } catch {
            if [ENOENT, ECONNREFUSED, ENOTDIR].contains(error.code) { return nil }
            throw Fault(.noDaemon, "cannot reach the daemon: \(error)", hint: "check who owns \(directories.runtime)")
        }
        guard peer.uid == geteuid() else {
            throw Fault(
                .noDaemon, "the daemon's socket \(directories.socket) belongs to user \(peer.uid)",
                hint: "remove it, or set XDG_RUNTIME_DIR to a directory of your own")
        }
        let client = DaemonClient(socket: socket)
        do throws(Fault) {
            let answer = try client.call(DaemonAPI.Version.self, Nothing(), limit: .seconds(20))
            guard answer.protocol == DaemonAPI.protocolNumber else {
                throw Fault(
                    .unsupported, "the running daemon is version \(Display.escaped(answer.version, limit: 40))",
                    hint: "stop its sessions and end it, then try again")
            }
            return client
        } catch {
            if error.code == .noDaemon { return nil }
            throw error
        }
    }

    /// Calls a method that answers once.
    package func call<Method: VarlinkMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters, limit: Duration? = .seconds(180)
    ) throws(Fault) -> Method.Reply {
        try send(method, parameters)
        return try receive(method, limit: limit).reply
    }

    /// Calls a method that answers with a stream; `each` gets every reply, the last one included.
    package func stream<Method: VarlinkMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters, each: (Method.Reply) throws(Fault) -> Void
    ) throws(Fault) {
        try send(method, parameters, more: true)
        while true {
            let (reply, continues) = try receive(method, limit: nil)
            try each(reply)
            if !continues { return }
        }
    }

    /// Calls a method whose last reply turns the connection into something else. `each` gets the replies before it.
    /// This client is of no more use afterwards.
    package func upgrade<Method: VarlinkMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters, more: Bool = true,
        each: (Method.Reply) throws(Fault) -> Void = { _ in }
    ) throws(Fault) -> UpgradedConnection<Method.Reply> {
        try send(method, parameters, more: more, upgrade: true)
        while true {
            let (reply, continues) = try receive(method, limit: nil)
            if !continues {
                return UpgradedConnection(reply: reply, socket: socket, received: decoder.takeRest())
            }
            try each(reply)
        }
    }

    private func send<Method: VarlinkMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters, more: Bool = false, upgrade: Bool = false
    ) throws(Fault) {
        let text: [UInt8]
        do throws(VarlinkError) {
            text = try Call.encode(method, parameters, more: more, upgrade: upgrade)
        } catch { throw Fault(.usage, "the request cannot be written as JSON", hint: "use valid text only") }
        guard text.count < Varlink.largestMessage else {
            throw Fault(.tooLarge, "the request has \(text.count) bytes", hint: "send less at once")
        }
        let message = text + [0]
        var sent = 0
        while sent < message.count {
            let count = message[sent...].withUnsafeBytes {
                Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN {
                try wait(Int16(POLLOUT), limit: .seconds(60))
            } else if errno != EINTR {
                throw lost()
            }
        }
    }

    private func receive<Method: VarlinkMethod>(
        _: Method.Type, limit: Duration?
    ) throws(Fault) -> (reply: Method.Reply, continues: Bool) {
        let message = try nextMessage(limit: limit)
        let told: Fault?
        do throws(VarlinkError) {
            let reply = try Reply(message)
            if reply.error == nil { return (try reply.parameters(Method.Reply.self), reply.continues) }
            told = reply.fault
        } catch { told = nil }
        throw told
            ?? Fault(
                .protocolViolation, "the daemon's answer to \(Method.name) was not understood",
                hint: "it may be of another version: end it and try again")
    }

    private func nextMessage(limit: Duration?) throws(Fault) -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            do throws(VarlinkError) { if let message = try decoder.next() { return message } } catch {
                throw Fault(.protocolViolation, "the daemon's answer is too large")
            }
            let count = recv(socket.raw, &chunk, chunk.count, 0)
            if count > 0 {
                decoder.append(chunk[0..<count])
            } else if count < 0 && errno == EAGAIN {
                try wait(Int16(POLLIN), limit: limit)
            } else if count == 0 || errno != EINTR {
                throw lost()
            }
        }
    }

    private func wait(_ events: Int16, limit: Duration?) throws(Fault) {
        var items = [(raw: socket.raw, events: events)]
        if let interruption { items.append((interruption.raw, Int16(POLLIN))) }
        let ready: Int?
        do throws(SystemError) { ready = try Waiting.poll(items, limit: limit) } catch {
            throw Fault(.noDaemon, "waiting for the daemon failed: \(error)")
        }
        guard let ready else {
            throw Fault(.deadline, "the daemon did not answer in time", hint: "`cowork doctor` shows whether it works")
        }
        if ready == 1 { throw Fault(.interrupted, "interrupted") }
    }

    private func lost() -> Fault {
        Fault(
            .noDaemon, "the daemon closed the connection",
            hint: "try again; its log is daemon.log in the state directory")
    }
}

extension FaultCode {
    package static let interrupted = FaultCode("interrupted")
}

/// A connection that stopped speaking varlink. Its descriptor is non-blocking.
package struct UpgradedConnection<FinalReply: Sendable>: Sendable {
    package let reply: FinalReply
    package let socket: SharedDescriptor
    /// What came after the last reply: the first bytes of the other protocol.
    package let received: [UInt8]
}
