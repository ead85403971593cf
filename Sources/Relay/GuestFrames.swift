internal import System
internal import Wire

/// What the guest says on its control connection, judged frame by frame.
extension Relay {
    /// Handles what came; a violation ends the session.
    func handleFrames() {
        do throws(WireError) {
            while let frame = try guest.next() {
                if let wrong = try handle(frame) { return violate(wrong) }
            }
        } catch { return violate("\(error)") }
        if guest.isStuck { return violate("it does not read") }
        for stream in streams.values { stream.client?.flush() }
    }

    func violate(_ what: String) { fail("the guest broke the protocol: \(what)") }

    /// What is wrong with a frame, if anything.
    func handle(_ frame: Frame) throws(WireError) -> String? {
        switch guest.state {
        case .greeting:
            if let wrong = try guest.greet(frame) { return wrong }
            if let helloTimer { loop.cancel(helloTimer) }
            become(.connected, "the guest proved itself")
        case .proven: return try handleStart(frame)
        case .ready: return try handleReady(frame)
        case .waiting, .over: break
        }
        return nil
    }

    func handleStart(_ frame: Frame) throws(WireError) -> String? {
        guard frame.stream == 0 else { return "a \(frame.kind) frame before it was ready" }
        switch frame.kind {
        case .ready:
            let ready = try Ready(payload: frame.payload)
            guest.becomeReady()
            become(.ready, uptime: ready.uptimeMilliseconds, EscapedText.line(ready.agentVersion))
        case .failed:
            fail("the guest could not start: " + EscapedText.line(try Refusal(payload: frame.payload).text))
        case .ping: return pong(frame)
        default: return "a \(frame.kind) frame before it was ready"
        }
        return nil
    }

    func handleReady(_ frame: Frame) throws(WireError) -> String? {
        let number = frame.stream
        switch frame.kind {
        case .ping: return pong(frame)
        case .failed where number == 0:
            fail("the guest failed: " + EscapedText.line(try Refusal(payload: frame.payload).text))
        case .done, .statusReport: return try finishRequest(frame)
        case .refused: return try refuse(frame)
        case .opened:
            guard let asker = openings.removeValue(forKey: number), let stream = streams[number] else {
                return "an answer to no question"
            }
            let opened = try Opened(payload: frame.payload)
            daemon.answer(asker) { .started(request: $0, pid: opened.pid) }
            stream.opened()
            flushToGuest()
        case .data, .end, .credit, .pong, .exited:
            guard let stream = streams[number] else { return "a \(frame.kind) frame for no process" }
            if frame.kind == .exited {
                streams.removeValue(forKey: number)
                lingering[number] = stream
            }
            let wrong = try stream.receive(frame)
            if frame.kind == .exited { stream.client?.flush() }
            return wrong
        default: return "a \(frame.kind) frame"
        }
        return nil
    }

    func finishRequest(_ frame: Frame) throws(WireError) -> String? {
        guard let request = requests.removeValue(forKey: frame.stream),
            (frame.kind == .statusReport) == (request.kind == .status)
        else { return "an answer to no question" }
        if frame.kind == .statusReport {
            let status = try GuestStatus(payload: frame.payload)
            daemon.answer(request.asker) { .status(request: $0, status) }
        } else {
            guard frame.payload.isEmpty else { return "a wrong done" }
            daemon.answer(request.asker) { .done(request: $0) }
        }
        return nil
    }

    func refuse(_ frame: Frame) throws(WireError) -> String? {
        let said = try Refusal(payload: frame.payload)
        let refusal = Refusal(said.reason, errorNumber: said.errorNumber, text: EscapedText.line(said.text))
        if let request = requests.removeValue(forKey: frame.stream) {
            daemon.answer(request.asker) { .refused(request: $0, refusal) }
        } else if let asker = openings.removeValue(forKey: frame.stream),
            let stream = streams.removeValue(forKey: frame.stream)
        {
            stream.lose(refusal.text)
            daemon.answer(asker) { .refused(request: $0, refusal) }
        } else {
            return "an answer to no question"
        }
        return nil
    }

    func pong(_ frame: Frame) -> String? {
        guard frame.payload.count <= Wire.largestPing else { return "a ping of \(frame.payload.count) bytes" }
        guest.send(Frame(.pong, stream: frame.stream, payload: frame.payload))
        flushToGuest()
        return nil
    }
}
