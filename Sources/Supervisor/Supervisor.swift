internal import Contract
internal import Core
internal import Varlink
internal import Wire

/// All sessions of this daemon: who may do what with which, and when the daemon itself is no longer needed.
package actor Supervisor {
    let outside: Outside
    let settings: Settings
    let announcements = Announcements()
    private let leave: @Sendable () async -> Void
    private var sessions: [SessionID: Session] = [:]
    /// Names in use, so that two starts at the same time cannot both have one.
    private var names: [Owned: SessionID] = [:]
    private var clients = 0
    private var live: Set<SessionID> = []
    private var idle: Task<Void, Never>?
    private var generator = SystemRandomNumberGenerator()

    private struct Owned: Hashable {
        let owner: UInt32
        let name: SessionName
    }

    /// `leave` is called once when the daemon is no longer needed.
    package init(outside: Outside, settings: Settings, leave: @escaping @Sendable () async -> Void) {
        self.outside = outside
        self.settings = settings
        self.leave = leave
    }

    // MARK: Starting

    /// Makes a session and begins its start; `Session.waitUntilStarted` tells how it went.
    func start(
        _ parameters: DaemonAPI.Start.Parameters, caller: Caller, client: (any ClientConnection)?
    ) async throws(Fault) -> Session {
        let request = try StartRequest(parameters, settings: settings)
        if let name = request.name { try requireFree(name, owner: caller.uid) }
        let grants = try await resolve(request, owner: caller.uid)
        try await requireSpace()
        let image = try await outside.images.resolve(settings.image)
        let process = request.process.map { $0.startingIn(grants.first?.path) }

        let record = SessionRecord(
            id: SessionID(random: &generator), name: try claimName(request.name, owner: caller.uid),
            owner: caller.uid, grants: grants, resources: request.resources, imageID: image.id,
            created: outside.clock.now(), command: process?.arguments ?? [],
            endsWithCommand: process != nil)
        let session = Session(
            record, outside: outside, settings: settings, announcements: announcements)
        enter(session, record)
        do throws(Fault) { try await outside.store.insert(record) } catch {
            forget(session)
            throw error
        }
        await session.note("created", "session \(record.name) was made by user \(caller.uid)")
        await session.begin(BootPlan(image: image, process: process, client: client))
        return session
    }

    private func resolve(_ request: StartRequest, owner: UInt32) async throws(Fault) -> [Grant] {
        var grants: [Grant] = []
        for folder in request.folders {
            let grant = try await outside.shares.resolve(folder, mode: request.mode, owner: owner)
            guard !grants.contains(where: { $0.path == grant.path }) else {
                throw Fault(
                    .usage, "folder \(Display.escaped(grant.path)) is given twice", hint: "name each folder once")
            }
            grants.append(grant)
        }
        return grants
    }

    private func requireSpace() async throws(Fault) {
        let free = await outside.host.freeSpace()
        guard free >= 256 << 20 else {
            throw Fault(
                .noSpace, "only \(ByteSize(bytes: free)) are free where sessions keep their disks",
                hint: "remove ended sessions with `cowork rm`, or make room in the state directory")
        }
    }

    private func claimName(_ given: SessionName?, owner: UInt32) throws(Fault) -> SessionName {
        if let given {
            try requireFree(given, owner: owner)
            return given
        }
        return SessionName.readable(using: &generator) { names[Owned(owner: owner, name: $0)] != nil }
    }

    private func requireFree(_ name: SessionName, owner: UInt32) throws(Fault) {
        guard names[Owned(owner: owner, name: name)] == nil else {
            throw Fault(
                .nameTaken, "there is a session named \(name) already",
                hint: "choose another name, or remove that one with `cowork rm \(name)`")
        }
    }

    func enter(_ session: Session, _ record: SessionRecord) {
        sessions[record.id] = session
        names[Owned(owner: record.owner, name: record.name)] = record.id
        guard !record.state.isEnded else { return }
        live.insert(record.id)
        reconsiderIdleness()
        Task {
            try? await session.finished.value()
            self.live.remove(record.id)
            self.reconsiderIdleness()
        }
    }

    private func forget(_ session: Session) {
        sessions[session.id] = nil
        names[Owned(owner: session.owner, name: session.name)] = nil
        live.remove(session.id)
        reconsiderIdleness()
    }

    // MARK: Finding and ending

    /// A caller's own session by name or id. To anybody else it does not exist.
    func find(_ text: String, caller: Caller) throws(Fault) -> Session {
        if let name = SessionName(text), let id = names[Owned(owner: caller.uid, name: name)],
            let session = sessions[id]
        {
            return session
        }
        if let id = SessionID(text), let session = sessions[id], session.owner == caller.uid { return session }
        throw Fault(
            .notFound, "no such session: \(Display.escaped(text, limit: 80))", hint: "`cowork ps -a` lists yours")
    }

    func sessions(of caller: Caller) -> [Session] { sessions.values.filter { $0.owner == caller.uid } }

    func remove(_ text: String, force: Bool, caller: Caller) async throws(Fault) {
        let session = try find(text, caller: caller)
        let state = await session.record.state
        if !state.isEnded {
            guard force else {
                throw Fault(
                    .badState, "session \(session.name) is \(state.rawValue)",
                    hint: "stop it first, or use `cowork rm --force \(session.name)`")
            }
            await session.stop(force: true)
        }
        try await session.finished.value()
        // Of several removals at once the first does it; from the look to the deed nothing may wait.
        guard sessions[session.id] === session else { return }
        forget(session)
        await outside.files.remove(session.id)
        try await outside.store.remove(session.id)
        outside.log.write(.info, "session-removed", session: session.id)
        announcements.announce()
    }

    /// The hypervisor half's word on machines, for as long as this daemon lives.
    func followMachines() {
        let events = outside.machines.events
        Task {
            for await event in events {
                guard let id = SessionID(event.session), let session = self.sessions[id] else { continue }
                await session.machineEnded(event.end)
            }
        }
    }

    // MARK: Being needed

    package func clientCame() {
        clients += 1
        reconsiderIdleness()
    }

    package func clientLeft() {
        clients -= 1
        reconsiderIdleness()
    }

    /// Whether sessions live that outlast this daemon.
    package func hasLiveSessions() async -> Bool {
        for id in live {
            if let session = sessions[id], await !session.phase.isOver { return true }
        }
        return false
    }

    /// One timer, only while nobody needs the daemon.
    func reconsiderIdleness() {
        let isIdle = settings.endsWhenIdle && clients == 0 && live.isEmpty
        if !isIdle {
            idle?.cancel()
            idle = nil
        } else if idle == nil {
            idle = Task { [outside, settings] in
                await outside.timers.sleep(settings.idleExit)
                guard !Task.isCancelled, self.idle != nil else { return }
                outside.log.write(.info, "idle", ["after": "\(settings.idleExit)"])
                await self.leave()
            }
        }
    }
}
