internal import Core
internal import Glibc
internal import Links
internal import System
internal import Varlink
internal import Wire

/// A call whose connection then carries a process: made, carried to its end, and turned into an exit status.
struct GuestStream {
    let caller: Caller
    /// How messages begin: the command's name.
    let subject: String
    /// Where to look when the session is lost.
    let lookAt: String

    private static let interrupting = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

    /// `each` gets the replies before the process runs; `afterwards` the last one, once the process has ended, and a
    /// descriptor that is readable when a signal wants us to end.
    func carry<Method: VarlinkMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters, onTerminal: Bool, stage: String, showsStages: Bool,
        each: (Method.Reply, ActivityLine) throws(Fault) -> Void,
        afterwards: (Method.Reply, SharedDescriptor) -> Void = { _, _ in }
    ) throws(Fault) -> Int32 {
        let client = try DaemonCalls(caller).connect()
        // Until the process runs a signal ends only us; the daemon notices and gives up what it was doing.
        let interruption = try signals(Self.interrupting.filter { !Signals.isIgnored($0) })
        client.interruption = interruption
        // Its thread comes after the signals were blocked, or one of them could end us there.
        let activity = ActivityLine(stage, caller: caller, wanted: showsStages)
        defer { activity.end() }
        let connection: UpgradedConnection<Method.Reply>
        do throws(Fault) {
            connection = try client.upgrade(method, parameters) { (reply) throws(Fault) in try each(reply, activity) }
        } catch {
            guard error.code == .interrupted, let number = Signals.next(from: interruption.raw) else { throw error }
            return 128 + number
        }
        activity.end()
        let status = try status(of: try pump(connection.socket, connection.received, onTerminal: onTerminal))
        afterwards(connection.reply, interruption)
        return status
    }

    private func pump(
        _ connection: SharedDescriptor, _ received: [UInt8], onTerminal: Bool
    ) throws(Fault) -> StreamEnd {
        let console = caller.console
        var ends = StreamPump.Ends(
            connection: connection.raw, input: console.input, output: OutputSink(console.output),
            error: OutputSink(console.error))
        let signals = try signals(StreamPump.signals)
        ends.received = received
        ends.signals = signals.raw
        if onTerminal {
            ends.sizedLike = console.terminal
            if console.inputIsTerminal {
                do throws(SystemError) { ends.rawTerminal = try RawTerminal(console.input) } catch {
                    throw Fault(.failed, "\(subject): cannot use this terminal: \(error.reason)", hint: "leave out -t")
                }
            }
        }
        let rawTerminal = ends.rawTerminal
        defer { rawTerminal?.restore() }
        return try withExtendedLifetime((connection, signals)) { () throws(Fault) in try StreamPump(ends).run() }
    }

    private func signals(_ numbers: [Int32]) throws(Fault) -> SharedDescriptor {
        do throws(SystemError) {
            return SharedDescriptor(try Signals.descriptor(for: numbers))
        } catch { throw Fault(.hostFailed, "\(subject): cannot receive signals: \(error)") }
    }

    private func status(of end: StreamEnd) throws(Fault) -> Int32 {
        switch end {
        case .exited(let exited):
            if exited.expired {
                throw Fault(
                    .deadline, "\(subject): the time limit passed, and the command was ended",
                    hint: "allow more with --time-limit")
            }
            return exited.status
        case .lost(let text):
            throw Fault(
                .guestFailed, "\(subject): the session was lost: \(Display.escaped(text, limit: 400))", hint: lookAt)
        case .outputClosed: throw Fault(.outputClosed, "standard output is closed")
        case .interrupted(let number): return 128 + number
        }
    }
}

extension DaemonAPI.Process {
    /// Gives it a terminal of the size and kind of ours.
    mutating func useTerminal(of caller: Caller) {
        terminal = true
        if let size = caller.console.terminal.flatMap({ Terminal.size(of: $0) }) {
            rows = Int(size.rows)
            columns = Int(size.columns)
        }
        let own = environment ?? []
        for name in ["TERM", "COLORTERM"] where !own.contains(where: { $0.hasPrefix(name + "=") }) {
            if let value = caller.environment[name], !value.isEmpty, value.utf8.count <= 64 {
                environment = (environment ?? []) + ["\(name)=\(value)"]
            }
        }
    }
}
