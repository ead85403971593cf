internal import CLinux
package import System
package import Wire

/// What the host can ask of the guest besides running processes.
package protocol GuestMachine: AnyObject {
    func configure(_ configuration: Configure)
    /// Answers once, now or later, on the loop's thread.
    func mount(_ mount: Mount, answer: @escaping (Refused?) -> Void)
    func unmount(_ unmount: Unmount) throws(Refused)
    func status() -> GuestStatus
    /// Ends the guest. The server goes on serving meanwhile.
    func powerOff(grace: Duration, because reason: String)
}

/// Serves the host's frames once the guest is ready. Everything happens on the loop's thread.
package final class GuestServer: ControlChannelOwner, ProcessStreamOwner {
    private let loop: EventLoop
    private let channel: ControlChannel
    private let launcher: ProcessLauncher
    private unowned let machine: any GuestMachine
    private var streams: [UInt32: ProcessStream] = [:]
    private var restTimer: EventLoop.Timer?
    private var isEnding = false

    package init(
        loop: EventLoop, channel: ControlChannel, launcher: ProcessLauncher, machine: any GuestMachine
    ) {
        self.loop = loop
        self.channel = channel
        self.launcher = launcher
        self.machine = machine
        channel.owner = self
    }

    /// Says that commands may be run from now on, and receives them.
    package func start(version: String) throws(SystemError) {
        let ready = Ready(
            uptimeMilliseconds: MonotonicClock.nanoseconds() / 1_000_000, agentVersion: version)
        channel.send(Frame(.ready, payload: ready.encoded))
        channel.flush()
        try channel.start()
    }

    /// Reaps `pid` if it is the process of a stream that has not seen its end; true then. A number may have gone to
    /// another process since.
    package func collect(pid: Int32) -> Bool {
        streams.values.first { $0.pid == pid && $0.collect() } != nil
    }

    /// The guest is about to end: nothing new is run.
    package func refuseProcesses() { isEnding = true }

    /// To every process's group.
    package func signalAll(_ signal: Int32) {
        for stream in streams.values { stream.signal(signal) }
    }

    // ControlChannelOwner ---------------------------------------------------------------------------------------------

    package func received(_ frame: Frame) {
        do {
            try handle(frame)
        } catch {
            channel.end("the host broke the protocol with a \(frame.kind) frame: \(error)")
        }
    }

    package func channelHasRoom() {
        for stream in Array(streams.values) { stream.proceed() }
    }

    package func channelEnded(because reason: String) { machine.powerOff(grace: .zero, because: reason) }

    // ProcessStreamOwner ----------------------------------------------------------------------------------------------

    package var hasRoom: Bool { channel.hasRoom }
    package func send(_ frame: Frame) { channel.send(frame) }
    package func send(_ bytes: [UInt8], stream: UInt32, channel number: Channel) {
        channel.send(bytes, stream: stream, channel: number)
    }
    func ended(_ stream: ProcessStream) {
        streams[stream.number] = nil
        scheduleRest()
    }

    /// When nothing has run for a moment, what the last processes needed is given back: memory is the guest's.
    private func scheduleRest() {
        guard streams.isEmpty else { return }
        if let restTimer { loop.cancel(restTimer) }
        restTimer = loop.after(.seconds(1)) { [weak self] in
            guard let self, streams.isEmpty else { return }
            channel.rest()
            cl_release_memory()
        }
    }

    // Frames ----------------------------------------------------------------------------------------------------------

    private func handle(_ frame: Frame) throws(WireError) {
        switch frame.kind {
        case .configure:
            machine.configure(try Configure(payload: frame.payload))
        case .powerOff:
            let wanted = try PowerOff(payload: frame.payload)
            machine.powerOff(grace: .milliseconds(Int64(wanted.graceMilliseconds)), because: "the host asked for it")
        case .mount:
            let number = frame.stream
            machine.mount(try Mount(payload: frame.payload)) { [weak self] refused in
                if let refused { self?.refuse(number, refused) } else { self?.done(number) }
            }
        case .unmount:
            let wanted = try Unmount(payload: frame.payload)
            do throws(Refused) {
                try machine.unmount(wanted)
                done(frame.stream)
            } catch { refuse(frame.stream, error) }
        case .status:
            channel.send(Frame(.statusReport, stream: frame.stream, payload: machine.status().encoded))
        case .open: try open(frame)
        case .data, .end, .credit, .resize, .signal: try handle(frame, for: streams[frame.stream])
        case .ping:
            // A process's last frame is `exited`: a ping that crossed it stays unanswered.
            guard frame.stream == 0 || streams[frame.stream] != nil else { break }
            channel.send(Frame(.pong, stream: frame.stream, payload: frame.payload))
        case .pong: break
        case .hello, .welcome, .ready, .failed, .statusReport, .done, .refused, .opened, .exited, .lost:
            throw .malformed("not the host's to send")
        }
    }

    /// Without a stream the process has ended while the frame was under way: it is checked and dropped.
    private func handle(_ frame: Frame, for stream: ProcessStream?) throws(WireError) {
        switch frame.kind {
        case .data:
            guard frame.channel == Channel.input.rawValue else { throw .malformed("channel") }
            guard stream?.receive(frame.payload) ?? true else { throw .malformed("more than was granted") }
        case .end:
            guard frame.channel == Channel.input.rawValue else { throw .malformed("channel") }
            stream?.endInput()
        case .credit: stream?.grant(try Credit(payload: frame.payload).bytes, channel: frame.channel)
        case .resize:
            let size = try Resize(payload: frame.payload)
            stream?.resize(rows: size.rows, columns: size.columns)
        case .signal: stream?.signal(Int32(try Signal(payload: frame.payload).number))
        default: break
        }
    }

    private func open(_ frame: Frame) throws(WireError) {
        let number = frame.stream
        guard number != 0, streams[number] == nil else { throw .malformed("stream") }
        let wanted = try ProcessSpecification(payload: frame.payload)
        guard !isEnding else { return refuse(number, Refused(.failed, "the guest powers off")) }
        guard streams.count < Wire.mostStreams else {
            return refuse(number, Refused(.tooMany, "\(Wire.mostStreams) processes run already"))
        }
        do throws(Refused) {
            let (child, ports) = try launcher.launch(wanted)
            let stream = ProcessStream(
                number: number, child: child, ports: ports, deadlineMilliseconds: wanted.deadlineMilliseconds,
                loop: loop, owner: self)
            streams[number] = stream
            channel.send(Frame(.opened, stream: number, payload: Opened(pid: UInt32(clamping: child.pid)).encoded))
            stream.start()
        } catch { refuse(number, error) }
    }

    private func done(_ stream: UInt32) { channel.send(Frame(.done, stream: stream)) }
    private func refuse(_ stream: UInt32, _ refused: Refused) {
        channel.send(Frame(.refused, stream: stream, payload: refused.refusal.encoded))
    }
}
