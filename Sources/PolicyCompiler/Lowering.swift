internal import PolicyLanguage

/// Where a part of the normalised form was said.
package struct Origin: Sendable, Hashable {
    package let file: Int
    package let sentence: Int
    package let range: Range<Int>
    /// Whether the item stands in the sentence itself rather than in a group it names.
    package var isLiteral = true
}

/// An item with what the sentence said about it, which the normalised form no longer shows.
struct SaidItem {
    var item: Item
    var origin: Origin
    /// "github.com" alone against "github.com and its subdomains".
    var saidScope: NameScope?
    /// The service named, which on another port is still that service.
    var service: String?
    /// `nil` when neither a service nor a port was said.
    var saidPorts: PortSpan?
}

/// One access sentence after lowering, before its items are made rules of their own.
struct SaidRule {
    var effect: Effect
    var items: [SaidItem]
    var exceptions: [SaidItem]
    var when: When
    var limits: [Limit]
    var claims: Bool
    var narrows: Bool
    var origin: Origin
    var isKey: Bool
    /// Items before anything was taken away, for the analysis of exceptions.
    var whole: [SaidItem] = []
}

/// Turns syntax into items: fills in groups, services, ports; reads names narrowly or widely.
struct Lowering {
    let file: Int
    let groups: [String: [TargetTerm]]
    var faults: [Diagnostic] = []
    private(set) var usedGroups: Set<String> = []

    init(file: Int, groups: [String: [TargetTerm]]) {
        self.file = file
        self.groups = groups
    }

    mutating func fault(
        _ code: Diagnostic.Code, _ range: Range<Int>, _ message: String, hints: [String],
        severity: Diagnostic.Severity = .error
    ) {
        var diagnostic = Diagnostic(code, range, message, hints: hints, severity: severity)
        diagnostic.file = file
        faults.append(diagnostic)
    }

    // MARK: Connections

    mutating func lower(_ clause: AccessClause, sentence: Int, range: Range<Int>) -> SaidRule? {
        let origin = Origin(file: file, sentence: sentence, range: range)
        var rule = SaidRule(
            effect: clause.effect, items: [], exceptions: [], when: clause.when, limits: clause.limits,
            claims: clause.claims,
            narrows: clause.narrows, origin: origin, isKey: clause.key != nil)
        let before = faults.count
        switch clause.subject {
        case .connect(let parts):
            for part in parts {
                rule.items += lower(part, clause.effect, closing: !clause.effect.opens, origin, key: clause.key)
            }
            for part in clause.exceptions {
                rule.exceptions += lower(part, nil, closing: clause.effect.opens, origin, key: nil)
            }
        case .files(let activities, let terms):
            rule.items = lower(activities, terms, clause.effect, origin)
            let covered: FileActivity = clause.effect == .allow && !activities.contains(.read) ? .change : .all
            for term in clause.fileExceptions {
                rule.exceptions.append(SaidItem(item: .file(FileItem(covered, term.place)), origin: origin))
            }
        }
        guard faults.dropFirst(before).allSatisfy({ $0.severity != .error }) else { return nil }
        for limit in clause.limits where limit.isBytes && limit.period == .minute && limit.count == 0 { return nil }
        rule.whole = rule.items
        takeAway(&rule)
        return faults.dropFirst(before).allSatisfy { $0.severity != .error } ? rule : nil
    }

