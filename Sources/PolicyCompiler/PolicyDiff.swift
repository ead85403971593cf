internal import PolicyLanguage

/// What changes from one policy to another, in words; computed on what requests would get, not on texts.
package enum PolicyDiff {
    package struct Line: Sendable, Hashable {
        package let kind: String
        package let text: String
    }

    package static func words(_ old: Policy, _ new: Policy) -> [Line] {
        if old == new { return [] }
        let before = Ruling([Layer(.user, old)])
        let after = Ruling([Layer(.user, new)])
        var lines: [Line] = []
        func add(_ kind: String, _ text: String) {
            let line = Line(kind: kind, text: text)
            if !lines.contains(line) { lines.append(line) }
        }
        let olds = Set(old.rules)
        let news = Set(new.rules)
        let changed = old.rules.filter { !news.contains($0) } + new.rules.filter { !olds.contains($0) }
        for rule in changed {
            for item in rule.items {
                let instant = moment(in: rule.when)
                for request in samples(item, rule.effect) {
                    let was = before.decide(request, at: instant).effect
                    let now = after.decide(request, at: instant).effect
                    if was != now {
                        add("newly \(now.verb)", describe(item, rule) + " (was \(was.past))")
                        break
                    }
                }
            }
        }
        for activity in Activity.allCases {
            let was = old.others.filter { $0.activity == activity }
            let now = new.others.filter { $0.activity == activity }
            guard was != now else { continue }
            let effect = now.map(\.effect).max() ?? .deny
            let previous = was.map(\.effect).max() ?? .deny
            if effect != previous {
                add("newly \(effect.verb)", "everything else that \(activity.words) (was \(previous.past))")
            }
        }
        compare(old, new, add)
        return lines
    }

    private static func compare(_ old: Policy, _ new: Policy, _ add: (String, String) -> Void) {
        var was = old
        var now = new
        was.others = []
        now.others = []
        let left = Set(Explain.sentences(Self.rest(was)))
        let right = Set(Explain.sentences(Self.rest(now)))
        for line in right.subtracting(left).sorted() { add("now", line) }
        for line in left.subtracting(right).sorted() { add("no longer", line) }
        let rules = Set(old.rules.map { Rule($0.effect, $0.items, exceptions: $0.exceptions, when: $0.when) })
        for rule in new.rules where !rule.limits.isEmpty && !old.rules.contains(rule) {
            if rules.contains(Rule(rule.effect, rule.items, exceptions: rule.exceptions, when: rule.when)) {
                add("now limited", Explain.sentence(rule))
            }
        }
    }

    /// What is compared sentence by sentence.
    private static func rest(_ policy: Policy) -> Policy {
        var rest = policy
        rest.rules = []
        return rest
    }

    private static func describe(_ item: Item, _ rule: Rule) -> String {
        var text = Explain.shown(item, closing: rule.effect != .allow)
        if case .file(let file) = item { text = "to \(file.activity.verb) " + text }
        let time = Explain.time(rule.when)
        return time.isEmpty ? text : text + ", " + time.prefix(1).lowercased() + time.dropFirst().dropLast(2)
    }

    private static func moment(in when: When) -> Instant {
        var wall = when.from ?? (when.until.map { $0 - 1 } ?? 0)
        for _ in 0..<(8 * 96) where !Instant(wall: wall).satisfies(when) { wall += when.until == nil ? 15 : -15 }
        if let window = when.window, !Instant(wall: wall).satisfies(when) {
            let day = CivilTime.floorDivide(wall, 1440)
            for ahead in 0..<8 where Instant(wall: (day + ahead) * 1440 + window.start).satisfies(when) {
                return Instant(wall: (day + ahead) * 1440 + window.start)
            }
        }
        return Instant(wall: wall)
    }

    private static func samples(_ item: Item, _ effect: Effect) -> [Request] {
        switch item {
        case .connect(let connect):
            let hosts: [Connection.Host]
            switch connect.place {
            case .name(let name, let scope), .localName(let name, let scope):
                let beneath = HostName(normalised: "cowork-probe." + name.text)
                hosts = (scope == .under ? [] : [.name(name)]) + (scope == .exact ? [] : [.name(beneath)])
            case .addresses(let range): hosts = [.address(range.first), .address(range.last)]
            case .internet, .everywhere:
                hosts = [.name(HostName(normalised: "cowork-probe.example")), .address(Address(v4: 0xC633_64FE))]
            case .localNetwork: hosts = [.address(Address(v4: 0xC0A8_FE01))]
            case .thisComputer: hosts = [.name(.thisComputer)]
            case .metadata: hosts = [.name(.metadata)]
            case .registries: hosts = []
            }
            let transport: Transport = connect.ports.transport == .any ? .tcp : connect.ports.transport
            let port = connect.ports.contains(.https) ? 443 : connect.ports.low
            var contents: [Connection.Content] = []
            let path = connect.path ?? WebPath(segments: ["cowork-probe"], below: false)
            switch connect.content {
            case .all: contents = [.unknown, .web(WebRequest("GET", path: path))]
            case .downloads: contents = [.web(WebRequest("GET", path: path))]
            case .uploads: contents = [.web(WebRequest("POST", body: true, path: path)), .unknown]
            case .methods(let list): contents = list.map { .web(WebRequest($0, body: $0 == "POST", path: path)) }
            }
            return hosts.flatMap { host in contents.map { .connect(Connection(host, transport, port, $0)) } }
        case .file(let file):
            let names =
                file.place.components.map(\.text).map { $0.replacing("*") }
                + (file.place.name.map { [$0.text.replacing("*")] } ?? [])
            let root = file.place.root ?? .relative
            let path = FilePath([
                .init(root: root, components: file.place.isGitHooks ? [".git", "hooks"] : names + ["cowork-probe"])
            ])
            return Activity.allCases.filter { $0 != .connect && file.activity.covers(effect).contains($0) }.map {
                .file($0, path)
            }
        }
    }
}

extension String {
    fileprivate func replacing(_ star: Character) -> String { String(map { $0 == star || $0 == "?" ? "x" : $0 }) }
}

extension Effect {
    fileprivate var verb: String {
        switch self {
        case .allow: "allows"
        case .ask: "asks about"
        case .deny: "denies"
        }
    }
    fileprivate var past: String {
        switch self {
        case .allow: "allowed"
        case .ask: "asked"
        case .deny: "denied"
        }
    }
}

extension Activity {
    fileprivate var words: String {
        switch self {
        case .connect: "connects"
        case .read: "reads"
        case .change: "changes files"
        case .delete: "deletes files"
        }
    }
}
