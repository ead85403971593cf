internal import PolicyCompiler
internal import PolicyLanguage

/// Deciding once more, read off the rules one by one without any index, to compare with.
enum Oracle {
    static func decide(_ policy: Policy, _ connection: Connection, _ instant: Instant) -> Effect {
        var special = false
        switch connection.host {
        case .name(let name): special = !name.isPublic
        case .address(let address):
            let kind = AddressBlocks.kind(of: address)
            if kind == .metadata || kind == .special { return .deny }
            special = kind != .public
        }
        if let resolved = connection.resolved, case .name = connection.host,
            AddressBlocks.kind(of: resolved) == .metadata
        {
            return .deny
        }
        var allows: [(Rule, ConnectItem)] = []
        var asks: [(Rule, ConnectItem)] = []
        var claimed = false
        for rule in policy.rules {
            for case .connect(let item) in rule.items {
                claimed = claimed || rule.claims
                guard instant.satisfies(rule.when) else { continue }
                let closing = rule.effect != .allow
                var direct = speaks(item, rule, connection, closing: closing)
                if !direct, rule.effect == .deny, let resolved = connection.resolved, case .name = connection.host {
                    switch item.place {
                    case .addresses, .localNetwork, .thisComputer, .metadata:
                        var dialled = connection
                        dialled.host = .address(resolved)
                        direct = speaks(item, rule, dialled, closing: true)
                    default: break
                    }
                }
                guard direct else { continue }
                let excepted = rule.exceptions.contains { exception in
                    guard case .connect(let taken) = exception else { return false }
                    return matches(taken, connection, closing: !closing)
                }
                if excepted { continue }
                switch rule.effect {
                case .deny: return .deny
                case .ask: asks.append((rule, item))
                case .allow: allows.append((rule, item))
                }
            }
        }
        if let resolved = connection.resolved, case .name = connection.host {
            func leads(_ place: Place) -> Bool {
                let kind = AddressBlocks.kind(of: resolved)
                switch place {
                case .localName: return kind == .local
                case .thisComputer: return kind == .thisComputer
                default: return kind == .public
                }
            }
            let any = !allows.isEmpty || !asks.isEmpty
            let reaching = allows.filter { leads($0.1.place) }
            let asking = asks.filter { leads($0.1.place) }
            if any, reaching.isEmpty, asking.isEmpty { return .deny }
            allows = reaching
            if reaching.isEmpty { asks = asking }
        }
        if allows.isEmpty, asks.isEmpty {
            if claimed { return .deny }
            var worst: Effect?
            for other in policy.others where other.activity == .connect && instant.satisfies(other.when) {
                worst = max(worst ?? .allow, other.effect)
            }
            return special ? .deny : worst ?? .deny
        }
        var opened = !special
        for (_, item) in allows + asks {
            switch item.place {
            case .everywhere: break
            case .addresses(let range):
                if case .address(let address) = connection.host {
                    let kind = AddressBlocks.kind(of: address)
                    opened = opened || kind == .public || kind == .local && AddressBlocks.kind(of: range) == .local
                }
            case .localNetwork:
                if case .address(let address) = connection.host {
                    opened = opened || AddressBlocks.kind(of: address) == .local
                }
            case .internet: break
            default: opened = true
            }
        }
        guard opened else { return .deny }
        for (askRule, ask) in asks {
            let narrower = allows.contains { allowRule, allow in
                ask.contains(allow, closing: true, otherCloses: false) && askRule.when.contains(allowRule.when)
                    && !(allow.contains(ask, closing: false, otherCloses: true)
                        && allowRule.when.contains(askRule.when))
            }
            if !narrower { return .ask }
        }
        return .allow
    }

    private static func speaks(_ item: ConnectItem, _ rule: Rule, _ connection: Connection, closing: Bool) -> Bool {
        if connection.content == .unknown, !closing, item.inspects || rule.countsRequests { return false }
        return matches(item, connection, closing: closing)
    }

    static func matches(_ item: ConnectItem, _ connection: Connection, closing: Bool) -> Bool {
        let asked = PortSpan(connection.transport, connection.port, connection.port)
        guard item.ports.contains(asked) else { return false }
        let place: Bool
        switch (item.place, connection.host) {
        case (.name(let name, let scope), .name(let host)), (.localName(let name, let scope), .name(let host)):
            place = scope != .under && host == name || scope != .exact && host.text.hasSuffix("." + name.text)
        case (.internet, .name(let host)): place = host.isPublic
        case (.everywhere, _): place = true
        case (.thisComputer, .name(let host)), (.localNetwork, .name(let host)):
            place = host == .thisComputer && (closing || item.place == .thisComputer)
        case (.addresses(let range), .address(let address)):
            let kind = AddressBlocks.kind(of: address)
            place = range.contains(address) && (closing || kind == .public || AddressBlocks.kind(of: range) == kind)
        case (.internet, .address(let address)): place = AddressBlocks.kind(of: address) == .public
        case (.localNetwork, .address(let address)):
            place =
                AddressBlocks.kind(of: address) == .local
                || closing && AddressBlocks.localClosed.contains { $0.contains(address) }
        case (.thisComputer, .address(let address)): place = AddressBlocks.kind(of: address) == .thisComputer
        case (.metadata, .address(let address)): place = AddressBlocks.kind(of: address) == .metadata
        default: place = false
        }
        guard place else { return false }
        switch connection.content {
        case .unknown: return closing || item.content == .all
        case .web(let request):
            switch item.content {
            case .all: return true
            case .downloads: return ["GET", "HEAD"].contains(request.method) && !request.body && !request.upgrade
            case .uploads:
                return !(["GET", "HEAD", "OPTIONS"].contains(request.method) && !request.body && !request.upgrade)
            case .methods(let list): return list.contains(request.method)
            }
        }
    }
}
