package import Core

/// A reply as it arrived: its frame is decoded, its parameters are not yet.
package struct Reply: Sendable {
    /// More replies to the same call follow.
    package let continues: Bool
    package let error: String?
    private let message: [UInt8]

    package init(_ message: [UInt8]) throws(VarlinkError) {
        let header = try Varlink.decode(Header.self, from: message)
        continues = header.continues ?? false
        error = header.error
        self.message = message
    }

    package func parameters<Parameters: Decodable>(_: Parameters.Type) throws(VarlinkError) -> Parameters {
        if let given = try Varlink.decode(Body<Parameters>.self, from: message).parameters { return given }
        return try Varlink.decode(Parameters.self, from: Array("{}".utf8))
    }

    /// What an error reply tells a person.
    package var fault: Fault? {
        guard let error else { return nil }
        if error == DaemonAPI.faultName, let told = try? parameters(DaemonAPI.FaultParameters.self) {
            return Fault(FaultCode(told.code), told.message, hint: told.hint)
        }
        return Fault(
            .unsupported, "the daemon answered \(Display.escaped(error, limit: 200))",
            hint: "the daemon may be older or newer than this program; `cowork doctor` shows its version")
    }

    /// A reply's text, without the NUL.
    package static func encode(
        _ parameters: some Encodable, continues: Bool = false
    ) throws(VarlinkError) -> [UInt8] {
        try Varlink.encode(Success(parameters: parameters, continues: continues ? true : nil))
    }

    package static func encode(_ failure: CallFailure) throws(VarlinkError) -> [UInt8] {
        switch failure {
        case .fault(let fault):
            let parameters = DaemonAPI.FaultParameters(
                code: fault.code.name, message: fault.message, hint: fault.hint)
            return try Varlink.encode(Failure(error: DaemonAPI.faultName, parameters: parameters))
        case .methodNotFound(let method):
            return try service("MethodNotFound", ["method": method])
        case .interfaceNotFound(let interface):
            return try service("InterfaceNotFound", ["interface": interface])
        case .invalidParameter(let parameter):
            return try service("InvalidParameter", ["parameter": parameter])
        case .expectedMore:
            return try service("ExpectedMore", [:])
        }
    }

    private static func service(_ name: String, _ parameters: [String: String]) throws(VarlinkError) -> [UInt8] {
        try Varlink.encode(Failure(error: "org.varlink.service." + name, parameters: parameters))
    }

    private struct Header: Decodable {
        let continues: Bool?
        let error: String?
    }

    private struct Body<Parameters: Decodable>: Decodable {
        let parameters: Parameters?
    }

    private struct Success<Parameters: Encodable>: Encodable {
        let parameters: Parameters
        let continues: Bool?
    }

    private struct Failure<Parameters: Encodable>: Encodable {
        let error: String
        let parameters: Parameters
    }
}

/// Why a call gets an error reply: a fault of our interface, or one of those every varlink service knows.
package enum CallFailure: Error, Sendable, Equatable {
    case fault(Fault)
    case methodNotFound(String)
    case interfaceNotFound(String)
    case invalidParameter(String)
    /// The method answers more than once and was not called with `more`.
    case expectedMore
}
