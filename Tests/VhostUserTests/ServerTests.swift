import MachineDouble
import System
import Testing
import VhostUser

/// A device that remembers what it was told.
private final class Recorder: VhostUserDevice {
    let queueCount = 2
    let configuration: [UInt8] = [3, 0, 0, 0, 0, 0, 0, 0]
    let features: UInt64 = 0
    var queues: [Int: Virtqueue] = [:]
    var events: [String] = []
    var fault: VhostUserFault?

    func queueStarted(_ index: Int, _ queue: Virtqueue) {
        queues[index] = queue
        events.append("start \(index)")
    }
    func queueStopped(_ index: Int) {
        queues[index] = nil
        events.append("stop \(index)")
    }
    func queueKicked(_ index: Int) { events.append("kick \(index)") }
    func guestWasReset() { events.append("reset") }
    func stopped(_ fault: VhostUserFault) { self.fault = fault }
}

private struct Bench {
    let loop: EventLoop
    let device = Recorder()
    let server: VhostUserServer
    let hypervisor: DoubleHypervisor

    init() throws {
        loop = try EventLoop()
        let (first, second) = try UnixSocket.pair().split()
        server = try VhostUserServer(
            loop: loop, connection: FileDescriptor(owning: duplicate(first.raw)), device: device)
        hypervisor = try DoubleHypervisor(connection: second, loop: loop)
    }
}

private func duplicate(_ raw: Int32) throws -> Int32 {
    let borrowed = FileDescriptor(owning: raw)
    let copy = try borrowed.duplicate()
    _ = borrowed.release()
    return copy.release()
}

private func bytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] { DoubleHypervisor.bytes(value) }

@Suite struct VhostUserServerTests {
    @Test func startsStopsAndResumesAsQEMUDoes() throws {
        let bench = try Bench()
        let memory = try DoubleMemory(size: 1 << 20)
        let rings = [DoubleRing(in: memory), DoubleRing(in: memory)]
        #expect(try bench.hypervisor.ask(1) == bytes(UInt64(1 << 32 | 1 << 30 | 1 << 29 | 1 << 28)))
        #expect(try bench.hypervisor.ask(15) == bytes(UInt64(1 << 3 | 1 << 9)))
        #expect(try bench.hypervisor.ask(17) == bytes(UInt64(2)))
        try bench.hypervisor.introduce()
        try bench.hypervisor.start(rings)
        #expect(bench.device.events == ["start 0", "start 1"])
        #expect(bench.device.queues[0]?.size == 128)
        rings[1].describe(0, address: memory.allocate(4), length: 4)
        rings[1].offer(0)
        bench.hypervisor.kick(1)
        #expect(try bench.hypervisor.turn(until: { bench.device.events.count == 3 }))
        #expect(bench.device.events.last == "kick 1")
        let queue = try #require(bench.device.queues[1])
        queue.complete(try #require(try queue.next()), written: 0)
        queue.publish()
        #expect(try bench.hypervisor.wasInterrupted(1))

        // A pause: the ring goes on where it stood.
        try bench.hypervisor.enable(0, false)
        try bench.hypervisor.enable(1, false)
        #expect(try bench.hypervisor.stopRing(1) == 1)
        #expect(try bench.hypervisor.stopRing(0) == 0)
        #expect(bench.device.events.suffix(2) == ["stop 0", "stop 1"])
        try bench.hypervisor.startRing(1, rings[1], base: 1)
        try bench.hypervisor.enable(1, true)
        #expect(bench.device.events.last == "start 1")
        #expect(bench.device.queues[1]?.nextAvailable == 1)
        #expect(!bench.device.events.contains("reset"))
        // A guest that started anew: from 0 again.
        #expect(try bench.hypervisor.stopRing(1) == 1)
        try bench.hypervisor.startRing(1, DoubleRing(in: memory), base: 0)
        #expect(bench.device.events.contains("reset"))
        #expect(bench.device.fault == nil)
    }

    @Test func configurationIsReadWithinItsBounds() throws {
        let bench = try Bench()
        let header = bytes(UInt32(0)) + bytes(UInt32(8)) + bytes(UInt32(0))
        let reply = try bench.hypervisor.ask(24, header + [UInt8](repeating: 0, count: 8))
        #expect(reply == header + bench.device.configuration)
        let part = bytes(UInt32(4)) + bytes(UInt32(4)) + bytes(UInt32(0))
        #expect(try bench.hypervisor.ask(24, part + [0, 0, 0, 0]) == part + [0, 0, 0, 0])
    }

    @Test func messagesMayComeInPieces() throws {
        let bench = try Bench()
        for byte in bytes(UInt32(18)) + bytes(UInt32(1)) + bytes(UInt32(8)) + bytes(UInt64(0)) + bytes(UInt32(1)) {
            try bench.hypervisor.sendRaw([byte])
            try bench.hypervisor.turn()
        }
        try bench.hypervisor.sendRaw(bytes(UInt32(1)) + bytes(UInt32(0)))
        #expect(try bench.hypervisor.reply()?.count == 8)
        #expect(bench.device.fault == nil)
    }

    @Test func theHypervisorsEndIsNamed() throws {
        let loop = try EventLoop()
        let device = Recorder()
        var raw: [Int32] = []
        do {
            let (first, _) = try UnixSocket.pair().split()
            raw.append(try duplicate(first.raw))
        }
        let server = try VhostUserServer(loop: loop, connection: FileDescriptor(owning: raw[0]), device: device)
        try loop.turn(limit: .zero)
        #expect(device.fault == .disconnected)
        #expect(server.isStopped)
    }
}

@Suite struct HostileHypervisorTests {
    private func fault(
        _ expected: MessageFault, location: SourceLocation = #_sourceLocation, _ send: (Bench) throws -> Void
    ) throws {
        let bench = try Bench()
        try send(bench)
        #expect(try bench.hypervisor.isClosed(), sourceLocation: location)
        #expect(bench.device.fault == .message(expected), sourceLocation: location)
        #expect(bench.server.isStopped, sourceLocation: location)
    }