    /// One part's hosts × ways. `effect` is nil for an exception.
    mutating func lower(
        _ part: ConnectPart, _ effect: Effect?, closing: Bool, _ origin: Origin, key: String?
    ) -> [SaidItem] {
        var content = part.content
        if effect == .deny || effect == .ask, content == .downloads { content = .all }
        var found: [SaidItem] = []
        var targets: [(TargetTerm, Bool)] = []
        if part.targets.isEmpty {
            var anywhere = TargetTerm(.anywhere, part.range)
            anywhere.saidScope = nil
            targets = [(anywhere, true)]
        }
        for target in part.targets { expand(target, into: &targets, depth: 0, literal: true) }
        for (target, literal) in targets {
            guard let place = place(of: target, effect, closing: closing) else { continue }
            let ways = self.ways(part, target, effect, content)
            let paths: [WebPath?] = target.path.map { [$0] } ?? (part.paths.isEmpty ? [nil] : part.paths.map { $0 })
            for way in ways {
                for path in paths {
                    var item = ConnectItem(place, way.ports)
                    item.content = content
                    item.path = path.flatMap { $0.segments.isEmpty && $0.below ? nil : $0 }
                    item.key = key
                    var origin = origin
                    origin.isLiteral = literal
                    found.append(
                        SaidItem(
                            item: .connect(item), origin: origin, saidScope: target.saidScope, service: way.service,
                            saidPorts: way.said ? way.ports : nil))
                }
            }
        }
        return found
    }

    /// A group's names, however deep; definitions that lead back were refused before.
    private mutating func expand(
        _ target: TargetTerm, into found: inout [(TargetTerm, Bool)], depth: Int, literal: Bool
    ) {
        guard case .group(let name) = target.kind else {
            found.append((target, literal))
            return
        }
        // A work list, not recursion: definitions may nest as deep as a file is long.
        var waiting: [TargetTerm] = [target]
        var seen: Set<String> = []
        _ = name
        while let next = waiting.popLast() {
            guard case .group(let name) = next.kind else {
                found.append((next, false))
                continue
            }
            usedGroups.insert(name)
            guard seen.insert(name).inserted else { continue }
            for member in (groups[name] ?? []).reversed() {
                var member = member
                if member.saidScope == nil { member.saidScope = next.saidScope }
                member.onLocalNetwork = member.onLocalNetwork || next.onLocalNetwork
                member.range = target.range
                waiting.append(member)
            }
        }
    }

    private struct Way {
        var ports: PortSpan
        var service: String?
        var said: Bool
    }

    private mutating func ways(
        _ part: ConnectPart, _ target: TargetTerm, _ effect: Effect?, _ content: Content
    ) -> [Way] {
        var services = part.services
        var ports = part.ports
        if let scheme = target.scheme {
            for service in services {
                if case .named(let name, _, _) = service, name == scheme { continue }
                fault(
                    .notUnderstood, target.range, "the service differs from the URL's scheme, \(scheme)",
                    hints: ["Allow \(scheme)://example.com/."])
                return []
            }
            if services.isEmpty,
                target.path != nil || effect?.opens ?? true || part.content != .all || target.port != nil
            {
                services = [.named(scheme, .tcp, scheme == "http" ? 80 : 443)]
            } else if services.isEmpty {
                fault(
                    .ambiguous, target.range, "this can mean the host, or only its \(scheme)",
                    hints: ["Block \(Self.shown(target)).", "Block \(scheme) to \(Self.shown(target))."])
                return []
            }
        }
        if let port = target.port {
            if !ports.isEmpty {
                fault(
                    .badPort, target.range, "this names the port twice",
                    hints: ["Allow tcp to example.com on port 8443."])
                return []
            }
            ports = [PortSpan(.any, port, port)]
        }
        if services.isEmpty, ports.isEmpty {
            return effect == .allow
                ? [Way(ports: .https, service: nil, said: false)] : [Way(ports: .everything, service: nil, said: false)]
        }
        if services.isEmpty {
            return ports.map {
                Way(
                    ports: PortSpan($0.transport == .any ? .tcp : $0.transport, $0.low, $0.high), service: nil,
                    said: true)
            }
        }
        var found: [Way] = []
        for service in services {
            switch service {
            case .named(let name, let transport, let port):
                if ports.isEmpty {
                    found.append(Way(ports: PortSpan(transport, port, port), service: name, said: true))
                }
                for span in ports {
                    guard span.transport == .any || span.transport == transport else {
                        fault(
                            .badPort, part.range, "\(name) does not run over this protocol",
                            hints: ["Allow \(name) to example.com on port 8443."])
                        return []
                    }
                    found.append(Way(ports: PortSpan(transport, span.low, span.high), service: name, said: true))
                }
            case .transport(let transport):
                if ports.isEmpty { found.append(Way(ports: PortSpan(transport, 1, 65535), service: nil, said: true)) }
                for span in ports {
                    guard span.transport == .any || span.transport == transport else {
                        fault(
                            .badPort, part.range, "this names two protocols",
                            hints: ["Allow udp to 192.0.2.53 port 123."])
                        return []
                    }
                    found.append(Way(ports: PortSpan(transport, span.low, span.high), service: nil, said: true))
                }
            case .anyConnection:
                if ports.isEmpty { found.append(Way(ports: .everything, service: nil, said: true)) }
                for span in ports { found.append(Way(ports: span, service: nil, said: true)) }
                if effect == .allow {
                    fault(
                        .dangerous, part.range, "“any connection” opens every port and protocol",
                        hints: ["Allow https to \(Self.shown(target))."], severity: .warning)
                }
            }
        }
        return found
    }

