/// The address list of the policy language: which addresses are the internet, which are near, which are nobody's.
///
/// The dialer checks dialled addresses against this very list.
package enum AddressBlocks {
    package enum Kind: UInt8, Sendable, Hashable { case `public`, local, thisComputer, metadata, special }

    package static let metadata: [AddressRange] = [
        .v4(0xA9FE_A9FE, 32), .v4(0x6464_64C8, 32), .v6(0xFD00_0EC2 << 96 | 0x254, 128),
    ]
    package static let loopback: [AddressRange] = [.v4(0x7F00_0000, 8), .v6(1, 128)]
    package static let privateBlocks: [AddressRange] = [
        .v4(0x0A00_0000, 8), .v4(0xAC10_0000, 12), .v4(0xC0A8_0000, 16), .v6(0xFC << 120, 7),
    ]
    package static let shared: [AddressRange] = [.v4(0x6440_0000, 10)]
    package static let linkLocal: [AddressRange] = [.v4(0xA9FE_0000, 16), .v6(0xFE80 << 112, 10)]
    package static let multicast: [AddressRange] = [.v4(0xE000_0000, 4), .v6(0xFF << 120, 8)]
    package static let nobody: [AddressRange] = [
        .v4(0, 8), .v4(0xC612_0000, 15), .v4(0xF000_0000, 4), .v6(0, 128),
    ]
    package static let local: [AddressRange] = privateBlocks + shared + linkLocal
    /// What a deny of the local network closes.
    package static let localClosed: [AddressRange] = local + multicast + loopback

    package static func kind(of address: Address) -> Kind {
        if isIn(metadata, address) { return .metadata }
        if isIn(loopback, address) { return .thisComputer }
        if isIn(local, address) { return .local }
        if isIn(multicast, address) || isIn(nobody, address) { return .special }
        if let carried = address.carried {
            switch kind(of: carried) {
            case .public: return .public
            case .metadata: return .metadata
            default: return .special
            }
        }
        return .public
    }

    package static func isIn(_ blocks: [AddressRange], _ address: Address) -> Bool {
        for block in blocks where block.contains(address) { return true }
        return false
    }

    /// The kind that all addresses of `range` have, or nil when it mixes kinds (metadata, which is cut out of everything,
    /// aside).
    package static func kind(of range: AddressRange) -> Kind? {
        if range.isSingle { return kind(of: range.first) }
        for block in metadata where block.contains(range) { return .metadata }
        for block in loopback where block.contains(range) { return .thisComputer }
        for block in local where block.contains(range) { return .local }
        for block in multicast + nobody where block.contains(range) { return .special }
        for block in loopback + local + multicast + nobody where range.contains(block) { return nil }
        if range.first.isV6 { for block in carriers where block.meets(range) { return nil } }
        return .public
    }

    /// IPv6 blocks in which an IPv4 address hides.
    package static let carriers: [AddressRange] = [
        .v6(0, 96), .v6(0xFFFF << 32, 96), .v6(0x2002 << 112, 16), .v6(0x2001_0000 << 96, 32),
        .v6(0x0064_FF9B << 96, 96), .v6(0x0064_FF9B_0001 << 80, 48),
    ]
}
