// Between the daemon and a session's `cowork-vsock`, on a SOCK_SEQPACKET unix socket: one message a packet, descriptors
// attached. The relay listens; a daemon that was restarted connects again.

package enum RelayCommand: Sendable, Equatable {
    /// The first message of a relay's life, sent once: what the guest must prove, and what we prove to it.
    case setUp(request: UInt32, secret: [UInt8], proof: [UInt8])
    case configure(request: UInt32, hostname: String)
    case mount(request: UInt32, Mount)
    case unmount(request: UInt32, Unmount)
    case status(request: UInt32)
    case powerOff(request: UInt32, PowerOff)
    /// The console's last bytes, escaped, newest last.
    case console(request: UInt32)
    /// Runs a process. Descriptors, in this order: the client's connection if `client` is not `.none`; a log file if
    /// `logged`; a memfd with standard input if `hasInput`.
    case run(request: UInt32, Run)
    /// Ends the relay itself.
    case quit(request: UInt32)

    package struct Run: Sendable, Equatable {
        package enum Client: UInt8, Sendable {
            /// Nobody: input ends at once, output goes to the log or nowhere.
            case none = 0
            /// A connection that speaks frames once `reply` and a NUL, which the relay writes, have arrived.
            case frames
            /// A connection that is sent varlink replies with base64 chunks and is then closed.
            case replies
        }
        package let client: Client
        /// The session's own command: its end is reported by `mainEnded`.
        package let main: Bool
        package let logged: Bool
        package let hasInput: Bool
        /// For a `.frames` client: the text that ends the varlink call, written before the first frame and only if the
        /// guest takes the process. If it refuses, the client is sent nothing and the relay closes its copy, so the
        /// daemon keeps one of its own until `started` or `refused`.
        package let reply: String
        package let process: ProcessSpecification

        package init(
            client: Client, main: Bool, logged: Bool, hasInput: Bool = false, reply: String = #"{"parameters":{}}"#,
            process: ProcessSpecification
        ) {
            self.client = client
            self.main = main
            self.logged = logged
            self.hasInput = hasInput
            self.reply = reply
            self.process = process
        }
    }
}

package enum RelayEvent: Sendable, Equatable {
    package enum Phase: UInt8, Sendable {
        /// No guest yet.
        case waiting = 0
        /// The guest proved itself.
        case connected
        /// It runs commands.
        case ready
        /// It could not come up, broke the protocol, or is gone; `text` says which. Final.
        case failed
    }

    /// Sent when a daemon connects, and at each change.
    case phase(Phase, uptimeMilliseconds: UInt64, text: String)
    case done(request: UInt32)
    case refused(request: UInt32, Refusal)
    case status(request: UInt32, GuestStatus)
    case console(request: UInt32, text: String)
    /// A process runs; `run` is answered by this or by `refused`.
    case started(request: UInt32, pid: UInt32)
    /// Sent when the main process has ended and its client has taken all its output or is gone, and again to each daemon
    /// that connects later.
    case mainEnded(Exited)
    /// The main process's stream was lost without an exit status, because the guest is gone. Sent again like `mainEnded`.
    case mainLost(text: String)
}

extension RelayCommand {
    /// The number it is answered under.
    package var request: UInt32 {
        switch self {
        case .setUp(let request, _, _), .configure(let request, _), .mount(let request, _), .unmount(let request, _),
            .status(let request), .powerOff(let request, _), .console(let request), .run(let request, _),
            .quit(let request):
            request
        }
    }

    package var encoded: [UInt8] {
        var writer = ByteWriter()
        func head(_ kind: UInt8, _ request: UInt32) {
            writer.append(kind)
            writer.append(request)
        }
        switch self {
        case .setUp(let request, let secret, let proof):
            head(1, request)
            writer.append(field: secret)
            writer.append(field: proof)
        case .configure(let request, let hostname):
            head(2, request)
            writer.append(hostname)
        case .mount(let request, let mount):
            head(3, request)
            mount.encode(into: &writer)
        case .unmount(let request, let unmount):
            head(4, request)
            unmount.encode(into: &writer)
        case .status(let request): head(5, request)
        case .powerOff(let request, let powerOff):
            head(6, request)
            powerOff.encode(into: &writer)
        case .console(let request): head(7, request)
        case .run(let request, let run):
            head(8, request)
            writer.append(run.client.rawValue)
            writer.append(run.main)
            writer.append(run.logged)
            writer.append(run.hasInput)
            writer.append(run.reply)
            run.process.encode(into: &writer)
        case .quit(let request): head(9, request)
        }
        return writer.bytes
    }

    package init(_ bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes)
        let kind = try reader.integer(UInt8.self)
        let request = try reader.integer(UInt32.self)
        switch kind {
        case 1:
            self = .setUp(
                request: request, secret: try reader.field(limit: Wire.secretLength),
                proof: try reader.field(limit: Wire.secretLength))
        case 2: self = .configure(request: request, hostname: try reader.text(limit: 64))
        case 3: self = .mount(request: request, try Mount(from: &reader))
        case 4: self = .unmount(request: request, try Unmount(from: &reader))
        case 5: self = .status(request: request)
        case 6: self = .powerOff(request: request, try PowerOff(from: &reader))
        case 7: self = .console(request: request)
        case 8:
            guard let client = Run.Client(rawValue: try reader.integer()) else { throw .malformed("client") }
            let main = try reader.flag()
            let logged = try reader.flag()
            let hasInput = try reader.flag()
            let reply = try reader.text()
            let process = try ProcessSpecification(from: &reader)
            self = .run(
                request: request,
                Run(
                    client: client, main: main, logged: logged, hasInput: hasInput, reply: reply, process: process))
        case 9: self = .quit(request: request)
        default: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

extension RelayEvent {
    package var encoded: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .phase(let phase, let uptime, let text):
            writer.append(UInt8(1))
            writer.append(phase.rawValue)
            writer.append(uptime)
            writer.append(text)
        case .done(let request):
            writer.append(UInt8(2))
            writer.append(request)
        case .refused(let request, let refusal):
            writer.append(UInt8(3))
            writer.append(request)
            refusal.encode(into: &writer)
        case .status(let request, let status):
            writer.append(UInt8(4))
            writer.append(request)
            status.encode(into: &writer)
        case .console(let request, let text):
            writer.append(UInt8(5))
            writer.append(request)
            writer.append(text)
        case .started(let request, let pid):
            writer.append(UInt8(6))
            writer.append(request)
            writer.append(pid)
        case .mainEnded(let exited):
            writer.append(UInt8(7))
            exited.encode(into: &writer)
        case .mainLost(let text):
            writer.append(UInt8(8))
            writer.append(text)
        }
        return writer.bytes
    }

    package init(_ bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes)
        let kind = try reader.integer(UInt8.self)
        switch kind {
        case 1:
            guard let phase = Phase(rawValue: try reader.integer()) else { throw .malformed("phase") }
            self = .phase(phase, uptimeMilliseconds: try reader.integer(), text: try reader.text(limit: 8192))
        case 2: self = .done(request: try reader.integer())
        case 3: self = .refused(request: try reader.integer(), try Refusal(from: &reader))
        case 4: self = .status(request: try reader.integer(), try GuestStatus(from: &reader))
        case 5: self = .console(request: try reader.integer(), text: try reader.text())
        case 6: self = .started(request: try reader.integer(), pid: try reader.integer())
        case 7: self = .mainEnded(try Exited(from: &reader))
        case 8: self = .mainLost(text: try reader.text(limit: 8192))
        default: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}
