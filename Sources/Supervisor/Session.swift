package import Contract
package import Core
package import Wire

/// One session: it owns what was made for it, executes what `Lifecycle` decides, and takes everything back at its end.
///
/// `SessionBoot.swift` brings it up, `SessionEnd.swift` takes it down.
package actor Session {
    package nonisolated let id: SessionID
    package nonisolated let name: SessionName
    package nonisolated let owner: UInt32
    package internal(set) var record: SessionRecord
    var phase: Lifecycle.Phase
    let outside: Outside
    let settings: Settings
    let announcements: Announcements

    /// What exists for this session, in the order it was made.
    enum Made: Sendable, Equatable {
        case relay
        case share(tag: String, path: String, ProcessIdentity)
        case machine
    }
    var made: [Made] = []
    var relay: (any SessionRelay)?
    var boot: Task<Void, Never>?
    var ending: Task<Void, Never>?
    /// Tasks that wait for something to happen to a part of this session.
    var watches: [Task<Void, Never>] = []
    /// Counted so that a silent boot is told from a slow one.
    var progress = 0

    /// The guest runs commands, or never will.
    let ready = Promise<Void>()
    /// The machine ended by itself; or nobody waits for that any more (nil).
    let machineEnd = Promise<MachineEnd?>()
    /// The session runs, or will not.
    let started = Promise<Void>()
    /// Everything is taken down.
    let finished = Promise<Void>()

    let (stages, stageEnd): (AsyncStream<Stage>, AsyncStream<Stage>.Continuation)

    /// A step of a start, for who waits for it.
    package struct Stage: Sendable, Equatable {
        package let name, text: String
    }

    init(
        _ record: SessionRecord, phase: Lifecycle.Phase = .starting, outside: Outside, settings: Settings,
        announcements: Announcements
    ) {
        id = record.id
        name = record.name
        owner = record.owner
        self.record = record
        self.phase = phase
        self.outside = outside
        self.settings = settings
        self.announcements = announcements
        (stages, stageEnd) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(8))
    }

    // MARK: What happens to it

    func happen(_ happening: Lifecycle.Happening) {
        let before = phase
        let next = Lifecycle.step(before, happening, endsWithCommand: record.endsWithCommand)
        phase = next.phase
        if phase != before {
            outside.log.write(.info, "phase", session: id, ["phase": phase.name, "was": before.name])
        }
        switch next.action {
        case .nothing: break
        case .awaitMachineEnd: awaitMachineEnd()
        case .powerOff: endGracefully()
        case .takeDown: endAtOnce()
        case .hurry: machineEnd.resolve(.success(nil))
        }
    }

    /// The hypervisor half says that the machine ended.
    package func machineEnded(_ end: MachineEnd) async {
        machineEnd.resolve(.success(end))
        happen(.machineEnded(end))
    }

    package func stop(force: Bool) async {
        happen(.stopRequested(force: force))
    }

    /// The guest went silent; its machine usually ends within a second or two and says why.
    private func awaitMachineEnd() {
        ready.resolve(.failure(Fault(.guestFailed, "the guest is gone")))
        watches.append(
            Task { [machineEnd, outside] in
                _ = try? await outside.timers.within(.seconds(3), else: .cancelled) { () async throws(Fault) in
                    try await machineEnd.value()
                }
                guard !Task.isCancelled else { return }
                self.happen(.guestStayedAway)
            })
    }

    func watchRelay(_ relay: any SessionRelay) {
        watches.append(
            Task {
                for await event in relay.events { await self.heard(event) }
                if !Task.isCancelled { self.happen(.relayEnded) }
            })
    }

    private func heard(_ event: RelayEvent) async {
        switch event {
        case .phase(.ready, _, _):
            progress += 1
            ready.resolve(.success(()))
        case .phase(.failed, _, let text):
            happen(.guestLost(Display.escaped(text, limit: 500)))
        case .phase:
            progress += 1
        case .mainEnded(let exited):
            if record.exitStatus == nil {
                record.exitStatus = exited.status
                await save()
                await note("command", "the command ended with exit status \(exited.status)")
            }
            happen(.commandEnded)
        case .mainLost(let text):
            happen(.commandLost("its command was cut off: " + Display.escaped(text, limit: 500)))
        case .done, .refused, .status, .console, .started: break
        }
    }

    func watchShare(_ identity: ProcessIdentity, path: String) {
        watches.append(
            Task { [outside] in
                await outside.processes.waitForEnd(of: identity)
                if !Task.isCancelled { self.happen(.shareEnded(path)) }
            })
    }

    // MARK: What is kept of it

    /// Writes the record down. A store that cannot be written ends no session: it is said in the log, and a later
    /// daemon reconciles.
    func save() async {
        do throws(Fault) { try await outside.store.update(record) } catch {
            outside.log.write(.error, "store-failed", session: id, ["because": error.message])
        }
        announcements.announce()
    }

    func note(_ kind: String, _ text: String) async {
        let event = SessionEvent(serial: 0, at: outside.clock.now(), kind: kind, text: text)
        do throws(Fault) { try await outside.store.append(event, to: id) } catch {
            outside.log.write(.error, "store-failed", session: id, ["because": error.message])
        }
        announcements.announce()
    }

    func announce(_ stage: String, _ text: String) {
        outside.log.write(.info, "stage", session: id, ["stage": stage])
        stageEnd.yield(Stage(name: stage, text: text))
    }

    // MARK: What it is asked

    package func guestStatus() async -> GuestStatus? {
        guard phase == .running, let relay else { return nil }
        return try? await outside.timers.within(.seconds(3), else: .cancelled) { () async throws(Fault) in
            try await relay.status()
        }
    }

    /// Runs a program. Descriptors as `RelayCommand.run` says.
    package func run(
        _ run: RelayCommand.Run, descriptors: [any PassedDescriptor]
    ) async throws(Fault) -> UInt32 {
        guard phase == .running, let relay else { throw notRunning }
        return try await relay.run(run, descriptors: descriptors)
    }

    package func requireRunning() throws(Fault) {
        guard phase == .running else { throw notRunning }
    }

    private var notRunning: Fault {
        let because = record.because.map { ": " + $0 } ?? ""
        return Fault(
            .badState, "session \(name) is \(record.state.rawValue)\(because)",
            hint: record.state == .starting ? "wait until it runs" : "start a session with `cowork start`")
    }
}
