/// Appends little-endian values to a buffer.
package struct ByteWriter {
    package private(set) var bytes: [UInt8]

    package init(reservingCapacity capacity: Int = 64) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package mutating func append<Value: FixedWidthInteger>(_ value: Value) {
        var rest = Value.Magnitude(truncatingIfNeeded: value)
        for _ in 0..<(Value.bitWidth / 8) {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest = Value.bitWidth > 8 ? rest >> 8 : 0
        }
    }

    package mutating func append(_ flag: Bool) { bytes.append(flag ? 1 : 0) }
    package mutating func append(raw: some Sequence<UInt8>) { bytes.append(contentsOf: raw) }

    /// Length-prefixed.
    package mutating func append(_ text: String) { append(field: Array(text.utf8)) }
    package mutating func append(field: [UInt8]) {
        append(UInt32(clamping: field.count))
        bytes.append(contentsOf: field)
    }
    package mutating func append(_ list: [String]) {
        append(UInt32(clamping: list.count))
        for text in list { append(text) }
    }
}

/// Reads little-endian values of a peer's message; every length is checked before it is believed.
package struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    package init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }
    package init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    package var remaining: Int { bytes.endIndex - position }

    package mutating func integer<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(WireError) -> Value {
        let width = Value.bitWidth / 8
        guard remaining >= width else { throw .truncated }
        var value: Value.Magnitude = 0
        for offset in (0..<width).reversed() {
            value = Value.bitWidth > 8 ? value << 8 : 0
            value |= Value.Magnitude(truncatingIfNeeded: bytes[position + offset])
        }
        position += width
        return Value(truncatingIfNeeded: value)
    }

    package mutating func flag() throws(WireError) -> Bool {
        switch try integer(UInt8.self) {
        case 0: false
        case 1: true
        default: throw .malformed("flag")
        }
    }

    package mutating func raw(_ count: Int) throws(WireError) -> [UInt8] {
        guard count >= 0, remaining >= count else { throw .truncated }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    package mutating func field(limit: Int = Wire.largestPayload) throws(WireError) -> [UInt8] {
        let count = Int(try integer(UInt32.self))
        guard count <= limit else { throw .tooLarge }
        return try raw(count)
    }

    package mutating func text(limit: Int = Wire.largestPayload) throws(WireError) -> String {
        String(decoding: try field(limit: limit), as: UTF8.self)
    }

    package mutating func list(limit: Int = 4096) throws(WireError) -> [String] {
        let count = Int(try integer(UInt32.self))
        guard count <= limit, count <= remaining / 4 else { throw .tooLarge }
        var list: [String] = []
        list.reserveCapacity(count)
        for _ in 0..<count { list.append(try text()) }
        return list
    }

    /// A message ends where its last field ends.
    package func finish() throws(WireError) {
        if remaining != 0 { throw .malformed("trailing bytes") }
    }
}

package enum WireError: Error, Sendable, Equatable {
    case truncated
    case tooLarge
    case unknownKind(UInt8)
    case malformed(String)
}
