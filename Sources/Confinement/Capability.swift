/// The kernel's capabilities that something here keeps, by their number.
package enum Capability: UInt64, Sendable {
    case setBoundingSet = 8  // CAP_SETPCAP
    case changeRoot = 18  // CAP_SYS_CHROOT

    package static func mask(_ kept: [Capability]) -> UInt64 { kept.reduce(0) { $0 | 1 << $1.rawValue } }
}
