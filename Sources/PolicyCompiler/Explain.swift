package import PolicyLanguage

/// The policy in normalised English. Compiling what is printed gives the same form, byte for byte; all that is not a
/// sentence stands on lines that begin with `#`.
package enum Explain {
    package static func text(_ policy: Policy, facts: Bool = true) -> String {
        var lines = sentences(policy)
        if facts {
            let stated = Facts.state(policy)
            if !stated.isEmpty { lines += [""] + stated.map { "# " + $0 } }
        }
        return lines.isEmpty ? "" : lines.joined(separator: "\n") + "\n"
    }

    package static func sentences(_ policy: Policy) -> [String] {
        var lines: [String] = []
        lines += rules(policy.rules)
        for host in policy.closed {
            lines.append(
                "Do not inspect \(place(host.place, closing: true))" + except(host.exceptions, closing: false) + ".")
        }
        lines += policy.others.map(otherwise)
        lines += policy.limits.map(limit)
        lines += policy.ingress.map { "Show guest port \($0.guest) as port \($0.host) here." }
        lines += policy.applies.map(apply)
        lines += policy.programs.map(program)
        lines += policy.budgets.map(budget)
        if policy.refusesEncryptedHello { lines.append("Refuse encrypted hello.") }
        return lines
    }

    /// One rule alone, as `why` and `diff` quote it.
    package static func sentence(_ rule: Rule) -> String { rules([rule]).joined(separator: " ") }

    // MARK: Rules

    /// Sentences that differ only in where are printed as one, in the order of the normalised form.
    private static func rules(_ rules: [Rule]) -> [String] {
        struct Group {
            var first: Int
            var rule: Rule
        }
        var groups: [String: Int] = [:]
        var found: [Group] = []
        for (index, rule) in rules.enumerated() {
            guard !rule.claims, rule.limits.isEmpty, rule.items.count == 1, let item = rule.items.first else {
                found.append(Group(first: index, rule: rule))
                continue
            }
            var shell = rule
            shell.items = []
            let key: String
            switch item {
            case .connect(var connect):
                let local: Bool
                if case .localName = connect.place { local = true } else { local = false }
                let alone = connect.place == .everywhere || connect.place == .registries
                let place = connect.place
                connect.place = .internet
                key =
                    shell.json.written + Item.connect(connect).json.written + (local ? "l" : "")
                    + (alone ? place.json.written : "")
            case .file(let file):
                let folder =
                    file.place.name == nil
                    ? "" : FilePlace(root: file.place.root, components: file.place.components).json.written
                key =
                    shell.json.written + file.activity.word + (file.place.name == nil ? "p" : "n" + folder)
                    + (file.place.isAnything || file.place.isGitHooks ? file.place.json.written : "")
            }
            if let known = groups[key] {
                found[known].rule.items.append(item)
            } else {
                groups[key] = found.count
                found.append(Group(first: index, rule: rule))
            }
        }
        return found.map { sentence(of: $0.rule) }
    }

    private static func sentence(of rule: Rule) -> String {
        var connects: [ConnectItem] = []
        var files: [FileItem] = []
        for item in rule.items {
            switch item {
            case .connect(let connect): connects.append(connect)
            case .file(let file): files.append(file)
            }
        }
        let core = files.isEmpty ? connectCore(rule, connects) : fileCore(rule, files)
        var text = time(rule.when)
        text += text.isEmpty ? core : core.prefix(1).lowercased() + core.dropFirst()
        text += except(rule.exceptions, closing: rule.effect.opens)
        if !rule.limits.isEmpty { text += ", at most " + list(rule.limits.map(amount)) }
        return text + "."
    }

    private static func connectCore(_ rule: Rule, _ items: [ConnectItem]) -> String {
        let closing = !rule.effect.opens
        if let key = items.first?.key { return keyCore(key, items) }
        let parts = grouped(items).map { part($0, closing: closing) }
        if rule.claims { return "The agent may only use " + parts.joined(separator: ", ") }
        if !rule.claims, rule.effect != .allow, parts.count == 1, parts[0].hasPrefix("uploads") {
            return (rule.effect == .deny ? "Never upload anything" : "Ask before uploading anything")
                + parts[0].dropFirst(7)
        }
        let isPlain = parts.count == 1 && items.allSatisfy { $0.ports == .everything && $0.content == .all }
        switch rule.effect {
        case .allow: return "Allow " + parts.joined(separator: ", ")
        case .deny:
            guard isPlain else { return "Block " + parts.joined(separator: ", ") }
            if items.first?.place == .everywhere { return "Never connect anywhere" + path(items[0]) }
            return "Block " + places(items, closing: true) + path(items[0])
        case .ask:
            if isPlain {
                if items.first?.place == .everywhere { return "Ask before connecting anywhere" + path(items[0]) }
                return "Ask before connecting to " + places(items, closing: true) + path(items[0])
            }
            return "Ask before using " + parts.joined(separator: ", ")
        }
    }

    private static func keyCore(_ key: String, _ items: [ConnectItem]) -> String {
        var text = "Use my \(key) key for " + places(Array(items.prefix { $0.key == key }), closing: false)
        guard let item = items.first else { return text }
        if item.ports != .https { text += ports(item.ports) }
        text += path(item)
        switch item.content {
        case .all: break
        case .downloads: text += ", only for downloads"
        case .uploads: text += ", only for uploads"
        case .methods(let methods): text += ", only for " + list(methods) + " requests"
        }
        return text
    }

    /// Items that differ only in their place.
    private static func grouped(_ items: [ConnectItem]) -> [[ConnectItem]] {
        var order: [String: Int] = [:]
        var found: [[ConnectItem]] = []
        for item in items {
            var shell = item
            shell.place = .internet
            var key = Item.connect(shell).json.written
            if case .localName = item.place { key += "local" }
            if item.place == .everywhere { key += "everywhere" }
            if let known = order[key] {
                found[known].append(item)
            } else {
                order[key] = found.count
                found.append([item])
            }
        }
        return found
    }

    /// "ssh to a and b", "GET requests to c on path /v1/".
    private static func part(_ items: [ConnectItem], closing: Bool) -> String {
        guard let item = items.first else { return "" }
        var text: String
        var link = " to "
        var manner = ""
        switch item.content {
        case .all:
            if let service = services[item.ports] {
                text = service
            } else {
                switch item.ports.transport {
                case .any: text = "any connection"
                case .tcp: text = "tcp"
                case .udp: text = "udp"
                }
                if item.ports.low != 1 || item.ports.high != 65535 { manner = ports(item.ports, plain: true) }
            }
        case .downloads:
            text = "downloads"
            link = " from "
        case .uploads: text = "uploads"
        case .methods(let methods): text = list(methods) + " requests"
        }
        if item.content != .all {
            let standard: PortSpan = closing ? .everything : .https
            if item.ports != standard { manner = ports(item.ports) }
        }
        if item.place != .everywhere { text += link + places(items, closing: closing) }
        return text + manner + path(item)
    }

    static let services: [PortSpan: String] = [
        .https: "https", PortSpan(.tcp, 80, 80): "http", PortSpan(.tcp, 22, 22): "ssh", PortSpan(.tcp, 21, 21): "ftp",
        PortSpan(.tcp, 23, 23): "telnet", PortSpan(.tcp, 25, 25): "smtp", PortSpan(.udp, 123, 123): "ntp",
        PortSpan(.tcp, 5432, 5432): "postgres", PortSpan(.tcp, 3306, 3306): "mysql",
        PortSpan(.tcp, 6379, 6379): "redis",
    ]

    /// "on port 22"; the protocol is said unless it was said before.
    private static func ports(_ span: PortSpan, plain: Bool = false) -> String {
        if span.low == 1, span.high == 65535, !plain {
            switch span.transport {
            case .any: return ""
            case .tcp: return " over tcp"
            case .udp: return " over udp"
            }
        }
        let transport = plain || span.transport == .any ? "" : span.transport == .tcp ? "tcp " : "udp "
        return span.low == span.high
            ? " on \(transport)port \(span.low)" : " on \(transport)ports \(span.low) to \(span.high)"
    }

    private static func path(_ item: ConnectItem) -> String { item.path.map { " on path " + $0.text } ?? "" }

    private static func places(_ items: [ConnectItem], closing: Bool) -> String {
        var text = list(items.map { name(of: $0.place, closing: closing) })
        if case .localName? = items.first?.place { text += " on the local network" }
        return text
    }

    static func place(_ place: Place, closing: Bool) -> String {
        var text = name(of: place, closing: closing)
        if case .localName = place { text += " on the local network" }
        return text
    }

    private static func name(of place: Place, closing: Bool) -> String {
        switch place {
        case .name(let name, let scope), .localName(let name, let scope):
            switch scope {
            case .exact: closing ? name.text + " but not its subdomains" : name.text
            case .wide: name.text + " and its subdomains"
            case .under: "subdomains of " + name.text
            }
        case .addresses(let range): range.description
        case .internet: "the internet"
        case .localNetwork: "the local network"
        case .thisComputer: "this computer"
        case .metadata: "the cloud metadata service"
        case .registries: "the package registries"
        case .everywhere: "anywhere"
        }
    }

    static func list(_ words: [String]) -> String {
        switch words.count {
        case 0: ""
        case 1: words[0]
        case 2: words[0] + " and " + words[1]
        default: words.dropLast().joined(separator: ", ") + " and " + (words.last ?? "")
        }
    }

    // MARK: Exceptions

    static func except(_ items: [Item], closing: Bool) -> String {
        guard !items.isEmpty else { return "" }
        var plain: [String] = []
        var parts: [String] = []
        var files: [FileItem] = []
        for item in items {
            switch item {
            case .connect(let connect):
                if connect.ports == .everything, connect.content == .all, connect.path == nil,
                    connect.place != .everywhere
                {
                    plain.append(shown(item, closing: closing))
                } else {
                    parts.append(shown(item, closing: closing))
                }
            case .file(let file): files.append(file)
            }
        }
        if !files.isEmpty { return ", except " + fileList(files.map(\.place)) }
        var text = plain.isEmpty ? [] : [list(plain)]
        text += parts
        return ", except " + text.joined(separator: ", ")
    }

    static func shown(_ item: Item, closing: Bool) -> String {
        switch item {
        case .connect(let connect):
            if connect.ports == .everything, connect.content == .all {
                if connect.place == .everywhere { return "any connection" + path(connect) }
                return place(connect.place, closing: closing) + path(connect)
            }
            return exceptionPart(connect, closing)
        case .file(let file): return fileList([file.place])
        }
    }

    /// An exception without ports means all of them, whether it opens or closes.
    private static func exceptionPart(_ item: ConnectItem, _ closing: Bool) -> String {
        var text: String
        var manner = ""
        var link = " to "
        switch item.content {
        case .all: return part([item], closing: closing)
        case .downloads:
            text = "downloads"
            link = " from "
        case .uploads: text = "uploads"
        case .methods(let methods): text = list(methods) + " requests"
        }
        if item.ports != .everything { manner = ports(item.ports) }
        if item.place != .everywhere { text += link + place(item.place, closing: closing) }
        return text + manner + path(item)
    }

    // MARK: Files

    private static func fileCore(_ rule: Rule, _ items: [FileItem]) -> String {
        var activities: [FileActivity] = []
        var seen: Set<FilePlace> = []
        var places: [FilePlace] = []
        for item in items {
            if !activities.contains(item.activity) { activities.append(item.activity) }
            if seen.insert(item.place).inserted { places.append(item.place) }
        }
        let verbs = list(activities.sorted().map(\.verb))
        let object = fileList(places)
        switch rule.effect {
        case .allow: return (rule.claims ? "The agent may only " : "Let the agent ") + verbs + " " + object
        case .deny: return activities == [.all] ? "Hide " + object : "Never " + verbs + " " + object
        case .ask: return "Ask before " + list(activities.sorted().map(\.doing)) + " " + object
        }
    }

    /// Names that are in a folder first, so that the folder is never taken for the others'.
    static func fileList(_ places: [FilePlace]) -> String {
        let first = places.filter { $0.name == nil || $0.root != nil }
        let last = places.filter { $0.name != nil && $0.root == nil }
        return list((first + last).map(filePlace))
    }

    static func filePlace(_ place: FilePlace) -> String {
        if place.isGitHooks { return "git hooks" }
        var folder: String?
        if let root = place.root { folder = path(root, place.components) }
        guard let name = place.name else { return folder ?? "anything" }
        let called: String
        switch name {
        case .literal(let text): called = "files called " + quoted(text)
        case .glob(let text): called = "files called " + text
        }
        return folder.map { called + " in " + $0 } ?? called
    }

    private static func quoted(_ text: String) -> String { text.contains("\"") ? "'\(text)'" : "\"\(text)\"" }

    private static func path(_ root: FilePlace.Root, _ components: [FilePlace.Pattern]) -> String {
        var text = components.map(\.text).joined(separator: "/")
        switch root {
        case .home: text = components.isEmpty ? "~" : "~/" + text
        case .absolute: text = "/" + text
        case .relative: text = "./" + text
        }
        let hasGlob = components.contains { if case .glob = $0 { true } else { false } }
        let isPlain = text.utf8.allSatisfy(isPlainByte) && !text.hasSuffix(".")
        return hasGlob || isPlain && text != "~" || components.isEmpty ? text : quoted(text)
    }

    private static func isPlainByte(_ byte: UInt8) -> Bool {
        (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte)
            || [45, 46, 47, 95, 126].contains(byte)
    }

    // MARK: Everything else

    private static func otherwise(_ other: Otherwise) -> String {
        let isAsk = other.effect == .ask
        let core: String
        switch other.activity {
        case .connect: core = isAsk ? "Ask me before connecting anywhere else" : "Never connect anywhere else"
        case .read: core = isAsk ? "Ask before reading anything else" : "Never read anything else"
        case .change: core = isAsk ? "Ask before changing anything else" : "Never change anything else"
        case .delete: core = isAsk ? "Ask before deleting anything else" : "Never delete anything else"
        }
        let prefix = time(other.when)
        return prefix + (prefix.isEmpty ? core : core.prefix(1).lowercased() + core.dropFirst()) + "."
    }

    package static func amount(_ limit: Limit) -> String {
        let per = " per \(limit.period.rawValue)" + (limit.each ? " each" : "")
        if limit.isBytes { return Amounts.bytes(limit.count) + " of \(limit.measure.rawValue)" + per }
        let unit = limit.count == 1 ? String(limit.measure.rawValue.dropLast()) : limit.measure.rawValue
        return "\(limit.count) \(unit)" + per
    }

    private static func limit(_ rule: LimitRule) -> String {
        var connects: [ConnectItem] = []
        for case .connect(let item) in rule.items { connects.append(item) }
        var text = time(rule.when)
        text += (text.isEmpty ? "At most " : "at most ") + amount(rule.limit)
        var places: [Place] = []
        var spans: [PortSpan] = []
        for item in connects {
            if item.place != .everywhere, !places.contains(item.place) { places.append(item.place) }
            if item.ports != .everything, !spans.contains(item.ports) { spans.append(item.ports) }
        }
        if !places.isEmpty { text += " to " + self.places(places.map { ConnectItem($0, .everything) }, closing: true) }
        text += manner(spans)
        if let item = connects.first { text += path(item) }
        return text + except(rule.exceptions, closing: false) + "."
    }

    private static func manner(_ spans: [PortSpan]) -> String {
        if spans.isEmpty { return "" }
        let named = spans.compactMap { services[$0] }
        if named.count == spans.count { return " over " + list(named) }
        if spans.count == 1 { return ports(spans[0]) }
        let words = spans.map { $0.low == $0.high ? "\($0.low)" : "\($0.low) to \($0.high)" }
        return " on \(spans[0].transport == .udp ? "udp" : "tcp") ports " + list(words)
    }

    private static func apply(_ rule: ApplyRule) -> String {
        let kind: String
        switch rule.kind {
        case .create: kind = "new files"
        case .edit: kind = "edits"
        case .delete: kind = "deletions"
        case .rename: kind = "renames"
        case .mode: kind = "mode changes"
        case .dangerous: kind = "dangerous files"
        case .otherwise: kind = "everything else"
        }
        switch rule.effect {
        case .allow: return "Apply \(kind) without asking."
        case .ask: return "Ask before applying \(kind)."
        case .deny: return "Never apply \(kind)."
        }
    }

    private static func program(_ rule: ProgramRule) -> String {
        let words: String
        switch rule.activity {
        case .trace: words = "trace other programs"
        case .rawSockets: words = "use raw sockets"
        case .userNamespaces: words = "create user namespaces"
        case .kernelModules: words = "load kernel modules"
        case .mounts: words = "mount file systems"
        case .kernelPrograms: words = "use bpf"
        case .asynchronousRings: words = "use io_uring"
        case .clock: words = "set the clock"
        case .reboot: words = "reboot"
        case .keyrings: words = "use kernel keyrings"
        }
        return rule.effect == .allow ? "Programs may \(words)." : "Programs may not \(words)."
    }

    private static func budget(_ budget: Budget) -> String {
        let per = budget.period == .session ? "" : " per \(budget.period.rawValue)"
        switch budget.kind {
        case .time: return "Stop after \(Amounts.span(Int(clamping: budget.amount)))\(per)."
        case .money: return "Spend at most \(Amounts.money(budget.amount))\(per)."
        case .memory: return "Use at most \(Amounts.bytes(budget.amount)) of memory."
        case .disk: return "Use at most \(Amounts.bytes(budget.amount)) of disk."
        }
    }

    // MARK: Time

    /// "On weekdays between 9:00 and 18:00, ".
    static func time(_ when: When) -> String {
        var words: [String] = []
        if when.days != When.everyDay {
            switch when.days {
            case When.weekdays: words.append("on weekdays")
            case When.weekend: words.append("on weekends")
            default: words.append("on " + list((0..<7).filter { when.days & (1 << $0) != 0 }.map { days[$0] }))
            }
        }
        if let window = when.window {
            words.append("between \(CivilTime.timeText(window.start)) and \(CivilTime.timeText(window.end))")
        }
        if let from = when.from { words.append("from " + moment(from)) }
        if let until = when.until { words.append("until " + moment(until)) }
        if let span = when.span { words.append("for " + Amounts.span(span)) }
        guard !words.isEmpty else { return "" }
        let text = words.joined(separator: " ")
        return text.prefix(1).uppercased() + text.dropFirst() + ", "
    }

    private static let days: [String] = [
        "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays",
    ]

    private static func moment(_ minutes: Int) -> String {
        let clock = minutes - CivilTime.floorDivide(minutes, 1440) * 1440
        return CivilTime.dateText(minutes) + (clock == 0 ? "" : " " + CivilTime.timeText(clock))
    }
}

extension FileActivity {
    var verb: String {
        switch self {
        case .read: "read"
        case .change: "change"
        case .delete: "delete"
        case .all: "touch"
        }
    }
    var doing: String {
        switch self {
        case .read, .all: "reading"
        case .change: "changing"
        case .delete: "deleting"
        }
    }
}
