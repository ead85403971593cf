package import PolicyLanguage

package struct Layer: Sendable {
    package enum Kind: String, Sendable { case floor, administrator, user, folder, session }
    package let kind: Kind
    package let table: DecisionTable
    package init(_ kind: Kind, _ policy: Policy) {
        self.kind = kind
        table = DecisionTable(policy)
    }
}

package struct Decision: Sendable {
    package enum Reason: Sendable, Equatable {
        case rule
        /// A claim (`only`) of a layer that names something else.
        case claim
        case otherwise
        case silence
        case floor(String)
        case lookAlike(String)
    }
    package var effect: Effect
    package var reason: Reason
    package var layer: Int?
    /// Index into that layer's rules, or its `others` when the reason is `otherwise`.
    package var rule: Int?
    package var limits: [Limit] = []
    package var note: String?
}

/// Layers in force together. Deciding takes no lock and allocates little.
package struct Ruling: Sendable {
    package let layers: [Layer]
    package init(_ layers: [Layer]) { self.layers = layers }

    package func decide(_ request: Request, at instant: Instant) -> Decision {
        switch request {
        case .connect(let connection): return decide(connection, at: instant)
        case .resolve(let name): return decide(resolving: name, at: instant)
        case .ingress(let port):
            for (index, layer) in layers.enumerated() {
                if let rule = layer.table.policy.ingress.firstIndex(where: { $0.guest == port }) {
                    return Decision(effect: .allow, reason: .rule, layer: index, rule: rule)
                }
            }
            return Decision(effect: .deny, reason: .silence)
        case .file(let activity, let path): return decide(activity, path, at: instant)
        case .call(let name): return decide(call: name)
        }
    }

    // MARK: Connections

    private struct LayerAnswer {
        var effect: Effect
        var rule: Int
        var isClaim: Bool
    }

    private func decide(_ connection: Connection, at instant: Instant) -> Decision {
        if let closed = floor(connection) { return closed }
        let needsOpening = special(connection.host)
        let unread = isLeftClosed(connection)
        var connection = connection
        if unread { connection.content = .unknown }
        var worst: (layer: Int, answer: LayerAnswer)?
        var opened = !needsOpening
        var limits: [Limit] = []
        for (index, layer) in layers.enumerated() {
            var opens = false
            guard let answer = answer(layer.table, connection, instant, opens: &opens, limits: &limits) else {
                continue
            }
            opened = opened || opens
            if let known = worst, known.answer.effect >= answer.effect { continue }
            worst = (index, answer)
        }
        if let worst {
            if worst.answer.effect != .deny, !opened {
                return Decision(
                    effect: .deny, reason: .floor("no sentence names this address, and the floor closes it otherwise"))
            }
            var decision = Decision(
                effect: worst.answer.effect, reason: worst.answer.isClaim ? .claim : .rule, layer: worst.layer,
                rule: worst.answer.rule)
            if decision.effect != .deny { decision.limits = limits }
            if unread, decision.effect == .deny {
                decision.note = "“do not inspect” keeps this host's connections closed to a look"
            }
            return decision
        }
        return otherwise(.connect, at: instant, opens: !needsOpening)
    }

    /// What no sentence opens.
    private func floor(_ connection: Connection) -> Decision? {
        func closed(_ why: String) -> Decision { Decision(effect: .deny, reason: .floor(why)) }
        switch connection.host {
        case .name(let name):
            if name == .metadata { return closed("the cloud metadata service opens for no sentence") }
            if let resolved = connection.resolved, AddressBlocks.kind(of: resolved) == .metadata {
                return closed("the name leads to the cloud metadata service")
            }
        case .address(let address):
            switch AddressBlocks.kind(of: address) {
            case .metadata: return closed("the cloud metadata service opens for no sentence")
            case .special: return closed("\(address) is an address that nothing opens")
            default: break
            }
        }
        return nil
    }

    /// Whether the host opens only to a sentence that names it.
    private func special(_ host: Connection.Host) -> Bool {
        switch host {
        case .name(let name): !name.isPublic
        case .address(let address): AddressBlocks.kind(of: address) != .public
        }
    }

    private func isLeftClosed(_ connection: Connection) -> Bool {
        for layer in layers where !layer.table.policy.closed.isEmpty {
            for host in layer.table.policy.closed {
                var item = ConnectItem(host.place, .everything)
                item.content = .all
                if Self.matches(item, connection, closing: true),
                    !host.exceptions.contains(where: { Self.excepted($0, connection, closing: false) })
                {
                    return true
                }
            }
        }
        return false
    }

    /// What one layer says, or nil when it does not mention the request.
    private func answer(
        _ table: DecisionTable, _ connection: Connection, _ instant: Instant, opens: inout Bool, limits: inout [Limit]
    ) -> LayerAnswer? {
        var denied: Int?
        var asks: [Int32] = []
        var allows: [Int32] = []
        func consider(_ number: Int32, dialled: Bool) {
            if denied != nil { return }
            let entry = table.entries[Int(number)]
            if dialled, entry.effect != .deny { return }
            let closing = entry.effect != .allow
            guard dialled || Self.placeMatches(entry.item.place, connection, closing: closing),
                Self.contentMatches(entry, connection.content), instant.satisfies(table.policy.rules[entry.rule].when)
            else { return }
            let exceptions = table.policy.rules[entry.rule].exceptions
            if !exceptions.isEmpty, exceptions.contains(where: { Self.excepted($0, connection, closing: !closing) }) {
                return
            }
            switch entry.effect {
            case .deny: denied = entry.rule
            case .ask: asks.append(number)
            case .allow: allows.append(number)
            }
        }
        table.forEachCandidate(connection.host, connection.transport, connection.port) { consider($0, dialled: false) }
        if denied == nil, let resolved = connection.resolved, case .name = connection.host {
            // A denied address also stops the names that lead there.
            table.forEachCandidate(.address(resolved), connection.transport, connection.port) { number in
                let place = table.entries[Int(number)].item.place
                switch place {
                case .addresses, .localNetwork, .thisComputer, .metadata:
                    if Self.addressMatches(place, resolved, closing: true) { consider(number, dialled: true) }
                default: break
                }
            }
        }
        if let denied { return LayerAnswer(effect: .deny, rule: denied, isClaim: false) }
        for number in allows + asks where Self.opens(table.entries[Int(number)].item.place, connection) { opens = true }
        if let resolved = connection.resolved, case .name = connection.host {
            // The dialled address must be one that some matching allow leads to.
            let reached = (allows + asks).filter { Self.leads(table.entries[Int($0)].item.place, to: resolved) }
            if reached.isEmpty, !(allows.isEmpty && asks.isEmpty) {
                return LayerAnswer(
                    effect: .deny, rule: table.entries[Int(allows.first ?? asks[0])].rule, isClaim: false)
            }
            allows = allows.filter { reached.contains($0) }
            asks = asks.filter { reached.contains($0) || !allows.isEmpty }
        }
        if asks.isEmpty, allows.isEmpty {
            guard table.claimed.contains(.connect), let rule = table.claimRules[.connect] else { return nil }
            return LayerAnswer(effect: .deny, rule: rule, isClaim: true)
        }
        for number in allows { limits += table.policy.rules[table.entries[Int(number)].rule].limits }
        for ask in asks {
            let entry = table.entries[Int(ask)]
            let narrower = allows.contains { Self.strictlyContains(entry, table.entries[Int($0)], table.policy) }
            if !narrower { return LayerAnswer(effect: .ask, rule: entry.rule, isClaim: false) }
        }
        guard let first = allows.first else { return nil }
        return LayerAnswer(effect: .allow, rule: table.entries[Int(first)].rule, isClaim: false)
    }

    /// By where, how and when; exceptions and limits do not count.
    static func strictlyContains(_ ask: Entry, _ allow: Entry, _ policy: Policy) -> Bool {
        let askWhen = policy.rules[ask.rule].when
        let allowWhen = policy.rules[allow.rule].when
        guard ask.item.contains(allow.item, closing: true, otherCloses: false), askWhen.contains(allowWhen) else {
            return false
        }
        let equal =
            allow.item.contains(ask.item, closing: false, otherCloses: true) && allowWhen.contains(askWhen)
        return !equal
    }

    static func placeMatches(_ place: Place, _ connection: Connection, closing: Bool) -> Bool {
        switch connection.host {
        case .name(let name):
            switch place {
            case .name, .localName: return true  // found by its labels
            case .everywhere: return true
            case .internet: return name.isPublic
            case .thisComputer: return name == .thisComputer
            case .localNetwork: return closing && name == .thisComputer
            case .metadata: return name == .metadata
            case .addresses, .registries: return false
            }
        case .address(let address): return addressMatches(place, address, closing: closing)
        }
    }

    static func addressMatches(_ place: Place, _ address: Address, closing: Bool) -> Bool {
        let kind = AddressBlocks.kind(of: address)
        switch place {
        case .addresses(let range):
            // A range that mixes kinds opens only what is public in it.
            return range.contains(address) && (closing || kind == .public || AddressBlocks.kind(of: range) == kind)
        case .everywhere: return true
        case .internet: return kind == .public
        case .localNetwork:
            if closing {
                return kind == .local || kind == .thisComputer || AddressBlocks.isIn(AddressBlocks.localClosed, address)
            }
            return kind == .local
        case .thisComputer: return kind == .thisComputer
        case .metadata: return kind == .metadata
        case .name, .localName, .registries: return false
        }
    }

    private static func opens(_ place: Place, _ connection: Connection) -> Bool {
        switch place {
        case .name, .localName: return true
        case .everywhere: return false
        case .addresses(let range):
            guard case .address(let address) = connection.host else { return false }
            let kind = AddressBlocks.kind(of: address)
            return kind == .public || kind == .local && AddressBlocks.kind(of: range) == .local
        default: return placeMatches(place, connection, closing: false)
        }
    }

    /// Whether a name under this place may be dialled at `address`.
    private static func leads(_ place: Place, to address: Address) -> Bool {
        let kind = AddressBlocks.kind(of: address)
        switch place {
        case .localName: return kind == .local
        case .thisComputer: return kind == .thisComputer
        default: return kind == .public
        }
    }

    private static func contentMatches(_ entry: Entry, _ content: Connection.Content) -> Bool {
        switch content {
        case .unknown: return entry.effect == .allow ? !entry.inspects : entry.bits & ContentBits.opaque != 0
        case .web(let request):
            guard entry.bits & request.bits != 0 else { return false }
            return pathMatches(entry.item.path, request.path, closing: entry.effect != .allow)
        }
    }

    private static func pathMatches(_ path: WebPath?, _ requested: WebPath?, closing: Bool) -> Bool {
        guard let path else { return true }
        guard let requested else { return closing }
        if path.below || closing {
            guard requested.segments.count >= path.segments.count else { return false }
            return requested.segments.prefix(path.segments.count).elementsEqual(path.segments)
                && (requested.segments.count > path.segments.count || !path.below || requested.below || closing)
        }
        return requested == path
    }

    /// Whether a whole item, found without an index, speaks of this connection.
    static func matches(_ item: ConnectItem, _ connection: Connection, closing: Bool) -> Bool {
        guard item.ports.low <= connection.port, connection.port <= item.ports.high,
            item.ports.transport == .any || item.ports.transport == connection.transport
        else { return false }
        switch (item.place, connection.host) {
        case (.name(let name, let scope), .name(let asked)), (.localName(let name, let scope), .name(let asked)):
            guard Place.nameContains(name, scope, asked, .exact) else { return false }
        default: guard placeMatches(item.place, connection, closing: closing) else { return false }
        }
        switch connection.content {
        case .unknown: return !item.inspects || closing
        case .web(let request):
            return ContentBits.of(item.content, closing: closing) & request.bits != 0
                && pathMatches(item.path, request.path, closing: closing)
        }
    }

    /// Whether an exception takes this connection out. Unknown content is taken out of an allow by any exception that it
    /// might be in, and out of a deny or ask only by one that has it whole.
    static func excepted(_ exception: Item, _ connection: Connection, closing: Bool) -> Bool {
        guard case .connect(let item) = exception else { return false }
        return matches(item, connection, closing: closing)
    }

    // MARK: Names

    /// The mildest answer that any connection to the name could get.
    private func decide(resolving name: HostName, at instant: Instant) -> Decision {
        var best: Decision?
        for connection in samples(.name(name)) {
            let decision = decide(connection, at: instant)
            if best.map({ decision.effect < $0.effect }) ?? true { best = decision }
            if best?.effect == .allow { break }
        }
        return best ?? Decision(effect: .deny, reason: .silence)
    }

    /// Connections that stand for every way in which the rules tell connections to a host apart.
    package func samples(_ host: Connection.Host) -> [Connection] {
        var ports: Set<PortSpan> = [
            PortSpan(.tcp, 443, 443), PortSpan(.tcp, 80, 80), PortSpan(.udp, 9, 9), PortSpan(.tcp, 9, 9),
        ]
        var methods: Set<String> = ["GET", "POST", "OPTIONS"]
        var paths: Set<WebPath> = [WebPath(segments: [], below: true)]
        for item in speaking(of: host) {
            for transport in [Transport.tcp, .udp]
            where item.ports.transport == .any || item.ports.transport == transport {
                let edges = [
                    Int(item.ports.low), Int(item.ports.high), Int(item.ports.low) - 1, Int(item.ports.high) + 1,
                ]
                for port in edges where (1...65535).contains(port) {
                    ports.insert(PortSpan(transport, UInt16(port), UInt16(port)))
                }
            }
            if case .methods(let list) = item.content { methods.formUnion(list) }
            if let path = item.path {
                paths.insert(path)
                paths.insert(WebPath(segments: path.segments + ["git-upload-pack"], below: false))
            }
        }
        var found: [Connection] = []
        for span in ports.sorted() {
            found.append(Connection(host, span.transport, span.low))
            guard span.transport == .tcp else { continue }
            for method in methods.sorted() {
                for path in paths.sorted() {
                    let body = ["POST", "PUT", "PATCH"].contains(method)
                    found.append(Connection(host, .tcp, span.low, .web(WebRequest(method, body: body, path: path))))
                }
            }
        }
        return found
    }

    /// Items and exceptions, of every layer, that may speak of connections to `host`.
    func speaking(of host: Connection.Host) -> [ConnectItem] {
        var found: [ConnectItem] = []
        for layer in layers {
            var seen: Set<Int> = []
            layer.table.forEachPlace(host) { number in
                let entry = layer.table.entries[Int(number)]
                found.append(entry.item)
                guard seen.insert(entry.rule).inserted else { return }
                for case .connect(let item) in layer.table.policy.rules[entry.rule].exceptions
                where Self.couldMatch(item.place, host) {
                    found.append(item)
                }
            }
        }
        return found
    }

    private static func couldMatch(_ place: Place, _ host: Connection.Host) -> Bool {
        switch (place, host) {
        case (.name(let name, let scope), .name(let asked)), (.localName(let name, let scope), .name(let asked)):
            Place.nameContains(name, scope, asked, .exact)
        case (.name, .address), (.localName, .address): false
        default: placeMatches(place, Connection(host, .tcp, 1), closing: true)
        }
    }

    // MARK: Files

    private func decide(_ activity: Activity, _ path: FilePath, at instant: Instant) -> Decision {
        var opened = openings(activity == .delete ? .change : activity, path, instant)
        if opened == nil, activity == .delete { opened = openings(.delete, path, instant) }
        let isRelative = path.spellings.allSatisfy { $0.root == .relative }
        var worst: (layer: Int, answer: LayerAnswer)?
        var mentionsDeleting = false
        for (index, layer) in layers.enumerated() {
            guard
                let answer = answer(layer.table, activity, path, opened ?? path.spellings.map { _ in 0 }, instant)
            else { continue }
            mentionsDeleting = true
            if let known = worst, known.answer.effect >= answer.effect { continue }
            worst = (index, answer)
        }
        let isOpen = opened != nil || isRelative
        if let worst {
            if worst.answer.effect != .deny, !isOpen {
                return Decision(
                    effect: .deny, reason: .silence, note: "no sentence opens a folder that this file is in")
            }
            return Decision(
                effect: worst.answer.effect, reason: worst.answer.isClaim ? .claim : .rule, layer: worst.layer,
                rule: worst.answer.rule)
        }
        guard isOpen else {
            return Decision(effect: .deny, reason: .silence, note: "no sentence opens a folder that this file is in")
        }
        if activity == .delete, !mentionsDeleting {
            // Deleting what may be changed asks; an else that denies is stricter.
            let changing = decide(.change, path, at: instant)
            if changing.effect != .deny {
                let fallback = otherwise(.delete, at: instant, opens: true)
                if fallback.effect == .deny, fallback.reason == .otherwise { return fallback }
                var asked = changing
                asked.effect = .ask
                asked.note = "deleting what may be changed asks, unless a sentence says otherwise"
                return asked
            }
            return Decision(effect: .deny, reason: changing.reason, layer: changing.layer, rule: changing.rule)
        }
        return otherwise(activity, at: instant, opens: true)
    }

    /// The components of the outermost folder opened for `activity` around `path`, per spelling; nil when there is none.
    private func openings(_ activity: Activity, _ path: FilePath, _ instant: Instant) -> [Int]? {
        var found: [Int?] = path.spellings.map { _ in nil }
        for layer in layers {
            let table = layer.table.files
            for number in table.opening {
                let entry = table.entries[number]
                guard entry.covers.contains(activity) || activity == .read,
                    instant.satisfies(layer.table.policy.rules[entry.rule].when)
                else { continue }
                for (position, spelling) in path.spellings.enumerated() {
                    let alone = FilePath([spelling])
                    guard entry.item.place.matches(alone, opened: [0], closing: false) else { continue }
                    let count = entry.item.place.components.count
                    found[position] = min(found[position] ?? count, count)
                }
            }
        }
        guard found.contains(where: { $0 != nil }) else { return nil }
        return found.enumerated().map { position, count in count ?? path.spellings[position].components.count }
    }

    private func answer(
        _ table: DecisionTable, _ activity: Activity, _ path: FilePath, _ opened: [Int], _ instant: Instant
    ) -> LayerAnswer? {
        var denied: Int?
        var asks: [Int] = []
        var allows: [Int] = []
        var relaxed: Int?
        table.files.forEachCandidate(path) { number in
            let entry = table.files.entries[number]
            let closing = entry.effect != .allow
            let rule = table.policy.rules[entry.rule]
            guard denied == nil, entry.covers.contains(activity), instant.satisfies(rule.when),
                entry.item.place.matches(path, opened: opened, closing: closing)
            else { return }
            for case .file(let exception) in rule.exceptions
            where exception.place.matches(path, opened: opened, closing: !closing) {
                // An exception from changing stays readable.
                if entry.effect == .allow, activity == .read, entry.item.activity == .change { relaxed = number }
                return
            }
            switch entry.effect {
            case .deny: denied = entry.rule
            case .ask: asks.append(number)
            case .allow: allows.append(number)
            }
        }
        if let denied { return LayerAnswer(effect: .deny, rule: denied, isClaim: false) }
        if let relaxed, allows.isEmpty { allows = [relaxed] }
        if asks.isEmpty, allows.isEmpty {
            guard table.claimed.contains(activity), let rule = table.claimRules[activity] else { return nil }
            if activity == .delete, claimAllowsChange(table, path, opened, instant) { return nil }
            return LayerAnswer(effect: .deny, rule: rule, isClaim: true)
        }
        for ask in asks {
            let entry = table.files.entries[ask]
            let narrower = allows.contains { number in
                let allow = table.files.entries[number]
                let askWhen = table.policy.rules[entry.rule].when
                let allowWhen = table.policy.rules[allow.rule].when
                guard entry.item.place.contains(allow.item.place), askWhen.contains(allowWhen) else { return false }
                return !(allow.item.place.contains(entry.item.place) && allowWhen.contains(askWhen))
            }
            if !narrower { return LayerAnswer(effect: .ask, rule: entry.rule, isClaim: false) }
        }
        guard let first = allows.first else { return nil }
        return LayerAnswer(effect: .allow, rule: table.files.entries[first].rule, isClaim: false)
    }

    /// Deleting inside what a claim lets change is not "the rest".
    private func claimAllowsChange(_ table: DecisionTable, _ path: FilePath, _ opened: [Int], _ instant: Instant)
        -> Bool
    {
        guard let change = answer(table, .change, path, opened, instant) else { return false }
        return change.effect != .deny
    }

    // MARK: The rest

    private func otherwise(_ activity: Activity, at instant: Instant, opens: Bool) -> Decision {
        var worst: Decision?
        for (index, layer) in layers.enumerated() {
            for (position, other) in layer.table.policy.others.enumerated()
            where other.activity == activity && instant.satisfies(other.when) {
                if let known = worst, known.effect >= other.effect { continue }
                worst = Decision(effect: other.effect, reason: .otherwise, layer: index, rule: position)
            }
        }
        guard let worst else { return Decision(effect: .deny, reason: .silence) }
        if worst.effect != .deny, !opens {
            return Decision(effect: .deny, reason: .floor("no “else” opens what the floor closes"))
        }
        return worst
    }

    private func decide(call name: String) -> Decision {
        for (index, layer) in layers.enumerated() {
            for (position, rule) in layer.table.policy.programs.enumerated() where rule.effect == .deny {
                let calls = CallList.calls(for: rule.activity)
                if calls.contains(where: { $0.name == name && $0.condition == nil }) {
                    return Decision(effect: .deny, reason: .rule, layer: index, rule: position)
                }
            }
        }
        var decision = Decision(effect: .allow, reason: .silence)
        for layer in layers {
            for rule in layer.table.policy.programs where rule.effect == .deny {
                for call in CallList.calls(for: rule.activity) where call.name == name {
                    decision.note = "except where \(call.condition?.words ?? "")"
                }
            }
        }
        return decision
    }
}
