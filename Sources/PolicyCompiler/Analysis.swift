internal import PolicyLanguage

/// Looks for sentences of one layer that contradict each other, can never take effect, or repeat each other.
///
/// Bounded so that two compilers agree: at most 64 denies and 256 boxes per item; beyond that nothing is called dead.
struct Analysis {
    let said: [SaidRule]
    let closed: [(ClosedHost, Origin)]
    let others: [(Otherwise, Origin)]
    let sources: [SourceText]
    let sentences: [[Sentence]]
    let compiled: Compilation
    let now: Int?
    var faults: [Diagnostic] = []

    private struct Located {
        let item: SaidItem
        let rule: Int
    }
    private var byName: [String: [Located]] = [:]
    private var byRange: [AddressRange: [Located]] = [:]
    private var lengths: Set<UInt16> = []
    private var sortedRanges: [(AddressRange, Located)] = []
    private var general: [Located] = []
    private var reported: Set<String> = []
    private var fileRules: [Int] = []

    init(
        said: [SaidRule], closed: [(ClosedHost, Origin)], others: [(Otherwise, Origin)], sources: [SourceText],
        sentences: [[Sentence]], compiled: Compilation, now: Int?
    ) {
        self.said = said
        self.closed = closed
        self.others = others
        self.sources = sources
        self.sentences = sentences
        self.compiled = compiled
        self.now = now
        for (index, rule) in said.enumerated() {
            if case .file? = rule.items.first?.item { fileRules.append(index) }
            for item in rule.items {
                guard case .connect(let connect) = item.item else { continue }
                let located = Located(item: item, rule: index)
                switch connect.place {
                case .name(let name, _), .localName(let name, _): byName[name.text, default: []].append(located)
                case .addresses(let range):
                    byRange[range, default: []].append(located)
                    lengths.insert(UInt16(range.prefix) | (range.first.isV6 ? 256 : 0))
                    sortedRanges.append((range, located))
                default: general.append(located)
                }
            }
        }
        sortedRanges.sort { $0.0 < $1.0 }
    }

    mutating func run() {
        repetitions()
        for (index, rule) in said.enumerated() {
            for item in rule.items {
                switch item.item {
                case .connect(let connect): check(connect, item, index)
                case .file(let file): check(file, item, index)
                }
            }
            checkExceptions(rule, index)
            checkExpiry(rule)
        }
        checkClaims()
        checkClosed()
        checkMeeting()
        if Facts.dangerous(compiled.policy),
            let rule = said.first(where: { rule in
                rule.items.contains { if case .connect(let item) = $0.item { item.place == .internet } else { false } }
            })
        {
            report(
                .dangerous, rule.origin, "files, code and an open internet together are how data leaves", [],
                related: [],
                severity: .warning)
        }
    }

    // MARK: Reporting

    private mutating func report(
        _ code: Diagnostic.Code, _ origin: Origin, _ message: String, _ hints: [String], related: [Origin],
        severity: Diagnostic.Severity = .error
    ) {
        guard faults.count < 1000 else { return }
        let key = "\(code.rawValue) \(origin.file) \(origin.range) \(related.map { "\($0.file) \($0.range)" })"
        guard reported.insert(key).inserted else { return }
        var fault = Diagnostic(
            code, origin.range, message, hints: hints, related: related.map { .init(file: $0.file, range: $0.range) },
            severity: severity)
        fault.file = origin.file
        faults.append(fault)
    }

    private func text(_ origin: Origin) -> String {
        guard sentences.indices.contains(origin.file), sentences[origin.file].indices.contains(origin.sentence) else {
            return ""
        }
        return sentences[origin.file][origin.sentence].text
    }

    private static let example = "Block example.com and its subdomains except api.example.com."

    // MARK: Repetition

