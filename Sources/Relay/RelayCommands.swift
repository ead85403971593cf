internal import System
internal import Wire

/// What the daemon asks of the relay.
extension Relay {
    func obey(_ command: RelayCommand, _ descriptors: [SharedDescriptor], _ asker: DaemonLink.Asker) {
        func refuse(_ reason: Refusal.Reason, _ text: String) {
            daemon.answer(asker) { .refused(request: $0, Refusal(reason, text: text)) }
        }
        switch command {
        case .setUp(_, let secret, let proof):
            guard guest.secret == nil else { return refuse(.badRequest, "the relay is set up already") }
            guard secret.count == Wire.secretLength, proof.count == Wire.secretLength else {
                return refuse(.badRequest, "a secret has \(Wire.secretLength) bytes")
            }
            guest.secret = GuestChannel.Secret(guest: secret, host: proof)
            daemon.answer(asker) { .done(request: $0) }
        case .console: daemon.answer(asker) { .console(request: $0, text: console.text) }
        case .quit:
            daemon.answer(asker) { .done(request: $0) }
            quit()
        case .configure, .powerOff, .mount, .unmount, .status, .run:
            guard !hasFailed else { return refuse(.failed, "the machine is gone") }
            let isEarly = guest.state != .ready && guest.state != .proven
            guard !isEarly else { return refuse(.failed, "the guest is not there yet") }
            askGuest(command, descriptors, asker)
            flushToGuest()
        }
    }

    func askGuest(_ command: RelayCommand, _ descriptors: [SharedDescriptor], _ asker: DaemonLink.Asker) {
        switch command {
        case .configure(_, let hostname):
            let configure = Configure(
                hostname: hostname, realtimeNanoseconds: RealTimeClock.nanoseconds(), entropy: Randomness.bytes(64))
            guest.send(Frame(.configure, payload: configure.encoded))
            daemon.answer(asker) { .done(request: $0) }
        case .powerOff(_, let powerOff):
            isPoweringOff = true
            guest.send(Frame(.powerOff, payload: powerOff.encoded))
            daemon.answer(asker) { .done(request: $0) }
        case .mount(_, let mount): request(.mount, mount.encoded, .done, asker)
        case .unmount(_, let unmount): request(.unmount, unmount.encoded, .done, asker)
        case .status: request(.status, [], .status, asker)
        case .run(_, let run): start(run, descriptors, asker)
        case .setUp, .console, .quit: break
        }
    }

    func request(_ kind: FrameKind, _ payload: [UInt8], _ answer: Request, _ asker: DaemonLink.Asker) {
        guard guest.state == .ready, requests.count < Self.mostWaitingRequests else {
            let text = guest.state == .ready ? "too many requests wait for the guest" : "the guest is not ready"
            return daemon.answer(asker) { .refused(request: $0, Refusal(.tooMany, text: text)) }
        }
        lastNumber += 1
        requests[lastNumber] = (answer, asker)
        guest.send(Frame(kind, stream: lastNumber, payload: payload))
    }

    func start(_ run: RelayCommand.Run, _ descriptors: [SharedDescriptor], _ asker: DaemonLink.Asker) {
        func refuse(_ reason: Refusal.Reason, _ text: String) {
            daemon.answer(asker) { .refused(request: $0, Refusal(reason, text: text)) }
        }
        let wanted = (run.client == .none ? 0 : 1) + (run.logged ? 1 : 0) + (run.hasInput ? 1 : 0)
        guard descriptors.count == wanted else { return refuse(.badRequest, "\(wanted) descriptors belong to this") }
        guard guest.state == .ready else { return refuse(.failed, "the guest is not ready") }
        guard streams.count + lingering.count < Wire.mostStreams else {
            return refuse(.tooMany, "\(Wire.mostStreams) processes run already")
        }
        let payload = run.process.encoded
        guard payload.count <= Wire.largestPayload else { return refuse(.badRequest, "the command is too long") }
        var rest = descriptors[...]
        let socket = run.client == .none ? nil : rest.popFirst().map { ClientSocket(loop: loop, descriptor: $0) }
        let output = run.logged ? rest.popFirst().map { OutputLog($0) } : nil
        var input: [UInt8]? = run.client == .frames ? nil : []
        if run.hasInput, let file = rest.popFirst() {
            guard let bytes = PreparedInput.read(file) else { return refuse(.badRequest, "input cannot be read") }
            input = bytes
        }
        lastNumber += 1
        let stream = ProcessStream(
            number: lastNumber, isMain: run.main, input: input, log: output,
            hangupLimit: limits.hangup, loop: loop, owner: self)
        if let socket { attach(socket, to: stream, run) }
        streams[lastNumber] = stream
        openings[lastNumber] = asker
        guest.send(Frame(.open, stream: lastNumber, payload: payload))
    }

    func attach(_ socket: ClientSocket, to stream: ProcessStream, _ run: RelayCommand.Run) {
        let taken = { [weak self, weak stream] in
            stream?.grant()
            self?.flushToGuest()
        }
        let gone: () -> Void = { [weak stream] in stream?.clientIsGone() }
        guard run.client == .frames else {
            return stream.attach(RepliesClient(socket, taken: taken, gone: gone))
        }
        stream.attach(
            FramesClient(
                socket, reply: run.reply, handle: { [weak stream] frame in stream?.receiveFromClient(frame) ?? false },
                handled: { [weak self] in
                    self?.flushToGuest()
                    self?.pauseClientsIfNeeded()
                }, taken: {}, gone: gone))
        if areClientsPaused { stream.client?.pauseReading(true) }
    }

    /// Ends this process, after clients had a moment to take what is theirs.
    func quit() {
        guard !isQuitting else { return }
        isQuitting = true
        fail("the session was ended")
        loop.after(limits.flush) { [weak self] in self?.loop.stop() }
        stopIfDone()
    }

    func stopIfDone() {
        // The answer to `quit` has been sent by then: timers run at the end of a turn.
        if isQuitting && lingering.isEmpty { loop.after(.zero) { [weak self] in self?.loop.stop() } }
    }
}
