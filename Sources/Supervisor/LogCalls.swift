internal import Contract
internal import Core
internal import Varlink

extension Dispatcher {
    /// Events, and the output of the command given to `start`. The client reads as slowly as it likes: nothing is held
    /// for it but one message.
    func logs(_ request: Request) async throws(CallFailure) -> Outcome {
        let parameters = try request.parameters(DaemonAPI.Logs.Parameters.self)
        guard request.call.more else { throw .expectedMore }
        do throws(Fault) {
            if let name = parameters.session {
                let session = try await supervisor.find(name, caller: request.caller)
                try await sendLog(of: session, follow: parameters.follow ?? false, to: request.client)
            } else {
                try await sendEvents(follow: parameters.follow ?? false, to: request.client)
            }
            return .reply(try Self.encoded(DaemonAPI.Logs.Reply(), continues: false))
        } catch { throw .fault(error) }
    }

    private func sendLog(
        of session: Session, follow: Bool, to client: any ClientConnection
    ) async throws(Fault) {
        let changes =
            follow ? merged(supervisor.announcements.stream(), outside.files.outputChanges(of: session.id)) : nil
        defer { changes?.stop() }
        var serial: Int64 = 0
        var place = OutputPlace()
        var turns = changes?.stream.makeAsyncIterator()
        while true {
            // Asked before reading: what comes later than this is read in the next round.
            let isOver = await session.phase.isOver
            serial = try await sendEvents(of: session, after: serial, to: client)
            while let piece = await outside.files.output(of: session.id, after: place) {
                try await send(
                    DaemonAPI.LogEntry(kind: "output", data: Base64.encode(piece.bytes)), session, client)
                place = piece.place
            }
            if isOver || !follow { return }
            guard await turns?.next() != nil else { return }
        }
    }

    private func sendEvents(follow: Bool, to client: any ClientConnection) async throws(Fault) {
        var serials: [SessionID: Int64] = [:]
        for await _ in supervisor.announcements.stream() {
            for session in await supervisor.sessions(of: client.caller) {
                serials[session.id] = try await sendEvents(of: session, after: serials[session.id] ?? 0, to: client)
            }
            if !follow { return }
        }
    }

    private func sendEvents(
        of session: Session, after serial: Int64, to client: any ClientConnection
    ) async throws(Fault) -> Int64 {
        var last = serial
        for event in try await outside.store.events(of: session.id, after: serial) {
            try await send(Views.event(event), session, client)
            last = event.serial
        }
        return last
    }

    private func send(
        _ entry: DaemonAPI.LogEntry, _ session: Session, _ client: any ClientConnection
    ) async throws(Fault) {
        try await client.send(
            try Self.encoded(DaemonAPI.Logs.Reply(session: session.name.text, entry: entry), continues: true))
    }

    private struct Merged {
        let stream: AsyncStream<Void>
        let stop: @Sendable () -> Void
    }

    /// An element when either stream has one.
    private func merged(_ first: AsyncStream<Void>, _ second: AsyncStream<Void>) -> Merged {
        let (stream, end) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let tasks = [first, second].map { source in
            Task { for await _ in source { end.yield() } }
        }
        return Merged(stream: stream) {
            for task in tasks { task.cancel() }
            end.finish()
        }
    }
}
