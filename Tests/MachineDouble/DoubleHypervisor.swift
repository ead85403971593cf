internal import Glibc
package import System

/// The hypervisor's end of a vhost-user connection, for tests: it speaks as QEMU does, and worse if told to.
///
/// It shares its thread with the device under test: whenever it waits it turns the device's loop.
package final class DoubleHypervisor {
    package static let versionOne: UInt64 = 1 << 32
    package static let eventIndex: UInt64 = 1 << 29
    package static let indirect: UInt64 = 1 << 28
    package static let protocolFeatures: UInt64 = 1 << 30
    package static let usual = versionOne | eventIndex | indirect | protocolFeatures

    private var connection: SharedDescriptor?
    private let loop: EventLoop
    package let kicks: [SharedDescriptor]
    package let calls: [SharedDescriptor]

    package init(connection: SharedDescriptor, loop: EventLoop, queues: Int = 2) throws {
        self.connection = connection
        self.loop = loop
        kicks = try (0..<queues).map { _ in SharedDescriptor(try EventCounter.create()) }
        calls = try (0..<queues).map { _ in SharedDescriptor(try EventCounter.create()) }
    }

    /// The hypervisor's process ends.
    package func disconnect() { connection = nil }

    package func turn() throws { try loop.turn(limit: .zero) }

    /// Turns the loop until something holds; false when it does not after many turns.
    package func turn(until condition: () throws -> Bool) throws -> Bool {
        for _ in 0..<10_000 {
            if try condition() { return true }
            try loop.turn(limit: .milliseconds(1))
        }
        return false
    }

    package static func bytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    /// Sends a message without waiting for anything.
    package func send(_ request: UInt32, _ payload: [UInt8] = [], descriptors: [Int32] = [], flags: UInt32 = 1) throws {
        let message = Self.bytes(request) + Self.bytes(flags) + Self.bytes(UInt32(payload.count)) + payload
        try sendRaw(message, descriptors: descriptors)
    }

    package func sendRaw(_ bytes: [UInt8], descriptors: [Int32] = []) throws {
        _ = try UnixSocket.send(bytes, descriptors: descriptors, to: connection?.raw ?? -1)
    }

    /// The payload of the device's answer; nil when it closed the connection instead.
    package func reply() throws -> [UInt8]? {
        var bytes: [UInt8] = []
        for _ in 0..<1000 {
            try turn()
            guard let message = try UnixSocket.receive(from: connection?.raw ?? -1, limit: 4096) else { continue }
            if message.bytes.isEmpty { return nil }
            bytes += message.bytes
            if bytes.count >= 12 { return Array(bytes[12...]) }
        }
        return nil
    }

    package func ask(_ request: UInt32, _ payload: [UInt8] = []) throws -> [UInt8]? {
        try send(request, payload)
        return try reply()
    }

    /// Whether the device has closed the connection.
    package func isClosed() throws -> Bool {
        for _ in 0..<20 {
            try turn()
            if let message = try? UnixSocket.receive(from: connection?.raw ?? -1, limit: 4096) {
                if message.bytes.isEmpty { return true }
            }
        }
        return false
    }

    /// What QEMU sends before the guest's driver is there.
    package func introduce() throws {
        _ = try ask(1)
        _ = try ask(15)
        try send(16, Self.bytes(UInt64(1 << 3 | 1 << 9)))
        try send(3)
        _ = try ask(
            24, Self.bytes(UInt32(0)) + Self.bytes(UInt32(8)) + Self.bytes(UInt32(0)) + [UInt8](repeating: 0, count: 8))
    }

    package func share(_ memory: DoubleMemory) throws {
        let region =
            Self.bytes(DoubleMemory.guestAddress) + Self.bytes(UInt64(memory.size))
            + Self.bytes(DoubleMemory.hypervisorAddress) + Self.bytes(UInt64(0))
        try send(
            5, Self.bytes(UInt32(1)) + Self.bytes(UInt32(0)) + region, descriptors: [memory.descriptor.raw], flags: 9)
        guard try reply() == Self.bytes(UInt64(0)) else { throw SystemError("share", code: EPROTO) }
    }

    private func address(_ guest: UInt64) -> UInt64 {
        guest - DoubleMemory.guestAddress + DoubleMemory.hypervisorAddress
    }

    /// What QEMU sends when the guest's driver starts.
    package func start(_ rings: [DoubleRing], base: UInt16 = 0, features: UInt64 = usual) throws {
        try send(2, Self.bytes(features))
        if let memory = rings.first?.memory { try share(memory) }
        for (index, ring) in rings.enumerated() { try startRing(index, ring, base: base) }
        for index in rings.indices { try enable(index, true) }
        try turn()
    }

    package func startRing(_ index: Int, _ ring: DoubleRing, base: UInt16 = 0) throws {
        try send(8, Self.bytes(UInt32(index)) + Self.bytes(UInt32(ring.size)))
        try send(10, Self.bytes(UInt32(index)) + Self.bytes(UInt32(base)))
        try send(
            9,
            Self.bytes(UInt32(index)) + Self.bytes(UInt32(0)) + Self.bytes(address(ring.descriptors))
                + Self.bytes(address(ring.used)) + Self.bytes(address(ring.available)) + Self.bytes(UInt64(0)))
        try send(13, Self.bytes(UInt64(index)), descriptors: [calls[index].raw])
        try send(12, Self.bytes(UInt64(index)), descriptors: [kicks[index].raw])
        for _ in 0..<12 { try turn() }
    }

    package func enable(_ index: Int, _ on: Bool) throws {
        try send(18, Self.bytes(UInt32(index)) + Self.bytes(UInt32(on ? 1 : 0)))
        for _ in 0..<4 { try turn() }
    }

    /// Stops a ring; where it stood.
    package func stopRing(_ index: Int) throws -> UInt32? {
        guard let reply = try ask(11, Self.bytes(UInt32(index)) + Self.bytes(UInt32(0))), reply.count == 8 else {
            return nil
        }
        return reply[4...].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    package func kick(_ index: Int) { EventCounter.signal(kicks[index].raw) }

    /// Whether the device interrupted the guest for this queue since the last time.
    package func wasInterrupted(_ index: Int) throws -> Bool { try EventCounter.take(calls[index].raw) }
}
