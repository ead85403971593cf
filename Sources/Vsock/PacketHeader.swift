/// The 44 bytes before a packet's payload (`struct virtio_vsock_hdr`).
struct PacketHeader: Equatable {
    enum Operation: UInt16 {
        case request = 1
        case response = 2
        case reset = 3
        case shutdown = 4
        case data = 5
        case creditUpdate = 6
        case creditRequest = 7
    }

    static let length = 44
    static let stream: UInt16 = 1

    var sourceCID: UInt64
    var destinationCID: UInt64
    var sourcePort: UInt32
    var destinationPort: UInt32
    var payloadLength: UInt32 = 0
    var type: UInt16 = stream
    /// As it stands on the wire: a guest may put anything here.
    var operation: UInt16
    var flags: UInt32 = 0
    var bufferAllocation: UInt32 = 0
    var forwardedCount: UInt32 = 0

    init(from source: VsockAddress, to destination: VsockAddress, _ operation: Operation) {
        sourceCID = source.cid
        destinationCID = destination.cid
        sourcePort = source.port
        destinationPort = destination.port
        self.operation = operation.rawValue
    }

    /// Nil unless there are exactly 44 bytes.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        func field<Value: FixedWidthInteger & UnsignedInteger>(_ offset: Int) -> Value {
            var value: Value = 0
            for index in (0..<Value.bitWidth / 8).reversed() { value = value << 8 | Value(bytes[offset + index]) }
            return value
        }
        sourceCID = field(0)
        destinationCID = field(8)
        sourcePort = field(16)
        destinationPort = field(20)
        payloadLength = field(24)
        type = field(28)
        operation = field(30)
        flags = field(32)
        bufferAllocation = field(36)
        forwardedCount = field(40)
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.length)
        func append<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) {
            for index in 0..<Value.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: value >> (index * 8))) }
        }
        append(sourceCID)
        append(destinationCID)
        append(sourcePort)
        append(destinationPort)
        append(payloadLength)
        append(type)
        append(operation)
        append(flags)
        append(bufferAllocation)
        append(forwardedCount)
        return bytes
    }
}

package struct VsockAddress: Sendable, Hashable {
    package let cid: UInt64
    package let port: UInt32

    package init(cid: UInt64, port: UInt32) {
        self.cid = cid
        self.port = port
    }
}
