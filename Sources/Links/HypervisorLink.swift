package import Contract
package import Core
package import System

/// Where a connection to the hypervisor half comes from.
package protocol HypervisorSource: Sendable {
    /// To one that lives; nil when there is none.
    func reach() async -> SharedDescriptor?
    /// To one that is started for this.
    func start() async throws(Fault) -> SharedDescriptor
}

/// The hypervisor half as the supervisor sees it. It is started when first needed; if it dies while machines run it is
/// started again, and what happened to them meanwhile is found out.
package actor HypervisorLink: MachineHost {
    package nonisolated let events: AsyncStream<MachineEvent>

    private let happened: AsyncStream<MachineEvent>.Continuation
    private let launcher: any HypervisorSource
    private let io: IOThread
    private let log: @Sendable (String) -> Void
    private var connection: HypervisorConnection?
    private var connecting: Promise<HypervisorConnection>?
    /// Machines whose end was not heard of yet.
    private var running: Set<String> = []
    private var isRecovering = false
    private var isShutDown = false

    package init(launcher: any HypervisorSource, io: IOThread, log: @escaping @Sendable (String) -> Void) {
        self.launcher = launcher
        self.io = io
        self.log = log
        (events, happened) = AsyncStream.makeStream()
    }

    /// To bring back a half that dies as it comes up.
    private static let mostAttempts = 3

    // MARK: Asking

    package func attach() async -> Bool {
        if connection != nil { return true }
        guard let socket = await launcher.reach() else { return false }
        adopt(socket)
        return true
    }

    package func report() async throws(Fault) -> HypervisorReport {
        guard case .report(let report) = try await call(.report, .seconds(30)) else { throw Self.odd }
        return report
    }

    package func probe(image: ImageParts, again: Bool) async throws(Fault) -> AcceleratorReport {
        let result = try await call(.probe(image: image, again: again), .seconds(120))
        guard case .accelerator(let report) = result else { throw Self.odd }
        return report
    }

    package func start(_ specification: MachineSpecification) async throws(Fault) {
        running.insert(specification.session)
        // Nobody's impatience may leave a machine half started: the answer is waited for in any case.
        let started = Task { () async -> Result<Void, Fault> in
            do throws(Fault) {
                _ = try await self.call(.start(specification), .seconds(90))
                return .success(())
            } catch { return .failure(error) }
        }
        let result = await started.value
        if case .failure = result { running.remove(specification.session) }
        try result.get()
    }

    package func destroy(session: SessionID) async throws(Fault) {
        running.remove(session.text)
        _ = try await call(.destroy(session: session.text), .seconds(30))
    }

    package func forget(session: SessionID) async throws(Fault) {
        _ = try await call(.forget(session: session.text), .seconds(60))
    }

    package func list() async throws(Fault) -> [MachineReport] {
        guard case .machines(let found) = try await call(.list, .seconds(30)) else { throw Self.odd }
        running.formUnion(found.filter(\.isRunning).map(\.session))
        return found
    }

    package func shutDown() async {
        isShutDown = true
        guard let connection else { return }
        _ = try? await connection.ask(.quit, .seconds(3))
    }

    /// Asks the half, and once more a new one if it died before it answered: what is asked may be done twice, but for
    /// a start, of which only the caller knows what to do with a half done one.
    private func call(
        _ call: HypervisorRequest.Call, _ limit: Duration
    ) async throws(Fault) -> HypervisorReply.Result {
        let connection = try await connected()
        let result: HypervisorReply.Result
        do throws(Fault) { result = try await connection.ask(call, limit) } catch {
            if case .start = call { throw error }
            guard connection.isGone, !isShutDown, !Task.isCancelled else { throw error }
            if self.connection === connection { self.connection = nil }
            result = try await connected().ask(call, limit)
        }
        if case .fault(let code, let message, let hint) = result { throw Fault(FaultCode(code), message, hint: hint) }
        return result
    }

    private static let odd = Fault(.protocolViolation, "the hypervisor half gave an answer to another question")

    // MARK: Being connected

    /// One connection, however many calls need it at the same time.
    private func connected() async throws(Fault) -> HypervisorConnection {
        if let connection { return connection }
        if let connecting { return try await connecting.value() }
        let promise = Promise<HypervisorConnection>()
        connecting = promise
        Task {
            do throws(Fault) {
                if let socket = await launcher.reach() {
                    self.finish(promise, socket)
                } else {
                    self.finish(promise, try await launcher.start())
                }
            } catch {
                self.connecting = nil
                promise.resolve(.failure(error))
            }
        }
        return try await promise.value()
    }

    private func finish(_ promise: Promise<HypervisorConnection>, _ socket: SharedDescriptor) {
        connecting = nil
        promise.resolve(.success(adopt(socket)))
    }

    @discardableResult
    private func adopt(_ socket: SharedDescriptor) -> HypervisorConnection {
        if let connection { return connection }
        let made = HypervisorConnection(socket: socket, io: io)
        connection = made
        made.open()
        Task {
            for await event in made.events { self.heard(event) }
            await self.lost(made)
        }
        return made
    }

    private func heard(_ event: MachineEvent) {
        running.remove(event.session)
        happened.yield(event)
    }

    /// The half is gone. Machines outlive it: a new one is started to watch them, unless it keeps dying.
    private func lost(_ old: HypervisorConnection) async {
        if connection === old { connection = nil }
        guard !isShutDown else { return }
        log("the hypervisor half is gone; \(running.count) machines were running")
        guard !running.isEmpty, !isRecovering else { return }
        isRecovering = true
        defer { isRecovering = false }
        for attempt in 1... {
            let expected = running
            do throws(Fault) {
                let alive = Set(try await list().filter(\.isRunning).map(\.session))
                for session in expected.subtracting(alive) { missed(session) }
                return
            } catch {
                log("the hypervisor half does not come back: \(error.message)")
                guard attempt == Self.mostAttempts else { continue }
                for session in expected { missed(session) }
                return
            }
        }
    }

    private func missed(_ session: String) {
        guard running.remove(session) != nil else { return }
        happened.yield(MachineEvent(session: session, end: .crashed))
    }
}
