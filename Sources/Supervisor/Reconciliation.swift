package import Core
internal import Contract

extension Supervisor {
    /// Makes the store, the machines and the processes agree, whatever ended the daemon before this one. Called once,
    /// before anybody is served.
    package func open() async throws(Fault) {
        let records = try await outside.store.sessions()
        let unfinished = records.filter { !$0.state.isEnded }
        let machines = await knownMachines(areNeeded: !unfinished.isEmpty)
        followMachines()
        for record in records where record.state.isEnded {
            let ending: Lifecycle.Ending =
                record.state == .stopped
                ? .stopped(because: record.because)
                : .failed(Fault(.failed, record.because ?? "it failed", hint: record.hint))
            let session = Session(
                record, phase: .ended(ending), outside: outside, settings: settings, announcements: announcements)
            session.finished.resolve(.success(()))
            session.started.resolve(.failure(Fault(.badState, "the session is over")))
            enter(session, record)
        }
        for record in unfinished {
            await adopt(record, machineRuns: machines.contains { $0.session == record.id.text && $0.isRunning })
        }
        await reap(machines, records)
        reconsiderIdleness()
    }

    private func knownMachines(areNeeded: Bool) async -> [MachineReport] {
        guard await outside.machines.attach() || areNeeded else { return [] }
        do throws(Fault) { return try await outside.machines.list() } catch {
            outside.log.write(.error, "machines-unknown", ["because": error.message])
            return []
        }
    }

    private func adopt(_ record: SessionRecord, machineRuns: Bool) async {
        var relay: (any SessionRelay)?
        if let identity = record.processes["relay"] {
            relay = await outside.relays.adopt(session: record.id, identity: identity)
        }
        let decision = Adoption.decide(state: record.state, machineRuns: machineRuns, relayLives: relay != nil)
        outside.log.write(.info, "adopt", session: record.id, ["decision": "\(decision)"])
        let phase: Lifecycle.Phase =
            switch decision {
            case .resume, .stop: .running
            case .conclude(let ending): .stopping(ending)
            }
        let session = Session(
            record, phase: phase, outside: outside, settings: settings, announcements: announcements)
        enter(session, record)
        await session.adopt(relay: relay, decision)
    }

    /// What belongs to no living session is taken away.
    private func reap(_ machines: [MachineReport], _ records: [SessionRecord]) async {
        let unfinished = Set(records.filter { !$0.state.isEnded }.map(\.id))
        let known = Set(records.map(\.id))
        for machine in machines {
            guard let id = SessionID(machine.session), !unfinished.contains(id) else { continue }
            outside.log.write(.warning, "reap-machine", session: id)
            do throws(Fault) {
                try await outside.machines.destroy(session: id)
                try await outside.machines.forget(session: id)
            } catch { outside.log.write(.error, "reap-failed", session: id, ["because": error.message]) }
        }
        for id in await outside.files.found() where !unfinished.contains(id) {
            await outside.relays.forget(session: id)
            if !known.contains(id) {
                outside.log.write(.warning, "reap-files", session: id)
                await outside.files.remove(id)
            }
        }
    }
}

extension Session {
    /// Goes on where an earlier daemon was.
    func adopt(relay: (any SessionRelay)?, _ decision: Adoption) async {
        self.relay = relay
        made = [.relay]
        for (index, grant) in record.grants.enumerated() {
            let tag = Self.tag(index)
            guard let server = record.processes[Self.shareRole(tag)] else { continue }
            made.append(.share(tag: tag, path: grant.path, server))
            if decision == .resume { watchShare(server, path: grant.path) }
        }
        made.append(.machine)
        switch decision {
        case .resume:
            started.resolve(.success(()))
            if let relay { watchRelay(relay) }
            await note("adopted", "a new daemon took the session over")
        case .stop:
            started.resolve(.success(()))
            if let relay { watchRelay(relay) }
            happen(.stopRequested(force: false))
        case .conclude:
            endAtOnce()
        }
    }
}