    private mutating func repetitions() {
        for (index, origins) in compiled.origins.enumerated() where origins.count > 1 {
            let rule = compiled.policy.rules[index]
            for later in origins.dropFirst() {
                guard let first = origins.first else { continue }
                let isWarning = first.file != later.file || !first.isLiteral || !later.isLiteral
                report(
                    .repetition, later, "this says again: \(Explain.sentence(rule))",
                    ["Delete one of the two: \(Explain.sentence(rule))"].map { _ in Explain.sentence(rule) },
                    related: [first], severity: isWarning ? .warning : .error)
            }
        }
        var seen: [Otherwise: Origin] = [:]
        for (other, origin) in others {
            if let first = seen[other] {
                report(
                    .repetition, origin, "this is said twice", ["Ask me before connecting anywhere else."],
                    related: [first],
                    severity: first.file == origin.file ? .error : .warning)
            }
            seen[other] = origin
            for (known, place) in seen
            where known.activity == other.activity && known.effect != other.effect && known.when.meets(other.when) {
                report(
                    .contradiction, origin, "two sentences answer everything else differently",
                    ["Ask me before connecting anywhere else."], related: [place])
            }
        }
    }

    // MARK: Connections

    /// Items at or above this one's place, and ranges inside it.
    private func around(_ item: ConnectItem) -> [Located] {
        var found: [Located] = general
        switch item.place {
        case .name(let name, _), .localName(let name, _):
            var suffix = Substring(name.text)
            while true {
                if let here = byName[String(suffix)] { found += here }
                guard let dot = suffix.firstIndex(of: ".") else { break }
                suffix = suffix[suffix.index(after: dot)...]
            }
        case .addresses(let range):
            for length in lengths where (length >= 256) == range.first.isV6 {
                let prefix = Int(length & 255)
                guard prefix < Int(range.prefix), let outer = AddressRange.trimmed(range.first, prefix: prefix) else {
                    continue
                }
                found += byRange[outer] ?? []
            }
            var low = 0
            var high = sortedRanges.count
            while low < high {
                let middle = (low + high) / 2
                if sortedRanges[middle].0.first < range.first { low = middle + 1 } else { high = middle }
            }
            var count = 0
            while low < sortedRanges.count, range.contains(sortedRanges[low].0.first), count < 4096 {
                if range.contains(sortedRanges[low].0) { found.append(sortedRanges[low].1) }
                low += 1
                count += 1
            }
        default: break
        }
        return found
    }

    private mutating func check(_ connect: ConnectItem, _ item: SaidItem, _ index: Int) {
        let rule = said[index]
        guard rule.effect != .deny else { return }
        let near = around(connect)
        checkDead(connect, item, index, near)
        if rule.effect == .allow { checkAsks(connect, item, index, near) }
        checkRedundant(connect, item, index, near)
        checkServices(connect, item, index, near)
        checkNarrowing(connect, item, index, near)
    }

    private mutating func checkDead(_ connect: ConnectItem, _ item: SaidItem, _ index: Int, _ near: [Located]) {
        let rule = said[index]
        var residual = Box.of(connect, rule.when, closing: rule.effect != .allow)
        var used: [Origin] = []
        var denies: [(String, ConnectItem, Int)] = []
        for other in near where said[other.rule].effect == .deny {
            guard case .connect(let deny) = other.item.item, deny.meets(connect),
                !said[other.rule].exceptions.contains(where: { Lowering.meets($0.item, item.item) })
            else { continue }
            denies.append((other.item.item.json.written, deny, other.rule))
        }
        if case .localName = connect.place,
            let deny = denies.first(where: { $0.1.place == .localNetwork && said[$0.2].when.meets(rule.when) })
        {
            report(
                .contradiction, rule.origin, "“\(text(said[deny.2].origin))” forbids the local network that this opens",
                [Self.example], related: [said[deny.2].origin])
            return
        }
        guard !denies.isEmpty else { return }
        for (_, deny, position) in denies.sorted(by: { $0.0 < $1.0 }).prefix(64) {
            var next: [Box] = []
            for box in residual {
                var rest = [box]
                for cut in Box.of(deny, said[position].when, closing: true) {
                    rest = rest.flatMap { $0.subtracting(cut) }
                }
                next += rest
            }
            if next.count != residual.count
                || zip(next, residual).contains(where: { $0.low != $1.low || $0.high != $1.high || $0.bits != $1.bits })
            {
                used.append(said[position].origin)
            }
            residual = next
            if residual.isEmpty { break }
            if residual.count > 256 {
                report(
                    .unlimited, rule.origin,
                    "whether this ever takes effect was not found out: too many denies meet it", [],
                    related: [], severity: .note)
                return
            }
        }
        guard residual.isEmpty else { return }
        let related = Array(Set(used)).sorted { ($0.file, $0.range.lowerBound) < ($1.file, $1.range.lowerBound) }
        report(
            .dead, rule.origin,
            "\(Explain.shown(item.item, closing: false)) never takes effect: \(related.map { "“\(text($0))”" }.joined(separator: " and ")) denies it",
            deadHints(item, related), related: related)
    }

