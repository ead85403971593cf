internal import Synchronization
internal import System

/// The device's half of a split virtqueue, with indirect descriptors and event indices.
///
/// Belongs to one thread. The guest is believed in nothing: an index, length or flag that a driver cannot have meant is a
/// `RingFault`, after which the queue must not be used. Nothing in guest memory is read twice to mean the same thing.
package final class Virtqueue {
    package struct Addresses: Sendable, Equatable {
        package let descriptors, available, used: UInt64
        package init(descriptors: UInt64, available: UInt64, used: UInt64) {
            self.descriptors = descriptors
            self.available = available
            self.used = used
        }
    }

    /// The largest ring, and the longest chain, in descriptors.
    package static let largestSize = 1024

    package struct Options: Sendable {
        package let indirect, eventIndex: Bool
        package init(indirect: Bool, eventIndex: Bool) {
            self.indirect = indirect
            self.eventIndex = eventIndex
        }
    }

    package var size: UInt16 { ring.size }
    /// The next entry of the available ring that the device will take.
    package private(set) var nextAvailable: UInt16
    private let options: Options
    private let addresses: Addresses
    private var memory: GuestMemory
    private var ring: RingMemory
    private var nextUsed: UInt16
    private var publishedUsed: UInt16
    private var hasPublished = false
    private let interrupt: () -> Void

    /// `interrupt` tells the guest that the used ring moved.
    package init(
        size: UInt16, at addresses: Addresses, base: UInt16, options: Options, memory: GuestMemory,
        interrupt: @escaping () -> Void
    ) throws(MessageFault) {
        guard size.nonzeroBitCount == 1, Int(size) <= Self.largestSize else { throw .ringSize }
        guard let ring = RingMemory(size: size, at: addresses, in: memory) else { throw .ringAddress }
        self.options = options
        self.addresses = addresses
        self.memory = memory
        self.ring = ring
        self.interrupt = interrupt
        nextAvailable = base
        nextUsed = ring.usedIndex
        publishedUsed = nextUsed
    }

    /// The guest's memory was mapped anew while the ring runs. Chains taken before keep the old mapping.
    func move(to memory: GuestMemory) throws(MessageFault) {
        guard let ring = RingMemory(size: size, at: addresses, in: memory) else { throw .ringAddress }
        self.memory = memory
        self.ring = ring
    }

    /// Takes the driver's next request; nil when there is none. Every chain must be given back by `complete`.
    package func next() throws(RingFault) -> DescriptorChain? {
        let waiting = ring.availableIndex &- nextAvailable
        if waiting == 0 { return nil }
        guard waiting <= ring.size else { throw .availableIndexTooFarAhead }
        let head = ring.availableHead(nextAvailable)
        guard head < ring.size else { throw .headOutsideRing }
        let chain = try walk(from: head)
        nextAvailable &+= 1
        return chain
    }

    /// Gives a chain back with `written` bytes in its writable part; the driver sees it after `publish`.
    package func complete(_ chain: DescriptorChain, written: Int) {
        ring.setUsedElement(nextUsed, head: chain.head, length: UInt32(clamping: written))
        nextUsed &+= 1
    }

    /// Shows the driver what was completed, and interrupts it if it wants to know.
    package func publish() {
        guard nextUsed != publishedUsed else { return }
        let before = publishedUsed
        ring.publish(usedIndex: nextUsed)
        publishedUsed = nextUsed
        // The index must be out before the driver's wish is read: it writes its wish and then looks at the index.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        let isWanted =
            options.eventIndex
            ? (nextUsed &- ring.usedEvent &- 1) < (nextUsed &- before) : !ring.driverWantsNoInterrupt
        if isWanted || !hasPublished { interrupt() }
        hasPublished = true
    }

    /// Asks the driver for a kick when it adds something. True when something is there already: look again.
    package func askForKick() -> Bool {
        if options.eventIndex { ring.setAvailableEvent(nextAvailable) } else { ring.setWantsNoKick(false) }
        // Our wish must be out before the index is read: the driver moves the index and then looks at our wish.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        return ring.availableIndex != nextAvailable
    }

    /// Until `askForKick` a kick means nothing. With event indices the driver knows already.
    package func ignoreKicks() {
        if !options.eventIndex { ring.setWantsNoKick(true) }
    }

    private func walk(from head: UInt16) throws(RingFault) -> DescriptorChain {
        var chain = DescriptorChain(head: head, memory: memory)
        var index = head
        for _ in 0..<Int(ring.size) {
            let descriptor = ring.descriptor(index)
            if descriptor.flags & RingMemory.Descriptor.indirect != 0 {
                guard options.indirect else { throw .indirectNotNegotiated }
                guard descriptor.flags & RingMemory.Descriptor.hasNext == 0 else { throw .indirectTableHasNext }
                try walkTable(descriptor, into: &chain)
                return chain
            }
            try add(descriptor, to: &chain)
            if descriptor.flags & RingMemory.Descriptor.hasNext == 0 { return chain }
            guard descriptor.next < ring.size else { throw .nextOutsideTable }
            index = descriptor.next
        }
        throw .chainTooLong
    }

    private func walkTable(_ table: RingMemory.Descriptor, into chain: inout DescriptorChain) throws(RingFault) {
        let stride = RingMemory.Descriptor.stride
        let count = Int(table.length) / stride
        guard Int(table.length) % stride == 0, (1...Self.largestSize).contains(count) else { throw .indirectTableSize }
        guard let base = memory.guest(table.address, UInt64(table.length)), Int(bitPattern: base) % 8 == 0 else {
            throw .indirectTableOutsideMemory
        }
        var index = 0
        for _ in 0..<count {
            let descriptor = RingMemory.descriptor(at: base + stride * index)
            guard descriptor.flags & RingMemory.Descriptor.indirect == 0 else { throw .indirectTableNested }
            try add(descriptor, to: &chain)
            if descriptor.flags & RingMemory.Descriptor.hasNext == 0 { return }
            guard Int(descriptor.next) < count else { throw .nextOutsideTable }
            index = Int(descriptor.next)
        }
        throw .chainTooLong
    }

    private func add(_ descriptor: RingMemory.Descriptor, to chain: inout DescriptorChain) throws(RingFault) {
        guard descriptor.flags & ~RingMemory.Descriptor.knownFlags == 0 else { throw .unknownFlags }
        guard chain.pieceCount < Self.largestSize else { throw .chainTooLong }
        guard descriptor.length > 0 else { throw .emptyBuffer }
        guard let base = memory.guest(descriptor.address, UInt64(descriptor.length)) else { throw .bufferOutsideMemory }
        let piece = DescriptorChain.Piece(base: base, count: Int(descriptor.length))
        let isWritable = descriptor.flags & RingMemory.Descriptor.writable != 0
        guard chain.add(piece, writable: isWritable) else { throw .readableAfterWritable }
    }
}
