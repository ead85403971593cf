/// A guest's vsock driver, for tests: lends receive buffers, sends packets, keeps what came.
package final class DoubleVsockDriver {
    package enum Operation {
        package static let request: UInt16 = 1
        package static let response: UInt16 = 2
        package static let reset: UInt16 = 3
        package static let shutdown: UInt16 = 4
        package static let data: UInt16 = 5
        package static let creditUpdate: UInt16 = 6
        package static let creditRequest: UInt16 = 7
    }

    package struct Packet: Equatable {
        package var sourceCID: UInt64 = 3
        package var destinationCID: UInt64 = 2
        package var sourcePort: UInt32 = 700
        package var destinationPort: UInt32 = 1
        package var length: UInt32?
        package var type: UInt16 = 1
        package var operation: UInt16
        package var flags: UInt32 = 0
        package var allocation: UInt32 = 256 << 10
        package var forwarded: UInt32 = 0
        package var payload: [UInt8] = []

        package init(_ operation: UInt16, payload: [UInt8] = []) {
            self.operation = operation
            self.payload = payload
        }

        package func with(_ change: (inout Packet) -> Void) -> Packet {
            var copy = self
            change(&copy)
            return copy
        }

        var encoded: [UInt8] {
            var bytes: [UInt8] = []
            func add<Value: FixedWidthInteger>(_ value: Value) { bytes += DoubleHypervisor.bytes(value) }
            add(sourceCID)
            add(destinationCID)
            add(sourcePort)
            add(destinationPort)
            add(length ?? UInt32(payload.count))
            add(type)
            add(operation)
            add(flags)
            add(allocation)
            add(forwarded)
            return bytes + payload
        }

        init(_ bytes: [UInt8]) {
            func field<Value: FixedWidthInteger>(_ offset: Int, _: Value.Type = Value.self) -> Value {
                bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self)) }
            }
            sourceCID = field(0)
            destinationCID = field(8)
            sourcePort = field(16)
            destinationPort = field(20)
            length = field(24)
            type = field(28)
            operation = field(30)
            flags = field(32)
            allocation = field(36)
            forwarded = field(40)
            payload = Array(bytes[44...])
        }
    }

    package let hypervisor: DoubleHypervisor
    package private(set) var receiveRing: DoubleRing
    package private(set) var transmitRing: DoubleRing
    private let memory: DoubleMemory
    private let bufferSize: Int
    private var receiveBuffers: [UInt64] = []
    private var transmitBuffers: [UInt64] = []
    private var nextTransmit: UInt16 = 0
    /// Packets from the host that no helper below has taken.
    package private(set) var inbox: [Packet] = []

    /// A stream as the guest's kernel would keep it.
    package var received: [UInt8] = []
    private var forwarded: UInt32 = 0
    private var hostAllocation: UInt32 = 0
    private var hostForwarded: UInt32 = 0
    private var sentCount: UInt32 = 0
    package var sourcePort: UInt32 = 700
    /// What the program in the guest has not read yet is not acknowledged.
    package var readsAtOnce = true

    package init(
        hypervisor: DoubleHypervisor, memory: DoubleMemory, buffers: Int = 64, bufferSize: Int = 4096
    ) throws {
        self.hypervisor = hypervisor
        self.memory = memory
        self.bufferSize = bufferSize
        receiveRing = DoubleRing(in: memory)
        transmitRing = DoubleRing(in: memory)
        for index in 0..<128 {
            transmitBuffers.append(memory.allocate(44 + (64 << 10)))
            receiveBuffers.append(index < buffers ? memory.allocate(bufferSize) : 0)
        }
        try hypervisor.introduce()
        try hypervisor.start([receiveRing, transmitRing])
        for index in 0..<buffers { lend(UInt16(index)) }
        hypervisor.kick(0)
        try hypervisor.turn()
    }

    private func lend(_ index: UInt16) {
        receiveRing.describe(
            index, address: receiveBuffers[Int(index)], length: UInt32(bufferSize), flags: DoubleRing.writable)
        receiveRing.offer(index)
    }

    /// Sends one packet as it is.
    package func send(_ packet: Packet) {
        let index = nextTransmit
        nextTransmit = (nextTransmit + 1) % transmitRing.size
        let bytes = packet.encoded
        memory.write(bytes, at: transmitBuffers[Int(index)])
        transmitRing.describe(index, address: transmitBuffers[Int(index)], length: UInt32(bytes.count))
        transmitRing.offer(index)
        hypervisor.kick(1)
    }

    /// Collects what the device put into the receive ring, and lends the buffers again unless told not to.
    package func collect(lendAgain: Bool = true) {
        let used = receiveRing.takeUsed()
        for element in used {
            let packet = Packet(memory.read(at: receiveBuffers[Int(element.head)], count: Int(element.length)))
            inbox.append(packet)
            if lendAgain { lend(UInt16(element.head)) }
        }
        if lendAgain && !used.isEmpty { hypervisor.kick(0) }
    }

    package func takeInbox() -> [Packet] {
        defer { inbox = [] }
        return inbox
    }

    /// Turns until the host sent something, and takes it.
    package func packets(lendAgain: Bool = true) throws -> [Packet] {
        _ = try hypervisor.turn(until: {
            collect(lendAgain: lendAgain)
            return !inbox.isEmpty
        })
        return takeInbox()
    }

    // MARK: A well-behaved stream

    /// Connects to a host port; false when it is reset.
    package func connect(to port: UInt32 = 1, from source: UInt32 = 700) throws -> Bool {
        sourcePort = source
        received = []
        forwarded = 0
        hostForwarded = 0
        sentCount = 0
        send(packet(Operation.request, to: port))
        _ = try hypervisor.turn(until: {
            collect()
            return inbox.contains { $0.operation == Operation.response || $0.operation == Operation.reset }
        })
        let answer = takeInbox().first { $0.operation == Operation.response || $0.operation == Operation.reset }
        if let answer { note(answer) }
        return answer?.operation == Operation.response
    }

    package func packet(_ operation: UInt16, payload: [UInt8] = [], to port: UInt32 = 1) -> Packet {
        Packet(operation, payload: payload).with {
            $0.sourcePort = sourcePort
            $0.destinationPort = port
            $0.forwarded = forwarded
        }
    }

    private func note(_ packet: Packet) {
        hostAllocation = packet.allocation
        hostForwarded = packet.forwarded
        if packet.operation == Operation.data {
            received += packet.payload
            if readsAtOnce { forwarded &+= UInt32(packet.payload.count) }
        }
        if packet.operation == Operation.creditRequest { send(self.packet(Operation.creditUpdate)) }
    }

    /// The program reads what came.
    package func acknowledge() {
        forwarded = UInt32(truncatingIfNeeded: received.count)
        send(packet(Operation.creditUpdate))
    }

    /// Sends bytes as the host's window allows, turning the loop meanwhile.
    package func write(_ bytes: [UInt8], chunk: Int = 64 << 10) throws {
        var rest = bytes[...]
        _ = try hypervisor.turn(until: {
            while !rest.isEmpty {
                let room = Int(hostAllocation &- (sentCount &- hostForwarded))
                let inFlight = transmitRing.availableIndex &- memory.load(UInt16.self, at: transmitRing.used + 2)
                let count = min(room, rest.count, chunk)
                if count <= 0 || inFlight >= transmitRing.size { break }
                send(packet(Operation.data, payload: Array(rest.prefix(count))))
                sentCount &+= UInt32(count)
                rest = rest.dropFirst(count)
            }
            pump()
            return rest.isEmpty
        })
    }

    /// Takes what came into the stream; true when the host has reset it.
    @discardableResult
    package func pump() -> Bool {
        collect()
        var wasReset = false
        let before = forwarded
        for packet in takeInbox() {
            note(packet)
            if packet.operation == Operation.reset { wasReset = true }
        }
        if forwarded != before { send(packet(Operation.creditUpdate)) }
        return wasReset
    }
}
