package import PolicyLanguage

/// The texts of one layer, compiled: the normalised form, where each part was said, and the faults.
package struct Compilation: Sendable {
    package let sources: [SourceText]
    package var policy: Policy
    package var faults: [Diagnostic]
    /// Parallel to `policy.rules`.
    package var origins: [[Origin]]
    package var otherOrigins: [Origin]
    package var programOrigins: [Origin]
    package var ingressOrigins: [Origin]
    package var sentences: [[Sentence]]
    package var steps: Int

    package var isGood: Bool { !faults.contains { $0.severity == .error } }

    package func text(of origin: Origin) -> String {
        guard sentences.indices.contains(origin.file), sentences[origin.file].indices.contains(origin.sentence) else {
            return ""
        }
        return sentences[origin.file][origin.sentence].text
    }

    /// `moment` is the present, for warnings about what has expired; it never changes the verdict.
    package static func compile(_ sources: [SourceText], suggesting: Bool = true, now: Int? = nil) -> Compilation {
        var compiler = PolicyBuilder()
        return compiler.build(sources, suggesting: suggesting, now: now)
    }
}

/// Gathers what the sentences of a layer say.
struct PolicyBuilder {
    private var faults: [Diagnostic] = []
    private var said: [SaidRule] = []
    private var others: [(Otherwise, Origin)] = []
    private var limits: [LimitRule] = []
    private var closed: [(ClosedHost, Origin)] = []
    private var ingress: [(Ingress, Origin)] = []
    private var applies: [(ApplyRule, Origin)] = []
    private var programs: [(ProgramRule, Origin)] = []
    private var budgets: [(Budget, Origin)] = []
    private var refusesHello = false

    mutating func build(_ sources: [SourceText], suggesting: Bool, now: Int?) -> Compilation {
        var sentences: [[Sentence]] = []
        var steps = 0
        for (file, source) in sources.enumerated() {
            let parsed = ParsedPolicy.parse(source, suggesting: suggesting)
            sentences.append(parsed.sentences)
            steps += parsed.steps
            faults += parsed.faults.map { fault in
                var fault = fault
                fault.file = file
                return fault
            }
            gather(parsed, file)
        }
        var result = Compilation(
            sources: sources, policy: Policy(), faults: [], origins: [], otherOrigins: [], programOrigins: [],
            ingressOrigins: [], sentences: sentences, steps: steps)
        assemble(&result)
        if faults.allSatisfy({ $0.severity != .error }) {
            var analysis = Analysis(
                said: said, closed: closed, others: others, sources: sources, sentences: sentences, compiled: result,
                now: now)
            analysis.run()
            faults += analysis.faults
        }
        if suggesting {
            keepHintsThatCompile(
                defines: sentences.contains { $0.contains { $0.clauses.contains { $0.isDefinition } } })
        }
        result.faults = faults.sorted { ($0.file, $0.range.lowerBound) < ($1.file, $1.range.lowerBound) }
        return result
    }

    /// A hint is a sentence that compiles; where names of groups are at play it need only be understood.
    private mutating func keepHintsThatCompile(defines: Bool) {
        for index in faults.indices.prefix(100)
        where faults[index].code != .tooLarge && faults[index].severity == .error {
            var kept: [String] = []
            for hint in faults[index].hints where !kept.contains(hint) {
                let good = Compilation.compile([SourceText(name: "", hint)], suggesting: false).isGood
                if good || defines && faults[index].code != .badText { kept.append(hint) }
            }
            if kept.isEmpty, !faults[index].hints.isEmpty || faults[index].code != .unlimited {
                kept = ["Allow https to example.com.", "Block example.com.", "Ask me before connecting anywhere else."]
            }
            faults[index].hints = kept
        }
    }

    private mutating func gather(_ parsed: ParsedPolicy, _ file: Int) {
        let groups = definitions(parsed, file)
        var lowering = Lowering(file: file, groups: groups)
        for (position, sentence) in parsed.sentences.enumerated() {
            let origin = Origin(file: file, sentence: position, range: sentence.range)
            for clause in sentence.clauses { gather(clause, origin, &lowering) }
        }
        faults += lowering.faults
    }