    /// The deny with this allow as its exception: what was probably meant.
    private func deadHints(_ item: SaidItem, _ denies: [Origin]) -> [String] {
        var hints: [String] = []
        for deny in denies.prefix(2) {
            let sentence = text(deny)
            let exception = Explain.shown(item.item, closing: false)
            var plain = exception
            if case .connect(let connect) = item.item { plain = Explain.place(connect.place, closing: false) }
            if let rule = compiledRule(deny), rule.items.count == 1 {
                let base = Explain.sentence(rule).dropLast()
                hints.append(base + (rule.exceptions.isEmpty ? ", except " : ", ") + plain + ".")
            } else {
                hints.append(sentence + (sentence.contains("except") ? " and " : " except ") + plain + ".")
            }
        }
        return hints.isEmpty ? [Self.example] : hints
    }

    private func compiledRule(_ origin: Origin) -> Rule? {
        guard
            let index = compiled.origins.firstIndex(where: {
                $0.contains { $0.file == origin.file && $0.range == origin.range }
            })
        else { return nil }
        return compiled.policy.rules[index]
    }

    /// The same target asked and allowed.
    private mutating func checkAsks(_ connect: ConnectItem, _ item: SaidItem, _ index: Int, _ near: [Located]) {
        let rule = said[index]
        for other in near where said[other.rule].effect == .ask {
            guard case .connect(let ask) = other.item.item, ask.meets(connect) else { continue }
            let asking = said[other.rule]
            guard Self.sameTarget(connect.place, ask.place), rule.when == asking.when, connect.path == ask.path,
                connect.content == ask.content, Self.narrowing(item) == Self.narrowing(other.item),
                Self.reach(item) == Self.reach(other.item),
                !asking.exceptions.contains(where: { Lowering.contains($0.item, item.item, exceptionCloses: false) }),
                !rule.exceptions.contains(where: { Lowering.contains($0.item, other.item.item, exceptionCloses: true) })
            else { continue }
            report(
                .contradiction, rule.origin, "this allows what “\(text(asking.origin))” asks about",
                [
                    Explain.sentence(Rule(.allow, [item.item], when: rule.when)),
                    Explain.sentence(Rule(.ask, [other.item.item], when: asking.when)),
                ],
                related: [asking.origin])
        }
    }

    private static func sameTarget(_ left: Place, _ right: Place) -> Bool {
        func base(_ place: Place) -> Place {
            switch place {
            case .name(let name, .wide): .name(name, .exact)
            case .localName(let name, .wide): .localName(name, .exact)
            case .everywhere: .internet
            default: place
            }
        }
        return base(left) == base(right)
    }

    /// A service or port other than tcp 443.
    private static func narrowing(_ item: SaidItem) -> PortSpan? {
        guard let said = item.saidPorts, said != .https, said != .everything else { return nil }
        return said
    }

    private static func reach(_ item: SaidItem) -> NameScope { item.saidScope ?? .exact }

