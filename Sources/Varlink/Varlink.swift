internal import FoundationEssentials

package enum Varlink {
    /// `Exec` carries at most 1 MiB of standard input as base64; nothing else comes near this.
    package static let largestMessage = 1_572_864

    /// One JSON text without its NUL. Keys are sorted so that equal values give equal bytes.
    package static func encode(_ value: some Encodable) throws(VarlinkError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return [UInt8](try encoder.encode(value)) } catch { throw .malformed("\(error)") }
    }

    package static func decode<Value: Decodable>(_: Value.Type, from text: [UInt8]) throws(VarlinkError) -> Value {
        do { return try JSONDecoder().decode(Value.self, from: Data(text)) } catch let error as DecodingError {
            throw error.path.map { .invalidParameter($0) } ?? .malformed("not the expected JSON")
        } catch { throw .malformed("not JSON") }
    }
}

/// A message that cannot be what it should be.
package enum VarlinkError: Error, Sendable, Equatable {
    case tooLarge
    case malformed(String)
    /// JSON, but this field is missing or of another type.
    case invalidParameter(String)
}

/// Bytes inside JSON.
package enum Base64 {
    package static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
    package static func decode(_ text: String) -> [UInt8]? { Data(base64Encoded: text).map { [UInt8]($0) } }
}

/// A type without fields, as parameters or as a reply.
package struct Nothing: Sendable, Codable, Equatable {
    package init() {}
}

extension DecodingError {
    /// The last named field on the way to the failure; nil when the text is no JSON at all.
    fileprivate var path: String? {
        let (keys, missing): ([any CodingKey], (any CodingKey)?) =
            switch self {
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
                (context.codingPath, nil)
            case .keyNotFound(let key, let context): (context.codingPath, key)
            @unknown default: ([], nil)
            }
        let names = (keys + (missing.map { [$0] } ?? [])).filter { $0.intValue == nil }.map(\.stringValue)
        return names.last { $0 != "parameters" }
    }
}
