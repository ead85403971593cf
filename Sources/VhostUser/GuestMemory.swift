internal import Glibc
package import System

/// The guest's memory, mapped. The guest and its hypervisor change it at any time: whoever looks at a value copies it
/// once and works with the copy.
///
/// Addresses are believed only through `guest(_:_:)` and `hypervisor(_:_:)`. The mapping lives as long as this object,
/// so whatever holds a pointer into it holds the object.
package final class GuestMemory {
    /// What the hypervisor says about one region.
    package struct Region: Sendable, Equatable {
        package let guestAddress, size, hypervisorAddress, offset: UInt64

        package init(guestAddress: UInt64, size: UInt64, hypervisorAddress: UInt64, offset: UInt64) {
            self.guestAddress = guestAddress
            self.size = size
            self.hypervisorAddress = hypervisorAddress
            self.offset = offset
        }
    }

    package static let mostRegions = 8
    private static let pageSize: UInt64 = 4096
    private static let highestAddress: UInt64 = 1 << 62

    private struct Mapping {
        let region: Region
        let base: UnsafeMutableRawPointer
    }

    private var mappings: [Mapping] = []

    /// Maps each region from the descriptor of the same index. Nothing stays mapped when it throws.
    package init(_ regions: [Region], from descriptors: [SharedDescriptor]) throws(VhostUserFault) {
        guard (1...Self.mostRegions).contains(regions.count), descriptors.count == regions.count else {
            throw .message(.regionCount)
        }
        for region in regions {
            guard region.size > 0, region.size < Self.highestAddress, region.guestAddress < Self.highestAddress,
                region.hypervisorAddress < Self.highestAddress, region.offset < Self.highestAddress,
                region.offset % Self.pageSize == 0
            else { throw .message(.regionBounds) }
        }
        for (index, one) in regions.enumerated() {
            for other in regions[..<index] {
                guard !Self.overlap(one.guestAddress, other.guestAddress, one.size, other.size),
                    !Self.overlap(one.hypervisorAddress, other.hypervisorAddress, one.size, other.size)
                else { throw .message(.regionsOverlap) }
            }
        }
        for (region, descriptor) in zip(regions, descriptors) {
            mappings.append(Mapping(region: region, base: try Self.map(region, descriptor.raw)))
        }
    }

    deinit {
        for mapping in mappings { munmap(mapping.base, Int(mapping.region.size)) }
    }

    /// `length` bytes at an address of the guest's, all inside one region.
    func guest(_ address: UInt64, _ length: UInt64) -> UnsafeMutableRawPointer? {
        find(address, length) { $0.guestAddress }
    }

    /// `length` bytes at an address of the hypervisor's, all inside one region: where it says the rings are.
    func hypervisor(_ address: UInt64, _ length: UInt64) -> UnsafeMutableRawPointer? {
        find(address, length) { $0.hypervisorAddress }
    }

    private func find(
        _ address: UInt64, _ length: UInt64, _ start: (Region) -> UInt64
    ) -> UnsafeMutableRawPointer? {
        for mapping in mappings {
            let first = start(mapping.region)
            guard address >= first else { continue }
            let offset = address - first
            guard offset < mapping.region.size, length <= mapping.region.size - offset else { continue }
            return mapping.base + Int(offset)
        }
        return nil
    }

    private static func overlap(_ one: UInt64, _ other: UInt64, _ oneSize: UInt64, _ otherSize: UInt64) -> Bool {
        one < other + otherSize && other < one + oneSize
    }

    private static func map(_ region: Region, _ raw: Int32) throws(VhostUserFault) -> UnsafeMutableRawPointer {
        let file: FileStatus
        do throws(SystemError) { file = try Files.status(ofRaw: raw) } catch { throw .system(error) }
        guard region.offset <= file.size, region.size <= file.size - region.offset else {
            throw .message(.regionLargerThanFile)
        }
        // A file that shrinks later would kill this process at its next access, so only a sealed one is taken.
        guard SharedMemory.cannotShrink(raw) else { throw .message(.memoryMayShrink) }
        let base = mmap(nil, Int(region.size), PROT_READ | PROT_WRITE, MAP_SHARED, raw, off_t(region.offset))
        guard let base, base != MAP_FAILED else { throw .system(SystemError("mmap")) }
        return base
    }
}
