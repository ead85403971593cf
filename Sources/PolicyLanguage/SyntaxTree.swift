/// What one sentence says, before names of groups are filled in and before it is read narrowly or widely.
package struct Sentence: Sendable {
    package var clauses: [Clause]
    package var range: Range<Int>
    package var text: String
}

package enum Clause: Sendable {
    case access(AccessClause)
    case define(name: String, targets: [TargetTerm])
    case ingress(guest: UInt16, host: UInt16)
    case leaveClosed(targets: [TargetTerm], exceptions: [ConnectPart])
    case apply(effect: Effect, kinds: [ApplyKind])
    case programs(effect: Effect, activities: [ProgramActivity])
    case budget(Budget)
    case limit(LimitClause)
    case otherwise(activities: [Activity], effect: Effect, when: When)
    case refuseEncryptedHello
}

/// What is done: the kinds of request that a policy decides.
package enum Activity: UInt8, Sendable, Hashable, Comparable, CaseIterable {
    case connect, read, change, delete
    package static func < (left: Activity, right: Activity) -> Bool { left.rawValue < right.rawValue }
}

/// What applying a session's changes to the real folder may do by itself.
package enum ApplyKind: String, Sendable, Hashable, CaseIterable {
    case create, edit, delete, rename, mode, dangerous, otherwise
}

/// What programs in the guest may be kept from doing.
package enum ProgramActivity: String, Sendable, Hashable, CaseIterable {
    case trace, rawSockets, userNamespaces, kernelModules, mounts, kernelPrograms, asynchronousRings, clock, reboot
    case keyrings
}

/// An allow, ask or deny of connections or files.
package struct AccessClause: Sendable {
    package var effect: Effect
    /// `only` at the verb: the rest of the activity is claimed.
    package var claims = false
    package var subject: Subject
    package var exceptions: [ConnectPart] = []
    package var fileExceptions: [FileTerm] = []
    package var when: When = .always
    package var limits: [Limit] = []
    /// `only for …` behind the verb: a wider allow beside it would contradict.
    package var narrows = false
    /// The name of a credential the broker adds.
    package var key: String?

    package enum Subject: Sendable {
        case connect([ConnectPart])
        /// `everything` marks verbs such as "touch", which deny reading, changing and deleting together.
        case files([FileActivity], [FileTerm])
    }

    package init(effect: Effect, subject: Subject) {
        self.effect = effect
        self.subject = subject
    }
}

package enum FileActivity: UInt8, Sendable, Hashable, Comparable, CaseIterable {
    case read, change, delete
    /// Touching in any way.
    case all
    package static func < (left: FileActivity, right: FileActivity) -> Bool { left.rawValue < right.rawValue }
}

/// "GET requests to a and b over https on port 8443": one run of hosts with one way of reaching them.
package struct ConnectPart: Sendable {
    package var services: [ServiceTerm] = []
    package var ports: [PortSpan] = []
    package var content: Content = .all
    package var paths: [WebPath] = []
    /// Empty when the sentence does not say where.
    package var targets: [TargetTerm] = []
    package var range: Range<Int>
    package init(range: Range<Int>) { self.range = range }
}

package enum ServiceTerm: Sendable, Hashable {
    case named(String, Transport, UInt16)
    case transport(Transport)
    case anyConnection
}

/// One host, address or group, as it was said.
package struct TargetTerm: Sendable {
    package enum Kind: Sendable, Hashable {
        case host(HostName)
        case addresses(AddressRange)
        case group(String)
        case internet, localNetwork, thisComputer, metadata, registries, anywhere
    }
    package var kind: Kind
    /// How far the sentence says that the name reaches; nil when it does not say.
    package var saidScope: NameScope?
    package var onLocalNetwork = false
    /// "subdomains of" stood before it; whether that holds for what follows it is for the sentence to say.
    package var saysBeneath = false
    package var scheme: String?
    package var port: UInt16?
    package var path: WebPath?
    package var range: Range<Int>
    package init(_ kind: Kind, _ range: Range<Int>) {
        self.kind = kind
        self.range = range
    }
}

package struct FileTerm: Sendable {
    package var place: FilePlace
    package var range: Range<Int>
    package init(_ place: FilePlace, _ range: Range<Int>) {
        self.place = place
        self.range = range
    }
}

/// A limit that is a sentence of its own.
package struct LimitClause: Sendable {
    package var limits: [Limit]
    package var parts: [ConnectPart] = []
    package var exceptions: [ConnectPart] = []
    package var when: When = .always
    package init(limits: [Limit]) { self.limits = limits }
}
