package import Contract
internal import Core
internal import Varlink

/// The one way from a client's message to a handler: who calls is known, how long it may take is fixed, what came of it
/// is logged.
package struct Dispatcher: Sendable {
    let supervisor: Supervisor
    let outside: Outside
    let settings: Settings
    private let methods: [String: Method]

    /// How a call ended.
    enum Outcome: Sendable {
        /// The last reply, still to be sent.
        case reply([UInt8])
        /// Another process answers on the connection from now on.
        case handedOver
    }

    /// A call on its way to its handler.
    struct Request: Sendable {
        let call: Call
        let client: any ClientConnection
        var caller: Caller { client.caller }

        func parameters<Parameters: Decodable>(_ type: Parameters.Type) throws(CallFailure) -> Parameters {
            do throws(VarlinkError) { return try call.parameters(type) } catch {
                switch error {
                case .invalidParameter(let name): throw .invalidParameter(name)
                case .malformed, .tooLarge: throw .invalidParameter("parameters")
                }
            }
        }
    }

    struct Method: Sendable {
        /// Nil: it takes as long as its client waits, and what it waits for has deadlines of its own.
        let deadline: Duration?
        let handle: @Sendable (Dispatcher, Request) async throws(CallFailure) -> Outcome
    }

    package init(_ supervisor: Supervisor, outside: Outside, settings: Settings) {
        self.supervisor = supervisor
        self.outside = outside
        self.settings = settings
        methods = Self.table
    }

    /// Answers one message of a client. Cancelled when the client goes away.
    package func serve(_ message: [UInt8], from client: any ClientConnection) async {
        guard let call = try? Call(message) else {
            outside.log.write(.info, "garbage", ["uid": "\(client.caller.uid)", "pid": "\(client.caller.pid)"])
            await client.closeAfterCall()
            return
        }
        let begun = outside.clock.now()
        var told = "ok"
        do throws(CallFailure) {
            switch try await perform(Request(call: call, client: client)) {
            case .reply(let text): if !call.oneway { try? await client.send(text) }
            case .handedOver:
                told = "handed-over"
                await client.closeAfterCall()
            }
        } catch {
            told = error.label
            if !call.oneway, let text = try? Reply.encode(error) { try? await client.send(text) }
        }
        outside.log.write(
            .info, "call",
            [
                "method": call.method, "uid": "\(client.caller.uid)", "pid": "\(client.caller.pid)", "outcome": told,
                "ms": "\(outside.clock.now().milliseconds - begun.milliseconds)",
            ])
    }

    private func perform(_ request: Request) async throws(CallFailure) -> Outcome {
        let name = request.call.method
        guard let method = methods[name] else {
            let interface = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? ""
            if interface == DaemonAPI.interface || interface == ServiceAPI.interface { throw .methodNotFound(name) }
            throw .interfaceNotFound(interface)
        }
        guard let deadline = method.deadline else { return try await method.handle(self, request) }
        let result: Result<Outcome, CallFailure>
        do throws(Fault) {
            let late = Fault(.deadline, "\(name) took too long", hint: "see daemon.log in the state directory")
            result = try await outside.timers.within(deadline, else: late) { () async throws(Fault) in
                do throws(CallFailure) { return .success(try await method.handle(self, request)) } catch {
                    return .failure(error)
                }
            }
        } catch { throw .fault(error) }
        return try result.get()
    }

    private static let table: [String: Method] = [
        ServiceAPI.GetInfo.name: simple(ServiceAPI.GetInfo.self) { dispatcher, _, _ in
            ServiceAPI.GetInfo.reply(version: dispatcher.settings.version)
        },
        ServiceAPI.GetInterfaceDescription.name: Method(deadline: .seconds(10)) { _, request throws(CallFailure) in
            let asked = try request.parameters(ServiceAPI.GetInterfaceDescription.Parameters.self)
            guard let reply = ServiceAPI.GetInterfaceDescription.reply(to: asked) else {
                throw .interfaceNotFound(asked.interface)
            }
            do throws(Fault) { return .reply(try encoded(reply)) } catch { throw .fault(error) }
        },
        DaemonAPI.Version.name: simple(DaemonAPI.Version.self) { dispatcher, _, _ in
            DaemonAPI.Version.Reply(version: dispatcher.settings.version, protocol: DaemonAPI.protocolNumber)
        },
        DaemonAPI.List.name: simple(DaemonAPI.List.self) { dispatcher, parameters, caller in
            await dispatcher.list(parameters, caller)
        },
        DaemonAPI.Show.name: simple(DaemonAPI.Show.self) { dispatcher, parameters, caller throws(Fault) in
            try await dispatcher.show(parameters, caller)
        },
        DaemonAPI.Stop.name: simple(
            DaemonAPI.Stop.self, deadline: .seconds(90)
        ) { dispatcher, parameters, caller throws(Fault) in
            try await dispatcher.stop(parameters, caller)
        },
        DaemonAPI.Remove.name: simple(
            DaemonAPI.Remove.self, deadline: .seconds(90)
        ) { dispatcher, parameters, caller throws(Fault) in
            try await dispatcher.supervisor.remove(
                parameters.session, force: parameters.force ?? false, caller: caller)
            return Nothing()
        },
        DaemonAPI.Doctor.name: simple(
            DaemonAPI.Doctor.self, deadline: .seconds(170)
        ) { dispatcher, parameters, _ in
            await dispatcher.doctor(parameters)
        },
        DaemonAPI.Start.name: Method(deadline: nil) { dispatcher, request throws(CallFailure) in
            try await dispatcher.start(request)
        },
        DaemonAPI.Exec.name: Method(deadline: nil) { dispatcher, request throws(CallFailure) in
            try await dispatcher.exec(request)
        },
        DaemonAPI.Logs.name: Method(deadline: nil) { dispatcher, request throws(CallFailure) in
            try await dispatcher.logs(request)
        },
    ]

    /// A method that answers once.
    private static func simple<Described: VarlinkMethod>(
        _: Described.Type, deadline: Duration = .seconds(10),
        _ body: @escaping @Sendable (Dispatcher, Described.Parameters, Caller) async throws(Fault) -> Described.Reply
    ) -> Method {
        Method(deadline: deadline) { dispatcher, request throws(CallFailure) in
            let parameters = try request.parameters(Described.Parameters.self)
            do throws(Fault) {
                return .reply(try encoded(try await body(dispatcher, parameters, request.caller)))
            } catch { throw .fault(error) }
        }
    }

    static func encoded(_ reply: some Encodable, continues: Bool = false) throws(Fault) -> [UInt8] {
        do throws(VarlinkError) { return try Reply.encode(reply, continues: continues) } catch {
            throw Fault(.failed, "the answer cannot be written as JSON")
        }
    }
}

extension CallFailure {
    fileprivate var label: String {
        switch self {
        case .fault(let fault): fault.code.name
        case .methodNotFound: "method-not-found"
        case .interfaceNotFound: "interface-not-found"
        case .invalidParameter: "invalid-parameter"
        case .expectedMore: "expected-more"
        }
    }
}
