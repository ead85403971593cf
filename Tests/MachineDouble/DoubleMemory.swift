internal import Glibc
package import System

/// A guest's memory as its own driver sees it, for tests: it may be filled with anything.
package final class DoubleMemory {
    package static let guestAddress: UInt64 = 0x10_0000
    package static let hypervisorAddress: UInt64 = 0x7F00_0000_0000

    package let descriptor: FileDescriptor
    package let size: Int
    private let base: UnsafeMutableRawPointer
    private var next = 0

    package init(size: Int = 16 << 20) throws {
        self.size = size
        descriptor = try SharedMemory.create("double", size: size)
        guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.raw, 0), base != MAP_FAILED
        else { throw SystemError("mmap") }
        self.base = base
    }

    deinit { munmap(base, size) }

    /// The guest address of fresh bytes, aligned to 64.
    package func allocate(_ count: Int) -> UInt64 {
        let offset = (next + 63) & ~63
        precondition(offset + count <= size, "the double's memory is full")
        next = offset + count
        return Self.guestAddress + UInt64(offset)
    }

    private func place(_ address: UInt64, _ count: Int) -> UnsafeMutableRawPointer {
        let offset = Int(address - Self.guestAddress)
        precondition(offset >= 0 && offset + count <= size, "outside the double's memory")
        return base + offset
    }

    package func write(_ bytes: [UInt8], at address: UInt64) {
        bytes.withUnsafeBytes { bytes in
            if let start = bytes.baseAddress { memcpy(place(address, bytes.count), start, bytes.count) }
        }
    }

    package func read(at address: UInt64, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { room, filled in
            if let start = room.baseAddress { memcpy(start, place(address, count), count) }
            filled = count
        }
    }

    package func store<Value: FixedWidthInteger>(_ value: Value, at address: UInt64) {
        place(address, MemoryLayout<Value>.size).storeBytes(of: value, as: Value.self)
    }

    package func load<Value: FixedWidthInteger>(_: Value.Type = Value.self, at address: UInt64) -> Value {
        place(address, MemoryLayout<Value>.size).load(as: Value.self)
    }
}
