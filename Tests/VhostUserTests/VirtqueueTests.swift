import MachineDouble
import System
import Testing
import VhostUser

/// A ring of the guest's and the device's half of it, without a hypervisor between.
private final class Pair {
    let memory: DoubleMemory
    let driver: DoubleRing
    let queue: Virtqueue
    let mapped: GuestMemory

    init(size: UInt16 = 8, indirect: Bool = true, eventIndex: Bool = false, base: UInt16 = 0) throws {
        memory = try DoubleMemory(size: 1 << 20)
        driver = DoubleRing(in: memory, size: size, startingAt: base)
        mapped = try GuestMemory(
            [
                GuestMemory.Region(
                    guestAddress: DoubleMemory.guestAddress, size: UInt64(memory.size),
                    hypervisorAddress: DoubleMemory.hypervisorAddress, offset: 0)
            ], from: [SharedDescriptor(try memory.descriptor.duplicate())])
        let counter = Counter()
        func address(_ guest: UInt64) -> UInt64 { guest - DoubleMemory.guestAddress + DoubleMemory.hypervisorAddress }
        queue = try Virtqueue(
            size: size,
            at: Virtqueue.Addresses(
                descriptors: address(driver.descriptors), available: address(driver.available),
                used: address(driver.used)),
            base: base, options: Virtqueue.Options(indirect: indirect, eventIndex: eventIndex), memory: mapped,
            interrupt: { counter.value += 1 })
        self.counter = counter
    }

    private final class Counter { var value = 0 }
    private let counter: Counter
    var interruptCount: Int { counter.value }
}

@Suite struct VirtqueueTests {
    @Test func anEmptyRingHasNothing() throws {
        #expect(try Pair().queue.next() == nil)
    }

    @Test func aChainIsReadAndWrittenAcrossItsPieces() throws {
        let pair = try Pair()
        let address = pair.memory.allocate(256)
        pair.memory.write(Array(1...8), at: address)
        pair.driver.describe(0, address: address, length: 3, flags: DoubleRing.hasNext, next: 5)
        pair.driver.describe(5, address: address + 3, length: 5, flags: DoubleRing.hasNext, next: 2)
        pair.driver.describe(
            2, address: address + 100, length: 2, flags: DoubleRing.hasNext | DoubleRing.writable, next: 3)
        pair.driver.describe(3, address: address + 200, length: 4, flags: DoubleRing.writable)
        pair.driver.offer(0)
        let chain = try #require(try pair.queue.next())
        #expect(chain.readableCount == 8)
        #expect(chain.writableCount == 6)
        #expect(chain.read(at: 0, count: 8) == Array(1...8))
        #expect(chain.read(at: 2, count: 3) == [3, 4, 5])
        #expect(chain.read(at: 8, count: 0) == [])
        #expect(chain.read(at: 6, count: 3) == nil)
        #expect(chain.read(at: -1, count: 1) == nil)
        #expect(chain.read(at: .max, count: 1) == nil)
        let answer: [UInt8] = [9, 8, 7, 6]
        #expect(answer.withUnsafeBytes { chain.write($0, at: 1) })
        #expect(!answer.withUnsafeBytes { chain.write($0, at: 3) })
        #expect(!answer.withUnsafeBytes { chain.write($0, at: .max) })
        #expect(pair.memory.read(at: address + 101, count: 1) == [9])
        #expect(pair.memory.read(at: address + 200, count: 4) == [8, 7, 6, 0])
        pair.queue.complete(chain, written: 5)
        #expect(pair.driver.takeUsed().isEmpty)
        pair.queue.publish()
        #expect(pair.driver.takeUsed() == [DoubleRing.Used(head: 0, length: 5)])
        #expect(pair.interruptCount == 1)
    }

    @Test func indirectTablesAreFollowedAlsoAfterDirectPieces() throws {
        let pair = try Pair()
        let data = pair.memory.allocate(64)
        pair.memory.write(Array(1...6), at: data)
        let table = pair.memory.allocate(48)
        pair.driver.describe(0, address: data + 2, length: 2, flags: DoubleRing.hasNext, next: 2, table: table)
        pair.driver.describe(2, address: data + 4, length: 2, table: table)
        pair.driver.describe(1, address: data, length: 2, flags: DoubleRing.hasNext, next: 4)
        pair.driver.describe(4, address: table, length: 48, flags: DoubleRing.indirect)
        pair.driver.offer(1)
        let chain = try #require(try pair.queue.next())
        #expect(chain.head == 1)
        #expect(chain.read(at: 0, count: 6) == Array(1...6))
    }