    static func shown(_ target: TargetTerm) -> String {
        switch target.kind {
        case .host(let host): target.saidScope == .under ? "*.\(host.text)" : host.text
        case .addresses(let range): "\(range)"
        case .group(let name): name
        case .internet, .anywhere: "the internet"
        case .localNetwork: "the local network"
        case .thisComputer: "this computer"
        case .metadata: "the cloud metadata service"
        case .registries: "the package registries"
        }
    }

    private mutating func place(of target: TargetTerm, _ effect: Effect?, closing: Bool) -> Place? {
        let opens = effect == .allow
        let names = effect == .allow || effect == .ask
        switch target.kind {
        case .host(let host):
            let scope = target.saidScope ?? (closing ? .wide : .exact)
            if names { guard check(host, scope, target, opens: opens) else { return nil } }
            return target.onLocalNetwork ? .localName(host, scope) : .name(host, scope)
        case .addresses(let range):
            if names { guard check(range, target, opens: opens) else { return nil } }
            return .addresses(range)
        case .internet: return .internet
        case .localNetwork: return .localNetwork
        case .thisComputer: return .thisComputer
        case .metadata:
            if names {
                fault(
                    .tooBroad, target.range, "the cloud metadata service opens for no sentence",
                    hints: ["Never let it reach the cloud metadata service."])
                return nil
            }
            return .metadata
        case .registries: return .registries
        case .anywhere:
            if opens {
                fault(
                    .tooBroad, target.range, "what opens must say where",
                    hints: ["Allow https to the internet.", "Let the agent reach example.com."])
                return nil
            }
            return .everywhere
        case .group(let name):
            fault(.badName, target.range, "“\(name)” is not defined", hints: ["Define \(name) as example.com."])
            return nil
        }
    }

    /// Names that must not open, or not so widely.
    private mutating func check(_ host: HostName, _ scope: NameScope, _ target: TargetTerm, opens: Bool) -> Bool {
        if host == .metadata {
            fault(
                .tooBroad, target.range, "the cloud metadata service opens for no sentence",
                hints: ["Never let it reach the cloud metadata service."])
            return false
        }
        guard opens else { return true }
        if host == .thisComputer || host.text.hasSuffix(".localhost") {
            fault(
                .tooBroad, target.range, "this computer opens only by these words",
                hints: ["Allow tcp to this computer on port 5432."])
            return false
        }
        if scope != .exact, PublicSuffix.contains(host) {
            fault(
                .tooBroad, target.range, "anybody can register a name under \(host.text)",
                hints: [
                    "Allow https to example.\(host.text).", "Allow https to *.example.\(host.text).",
                    "Allow https to the internet.",
                ])
            return false
        }
        if host.text.contains("xn--") {
            do {
                _ = try HostName.parse(host.text, lookAlikes: false)
            } catch {
                fault(
                    .badName, target.range,
                    "“\(host.shown)” is made of letters that look like others; it is \(host.text)",
                    hints: ["Block \(host.text).", "Allow https to example.com."])
                return false
            }
        }
        return true
    }

