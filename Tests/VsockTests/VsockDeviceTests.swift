import MachineDouble
import System
import Testing
import VhostUser
import Vsock

/// The host's side: takes port 1, keeps what comes, echoes if told to.
private final class Listener: VsockHost {
    var connections: [VsockConnection] = []
    var received: [UInt8] = []
    var ends: [VsockConnection.End] = []
    var fault: VhostUserFault? { device?.fault }
    var reason: String?
    var echoes = false
    weak var device: VsockDevice?

    func accepts(from guest: VsockAddress, to host: VsockAddress) -> Bool { host.port == 1 }
    func opened(_ connection: VsockConnection) { connections.append(connection) }
    func received(_ bytes: [UInt8], on connection: VsockConnection) {
        received += bytes
        if echoes { connection.send(bytes) }
    }
    func sent(on connection: VsockConnection) {}
    func closed(_ connection: VsockConnection, _ end: VsockConnection.End) { ends.append(end) }
    func deviceStopped(because reason: String) { self.reason = reason }
}

private struct Bench {
    let loop: EventLoop
    let listener = Listener()
    let device: VsockDevice
    let hypervisor: DoubleHypervisor
    let driver: DoubleVsockDriver

    init(buffers: Int = 64) throws {
        loop = try EventLoop()
        let pair = try UnixSocket.pair()
        let ends = pair.split()
        let copy = try FileDescriptor.duplicate(ofRaw: ends.first.raw)
        device = try VsockDevice(loop: loop, connection: copy, host: listener)
        listener.device = device
        hypervisor = try DoubleHypervisor(connection: ends.second, loop: loop)
        driver = try DoubleVsockDriver(hypervisor: hypervisor, memory: DoubleMemory(), buffers: buffers)
    }

    /// What the device answers to one packet.
    func answer(_ packet: DoubleVsockDriver.Packet) throws -> [DoubleVsockDriver.Packet] {
        driver.send(packet)
        return try driver.packets()
    }

    /// That a packet is met with silence: what comes is the answer to another one after it.
    func isIgnored(_ packet: DoubleVsockDriver.Packet) throws -> Bool {
        driver.send(packet)
        let answers = try answer(
            DoubleVsockDriver.Packet(request).with {
                $0.sourcePort = 999; $0.destinationPort = 77
            })
        return answers.count == 1 && answers[0].destinationPort == 999
    }
}

extension FileDescriptor {
    fileprivate static func duplicate(ofRaw raw: Int32) throws -> FileDescriptor {
        let borrowed = FileDescriptor(owning: raw)
        let copy = try borrowed.duplicate()
        _ = borrowed.release()
        return copy
    }
}

private typealias Packet = DoubleVsockDriver.Packet
private let request = DoubleVsockDriver.Operation.request
private let response = DoubleVsockDriver.Operation.response
private let reset = DoubleVsockDriver.Operation.reset
private let data = DoubleVsockDriver.Operation.data

/// Bytes in which a lost or moved piece shows.
private func pattern(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count { bytes += Array("\(bytes.count),".utf8) }
    return Array(bytes.prefix(count))
}

