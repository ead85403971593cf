/// The requests of the vhost-user protocol that a device here may be sent, by their numbers.
enum Request: UInt32 {
    case getFeatures = 1
    case setFeatures = 2
    case setOwner = 3
    case resetOwner = 4
    case setMemoryTable = 5
    case setRingSize = 8
    case setRingAddress = 9
    case setRingBase = 10
    case getRingBase = 11
    case setRingKick = 12
    case setRingCall = 13
    case setRingError = 14
    case getProtocolFeatures = 15
    case setProtocolFeatures = 16
    case getQueueCount = 17
    case setRingEnable = 18
    case getConfiguration = 24
    case setConfiguration = 25

    /// How many bytes of payload it carries.
    var lengths: ClosedRange<Int> {
        switch self {
        case .getFeatures, .setOwner, .resetOwner, .getProtocolFeatures, .getQueueCount: 0...0
        case .setFeatures, .setProtocolFeatures, .setRingKick, .setRingCall, .setRingError: 8...8
        case .setRingSize, .setRingBase, .getRingBase, .setRingEnable: 8...8
        case .setMemoryTable: 8...(8 + 32 * GuestMemory.mostRegions)
        case .setRingAddress: 40...40
        case .getConfiguration, .setConfiguration: 12...(12 + 256)
        }
    }

    /// How many descriptors may come with it.
    var descriptorCounts: ClosedRange<Int> {
        switch self {
        case .setMemoryTable: 1...GuestMemory.mostRegions
        case .setRingKick, .setRingCall, .setRingError: 0...1
        default: 0...0
        }
    }
}

struct MessageHeader {
    static let length = 12
    static let largestPayload = 512
    private static let versionMask: UInt32 = 3
    private static let version: UInt32 = 1
    private static let isReply: UInt32 = 4
    private static let wantsReply: UInt32 = 8

    let request: UInt32
    let wantsReply: Bool
    let payloadLength: Int

    init(_ bytes: [UInt8]) throws(MessageFault) {
        var fields = Fields(bytes)
        guard let request = fields.next(UInt32.self), let flags = fields.next(UInt32.self),
            let length = fields.next(UInt32.self), fields.isAtEnd
        else { throw .badHeader }
        guard flags & Self.versionMask == Self.version, flags & Self.isReply == 0,
            flags & ~(Self.versionMask | Self.wantsReply) == 0, Int(length) <= Self.largestPayload
        else { throw .badHeader }
        self.request = request
        wantsReply = flags & Self.wantsReply != 0
        payloadLength = Int(length)
    }

    static func reply(to request: Request, _ payload: [UInt8]) -> [UInt8] {
        Fields.bytes(of: request.rawValue) + Fields.bytes(of: version | isReply)
            + Fields.bytes(of: UInt32(clamping: payload.count)) + payload
    }
}

/// Little-endian integers in a row, each checked to be there.
struct Fields {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }
    var rest: ArraySlice<UInt8> { bytes[position...] }

    mutating func next<Value: FixedWidthInteger & UnsignedInteger>(_: Value.Type = Value.self) -> Value? {
        let width = Value.bitWidth / 8
        guard bytes.count - position >= width else { return nil }
        var value: Value = 0
        for offset in (0..<width).reversed() { value = value << 8 | Value(bytes[position + offset]) }
        position += width
        return value
    }

    static func bytes<Value: FixedWidthInteger & UnsignedInteger>(of value: Value) -> [UInt8] {
        (0..<Value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
}