    @Test func indicesWrapAround() throws {
        let pair = try Pair(eventIndex: true, base: 65_530)
        let data = pair.memory.allocate(16)
        pair.driver.describe(3, address: data, length: 1)
        for _ in 0..<20 {
            pair.driver.offer(3)
            let chain = try #require(try pair.queue.next())
            pair.queue.complete(chain, written: 0)
            pair.queue.publish()
            #expect(pair.driver.takeUsed().count == 1)
        }
        #expect(pair.queue.nextAvailable == 14)
    }

    @Test func interruptsFollowTheDriversWish() throws {
        let pair = try Pair()
        func one() throws {
            pair.driver.describe(0, address: pair.memory.allocate(1), length: 1)
            pair.driver.offer(0)
            pair.queue.complete(try #require(try pair.queue.next()), written: 0)
            pair.queue.publish()
        }
        try one()
        pair.driver.setAvailableFlags(1)
        try one()
        #expect(pair.interruptCount == 1)
        pair.driver.setAvailableFlags(0)
        try one()
        #expect(pair.interruptCount == 2)
        pair.queue.ignoreKicks()
        #expect(pair.driver.usedFlags == 1)
        #expect(!pair.queue.askForKick())
        #expect(pair.driver.usedFlags == 0)
    }

    @Test func eventIndicesSuppressInterruptsAndKicks() throws {
        let pair = try Pair(eventIndex: true)
        func one() throws {
            pair.driver.describe(0, address: pair.memory.allocate(1), length: 1)
            pair.driver.offer(0)
            pair.queue.complete(try #require(try pair.queue.next()), written: 0)
            pair.queue.publish()
        }
        try one()
        #expect(pair.interruptCount == 1, "the first one is always told")
        pair.driver.wantInterrupt(after: 3)
        try one()
        try one()
        #expect(pair.interruptCount == 1)
        try one()
        #expect(pair.interruptCount == 2)
        pair.driver.offer(0)
        #expect(pair.queue.askForKick(), "something is there already")
        #expect(pair.driver.kickWanted == 4)
        _ = try pair.queue.next()
        #expect(!pair.queue.askForKick())
        #expect(pair.driver.kickWanted == 5)
    }
}

/// Whatever a hostile driver writes, the queue names it and stops; each case has the honest twin beside it.
@Suite struct HostileRingTests {
    private func fault(
        _ expected: RingFault, indirect: Bool = true, _ prepare: (Pair, UInt64) -> Void,
        location: SourceLocation = #_sourceLocation
    ) throws {
        let pair = try Pair(indirect: indirect)
        prepare(pair, pair.memory.allocate(4096))
        #expect(throws: expected, sourceLocation: location) { _ = try pair.queue.next() }
        #expect(pair.interruptCount == 0, sourceLocation: location)
    }

    @Test func indices() throws {
        try fault(.availableIndexTooFarAhead) { pair, _ in pair.driver.show(9) }
        try fault(.availableIndexTooFarAhead) { pair, _ in pair.driver.show(65_535) }
        try fault(.headOutsideRing) { pair, _ in pair.driver.offer(8) }
        try fault(.headOutsideRing) { pair, _ in pair.driver.offer(65_535) }
        let honest = try Pair()
        honest.driver.describe(7, address: honest.memory.allocate(4), length: 4)
        for _ in 0..<8 { honest.driver.offer(7) }
        #expect(try honest.queue.next()?.readableCount == 4)
    }

    @Test func chains() throws {
        try fault(.chainTooLong) { pair, data in
            pair.driver.describe(0, address: data, length: 1, flags: DoubleRing.hasNext, next: 0)
            pair.driver.offer(0)
        }
        try fault(.chainTooLong) { pair, data in
            pair.driver.describe(0, address: data, length: 1, flags: DoubleRing.hasNext, next: 1)
            pair.driver.describe(1, address: data, length: 1, flags: DoubleRing.hasNext, next: 0)
            pair.driver.offer(0)
        }
        try fault(.nextOutsideTable) { pair, data in
            pair.driver.describe(0, address: data, length: 1, flags: DoubleRing.hasNext, next: 8)
            pair.driver.offer(0)
        }
        try fault(.readableAfterWritable) { pair, data in
            pair.driver.describe(
                0, address: data, length: 1, flags: DoubleRing.hasNext | DoubleRing.writable, next: 1)
            pair.driver.describe(1, address: data, length: 1)
            pair.driver.offer(0)
        }
        try fault(.unknownFlags) { pair, data in
            pair.driver.describe(0, address: data, length: 1, flags: 8)
            pair.driver.offer(0)
        }
        let honest = try Pair()
        let data = honest.memory.allocate(8)
        for index in 0..<7 as Range<UInt16> {
            honest.driver.describe(index, address: data, length: 1, flags: DoubleRing.hasNext, next: index + 1)
        }
        honest.driver.describe(7, address: data, length: 1)
        honest.driver.offer(0)
        #expect(try honest.queue.next()?.readableCount == 8)
    }

    @Test func buffers() throws {
        let end = DoubleMemory.guestAddress + 1 << 20
        for (address, length) in [
            (DoubleMemory.guestAddress - 1, 1), (end, 1), (end - 4, 5), (UInt64.max, 1), (UInt64.max - 1, UInt32.max),
            (0, 1), (DoubleMemory.guestAddress, UInt32.max), (DoubleMemory.hypervisorAddress, 1),
        ] as [(UInt64, UInt32)] {
            try fault(.bufferOutsideMemory) { pair, _ in
                pair.driver.describe(0, address: address, length: length)
                pair.driver.offer(0)
            }
        }
        try fault(.emptyBuffer) { pair, data in
            pair.driver.describe(0, address: data, length: 0)
            pair.driver.offer(0)
        }
        let honest = try Pair()
        honest.driver.describe(0, address: end - 4, length: 4)
        honest.driver.offer(0)
        #expect(try honest.queue.next()?.read(at: 0, count: 4) == [0, 0, 0, 0])
    }

    @Test func indirectTables() throws {
        func table(
            _ expected: RingFault, length: UInt32 = 32, flags: UInt16 = DoubleRing.indirect, offset: UInt64 = 0,
            negotiated: Bool = true, location: SourceLocation = #_sourceLocation,
            _ fill: (Pair, UInt64) -> Void = { _, _ in }
        ) throws {
            try fault(
                expected, indirect: negotiated,
                { pair, data in
                    fill(pair, data)
                    pair.driver.describe(0, address: data + offset, length: length, flags: flags, next: 1)
                    pair.driver.offer(0)
                }, location: location)
        }
        try table(.indirectNotNegotiated, negotiated: false)
        try table(.indirectTableSize, length: 0)
        try table(.indirectTableSize, length: 17)
        try table(.indirectTableSize, length: .max)
        try table(.indirectTableSize, length: 1025 * 16)
        try table(.indirectTableOutsideMemory, offset: 1 << 20)
        try table(.indirectTableOutsideMemory, offset: 4)
        try table(.indirectTableHasNext, flags: DoubleRing.indirect | DoubleRing.hasNext)
        try table(.indirectTableNested) { pair, data in
            pair.driver.describe(0, address: data, length: 16, flags: DoubleRing.indirect, table: data)
        }
        try table(.chainTooLong) { pair, data in
            pair.driver.describe(0, address: data, length: 1, flags: DoubleRing.hasNext, next: 1, table: data)
            pair.driver.describe(1, address: data, length: 1, flags: DoubleRing.hasNext, next: 0, table: data)
        }
        try table(.nextOutsideTable) { pair, data in
            pair.driver.describe(0, address: data, length: 1, flags: DoubleRing.hasNext, next: 2, table: data)
        }
        try table(.emptyBuffer)
    }

    /// Any bytes at all in the rings give a fault or a chain inside memory, never a trap.
    @Test func noise() throws {
        var generator = SystemRandomNumberGenerator()
        var chains = 0
        var faults = 0
        for _ in 0..<300 {
            let pair = try Pair(size: 16, eventIndex: true)
            let data = pair.memory.allocate(4096)
            for index in 0..<16 as Range<UInt16> {
                let isTame = Bool.random(using: &generator)
                pair.driver.describe(
                    index, address: isTame ? data : UInt64.random(in: .min ... .max, using: &generator),
                    length: isTame ? 256 : UInt32.random(in: .min ... .max, using: &generator),
                    flags: UInt16.random(in: 0...7, using: &generator),
                    next: UInt16.random(in: 0...17, using: &generator))
            }
            pair.memory.write((0..<256).map { _ in UInt8.random(in: 0...16, using: &generator) }, at: data)
            for _ in 0..<16 { pair.driver.offer(UInt16.random(in: 0...16, using: &generator)) }
            do {
                while let chain = try pair.queue.next() {
                    chains += 1
                    _ = chain.read(at: 0, count: min(chain.readableCount, 1 << 16))
                    pair.queue.complete(chain, written: chain.writableCount)
                }
            } catch { faults += 1 }
            pair.queue.publish()
        }
        #expect(chains > 0 && faults > 0)
    }
}
