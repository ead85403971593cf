internal import PolicyLanguage

/// A registry as a package tool is configured for it.
package struct RegistryHost: Sendable, Hashable {
    package let host: Connection.Host
    package let port: UInt16
    package init(_ host: Connection.Host, _ port: UInt16) {
        self.host = host
        self.port = port
    }

    package var isPublic: Bool {
        switch host {
        case .name(let name): name.isPublic
        case .address(let address): AddressBlocks.kind(of: address) == .public
        }
    }

    fileprivate var place: Place {
        switch host {
        case .name(let name): .name(name, .exact)
        case .address(let address): .addresses(AddressRange(address))
        }
    }
}

/// A policy whose registries have hosts, and for each of its rules the rule it came from.
package struct BoundPolicy: Sendable {
    package let policy: Policy
    package let sources: [Int]

    /// Puts the configured hosts in the place of the word. The port configured counts where the sentence names none.
    package init(_ policy: Policy, _ hosts: [RegistryHost]) {
        var bound = policy
        bound.rules = []
        var sources: [Int] = []
        func items(_ items: [Item]) -> [Item] {
            items.flatMap { item -> [Item] in
                guard case .connect(let connect) = item, connect.place == .registries else { return [item] }
                return hosts.map { host in
                    var own = connect
                    own.place = host.place
                    if own.ports == .https { own.ports = PortSpan(.tcp, host.port, host.port) }
                    return .connect(own)
                }
            }
        }
        for (index, rule) in policy.rules.enumerated() {
            var own = rule
            own.items = items(rule.items)
            own.exceptions = items(rule.exceptions)
            if own.items.isEmpty { continue }
            bound.rules.append(own)
            sources.append(index)
        }
        self.policy = bound
        self.sources = sources
    }
}
