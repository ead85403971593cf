internal import PolicyLanguage

/// What a policy makes possible, stated without being asked.
package enum Facts {
    package static func state(_ policy: Policy) -> [String] {
        var facts: [String] = []
        var near = false
        var anyHost = false
        var uploads = false
        var opened = false
        var inspected: Set<String> = []
        var uninspectedHosts = false
        var wildcards: [String] = []
        var registries = false
        for rule in policy.rules where rule.effect != .deny {
            for item in rule.items {
                switch item {
                case .connect(let item):
                    switch item.place {
                    case .localNetwork, .localName, .thisComputer: near = true
                    case .addresses(let range): near = near || AddressBlocks.kind(of: range) != .public
                    case .internet, .everywhere: anyHost = true
                    case .registries: registries = true
                    case .name(let name, let scope):
                        if scope != .exact, rule.effect == .allow { wildcards.append(name.text) }
                    case .metadata: break
                    }
                    let bits = ContentBits.of(item.content, closing: false)
                    if bits & ~ContentBits.of(.downloads, closing: false) & ~ContentBits.bit(
                        "OPTIONS", body: false, upgrade: false) != 0
                    {
                        uploads = true
                    }
                    if item.inspects || rule.countsRequests {
                        inspected.insert(Explain.place(item.place, closing: false))
                    } else if item.ports.meets(.https) {
                        uninspectedHosts = true
                    }
                case .file(let file): opened = opened || file.place.opensFolder
                }
            }
        }
        facts.append(
            "It can reach private addresses: \(near ? "yes" : "no"). Any host: \(anyHost ? "yes" : "no"). It can upload: \(uploads ? "yes" : "no")."
        )
        let connects = policy.rules.contains { rule in
            rule.effect != .deny && rule.items.contains { if case .connect = $0 { true } else { false } }
        }
        if connects, !uploads { facts.append("Downloads still carry a little out, in the addresses they ask for.") }
        if uninspectedHosts {
            facts.append("Connections that are not inspected reach the host named and whatever shares its servers.")
        }
        if !wildcards.isEmpty {
            facts.append(
                "Names under \(Explain.list(Array(Set(wildcards)).sorted())) carry data to whoever answers for them.")
        }
        if !inspected.isEmpty {
            let names = inspected.sorted()
            facts.append(
                "Inspected: \(names.count == 1 ? names[0] : "\(names.count) hosts or groups: " + Explain.list(Array(names.prefix(8))))\(names.count > 8 ? " and more" : "")."
            )
            if inspected.contains("the internet") || inspected.contains("anywhere") {
                facts.append("Inspection applies to every host that is allowed.")
            }
        }
        if registries {
            facts.append("The package registries are those that this computer's package tools are configured for.")
        }
        let later =
            opened
            && policy.rules.contains { rule in
                rule.effect != .deny
                    && rule.items.contains {
                        if case .file(let file) = $0 { file.activity == .change } else { false }
                    }
            }
        facts.append(
            "It can leave behind what runs on this computer later: \(later ? "yes, in the folders it may change" : "no")."
        )
        if opened, anyHost { facts.append("Files, code and an open internet together are how data leaves.") }
        if policy.programs.contains(where: { $0.effect == .deny }) {
            facts.append(
                "What programs may not do inside the guest is a guard-rail, not a wall: root in the guest can take it away."
            )
        }
        return facts
    }

    package static func dangerous(_ policy: Policy) -> Bool {
        var opened = false
        var anyHost = false
        for rule in policy.rules where rule.effect != .deny {
            for item in rule.items {
                switch item {
                case .connect(let item): anyHost = anyHost || item.place == .internet && rule.effect == .allow
                case .file(let file): opened = opened || file.place.opensFolder
                }
            }
        }
        return opened && anyHost
    }
}
