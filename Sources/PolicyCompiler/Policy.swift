package import PolicyLanguage

/// The normalised form of one text of a policy: what every artefact, answer and print-back is made from.
///
/// Lists are sorted and free of repetitions, so two texts that say the same are equal whatever their order and wording.
/// It carries no positions, no clock and no state of a machine.
package struct Policy: Sendable, Hashable {
    package var rules: [Rule] = []
    package var others: [Otherwise] = []
    package var limits: [LimitRule] = []
    package var closed: [ClosedHost] = []
    package var ingress: [Ingress] = []
    package var applies: [ApplyRule] = []
    package var programs: [ProgramRule] = []
    package var budgets: [Budget] = []
    package var refusesEncryptedHello = false

    package init() {}
}

/// Where a connection leads.
package enum Place: Sendable, Hashable {
    case name(HostName, NameScope)
    /// A name that leads to the local network.
    case localName(HostName, NameScope)
    case addresses(AddressRange)
    case internet, localNetwork, thisComputer, metadata, registries
    /// Wherever the floor leaves open: a sentence that closes or asks and does not say where.
    case everywhere
}

package struct ConnectItem: Sendable, Hashable {
    package var place: Place
    package var ports: PortSpan
    package var content: Content = .all
    package var path: WebPath?
    package var key: String?

    package init(_ place: Place, _ ports: PortSpan) {
        self.place = place
        self.ports = ports
    }

    /// Whether deciding it needs a look inside.
    package var inspects: Bool { content != .all || path != nil || key != nil }
}

package struct FileItem: Sendable, Hashable {
    package var activity: FileActivity
    package var place: FilePlace
    package init(_ activity: FileActivity, _ place: FilePlace) {
        self.activity = activity
        self.place = place
    }
}

package enum Item: Sendable, Hashable {
    case connect(ConnectItem)
    case file(FileItem)
}

/// An allow, ask or deny. It has one item unless its items share a limit or claim their activity together.
package struct Rule: Sendable, Hashable {
    package var effect: Effect
    package var claims: Bool
    package var items: [Item]
    package var exceptions: [Item]
    package var when: When
    package var limits: [Limit]

    package init(
        _ effect: Effect, _ items: [Item], exceptions: [Item] = [], when: When = .always, limits: [Limit] = [],
        claims: Bool = false
    ) {
        self.effect = effect
        self.items = items
        self.exceptions = exceptions
        self.when = when
        self.limits = limits
        self.claims = claims
    }

    package var countsRequests: Bool { limits.contains { $0.measure == .requests } }
}

/// The answer to what no sentence mentions.
package struct Otherwise: Sendable, Hashable {
    package var activity: Activity
    package var effect: Effect
    package var when: When
}

/// A limit over whatever its items cover, whichever sentence allowed it. Without items: over everything.
package struct LimitRule: Sendable, Hashable {
    package var limit: Limit
    package var items: [Item]
    package var exceptions: [Item]
    package var when: When
}

/// A host whose encrypted connections are never opened.
package struct ClosedHost: Sendable, Hashable {
    package var place: Place
    package var exceptions: [Item]
}

package struct Ingress: Sendable, Hashable {
    package var guest: UInt16
    package var host: UInt16
}

package struct ApplyRule: Sendable, Hashable {
    package var kind: ApplyKind
    package var effect: Effect
}

package struct ProgramRule: Sendable, Hashable {
    package var activity: ProgramActivity
    package var effect: Effect
}