@Suite struct VsockDeviceTests {
    @Test func aStreamCarriesBytesBothWays() throws {
        let bench = try Bench()
        bench.listener.echoes = true
        #expect(try bench.driver.connect())
        let connection = try #require(bench.listener.connections.first)
        #expect(connection.guest == VsockAddress(cid: 3, port: 700))
        #expect(connection.host == VsockAddress(cid: 2, port: 1))
        let sent = pattern(1_000_000)
        try bench.driver.write(sent)
        #expect(
            try bench.hypervisor.turn(until: {
                bench.driver.pump()
                return bench.driver.received.count >= sent.count
            }))
        #expect(bench.listener.received == sent)
        #expect(bench.driver.received == sent)
        #expect(bench.listener.fault == nil)
    }

    @Test func whatIsNotTakenIsReset() throws {
        let bench = try Bench()
        #expect(try !bench.driver.connect(to: 2))
        #expect(bench.listener.connections.isEmpty)
        #expect(try bench.driver.connect(to: 1), "the twin: the port that is listened on")
        let answer = try bench.answer(Packet(data, payload: [1]).with { $0.sourcePort = 900 })
        #expect(answer.map(\.operation) == [reset])
        #expect(answer[0].sourcePort == 1 && answer[0].destinationPort == 900)
        #expect(try bench.isIgnored(Packet(reset).with { $0.sourcePort = 900 }), "no reset for a reset")
    }

    @Test func packetsForOthersAreIgnored() throws {
        let bench = try Bench()
        #expect(try bench.isIgnored(Packet(request).with { $0.sourceCID = 4 }))
        #expect(try bench.isIgnored(Packet(request).with { $0.destinationCID = 1 }))
        #expect(try bench.isIgnored(Packet(request).with { $0.destinationCID = .max }))
        #expect(bench.listener.connections.isEmpty)
    }

    @Test func otherSocketTypesAreReset() throws {
        let bench = try Bench()
        let answers = try bench.answer(Packet(request).with { $0.type = 2 })
        #expect(answers.map(\.operation) == [reset])
        #expect(answers[0].type == 2)
        #expect(bench.listener.connections.isEmpty)
    }

    @Test(arguments: [0, 2, 8, 1000, UInt16.max]) func anImpossibleOperationCostsTheConnection(_ operation: UInt16)
        throws
    {
        let bench = try Bench()
        #expect(try bench.driver.connect())
        #expect(try bench.answer(bench.driver.packet(operation)).map(\.operation) == [reset])
        #expect(bench.listener.ends == [.violation("operation \(operation)")])
        #expect(bench.listener.fault == nil)
        #expect(try bench.driver.connect(), "the device goes on")
    }

    @Test func aSecondRequestCostsTheConnection() throws {
        let bench = try Bench()
        #expect(try bench.driver.connect())
        #expect(try bench.answer(bench.driver.packet(request)).map(\.operation) == [reset])
        #expect(bench.listener.ends.count == 1)
    }

    @Test func impossibleCreditCostsTheConnection() throws {
        let bench = try Bench()
        #expect(try bench.driver.connect())
        let update = bench.driver.packet(DoubleVsockDriver.Operation.creditUpdate)
        #expect(try bench.answer(update.with { $0.forwarded = 1 }).map(\.operation) == [reset])
        #expect(bench.listener.ends == [.violation("acknowledged more than was sent")])
    }

    @Test func sendingMoreThanTheWindowCostsTheConnection() throws {
        let bench = try Bench(buffers: 0)
        bench.driver.send(Packet(request))
        #expect(try bench.hypervisor.turn(until: { bench.listener.connections.count == 1 }))
        // Without a receive buffer no credit can come back, so 256 KiB is all the guest may send.
        for _ in 0..<4 { bench.driver.send(Packet(data, payload: [UInt8](repeating: 7, count: 64 << 10))) }
        #expect(try bench.hypervisor.turn(until: { bench.listener.received.count == 256 << 10 }))
        #expect(bench.listener.ends.isEmpty)
        bench.driver.send(Packet(data, payload: [1]))
        #expect(try bench.hypervisor.turn(until: { !bench.listener.ends.isEmpty }))
        #expect(bench.listener.ends == [.violation("sent more than it had room for")])
    }

    @Test func theGuestsWindowIsRespectedAndCountersWrap() throws {
        let bench = try Bench()
        #expect(try bench.driver.connect())
        bench.driver.readsAtOnce = false
        let connection = try #require(bench.listener.connections.first)
        let sent = pattern(300 << 10)
        connection.send(sent)
        bench.device.flush()
        for _ in 0..<200 {
            bench.driver.pump()
            try bench.hypervisor.turn()
        }
        #expect(bench.driver.received.count == 256 << 10, "the window and no more")
        #expect(connection.waitingCount == 44 << 10)
        bench.driver.acknowledge()
        #expect(
            try bench.hypervisor.turn(until: {
                bench.driver.pump()
                return bench.driver.received.count == sent.count
            }))
        #expect(bench.driver.received == sent)
    }

    @Test func aShrunkenWindowStopsTheHost() throws {
        let bench = try Bench()
        #expect(try bench.driver.connect())
        let connection = try #require(bench.listener.connections.first)
        bench.driver.send(bench.driver.packet(DoubleVsockDriver.Operation.creditUpdate).with { $0.allocation = 0 })
        try bench.hypervisor.turn()
        connection.send([1, 2, 3])
        bench.device.flush()
        try bench.hypervisor.turn()
        #expect(connection.waitingCount == 3)
        bench.driver.send(bench.driver.packet(DoubleVsockDriver.Operation.creditUpdate).with { $0.allocation = 2 })
        #expect(
            try bench.hypervisor.turn(until: {
                bench.driver.pump()
                return bench.driver.received == [1, 2]
            }))
    }

    @Test func manySmallPacketsAreBoundedAndAskedFor() throws {
        let bench = try Bench()
        #expect(try bench.driver.connect())
        bench.driver.readsAtOnce = false
        let connection = try #require(bench.listener.connections.first)
        var packets: [Packet] = []
        for number in 0..<200 {
            connection.send([UInt8(truncatingIfNeeded: number)])
            bench.device.flush()
            bench.driver.collect()
            packets += bench.driver.takeInbox()
            try bench.hypervisor.turn()
        }
        #expect(packets.filter { $0.operation == data }.count == 128)
        #expect(packets.contains { $0.operation == DoubleVsockDriver.Operation.creditRequest })
        #expect(connection.waitingCount == 72)
        let update = bench.driver.packet(DoubleVsockDriver.Operation.creditUpdate).with { $0.forwarded = 128 }
        let rest = try bench.answer(update).filter { $0.operation == data }
        #expect(rest.map(\.payload.count) == [72], "what had to wait goes as one")
    }

    @Test func creditRequestsAreAnswered() throws {
        let bench = try Bench()
        #expect(try bench.driver.connect())
        bench.driver.send(bench.driver.packet(data, payload: [1, 2, 3]))
        let answers = try bench.answer(bench.driver.packet(DoubleVsockDriver.Operation.creditRequest))
        #expect(answers.map(\.operation) == [DoubleVsockDriver.Operation.creditUpdate])
        #expect(answers[0].forwarded == 3 && answers[0].allocation == 256 << 10)
    }

    @Test func endsAreTold() throws {
        let bench = try Bench()
        #expect(try bench.driver.connect(from: 701))
        #expect(
            try bench.answer(bench.driver.packet(DoubleVsockDriver.Operation.shutdown).with { $0.flags = 3 })
                .map(\.operation) == [reset])
        #expect(try bench.driver.connect(from: 702))
        bench.driver.send(bench.driver.packet(reset))
        #expect(try bench.hypervisor.turn(until: { bench.listener.ends.count == 2 }))
        #expect(bench.listener.ends == [.byGuest, .byGuest])
        #expect(try bench.driver.connect(from: 703))
        bench.device.reset(bench.listener.connections[2])
        #expect(try bench.driver.packets().map(\.operation) == [reset])
        #expect(bench.listener.ends.count == 2, "the host knows what it did itself")
    }

    @Test func connectionsAreBounded() throws {
        let bench = try Bench()
        for port in 0..<16 as Range<UInt32> { #expect(try bench.driver.connect(from: 100 + port)) }
        #expect(try !bench.driver.connect(from: 200))
        bench.device.reset(bench.listener.connections[0])
        #expect(try bench.driver.packets().map(\.operation) == [reset])
        #expect(try bench.driver.connect(from: 200))
    }

    @Test func streamsSurviveAPauseAndNotAReset() throws {
        let bench = try Bench()
        bench.listener.echoes = true
        #expect(try bench.driver.connect())
        var positions: [UInt16] = []
        for index in 0..<2 {
            try bench.hypervisor.enable(index, false)
            positions.append(UInt16(try #require(try bench.hypervisor.stopRing(index))))
        }
        try bench.hypervisor.startRing(0, bench.driver.receiveRing, base: positions[0])
        try bench.hypervisor.startRing(1, bench.driver.transmitRing, base: positions[1])
        for index in 0..<2 { try bench.hypervisor.enable(index, true) }
        try bench.driver.write([5, 6, 7])
        #expect(
            try bench.hypervisor.turn(until: {
                bench.driver.pump()
                return bench.driver.received == [5, 6, 7]
            }))
        #expect(bench.listener.ends.isEmpty)
        for index in 0..<2 { _ = try bench.hypervisor.stopRing(index) }
        let memory = try DoubleMemory()
        try bench.hypervisor.start([DoubleRing(in: memory), DoubleRing(in: memory)])
        #expect(bench.listener.ends == [.guestReset])
        #expect(bench.listener.fault == nil)
    }

    @Test func aGuestThatNeverLendsBuffersIsNotServed() throws {
        let bench = try Bench(buffers: 0)
        for port in 0..<120 as Range<UInt32> {
            bench.driver.send(
                Packet(request).with {
                    $0.sourcePort = 2000 + port; $0.destinationPort = 9
                })
        }
        for _ in 0..<50 { try bench.hypervisor.turn() }
        #expect(bench.driver.transmitRing.takeUsed().count == 64, "the rest waits in the guest's own ring")
        #expect(bench.listener.fault == nil)
    }
}

/// Rings that no driver makes end the device, by name.
@Suite struct HostileVsockRingTests {
    private func fault(
        _ expected: RingFault, queue: Int, location: SourceLocation = #_sourceLocation,
        _ prepare: (DoubleRing, UInt64) -> Void
    ) throws {
        let loop = try EventLoop()
        let listener = Listener()
        let ends = try UnixSocket.pair().split()
        let device = try VsockDevice(
            loop: loop, connection: FileDescriptor.duplicate(ofRaw: ends.first.raw), host: listener)
        listener.device = device
        let hypervisor = try DoubleHypervisor(connection: ends.second, loop: loop)
        let memory = try DoubleMemory(size: 1 << 20)
        let rings = [DoubleRing(in: memory), DoubleRing(in: memory)]
        let buffer = memory.allocate(8192)
        try hypervisor.introduce()
        try hypervisor.start(rings)
        prepare(rings[queue], buffer)
        if queue == 0 {
            // Something must be on its way for a receive buffer to be looked at.
            memory.write([UInt8](repeating: 0, count: 64), at: buffer + 4096)
            memory.store(UInt64(3), at: buffer + 4096)
            memory.store(UInt64(2), at: buffer + 4104)
            memory.store(UInt16(1), at: buffer + 4124)
            memory.store(UInt16(1), at: buffer + 4126)
            rings[1].describe(0, address: buffer + 4096, length: 44)
            rings[1].offer(0)
        }
        hypervisor.kick(1)
        #expect(try hypervisor.turn(until: { listener.fault != nil }), sourceLocation: location)
        #expect(listener.fault == .ring(expected), sourceLocation: location)
        #expect(listener.reason == "the guest's driver broke its ring: \(expected.rawValue)", sourceLocation: location)
        withExtendedLifetime(device) {}
    }

    @Test func transmitted() throws {
        try fault(.wrongDirection, queue: 1) { ring, buffer in
            ring.describe(0, address: buffer, length: 44, flags: DoubleRing.writable)
            ring.offer(0)
        }
        try fault(.bufferTooSmall, queue: 1) { ring, buffer in
            ring.describe(0, address: buffer, length: 43)
            ring.offer(0)
        }
        try fault(.bufferTooSmall, queue: 1) { ring, buffer in
            ring.memory.store(UInt32(1), at: buffer + 24)
            ring.describe(0, address: buffer, length: 44)
            ring.offer(0)
        }
        try fault(.bufferTooSmall, queue: 1) { ring, buffer in
            ring.memory.store(UInt32.max, at: buffer + 24)
            ring.describe(0, address: buffer, length: 8192)
            ring.offer(0)
        }
        try fault(.availableIndexTooFarAhead, queue: 1) { ring, _ in ring.show(129) }
    }

    @Test func received() throws {
        try fault(.wrongDirection, queue: 0) { ring, buffer in
            ring.describe(0, address: buffer, length: 4096)
            ring.offer(0)
        }
        try fault(.bufferTooSmall, queue: 0) { ring, buffer in
            ring.describe(0, address: buffer, length: 44, flags: DoubleRing.writable)
            ring.offer(0)
        }
        try fault(.bufferOutsideMemory, queue: 0) { ring, _ in
            ring.describe(0, address: 0, length: 4096, flags: DoubleRing.writable)
            ring.offer(0)
        }
    }
}
