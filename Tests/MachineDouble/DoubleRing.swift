/// The driver's half of a split virtqueue, for tests. It does what it is told, also what no driver may do.
package final class DoubleRing {
    package static let hasNext: UInt16 = 1
    package static let writable: UInt16 = 2
    package static let indirect: UInt16 = 4

    package let size: UInt16
    package let descriptors, available, used: UInt64
    package let memory: DoubleMemory
    package private(set) var availableIndex: UInt16
    private var seenUsed: UInt16

    package init(in memory: DoubleMemory, size: UInt16 = 128, startingAt index: UInt16 = 0) {
        self.memory = memory
        self.size = size
        descriptors = memory.allocate(16 * Int(size))
        available = memory.allocate(6 + 2 * Int(size))
        used = memory.allocate(6 + 8 * Int(size))
        availableIndex = index
        seenUsed = index
        memory.store(index, at: available + 2)
        memory.store(index, at: used + 2)
    }

    package func describe(
        _ index: UInt16, address: UInt64, length: UInt32, flags: UInt16 = 0, next: UInt16 = 0, table: UInt64? = nil
    ) {
        let place = (table ?? descriptors) + 16 * UInt64(index)
        memory.store(address, at: place)
        memory.store(length, at: place + 8)
        memory.store(flags, at: place + 12)
        memory.store(next, at: place + 14)
    }

    /// Puts a chain's head into the available ring and shows it.
    package func offer(_ head: UInt16) {
        memory.store(head, at: available + 4 + 2 * UInt64(availableIndex % size))
        show(availableIndex &+ 1)
    }

    package func show(_ index: UInt16) {
        availableIndex = index
        memory.store(index, at: available + 2)
    }

    package struct Used: Equatable {
        package let head, length: UInt32
        package init(head: UInt32, length: UInt32) {
            self.head = head
            self.length = length
        }
    }

    /// What the device gave back since the last call.
    package func takeUsed() -> [Used] {
        var found: [Used] = []
        let index = memory.load(UInt16.self, at: used + 2)
        while seenUsed != index {
            let element = used + 4 + 8 * UInt64(seenUsed % size)
            found.append(Used(head: memory.load(at: element), length: memory.load(at: element + 4)))
            seenUsed &+= 1
        }
        return found
    }

    /// With event indices: the driver wants an interrupt when the used index passes this.
    package func wantInterrupt(after index: UInt16) {
        memory.store(index, at: available + 4 + 2 * UInt64(size))
    }
    /// With event indices: where the device wants its next kick.
    package var kickWanted: UInt16 { memory.load(at: used + 4 + 8 * UInt64(size)) }
    package func setAvailableFlags(_ flags: UInt16) { memory.store(flags, at: available) }
    package var usedFlags: UInt16 { memory.load(at: used) }
}