    /// Inside a wider sentence of the same effect.
    private mutating func checkRedundant(_ connect: ConnectItem, _ item: SaidItem, _ index: Int, _ near: [Located]) {
        let rule = said[index]
        guard rule.limits.isEmpty, !rule.claims, connect.key == nil else { return }
        let asks = near.contains { other in
            guard said[other.rule].effect == .ask, rule.effect == .allow, case .connect(let ask) = other.item.item
            else { return false }
            return ask.meets(connect)
        }
        guard !asks else { return }
        for other in near where other.rule != index && said[other.rule].effect == rule.effect && !said[other.rule].isKey
        {
            guard case .connect(let wider) = other.item.item, wider != connect || said[other.rule].when != rule.when
            else { continue }
            let outer = said[other.rule]
            let closing = rule.effect != .allow
            guard wider.contains(connect, closing: closing, otherCloses: closing), outer.when.contains(rule.when),
                !outer.exceptions.contains(where: { Lowering.meets($0.item, item.item) }),
                !(connect.contains(wider, closing: closing, otherCloses: closing) && rule.when.contains(outer.when)),
                rule.effect == .allow || !near.contains(where: { said[$0.rule].effect == .allow })
            else { continue }
            report(
                .redundant, rule.origin, "“\(text(outer.origin))” says this already", [], related: [outer.origin],
                severity: .warning)
            return
        }
    }

    /// A service forbidden by name and allowed on another port to the same host.
    private mutating func checkServices(_ connect: ConnectItem, _ item: SaidItem, _ index: Int, _ near: [Located]) {
        guard let service = item.service, said[index].effect == .allow else { return }
        for other in near where said[other.rule].effect == .deny && other.item.service == service {
            guard case .connect(let deny) = other.item.item, deny.place.meets(connect.place),
                deny.ports != connect.ports,
                said[other.rule].when.meets(said[index].when),
                !said[other.rule].exceptions.contains(where: { exception in
                    guard case .connect(let taken) = exception.item else { return false }
                    return taken.place.meets(connect.place)
                })
            else { continue }
            report(
                .contradiction, said[index].origin,
                "“\(text(said[other.rule].origin))” forbids \(service) to this host",
                ["Allow tcp to \(Explain.place(connect.place, closing: false)) on port \(connect.ports.low)."],
                related: [said[other.rule].origin])
        }
    }

    /// "only for …" beside a wider allow of what it leaves out.
    private mutating func checkNarrowing(_ connect: ConnectItem, _ item: SaidItem, _ index: Int, _ near: [Located]) {
        guard said[index].narrows, said[index].effect == .allow else { return }
        for other in near where other.rule != index && said[other.rule].effect == .allow && !said[other.rule].isKey {
            guard case .connect(let wider) = other.item.item, wider.place.contains(connect.place),
                wider.ports.meets(connect.ports),
                !connect.contains(wider, closing: false, otherCloses: false)
                    || !said[index].when.contains(said[other.rule].when)
            else { continue }
            guard wider.contains(connect, closing: false, otherCloses: false) else { continue }
            report(
                .contradiction, said[index].origin,
                "“\(text(said[other.rule].origin))” allows what “only” leaves out here",
                [Explain.sentence(Rule(.allow, [item.item], when: said[index].when))],
                related: [said[other.rule].origin])
        }
    }

    // MARK: Files

    private mutating func check(_ file: FileItem, _ item: SaidItem, _ index: Int) {
        let rule = said[index]
        guard rule.effect != .deny else { return }
        let covers = file.activity.covers(rule.effect)
        // Every pair is looked at: a bounded number of sentences about files.
        guard fileRules.count <= 1024 else { return }
        for position in fileRules where position != index {
            let other = said[position]
            for theirs in other.items {
                guard case .file(let wider) = theirs.item, wider.place.contains(file.place) else { continue }
                let theirCovers = wider.activity.covers(other.effect)
                if other.effect == .deny, other.when.contains(rule.when),
                    Self.own(file.activity, rule.effect).isSubset(of: theirCovers),
                    !other.exceptions.contains(where: { Lowering.meets($0.item, item.item) })
                {
                    report(
                        .dead, rule.origin, "this never takes effect: “\(text(other.origin))” denies it",
                        [
                            String(Explain.sentence(Rule(.deny, [theirs.item], when: other.when)).dropLast())
                                + ", except "
                                + Explain.shown(item.item, closing: false) + "."
                        ], related: [other.origin])
                } else if rule.effect == .allow, other.effect == .ask, wider.place == file.place,
                    rule.when == other.when,
                    !covers.isDisjoint(with: theirCovers), other.exceptions.isEmpty, rule.exceptions.isEmpty
                {
                    report(
                        .contradiction, rule.origin, "this allows what “\(text(other.origin))” asks about",
                        [Explain.sentence(Rule(.allow, [item.item], when: rule.when))], related: [other.origin])
                } else if rule.effect == other.effect, wider.place != file.place, covers.isSubset(of: theirCovers),
                    other.when.contains(rule.when), other.exceptions.isEmpty, rule.effect == .allow,
                    !said.contains(where: { asking in
                        asking.effect == .ask && asking.items.contains { Lowering.meets($0.item, item.item) }
                    })
                {
                    report(
                        .redundant, rule.origin, "“\(text(other.origin))” says this already", [],
                        related: [other.origin],
                        severity: .warning)
                }
            }
        }
    }

