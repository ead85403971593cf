package import Contract
package import Core
internal import System

/// The hypervisor half as the supervisor sees it. It is started when first needed; if it dies while machines run it is
/// started again, and what happened to them meanwhile is found out.
package actor HypervisorLink: MachineHost {
    package nonisolated let events: AsyncStream<MachineEvent>

    private let happened: AsyncStream<MachineEvent>.Continuation
    private let launcher: HypervisorLauncher
    private let io: IOThread
    private let log: @Sendable (String) -> Void
    private var connection: HypervisorConnection?
    private var connecting: Promise<HypervisorConnection>?
    /// Machines whose end was not heard of yet.
    private var running: Set<String> = []
    private var failuresInARow = 0
    private var isShutDown = false

    package init(launcher: HypervisorLauncher, io: IOThread, log: @escaping @Sendable (String) -> Void) {
        self.launcher = launcher
        self.io = io
        self.log = log
        (events, happened) = AsyncStream.makeStream()
    }

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

    private func call(
        _ call: HypervisorRequest.Call, _ limit: Duration
    ) async throws(Fault) -> HypervisorReply.Result {
        let result = try await connected().ask(call, limit)
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
        failuresInARow = 0
        happened.yield(event)
    }

    /// The half is gone. Machines outlive it: a new one is started to watch them, unless it keeps dying.
    private func lost(_ old: HypervisorConnection) async {
        guard connection === old else { return }
        connection = nil
        guard !isShutDown else { return }
        log("the hypervisor half is gone; \(running.count) machines were running")
        guard !running.isEmpty else { return }
        failuresInARow += 1
        let expected = running
        do throws(Fault) {
            guard failuresInARow <= 3 else { throw Fault(.hostFailed, "it ended \(failuresInARow) times in a row") }
            let alive = Set(try await list().filter(\.isRunning).map(\.session))
            for session in expected.subtracting(alive) { missed(session) }
        } catch {
            log("the hypervisor half does not come back: \(error.message)")
            for session in expected { missed(session) }
        }
    }

    private func missed(_ session: String) {
        guard running.remove(session) != nil else { return }
        happened.yield(MachineEvent(session: session, end: .crashed))
    }
}