    @Test func headers() throws {
        try fault(.badHeader) { try $0.hypervisor.send(1, flags: 2) }
        try fault(.badHeader) { try $0.hypervisor.send(1, flags: 5) }
        try fault(.badHeader) { try $0.hypervisor.send(1, flags: 1 << 31 | 1) }
        try fault(.badHeader) { try $0.hypervisor.sendRaw(bytes(UInt32(1)) + bytes(UInt32(1)) + bytes(UInt32.max)) }
        try fault(.unknownRequest(99)) { try $0.hypervisor.send(99) }
        try fault(.unknownRequest(0)) { try $0.hypervisor.send(0) }
        try fault(.badLength(request: 1)) { try $0.hypervisor.send(1, [0]) }
        try fault(.badLength(request: 2)) { try $0.hypervisor.send(2, [0, 0, 0, 0]) }
        try fault(.badLength(request: 5)) { try $0.hypervisor.send(5, [UInt8](repeating: 0, count: 300)) }
        try fault(.badLength(request: 24)) { try $0.hypervisor.send(24) }
    }

    @Test func descriptors() throws {
        let memory = try DoubleMemory(size: 1 << 20)
        let raw = memory.descriptor.raw
        try fault(.badDescriptorCount(request: 1)) { try $0.hypervisor.send(1, descriptors: [raw]) }
        try fault(.badDescriptorCount(request: 5)) { try $0.hypervisor.send(5, [UInt8](repeating: 0, count: 40)) }
        try fault(.badDescriptorCount(request: 12)) { try $0.hypervisor.send(12, bytes(UInt64(0))) }
        try fault(.badDescriptorCount(request: 12)) {
            try $0.hypervisor.send(12, bytes(UInt64(0x100)), descriptors: [raw])
        }
        try fault(.noKickDescriptor) { try $0.hypervisor.send(12, bytes(UInt64(0x100))) }
        try fault(.ringIndex) { try $0.hypervisor.send(13, bytes(UInt64(2)), descriptors: [raw]) }
        try fault(.ringIndex) { try $0.hypervisor.send(13, bytes(UInt64(1 << 40)), descriptors: [raw]) }
    }

    @Test func features() throws {
        try fault(.featuresNotOffered) { try $0.hypervisor.send(2, bytes(UInt64(1 << 35))) }
        try fault(.featuresNotOffered) { try $0.hypervisor.send(16, bytes(UInt64(1))) }
        try fault(.driverTooOld) {
            let memory = try DoubleMemory(size: 1 << 20)
            try $0.hypervisor.introduce()
            // The device hangs up in the middle of it.
            _ = try? $0.hypervisor.start([DoubleRing(in: memory)], features: 1 << 30)
        }
    }