    private mutating func gather(_ clause: Clause, _ origin: Origin, _ lowering: inout Lowering) {
        switch clause {
        case .access(let access):
            if let rule = lowering.lower(access, sentence: origin.sentence, range: origin.range) { said.append(rule) }
        case .define: break
        case .ingress(let guest, let host): ingress.append((Ingress(guest: guest, host: host), origin))
        case .leaveClosed(let targets, let exceptions):
            var part = ConnectPart(range: origin.range)
            part.targets = targets
            let items = lowering.lower(part, .deny, closing: true, origin, key: nil)
            let kept = exceptions.flatMap { lowering.lower($0, nil, closing: false, origin, key: nil) }.map(\.item)
            for said in items {
                guard case .connect(let item) = said.item else { continue }
                let own = kept.filter { Lowering.meets($0, said.item) }
                closed.append((ClosedHost(place: item.place, exceptions: Self.sorted(own)), origin))
            }
        case .apply(let effect, let kinds):
            for kind in kinds { applies.append((ApplyRule(kind: kind, effect: effect), origin)) }
        case .programs(let effect, let activities):
            for activity in activities { programs.append((ProgramRule(activity: activity, effect: effect), origin)) }
        case .budget(let budget): budgets.append((budget, origin))
        case .limit(let limit): gather(limit, origin, &lowering)
        case .otherwise(let activities, let effect, let when):
            for activity in activities {
                others.append((Otherwise(activity: activity, effect: effect, when: when), origin))
            }
        case .refuseEncryptedHello: refusesHello = true
        }
    }

    private mutating func gather(_ clause: LimitClause, _ origin: Origin, _ lowering: inout Lowering) {
        var items: [Item] = []
        for part in clause.parts {
            if part.targets.isEmpty, part.services.isEmpty { continue }
            items += lowering.lower(part, .deny, closing: true, origin, key: nil).map(\.item)
        }
        let exceptions = clause.exceptions.flatMap { lowering.lower($0, nil, closing: false, origin, key: nil) }.map(
            \.item)
        for limit in clause.limits {
            limits.append(
                LimitRule(
                    limit: limit, items: Self.sorted(items), exceptions: Self.sorted(exceptions), when: clause.when))
        }
    }

    /// A file's groups; those that lead back to themselves, or are defined twice, are faults.
    private mutating func definitions(_ parsed: ParsedPolicy, _ file: Int) -> [String: [TargetTerm]] {
        var groups: [String: [TargetTerm]] = [:]
        var places: [String: Range<Int>] = [:]
        func fault(_ range: Range<Int>, _ message: String, related: [Diagnostic.Place] = []) -> Diagnostic {
            var diagnostic = Diagnostic(
                .badDefinition, range, message, hints: ["Define rust mirrors as crates.io and static.crates.io."],
                related: related)
            diagnostic.file = file
            return diagnostic
        }
        for sentence in parsed.sentences {
            for case .define(let name, let targets) in sentence.clauses {
                if let first = places[name] {
                    faults.append(
                        fault(sentence.range, "“\(name)” is defined twice", related: [.init(file: file, range: first)]))
                    continue
                }
                groups[name] = targets
                places[name] = sentence.range
            }
        }
        // Definitions whose members are all resolved leave the graph; what stays leads back to itself.
        var waiting: [String: Set<String>] = [:]
        var users: [String: [String]] = [:]
        var ready: [String] = []
        for (name, targets) in groups {
            var needs: Set<String> = []
            for target in targets {
                if case .group(let other) = target.kind { needs.insert(other) }
            }
            for other in needs { users[other, default: []].append(name) }
            if needs.isEmpty { ready.append(name) } else { waiting[name] = needs }
        }
        while let name = ready.popLast() {
            for user in users[name] ?? [] {
                waiting[user]?.remove(name)
                if waiting[user]?.isEmpty == true {
                    waiting[user] = nil
                    ready.append(user)
                }
            }
        }
        for name in waiting.keys.sorted() {
            faults.append(fault(places[name] ?? 0..<0, "the definition of “\(name)” leads back to itself"))
            groups[name] = []
        }
        return groups
    }

