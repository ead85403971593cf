internal import Contract
internal import Core

extension Session {
    /// Asks the guest to end itself, waits for its machine's end, and takes down what is left.
    func endGracefully() {
        guard ending == nil else { return }
        ending = Task {
            await self.enterStopping()
            await self.powerOff()
            await self.takeDown()
        }
    }

    /// Takes everything down without asking the guest.
    func endAtOnce() {
        guard ending == nil else {
            machineEnd.resolve(.success(nil))
            return
        }
        ready.resolve(.failure(Fault(.failed, "the start was called off")))
        boot?.cancel()
        ending = Task {
            await self.enterStopping()
            await self.boot?.value
            await self.takeDown()
        }
    }

    private func enterStopping() async {
        guard record.state == .running else { return }
        record.state = .stopping
        await save()
        await note("stopping", "the session is ending")
    }

    private func powerOff() async {
        guard let relay else { return }
        let grace = settings.powerOffGrace
        let machineEnd = self.machineEnd
        let asked = Task { [outside] in
            do throws(Fault) {
                try await relay.powerOff(graceMilliseconds: UInt32(clamping: grace.components.seconds * 1000))
            } catch {
                outside.log.write(.warning, "power-off-failed", session: self.id, ["because": error.message])
                machineEnd.resolve(.success(nil))
            }
        }
        _ = try? await outside.timers.within(grace + .seconds(10), else: .cancelled) { () async throws(Fault) in
            try await machineEnd.value()
        }
        asked.cancel()
    }

    /// Takes back everything that was made, newest first, and writes down how it ended. Nothing here gives up because
    /// an earlier step failed.
    func takeDown() async {
        let lastWords = await self.lastWords()
        for watch in watches { watch.cancel() }
        watches = []
        for part in made.reversed() { await takeBack(part) }
        await attempt("forget-machine") { () async throws(Fault) in
            if self.made.contains(.machine) { try await self.outside.machines.forget(session: self.id) }
        }
        await outside.relays.forget(session: id)
        made = []
        relay = nil
        await conclude(lastWords)
    }

    private func takeBack(_ part: Made) async {
        outside.log.write(.info, "take-down", session: id, ["part": "\(part)"])
        switch part {
        case .machine:
            await attempt("destroy-machine") { () async throws(Fault) in
                try await self.outside.machines.destroy(session: self.id)
            }
        case .share(_, _, let identity): await outside.shares.end(identity)
        case .relay:
            if let relay {
                await relay.quit()
            } else if let identity = record.processes["relay"] {
                await outside.processes.end(identity)
            }
        }
    }

    private func attempt(_ what: String, _ work: () async throws(Fault) -> Void) async {
        do throws(Fault) { try await work() } catch {
            outside.log.write(.error, what + "-failed", session: id, ["because": error.message])
        }
    }

    private func conclude(_ lastWords: [String]) async {
        let ending = phase.ending ?? .stopped(because: nil)
        record.processes = [:]
        record.ended = outside.clock.now()
        switch ending {
        case .stopped(let because):
            record.state = .stopped
            record.because = because
            await save()
            await note("stopped", because ?? "the session was stopped")
            outside.log.write(.info, "session-stopped", session: id)
        case .failed(let fault):
            record.state = .failed
            record.because = fault.message + Self.shortened(lastWords)
            record.hint = fault.hint
            await save()
            for line in lastWords { await note("console", line) }
            await note("failed", fault.message)
            outside.log.write(.warning, "session-failed", session: id, ["because": fault.message])
        }
        happen(.takenDown)
        stageEnd.finish()
        started.resolve(.failure(startFault(ending)))
        finished.resolve(.success(()))
    }

    /// What who waited for the start is told.
    private func startFault(_ ending: Lifecycle.Ending) -> Fault {
        switch ending {
        case .stopped(let because):
            Fault(.failed, "session \(name) did not start: \(because ?? "it was stopped")", hint: "start it again")
        case .failed(let fault):
            Fault(
                fault.code, record.because ?? fault.message,
                hint: fault.hint ?? "`cowork logs \(name)` shows what happened")
        }
    }

    /// The console's last lines, when it failed because of the guest.
    private func lastWords() async -> [String] {
        guard case .failed(let fault) = phase.ending, [.guestFailed, .hostFailed].contains(fault.code),
            made.contains(.machine)
        else { return [] }
        return await console().split(separator: "\n").suffix(40).map { String($0.prefix(500)) }
    }

    /// The line that says what it died of, or else the last few.
    private static func shortened(_ lines: [String]) -> String {
        let telling = lines.filter { $0.contains("Kernel panic") }.suffix(1)
        let shown = (telling.isEmpty ? lines.suffix(3) : telling).map { String($0.prefix(160)) }
        return shown.isEmpty ? "" : "; its console ended with: " + shown.joined(separator: " / ")
    }
}