    @Test func rings() throws {
        func pair(_ index: UInt32, _ value: UInt32) -> [UInt8] { bytes(index) + bytes(value) }
        try fault(.ringIndex) { try $0.hypervisor.send(8, pair(2, 128)) }
        try fault(.ringIndex) { try $0.hypervisor.send(11, pair(.max, 0)) }
        try fault(.ringIndex) { try $0.hypervisor.send(18, pair(7, 1)) }
        try fault(.ringSize) { try $0.hypervisor.send(8, pair(0, 0)) }
        try fault(.ringSize) { try $0.hypervisor.send(8, pair(0, 100)) }
        try fault(.ringSize) { try $0.hypervisor.send(8, pair(0, 2048)) }
        try fault(.ringSize) { try $0.hypervisor.send(10, pair(0, 70_000)) }
        try fault(.noMemory) {
            let memory = try DoubleMemory(size: 1 << 20)
            try $0.hypervisor.send(2, bytes(DoubleHypervisor.usual))
            try $0.hypervisor.startRing(0, DoubleRing(in: memory))
        }
        for (descriptors, available, used) in [
            (UInt64(0), UInt64(0), UInt64(0)),
            (DoubleMemory.hypervisorAddress, DoubleMemory.hypervisorAddress + (1 << 20) - 100, 0),
            (.max, .max, .max), (DoubleMemory.hypervisorAddress + 8, DoubleMemory.hypervisorAddress, 0),
        ] {
            try fault(.ringAddress) {
                let memory = try DoubleMemory(size: 1 << 20)
                let ring = DoubleRing(in: memory)
                try $0.hypervisor.introduce()
                try $0.hypervisor.send(2, bytes(DoubleHypervisor.usual))
                try $0.hypervisor.share(memory)
                try $0.hypervisor.send(8, pair(0, 128))
                try $0.hypervisor.send(
                    9, pair(0, 0) + bytes(descriptors) + bytes(used) + bytes(available) + bytes(UInt64(0)))
                try $0.hypervisor.send(12, bytes(UInt64(0)), descriptors: [$0.hypervisor.kicks[0].raw])
                _ = ring
            }
        }
        try fault(.ringWhileRunning) {
            let memory = try DoubleMemory(size: 1 << 20)
            let ring = DoubleRing(in: memory)
            try $0.hypervisor.introduce()
            try $0.hypervisor.start([ring])
            try $0.hypervisor.send(8, pair(0, 64))
        }
    }

    @Test func configuration() throws {
        func ask(_ offset: UInt32, _ size: UInt32, _ count: Int) -> [UInt8] {
            bytes(offset) + bytes(size) + bytes(UInt32(0)) + [UInt8](repeating: 0, count: count)
        }
        try fault(.configurationBounds) { try $0.hypervisor.send(24, ask(0, 9, 9)) }
        try fault(.configurationBounds) { try $0.hypervisor.send(24, ask(8, 1, 1)) }
        try fault(.configurationBounds) { try $0.hypervisor.send(24, ask(.max, 1, 1)) }
        try fault(.configurationBounds) { try $0.hypervisor.send(24, ask(0, 8, 4)) }
    }

    @Test func memoryTables() throws {
        let memory = try DoubleMemory(size: 1 << 20)
        func table(_ regions: [[UInt64]]) -> [UInt8] {
            bytes(UInt32(regions.count)) + bytes(UInt32(0)) + regions.joined().flatMap { bytes($0) }
        }
        func check(_ expected: MessageFault, _ regions: [[UInt64]], location: SourceLocation = #_sourceLocation) throws
        {
            try fault(expected, location: location) {
                try $0.hypervisor.send(
                    5, table(regions), descriptors: regions.map { _ in memory.descriptor.raw })
            }
        }
        let size: UInt64 = 1 << 20
        try check(.regionBounds, [[0, 0, 0, 0]])
        try check(.regionBounds, [[.max, size, 0, 0]])
        try check(.regionBounds, [[0, .max, 0, 0]])
        try check(.regionBounds, [[0, 4096, 0, 100]])
        try check(.regionLargerThanFile, [[0, size + 1, 0, 0]])
        try check(.regionLargerThanFile, [[0, size, 0, 4096]])
        try check(.regionLargerThanFile, [[0, 4096, 0, 1 << 40]])
        try check(.regionsOverlap, [[0, 8192, 0, 0], [4096, 4096, 1 << 30, 0]])
        try check(.regionsOverlap, [[0, 8192, 0, 0], [1 << 30, 4096, 4096, 0]])
        try fault(.regionCount) {
            try $0.hypervisor.send(
                5, bytes(UInt64(2)) + table([[0, 4096, 0, 0]])[8...], descriptors: [memory.descriptor.raw])
        }
        // The twin: two regions side by side.
        let bench = try Bench()
        try bench.hypervisor.send(
            5, table([[0, 8192, 0, 0], [8192, 4096, 8192, 8192]]),
            descriptors: [memory.descriptor.raw, memory.descriptor.raw])
        #expect(try !bench.hypervisor.isClosed())
        #expect(bench.device.fault == nil)
    }

    @Test func memoryThatMayShrinkIsRefused() throws {
        let file = try Files.open("/tmp", 0o20200002, mode: 0o600)  // O_TMPFILE | O_RDWR
        try Files.writeAll([UInt8](repeating: 0, count: 8192), to: file.raw)
        let raw = file.raw
        try fault(.memoryMayShrink) {
            try $0.hypervisor.send(
                5, bytes(UInt64(1)) + bytes(UInt64(0)) + bytes(UInt64(4096)) + bytes(UInt64(0)) + bytes(UInt64(0)),
                descriptors: [raw])
        }
    }
}