    private mutating func check(_ range: AddressRange, _ target: TargetTerm, opens: Bool) -> Bool {
        switch AddressBlocks.kind(of: range) {
        case .public, .local: return true
        case .thisComputer:
            fault(
                .ambiguous, target.range, "\(range) is the guest itself; the computer it runs on is “this computer”",
                hints: ["Allow tcp to this computer on port 5432."])
        case .metadata:
            fault(
                .tooBroad, target.range, "the cloud metadata service opens for no sentence",
                hints: ["Never let it reach the cloud metadata service."])
        case .special:
            fault(
                .tooBroad, target.range, "\(range) is no address that can be opened",
                hints: ["Allow https to 192.0.2.1."])
        case nil:
            if !opens { return true }
            fault(
                .tooBroad, target.range, "\(range) mixes public and special addresses",
                hints: ["Allow https to the internet.", "Allow https to the local network."])
        }
        return false
    }

    // MARK: Files

    private mutating func lower(
        _ activities: [FileActivity], _ terms: [FileTerm], _ effect: Effect, _ origin: Origin
    ) -> [SaidItem] {
        var kept = Set(activities)
        if kept.contains(.all) { kept = [.all] }
        if effect != .allow {
            if kept.contains(.read) { kept = [.all] }
            if kept.contains(.change) { kept.remove(.delete) }
        } else if kept.contains(.change) {
            kept.remove(.read)
        }
        var found: [SaidItem] = []
        for term in terms {
            if effect == .allow, term.place.isGitHooks {
                fault(
                    .tooBroad, term.range, "git hooks run on this computer; name the folder instead",
                    hints: ["Let it change anything in ~/projects/widgets."])
                return []
            }
            if effect == .allow, term.place.root == .home, term.place.components.isEmpty, term.place.name == nil {
                fault(
                    .dangerous, term.range, "this opens your whole home folder",
                    hints: ["The agent may read ~/projects."], severity: .warning)
            }
            for activity in kept {
                found.append(SaidItem(item: .file(FileItem(activity, term.place)), origin: origin))
            }
        }
        return found
    }

    // MARK: Exceptions

    /// Takes whole items away, keeps exceptions that matter, and refuses those that cannot have been meant.
    private mutating func takeAway(_ rule: inout SaidRule) {
        guard !rule.exceptions.isEmpty else { return }
        var kept: [SaidItem] = []
        var touched: Set<Int> = []
        var remaining: [SaidItem] = []
        for item in rule.items {
            var isGone = false
            for (position, exception) in rule.exceptions.enumerated() where Self.meets(exception.item, item.item) {
                touched.insert(position)
                if Self.contains(exception.item, item.item, exceptionCloses: rule.effect.opens) { isGone = true }
            }
            if !isGone { remaining.append(item) }
        }
        for (position, exception) in rule.exceptions.enumerated() {
            guard touched.contains(position) else {
                fault(
                    .badException, rule.origin.range,
                    "the exception \(Explain.shown(exception.item, closing: rule.effect.opens)) lies outside what it is taken from",
                    hints: ["Allow https to example.com and its subdomains, except api.example.com."])
                return
            }
            if remaining.contains(where: { Self.meets(exception.item, $0.item) }) { kept.append(exception) }
        }
        guard !remaining.isEmpty else {
            fault(
                .badException, rule.origin.range, "the exceptions take everything away that this sentence says",
                hints: ["Allow https to example.com and its subdomains, except api.example.com."])
            return
        }
        rule.items = remaining
        rule.exceptions = kept
    }

    static func meets(_ left: Item, _ right: Item) -> Bool {
        switch (left, right) {
        case (.connect(let one), .connect(let two)): one.meets(two)
        case (.file(let one), .file(let two)): one.place.meets(two.place)
        default: false
        }
    }

    static func contains(_ exception: Item, _ item: Item, exceptionCloses: Bool) -> Bool {
        switch (exception, item) {
        case (.connect(let one), .connect(let two)):
            return one.contains(two, closing: exceptionCloses, otherCloses: !exceptionCloses)
        case (.file(let one), .file(let two)):
            return one.place.contains(two.place) && (one.activity == .all || one.activity == two.activity)
        default: return false
        }
    }
}
