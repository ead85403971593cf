internal import PolicyLanguage

/// What the gateway, the resolver, the shares and the guest are given; all of it from the one normalised form.
package enum Tables {
    /// Every rule about connections, with whether it has to look inside.
    package static func gateway(_ policy: Policy) -> JSONText {
        var rows: [JSONText] = []
        for rule in policy.rules {
            var inspects = rule.countsRequests
            var connects = false
            for case .connect(let item) in rule.items {
                connects = true
                inspects = inspects || item.inspects
            }
            guard connects, case .object(let members) = rule.json else { continue }
            rows.append(.object(members + [.init("inspect", .truth(inspects))]))
        }
        return .fields(
            ("version", .number(1)), ("rules", .list(rows)), ("uninspected", .list(policy.closed.map(\.json))),
            ("limits", .list(policy.limits.map(\.json))),
            ("else", .list(policy.others.filter { $0.activity == .connect }.map(\.json))),
            ("refuseEncryptedHello", .truth(policy.refusesEncryptedHello)))
    }

    /// The names that the policy tells apart and whether each is answered, at any time at all; the last row is for the rest.
    package static func names(_ policy: Policy) -> JSONText {
        var timeless = policy
        timeless.rules = policy.rules.compactMap { rule in
            var rule = rule
            // A name that is closed only at times is answered: the connection is judged when it is made.
            if rule.effect == .deny, !rule.when.isAlways { return nil }
            rule.when = .always
            return rule
        }
        timeless.others = policy.others.filter { $0.effect != .deny || $0.when.isAlways }.map {
            Otherwise(activity: $0.activity, effect: $0.effect, when: .always)
        }
        let ruling = Ruling([Layer(.user, timeless)])
        let instant = Instant(wall: 0)
        func answer(_ name: HostName) -> JSONText {
            .text(ruling.decide(.resolve(name), at: instant).effect == .deny ? "no-such-name" : "synthetic")
        }
        var found: Set<HostName> = []
        for rule in policy.rules {
            for case .connect(let item) in rule.items + rule.exceptions {
                switch item.place {
                case .name(let name, _), .localName(let name, _): found.insert(name)
                default: break
                }
            }
        }
        var rows: [JSONText] = []
        for name in found.sorted() {
            rows.append(
                .fields(
                    ("name", .text(name.text)), ("answer", answer(name)),
                    ("beneath", answer(HostName(normalised: "cowork-probe." + name.text)))))
        }
        return .fields(
            ("version", .number(1)), ("names", .list(rows)),
            ("else", answer(HostName(normalised: "cowork-probe.example"))))
    }

    /// Rules for the shares and for applying changes.
    package static func files(_ policy: Policy) -> JSONText {
        let rules = policy.rules.filter { $0.items.contains { if case .file = $0 { true } else { false } } }
        let hooks = rules.contains { rule in
            rule.effect == .deny
                && rule.items.contains { if case .file(let item) = $0 { item.place.isGitHooks } else { false } }
        }
        return .fields(
            ("version", .number(1)), ("rules", .list(rules.map(\.json))),
            ("else", .list(policy.others.filter { $0.activity != .connect }.map(\.json))),
            (
                "apply",
                .list(
                    policy.applies.map { .fields(("kind", .text($0.kind.rawValue)), ("effect", .text($0.effect.word))) }
                )
            ),
            ("deleteWhatMayChange", .text("ask")), ("gitConfiguration", hooks ? .text("ask") : nil))
    }

    /// The denied calls, as a person reads a filter.
    package static func calls(_ policy: Policy) -> String {
        var text = "# A guard-rail for programs in the guest, not a wall against its root.\n"
        for call in CallList.calls(for: policy) {
            let name = call.error == 38 ? "ENOSYS" : "EPERM"
            text += "\(call.name)" + (call.condition.map { " if \($0.words)" } ?? "") + " -> \(name)\n"
        }
        return text + "everything else -> allowed\n"
    }
}
