internal import Synchronization

/// The three parts of a split virtqueue where they lie in guest memory. Every access is one atomic load or store of an
/// index that is in range by construction: the guest writes here while we read.
struct RingMemory {
    struct Descriptor {
        let address: UInt64
        let length: UInt32
        let flags, next: UInt16

        static let hasNext: UInt16 = 1
        static let writable: UInt16 = 2
        static let indirect: UInt16 = 4
        static let knownFlags: UInt16 = hasNext | writable | indirect
        static let stride = 16
    }

    /// Nothing but a power of two that is at most `Virtqueue.largestSize`.
    let size: UInt16
    private let descriptors, available, used: UnsafeMutableRawPointer

    /// Nil unless every part lies inside the guest's memory, aligned.
    init?(size: UInt16, at addresses: Virtqueue.Addresses, in memory: GuestMemory) {
        let entries = UInt64(size)
        guard let descriptors = memory.hypervisor(addresses.descriptors, 16 * entries),
            let available = memory.hypervisor(addresses.available, 6 + 2 * entries),
            let used = memory.hypervisor(addresses.used, 6 + 8 * entries),
            Int(bitPattern: descriptors) % 16 == 0, Int(bitPattern: available) % 2 == 0,
            Int(bitPattern: used) % 4 == 0
        else { return nil }
        self.size = size
        self.descriptors = descriptors
        self.available = available
        self.used = used
    }

    private var mask: Int { Int(size) - 1 }

    /// Acquires: what the driver wrote before it moved the index is seen after.
    var availableIndex: UInt16 {
        (available + 2).assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .acquiring)
    }
    var driverWantsNoInterrupt: Bool { Self.load16(available) & 1 != 0 }
    /// With event indices: the driver wants to hear when the used index passes this.
    var usedEvent: UInt16 { Self.load16(available + 4 + 2 * Int(size)) }
    func availableHead(_ index: UInt16) -> UInt16 { Self.load16(available + 4 + 2 * (Int(index) & mask)) }

    func descriptor(_ index: UInt16) -> Descriptor {
        Self.descriptor(at: descriptors + Descriptor.stride * (Int(index) & mask))
    }

    var usedIndex: UInt16 { Self.load16(used + 2) }

    func setUsedElement(_ index: UInt16, head: UInt16, length: UInt32) {
        let element = used + 4 + 8 * (Int(index) & mask)
        element.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(UInt32(head), ordering: .relaxed)
        (element + 4).assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(length, ordering: .relaxed)
    }

    /// Releases: the driver that sees the index sees the elements and the buffers.
    func publish(usedIndex: UInt16) {
        (used + 2).assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(usedIndex, ordering: .releasing)
    }
    func setWantsNoKick(_ quiet: Bool) { Self.store16(used, quiet ? 1 : 0) }
    /// With event indices: we want to hear when the available index passes this.
    func setAvailableEvent(_ index: UInt16) { Self.store16(used + 4 + 8 * Int(size), index) }

    /// A descriptor of the ring's table or of an indirect one, which is aligned to 8.
    static func descriptor(at place: UnsafeMutableRawPointer) -> Descriptor {
        let address = place.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
        let rest = (place + 8).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
        return Descriptor(
            address: UInt64(littleEndian: address), length: UInt32(truncatingIfNeeded: rest),
            flags: UInt16(truncatingIfNeeded: rest >> 32), next: UInt16(truncatingIfNeeded: rest >> 48))
    }

    private static func load16(_ place: UnsafeMutableRawPointer) -> UInt16 {
        place.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .relaxed)
    }

    private static func store16(_ place: UnsafeMutableRawPointer, _ new: UInt16) {
        place.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(new, ordering: .relaxed)
    }
}
