internal import Contract
internal import Core
internal import Varlink
internal import Wire

/// What a start needs beside the record.
struct BootPlan: Sendable {
    let image: ImageParts
    /// The command given to `start`.
    let process: ProcessSpecification?
    /// The connection that becomes the command's, if it is to be upgraded.
    let client: (any ClientConnection)?
}

extension Session {
    /// Begins the start; `started` tells how it went.
    func begin(_ plan: BootPlan) {
        boot = Task {
            do throws(Fault) {
                try await self.bringUp(plan)
            } catch {
                self.happen(.bootFailed(error))
            }
        }
    }

    /// Waits until the session runs. A caller that goes away meanwhile calls the start off.
    func waitUntilStarted() async throws(Fault) {
        do throws(Fault) { try await started.value() } catch {
            if Task.isCancelled { happen(.clientLost) }
            throw error
        }
    }

    private func bringUp(_ plan: BootPlan) async throws(Fault) {
        let secret = outside.randomBytes(Wire.secretLength)
        let proof = outside.randomBytes(Wire.secretLength)
        let accelerator = try await chooseAccelerator(plan.image)
        try requireWanted()

        announce("machine", "starting the machine")
        try await launchRelay()
        try await settle(secret: secret, proof: proof)
        try requireWanted()
        made.append(.machine)
        try await outside.machines.start(
            MachineSpecification(
                session: id.text, accelerator: accelerator, resources: record.resources, image: plan.image,
                shares: record.grants.indices.map { MachineSpecification.Share(tag: Self.tag($0)) },
                secret: Base64.encode(secret + proof)))
        try requireWanted()

        announce("guest", "waiting for the guest")
        let silence = watchSilence()
        defer { silence.cancel() }
        try await ready.value()
        guard let relay else { throw Lifecycle.fault(for: .relayEnded) }
        try await relay.configure(hostname: record.name.text)

        announce("folders", "mounting \(record.grants.count == 1 ? "the folder" : "\(record.grants.count) folders")")
        // A folder inside another is mounted after it.
        for (index, grant) in record.grants.enumerated().sorted(by: { $0.element.path < $1.element.path }) {
            try await relay.mount(
                Mount(tag: Self.tag(index), path: grant.path, readOnly: grant.mode == .readOnly))
        }
        try requireWanted()
        try await hand(over: plan, relay)
    }

    /// The session runs from here on; then its command, if it has one, gets the connection or the log.
    private func hand(over plan: BootPlan, _ relay: any SessionRelay) async throws(Fault) {
        var descriptors: [any PassedDescriptor] = []
        if plan.process != nil {
            if let client = plan.client { descriptors.append(try await outside.timers.borrow(client)) }
            descriptors.append(try await outside.files.openOutput(of: id))
        }
        try requireWanted()
        record.state = .running
        record.started = outside.clock.now()
        happen(.booted)
        await save()
        await note("running", "the session runs")
        announce("running", "running")
        if let process = plan.process {
            do throws(Fault) {
                let run = RelayCommand.Run(
                    client: plan.client == nil ? .none : .frames, main: true, logged: true,
                    reply: try Views.startReply(record), process: process)
                _ = try await relay.run(run, descriptors: descriptors)
            } catch {
                // A machine that died meanwhile has said so by itself, and better.
                happen(.commandRefused(error))
                started.resolve(.failure(error))
                return
            }
        }
        started.resolve(.success(()))
    }

    private func chooseAccelerator(_ image: ImageParts) async throws(Fault) -> AcceleratorKind {
        let kind: AcceleratorKind
        switch settings.accelerator {
        case .fixed(let fixed): kind = fixed
        case .automatic:
            announce("image", "preparing the virtual machine")
            kind = try await outside.machines.probe(image: image, again: false).kind
        }
        record.accelerator = kind
        return kind
    }

    private func launchRelay() async throws(Fault) {
        made.append(.relay)
        let relay = try await outside.relays.launch(session: id)
        self.relay = relay
        record.processes["relay"] = relay.identity
        await save()
        watchRelay(relay)
    }

    /// The relay learns this boot's secret while the folders' servers start.
    private func settle(secret: [UInt8], proof: [UInt8]) async throws(Fault) {
        guard let relay else { throw Lifecycle.fault(for: .relayEnded) }
        let setUp = Promise<Void>()
        Task {
            do throws(Fault) {
                try await relay.setUp(secret: secret, proof: proof)
                setUp.resolve(.success(()))
            } catch { setUp.resolve(.failure(error)) }
        }
        for (index, grant) in record.grants.enumerated() {
            try requireWanted()
            let tag = Self.tag(index)
            let server = try await outside.shares.launch(grant, tag: tag, session: id, owner: owner)
            made.append(.share(tag: tag, path: grant.path, server))
            record.processes[Self.shareRole(tag)] = server
            await save()
            watchShare(server, path: grant.path)
        }
        try await setUp.value()
    }

    /// A boot that makes no progress for as long as the configuration allows is given up: no step of the handshake and
    /// not one new byte on the console. A slow machine that still says something is left alone.
    private func watchSilence() -> Task<Void, Never> {
        Task { [settings, outside] in
            var seen = (progress: self.progress, console: await self.console())
            while !Task.isCancelled {
                await outside.timers.sleep(settings.bootSilence)
                if Task.isCancelled { return }
                let now = (progress: self.progress, console: await self.console())
                if now == seen {
                    let seconds = settings.bootSilence.components.seconds
                    self.ready.resolve(
                        .failure(
                            Fault(
                                .guestFailed, "the guest said nothing for \(seconds) s while it booted",
                                hint: "`cowork logs \(self.name)` has its console; `cowork doctor` checks this machine")
                        ))
                    return
                }
                seen = now
            }
        }
    }

    private func requireWanted() throws(Fault) {
        guard phase == .starting else { throw Fault(.failed, "the start was called off") }
    }

    /// What the guest printed last, escaped; empty when the relay cannot tell.
    func console() async -> String {
        guard let relay else { return "" }
        let text = try? await outside.timers.within(.seconds(2), else: .cancelled) { () async throws(Fault) in
            try await relay.console()
        }
        return text ?? ""
    }

    static func tag(_ index: Int) -> String { "f\(index)" }
    static func shareRole(_ tag: String) -> String { "share " + tag }
}

extension Timers {
    /// A client's connection for another process. A client that does not read what it was sent is as good as gone.
    func borrow(_ client: any ClientConnection) async throws(Fault) -> any PassedDescriptor {
        try await within(.seconds(10), else: Lifecycle.fault(for: .clientLost)) { () async throws(Fault) in
            try await client.lend()
        }
    }
}