    /// What an allow is for: changing, not the reading that comes along.
    private static func own(_ activity: FileActivity, _ effect: Effect) -> Set<Activity> {
        effect == .allow && activity == .change ? [.change] : activity.covers(effect)
    }

    // MARK: Exceptions

    private mutating func checkExceptions(_ rule: SaidRule, _ index: Int) {
        for exception in rule.exceptions + taken(rule) {
            var decided = others.contains { other in
                switch exception.item {
                case .connect: other.0.activity == .connect
                case .file: other.0.activity != .connect
                }
            }
            for (position, other) in said.enumerated() where position != index {
                for item in other.items where Lowering.meets(item.item, exception.item) {
                    decided = true
                    if rule.effect == .allow, other.effect == .allow { givesBack(rule, other, item, exception) }
                }
            }
            if case .file(let file) = exception.item, rule.effect == .allow, file.activity == .change { decided = true }
            if !decided {
                report(
                    .leftOut, rule.origin,
                    "nothing decides about \(Explain.shown(exception.item, closing: rule.effect.opens)), so it is denied",
                    ["Ask me before connecting anywhere else."], related: [], severity: .warning)
            }
        }
    }

    /// Exceptions that took whole items away are no longer in the rule.
    private func taken(_ rule: SaidRule) -> [SaidItem] {
        if rule.items.count == rule.whole.count { return [] }
        let kept = Set(rule.items.map(\.item))
        return rule.whole.filter { !kept.contains($0.item) }
    }

    private mutating func givesBack(_ rule: SaidRule, _ other: SaidRule, _ item: SaidItem, _ exception: SaidItem) {
        guard other.limits.isEmpty, rule.when.contains(other.when) else { return }
        let inside = Lowering.contains(exception.item, item.item, exceptionCloses: true)
        let adds = !rule.whole.contains { whole in
            switch (whole.item, item.item) {
            case (.connect(let wide), .connect(let own)): wide.contains(own, closing: false, otherCloses: false)
            case (.file(let wide), .file(let own)):
                wide.place.contains(own.place) && own.activity.covers(.allow).isSubset(of: wide.activity.covers(.allow))
            default: false
            }
        }
        guard inside, !adds else { return }
        report(
            .contradiction, other.origin, "this gives back what “\(text(rule.origin))” takes away",
            [
                Explain.sentence(Rule(.allow, rule.whole.map(\.item), when: rule.when)).split(separator: "\n").first
                    .map(String.init) ?? Self.example
            ],
            related: [rule.origin])
    }

    private mutating func checkExpiry(_ rule: SaidRule) {
        guard let now, let until = rule.when.until, until <= now else { return }
        report(.expired, rule.origin, "this has expired", [], related: [], severity: .warning)
    }

    // MARK: only

