/// A method of a varlink interface: its name and the types of both directions.
package protocol VarlinkMethod: Sendable {
    associatedtype Parameters: Codable & Sendable
    associatedtype Reply: Codable & Sendable
    /// With its interface, such as `dev.cowork.Start`.
    static var name: String { get }
}

/// A call as it arrived: its frame is decoded, its parameters are not yet.
package struct Call: Sendable {
    package let method: String
    package let more: Bool
    package let oneway: Bool
    package let upgrade: Bool
    private let message: [UInt8]

    package init(_ message: [UInt8]) throws(VarlinkError) {
        let header = try Varlink.decode(Header.self, from: message)
        guard (1...256).contains(header.method.utf8.count) else { throw .malformed("method") }
        method = header.method
        more = header.more ?? false
        oneway = header.oneway ?? false
        upgrade = header.upgrade ?? false
        self.message = message
    }

    package func parameters<Parameters: Decodable>(_: Parameters.Type) throws(VarlinkError) -> Parameters {
        if let given = try Varlink.decode(Body<Parameters>.self, from: message).parameters { return given }
        return try Varlink.decode(Parameters.self, from: Array("{}".utf8))
    }

    /// A call's text, without the NUL.
    package static func encode<Method: VarlinkMethod>(
        _: Method.Type, _ parameters: Method.Parameters, more: Bool = false, upgrade: Bool = false
    ) throws(VarlinkError) -> [UInt8] {
        try Varlink.encode(
            Outgoing(
                method: Method.name, parameters: parameters, more: more ? true : nil, upgrade: upgrade ? true : nil))
    }

    private struct Header: Decodable {
        let method: String
        let more, oneway, upgrade: Bool?
    }

    private struct Body<Parameters: Decodable>: Decodable {
        let parameters: Parameters?
    }

    private struct Outgoing<Parameters: Encodable>: Encodable {
        let method: String
        let parameters: Parameters
        let more, upgrade: Bool?
    }
}
