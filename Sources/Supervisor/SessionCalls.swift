internal import Contract
internal import Core
internal import Varlink
internal import Wire

extension Dispatcher {
    func list(_ parameters: DaemonAPI.List.Parameters, _ caller: Caller) async -> DaemonAPI.List.Reply {
        var records: [SessionRecord] = []
        for session in await supervisor.sessions(of: caller) { records.append(await session.record) }
        let wanted = records.filter { parameters.all == true || !$0.state.isEnded }
        return DaemonAPI.List.Reply(
            sessions: wanted.sorted { ($0.created, $0.id.text) < ($1.created, $1.id.text) }.map(Views.session))
    }

    func show(
        _ parameters: DaemonAPI.Show.Parameters, _ caller: Caller
    ) async throws(Fault) -> DaemonAPI.Show.Reply {
        let session = try await supervisor.find(parameters.session, caller: caller)
        let guest = await session.guestStatus()
        return DaemonAPI.Show.Reply(session: Views.session(await session.record), guest: guest.map(Views.guest))
    }

    func stop(
        _ parameters: DaemonAPI.Stop.Parameters, _ caller: Caller
    ) async throws(Fault) -> DaemonAPI.Stop.Reply {
        let session = try await supervisor.find(parameters.session, caller: caller)
        await session.stop(force: parameters.force ?? false)
        try await session.finished.value()
        return DaemonAPI.Stop.Reply(session: Views.session(await session.record))
    }

    func start(_ request: Request) async throws(CallFailure) -> Outcome {
        let parameters = try request.parameters(DaemonAPI.Start.Parameters.self)
        let isHandedOver = request.call.upgrade && parameters.process != nil
        guard !request.call.upgrade || parameters.process != nil else {
            throw .fault(Fault(.usage, "there is no command to upgrade to", hint: "give `process`, or no `upgrade`"))
        }
        do throws(Fault) {
            let session = try await supervisor.start(
                parameters, caller: request.caller, client: isHandedOver ? request.client : nil)
            let progress = request.call.more ? follow(session, for: request.client) : nil
            let result: Result<Void, Fault>
            do throws(Fault) { result = .success(try await session.waitUntilStarted()) } catch {
                result = .failure(error)
            }
            // Nothing may follow the last reply.
            progress?.cancel()
            await progress?.value
            try result.get()
            if isHandedOver { return .handedOver }
            return .reply(
                try Self.encoded(DaemonAPI.Start.Reply(session: Views.session(await session.record)), continues: false))
        } catch { throw .fault(error) }
    }

    /// Tells the client each stage; one that does not read misses some.
    private func follow(_ session: Session, for client: any ClientConnection) -> Task<Void, Never> {
        Task {
            for await stage in session.stages {
                let reply = DaemonAPI.Start.Reply(
                    progress: DaemonAPI.Progress(stage: stage.name, text: stage.text))
                guard let text = try? Self.encoded(reply, continues: true), !Task.isCancelled else { return }
                await client.offer(text)
            }
        }
    }

    func exec(_ request: Request) async throws(CallFailure) -> Outcome {
        let parameters = try request.parameters(DaemonAPI.Exec.Parameters.self)
        guard request.call.upgrade || request.call.more else { throw .expectedMore }
        do throws(Fault) {
            let session = try await supervisor.find(parameters.session, caller: request.caller)
            let process = try ProcessRequest.check(parameters.process)
                .startingIn(await session.record.grants.first?.path)
            try await session.requireRunning()
            let input = try Self.input(parameters.stdin, isUpgrade: request.call.upgrade)
            var descriptors: [any PassedDescriptor] = [try await outside.timers.borrow(request.client)]
            if let input { descriptors.append(try await outside.files.anonymous(input)) }
            let run = RelayCommand.Run(
                client: request.call.upgrade ? .frames : .replies, main: false, logged: false, hasInput: input != nil,
                process: process)
            _ = try await session.run(run, descriptors: descriptors)
            return .handedOver
        } catch { throw .fault(error) }
    }

    private static func input(_ text: String?, isUpgrade: Bool) throws(Fault) -> [UInt8]? {
        guard let text else { return nil }
        guard !isUpgrade else {
            throw Fault(.usage, "stdin goes through the upgraded connection", hint: "leave the parameter out")
        }
        guard let bytes = Base64.decode(text) else {
            throw Fault(.usage, "stdin is not base64", hint: "encode it with padding and without line breaks")
        }
        guard bytes.count <= DaemonAPI.Exec.mostInput else {
            throw Fault(
                .tooLarge, "stdin has \(bytes.count) bytes",
                hint: "at most \(DaemonAPI.Exec.mostInput) fit; use an upgraded connection")
        }
        return bytes
    }
}