    private mutating func checkClaims() {
        for (index, rule) in said.enumerated() where rule.claims {
            var claimed: Set<Activity> = []
            for item in rule.items {
                switch item.item {
                case .connect: claimed.insert(.connect)
                case .file(let file):
                    switch file.activity {
                    case .read, .all: claimed.formUnion([.read, .change, .delete])
                    case .change: claimed.formUnion([.change, .delete])
                    case .delete: claimed.insert(.delete)
                    }
                }
            }
            for (other, origin) in others where claimed.contains(other.activity) {
                report(
                    .contradiction, origin, "“\(text(rule.origin))” leaves nothing for an “else”",
                    ["Allow https to example.com. Ask me before connecting anywhere else."], related: [rule.origin])
            }
            for (position, other) in said.enumerated() where position != index && other.effect != .deny {
                for item in other.items where Self.isClaimed(item.item, other.effect, claimed) {
                    guard !rule.items.contains(where: { Self.names($0.item, item.item) }) else { continue }
                    report(
                        .contradiction, other.origin, "“\(text(rule.origin))” leaves nothing else to allow or ask",
                        [
                            Explain.sentence(
                                Rule(.allow, rule.items.map(\.item) + [item.item], when: rule.when, claims: true))
                        ],
                        related: [rule.origin])
                }
            }
        }
    }

    private static func isClaimed(_ item: Item, _ effect: Effect, _ claimed: Set<Activity>) -> Bool {
        switch item {
        case .connect: claimed.contains(.connect)
        case .file(let file):
            !claimed.isDisjoint(
                with: effect == .allow && file.activity == .change && !claimed.contains(.read)
                    ? [.change] : file.activity.covers(effect))
        }
    }

    private static func names(_ claim: Item, _ other: Item) -> Bool {
        switch (claim, other) {
        case (.connect(let own), .connect(let theirs)):
            if case .name(let left, _) = own.place, case .name(let right, .wide) = theirs.place, left == right {
                return true
            }
            return own.place.contains(theirs.place)
        case (.file(let own), .file(let theirs)):
            return own.place.contains(theirs.place) || !theirs.place.opensFolder && theirs.place.root == nil
        default: return false
        }
    }

    // MARK: Do not inspect

    private mutating func checkClosed() {
        for (host, origin) in closed {
            for rule in said {
                for item in rule.items {
                    guard case .connect(let connect) = item.item,
                        connect.inspects || rule.limits.contains(where: { $0.measure == .requests }),
                        connect.place.meets(host.place)
                    else { continue }
                    if host.exceptions.contains(where: { Lowering.contains($0, item.item, exceptionCloses: false) }) {
                        continue
                    }
                    if rule.exceptions.contains(where: { exception in
                        guard case .connect(let taken) = exception.item else { return false }
                        return taken.place.contains(host.place)
                    }) {
                        continue
                    }
                    let whole = host.place.contains(connect.place)
                    if rule.effect == .allow, !rule.isKey, !whole {
                        report(
                            .leftOut, origin,
                            "“\(text(rule.origin))” cannot look into this host, so it is denied there",
                            ["Allow https to \(Explain.place(host.place, closing: false))."], related: [rule.origin],
                            severity: .warning)
                    } else {
                        report(
                            .contradiction, origin, "“\(text(rule.origin))” has to look into this host",
                            [
                                text(rule.origin) + ", except "
                                    + Explain.place(host.place, closing: rule.effect == .allow) + ".",
                                "Do not inspect bank.example.",
                            ], related: [rule.origin])
                    }
                }
            }
        }
    }

    // MARK: How much meets

    /// A request at which more than 64 allows and asks meet would cost too much to decide.
    private mutating func checkMeeting() {
        let table = DecisionTable(compiled.policy)
        for entry in table.entries where entry.effect != .deny {
            let host: Connection.Host
            switch entry.item.place {
            case .name(let name, let scope), .localName(let name, let scope):
                host = .name(scope == .under ? HostName(normalised: "x." + name.text) : name)
            case .addresses(let range): host = .address(range.first)
            default: continue
            }
            let transport: Transport = entry.item.ports.transport == .any ? .tcp : entry.item.ports.transport
            var count = 0
            table.forEachCandidate(host, transport, entry.item.ports.low) { number in
                if count <= 64, table.entries[Int(number)].effect != .deny { count += 1 }
            }
            if count > 64, let origin = compiled.origins[entry.rule].first {
                report(
                    .unlimited, origin, "more than 64 allows and asks meet at one request",
                    ["Allow https to the internet."],
                    related: [])
                return
            }
        }
    }
}
