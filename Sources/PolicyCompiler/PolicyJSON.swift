package import PolicyLanguage

/// The canonical bytes of the normalised form; also what orders its lists.
extension Policy {
    package var json: JSONText {
        .fields(
            ("version", .number(1)),
            ("rules", .list(rules.map(\.json))),
            ("else", .list(others.map(\.json))),
            ("limits", .list(limits.map(\.json))),
            ("uninspected", .list(closed.map(\.json))),
            ("ingress", .list(ingress.map(\.json))),
            (
                "apply",
                .list(applies.map { .fields(("kind", .text($0.kind.rawValue)), ("effect", .text($0.effect.word))) })
            ),
            (
                "programs",
                .list(
                    programs.map {
                        .fields(("activity", .text($0.activity.rawValue)), ("effect", .text($0.effect.word)))
                    })
            ),
            ("budgets", .list(budgets.map(\.json))),
            ("refuseEncryptedHello", refusesEncryptedHello ? .truth(true) : nil)
        )
    }
}

extension Place {
    package var json: JSONText {
        switch self {
        case .name(let name, let scope): .text("name:" + scope.word + ":" + name.text)
        case .localName(let name, let scope): .text("local-name:" + scope.word + ":" + name.text)
        case .addresses(let range): .text("address:\(range)")
        case .internet: .text("internet")
        case .localNetwork: .text("local-network")
        case .thisComputer: .text("this-computer")
        case .metadata: .text("metadata")
        case .registries: .text("registries")
        case .everywhere: .text("everywhere")
        }
    }
}

extension NameScope {
    var word: String {
        switch self {
        case .exact: "exact"
        case .wide: "wide"
        case .under: "under"
        }
    }
}

extension PortSpan {
    var word: String {
        let name: String
        switch transport {
        case .any: name = "any"
        case .tcp: name = "tcp"
        case .udp: name = "udp"
        }
        return low == high ? "\(name):\(low)" : "\(name):\(low)-\(high)"
    }
}

extension Item {
    package var json: JSONText {
        switch self {
        case .connect(let item):
            let content: JSONText?
            switch item.content {
            case .all: content = nil
            case .downloads: content = .text("downloads")
            case .uploads: content = .text("uploads")
            case .methods(let methods): content = .list(methods.map { .text($0) })
            }
            return .fields(
                ("to", item.place.json), ("ports", .text(item.ports.word)), ("content", content),
                ("path", item.path.map { .text($0.text) }), ("key", item.key.map { .text($0) }))
        case .file(let item): return .fields(("files", .text(item.activity.word)), ("place", item.place.json))
        }
    }
}

extension FileActivity {
    package var word: String {
        switch self {
        case .read: "read"
        case .change: "change"
        case .delete: "delete"
        case .all: "touch"
        }
    }
}

extension FilePlace {
    package var json: JSONText {
        if isGitHooks { return .text("git-hooks") }
        let root: String? = self.root.map { $0 == .home ? "home" : $0 == .absolute ? "absolute" : "relative" }
        return .fields(
            ("root", root.map { .text($0) }),
            ("path", root == nil ? nil : .list(components.map(\.json))), ("name", name.map(\.json)))
    }
}

extension FilePlace.Pattern {
    var json: JSONText {
        switch self {
        case .literal(let text): .text(text)
        case .glob(let text): .fields(("glob", .text(text)))
        }
    }
}

extension When {
    package var json: JSONText? {
        if isAlways { return nil }
        return .fields(
            ("days", days == When.everyDay ? nil : .number(Int(days))),
            ("window", window.map { .list([.number($0.start), .number($0.end)]) }),
            ("from", from.map { .number($0) }), ("until", until.map { .number($0) }), ("span", span.map { .number($0) })
        )
    }
}

extension Limit {
    package var json: JSONText {
        .fields(
            ("of", .text(measure.rawValue)), ("most", .number(Int(clamping: count))), ("per", .text(period.rawValue)),
            ("each", each ? .truth(true) : nil))
    }
}

extension Budget {
    package var json: JSONText {
        .fields(
            ("of", .text(kind.rawValue)), ("most", .number(Int(clamping: amount))),
            ("per", period == .session ? nil : .text(period.rawValue)))
    }
}

extension Rule {
    package var json: JSONText {
        .fields(
            ("effect", .text(effect.word)), ("only", claims ? .truth(true) : nil), ("items", .list(items.map(\.json))),
            ("except", exceptions.isEmpty ? nil : .list(exceptions.map(\.json))), ("when", when.json),
            ("limits", limits.isEmpty ? nil : .list(limits.map(\.json))))
    }
}

extension Otherwise {
    package var json: JSONText {
        .fields(("activity", .text(activity.word)), ("effect", .text(effect.word)), ("when", when.json))
    }
}

extension Activity {
    package var word: String {
        switch self {
        case .connect: "connect"
        case .read: "read"
        case .change: "change"
        case .delete: "delete"
        }
    }
}

extension LimitRule {
    package var json: JSONText {
        .fields(
            ("limit", limit.json), ("items", items.isEmpty ? nil : .list(items.map(\.json))),
            ("except", exceptions.isEmpty ? nil : .list(exceptions.map(\.json))), ("when", when.json))
    }
}

extension ClosedHost {
    package var json: JSONText {
        .fields(("to", place.json), ("except", exceptions.isEmpty ? nil : .list(exceptions.map(\.json))))
    }
}

extension Ingress {
    package var json: JSONText { .fields(("guest", .number(Int(guest))), ("host", .number(Int(host)))) }
}