    static func sorted(_ items: [Item]) -> [Item] {
        if items.count < 2 { return items }
        var keyed: [(String, Item)] = []
        var seen: Set<Item> = []
        for item in items where seen.insert(item).inserted { keyed.append((item.json.written, item)) }
        return keyed.sorted { $0.0 < $1.0 }.map(\.1)
    }

    private static func unique<Value: Hashable>(
        _ values: [(Value, Origin)], _ key: (Value) -> String
    ) -> [(value: Value, origins: [Origin])] {
        var origins: [Value: [Origin]] = [:]
        for (value, origin) in values { origins[value, default: []].append(origin) }
        return origins.map { (key($0.key), $0.key, $0.value) }.sorted { $0.0 < $1.0 }.map { ($0.1, $0.2) }
    }

    private mutating func assemble(_ result: inout Compilation) {
        var rules: [(Rule, Origin)] = []
        for rule in said {
            let exceptions = rule.exceptions.map(\.item)
            if rule.claims || !rule.limits.isEmpty {
                let merged = Rule(
                    rule.effect, Self.sorted(rule.items.map(\.item)), exceptions: Self.sorted(exceptions),
                    when: rule.when,
                    limits: Self.sorted(rule.limits), claims: rule.claims)
                rules.append((merged, rule.origin))
                continue
            }
            for item in rule.items {
                let own = exceptions.filter { Lowering.meets($0, item.item) }
                rules.append(
                    (Rule(rule.effect, [item.item], exceptions: Self.sorted(own), when: rule.when), item.origin))
            }
        }
        let kept = Self.unique(rules) { $0.json.written }
        result.policy.rules = kept.map(\.value)
        result.origins = kept.map(\.origins)
        let otherwise = Self.unique(others) { $0.json.written }
        result.policy.others = otherwise.map(\.value)
        result.otherOrigins = otherwise.compactMap(\.origins.first)
        var seen: [String: LimitRule] = [:]
        for limit in limits { seen[limit.json.written] = limit }
        result.policy.limits = seen.sorted { $0.key < $1.key }.map(\.value)
        result.policy.closed = Self.unique(closed) { $0.json.written }.map(\.value)
        let doors = Self.unique(ingress) { "\($0.guest + 0) \($0.host)" }
        result.policy.ingress = doors.map(\.value).sorted { ($0.guest, $0.host) < ($1.guest, $1.host) }
        result.ingressOrigins = result.policy.ingress.compactMap { door in
            doors.first { $0.value == door }?.origins.first
        }
        result.policy.applies = Self.unique(applies) { $0.kind.rawValue + $0.effect.word }.map(\.value)
        let calls = Self.unique(programs) { $0.activity.rawValue + $0.effect.word }
        result.policy.programs = calls.map(\.value)
        result.programOrigins = calls.compactMap(\.origins.first)
        result.policy.budgets = Self.unique(budgets) { $0.json.written }.map(\.value)
        result.policy.refusesEncryptedHello = refusesHello
        conflicts(applies, \.kind, \.effect)
        conflicts(programs, \.activity, \.effect)
    }

    /// Two answers about one thing, or one thing said twice.
    private mutating func conflicts<Value: Hashable, Key: Hashable>(
        _ values: [(Value, Origin)], _ key: (Value) -> Key, _ effect: (Value) -> Effect
    ) {
        var first: [Key: (Value, Origin)] = [:]
        for (value, origin) in values {
            guard let (earlier, place) = first[key(value)] else {
                first[key(value)] = (value, origin)
                continue
            }
            let same = effect(earlier) == effect(value)
            var fault = Diagnostic(
                same ? .repetition : .contradiction, origin.range,
                same ? "this is said twice" : "two sentences answer this differently",
                hints: ["Apply new files and edits without asking; ask for everything else."],
                related: [.init(file: place.file, range: place.range)])
            fault.file = origin.file
            if same, place.file != origin.file { fault.severity = .warning }
            faults.append(fault)
        }
    }

    static func sorted(_ limits: [Limit]) -> [Limit] {
        var seen: [String: Limit] = [:]
        for limit in limits { seen[limit.json.written] = limit }
        return seen.sorted { $0.key < $1.key }.map(\.value)
    }
}

extension Clause {
    fileprivate var isDefinition: Bool { if case .define = self { true } else { false } }
}
