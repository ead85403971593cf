package import PolicyLanguage

/// Containment and meeting of what items speak of. Exceptions and limits are no part of it.
extension Place {
    /// Whether every request to `other` is one to this place. Reading is that of what closes.
    package func contains(_ other: Place) -> Bool {
        if self == other { return true }
        switch (self, other) {
        case (.everywhere, _): return true
        case (.internet, .everywhere): return true
        case (.internet, .name(let name, let scope)):
            return name.isPublic && (scope == .exact || name.text.contains("."))
        case (.internet, .addresses(let range)): return AddressBlocks.kind(of: range) == .public
        case (.internet, .registries): return true
        case (.name(let above, let wide), .name(let name, let scope)),
            (.name(let above, let wide), .localName(let name, let scope)),
            (.localName(let above, let wide), .localName(let name, let scope)):
            return Self.nameContains(above, wide, name, scope)
        case (.name(let above, _), .thisComputer): return above == .thisComputer
        case (.addresses(let range), .addresses(let inner)): return range.contains(inner)
        case (.addresses(let range), .metadata):
            return AddressBlocks.metadata.allSatisfy { range.contains($0) }
        case (.localNetwork, .addresses(let range)): return Self.within(AddressBlocks.localClosed, range)
        case (.localNetwork, .thisComputer), (.localNetwork, .localName): return true
        case (.thisComputer, .addresses(let range)): return Self.within(AddressBlocks.loopback, range)
        case (.thisComputer, .name(let name, let scope)): return name == .thisComputer && scope == .exact
        case (.metadata, .addresses(let range)): return Self.within(AddressBlocks.metadata, range)
        case (.metadata, .name(let name, let scope)): return name == .metadata && scope == .exact
        default: return false
        }
    }

    private static func within(_ blocks: [AddressRange], _ range: AddressRange) -> Bool {
        blocks.contains { $0.contains(range) }
    }

    static func nameContains(_ above: HostName, _ wide: NameScope, _ name: HostName, _ scope: NameScope) -> Bool {
        if above == name {
            switch (wide, scope) {
            case (.wide, _), (.exact, .exact), (.under, .under): return true
            default: return false
            }
        }
        return wide != .exact && name.isBeneath(above)
    }

    /// Whether some request is to both places.
    package func meets(_ other: Place) -> Bool {
        if contains(other) || other.contains(self) { return true }
        switch (self, other) {
        case (.name(let left, let one), .name(let right, let two)),
            (.name(let left, let one), .localName(let right, let two)),
            (.localName(let left, let one), .name(let right, let two)),
            (.localName(let left, let one), .localName(let right, let two)):
            if left == right { return !(one == .exact && two == .under || one == .under && two == .exact) }
            return one != .exact && right.isBeneath(left) || two != .exact && left.isBeneath(right)
        case (.internet, .name(let name, let scope)), (.name(let name, let scope), .internet):
            return name.isPublic || scope != .exact
        case (.internet, .localName), (.localName, .internet), (.registries, .name), (.name, .registries): return true
        case (.internet, .addresses(let range)), (.addresses(let range), .internet):
            return AddressBlocks.kind(of: range) == .public || AddressBlocks.kind(of: range) == nil
        case (.localNetwork, .addresses(let range)), (.addresses(let range), .localNetwork):
            return AddressBlocks.localClosed.contains { $0.meets(range) }
        case (.thisComputer, .addresses(let range)), (.addresses(let range), .thisComputer):
            return AddressBlocks.loopback.contains { $0.meets(range) }
        case (.metadata, .addresses(let range)), (.addresses(let range), .metadata):
            return AddressBlocks.metadata.contains { $0.meets(range) }
        case (.metadata, .name(let name, _)), (.name(let name, _), .metadata):
            return name == .metadata || HostName.metadata.isBeneath(name)
        case (.thisComputer, .name(let name, _)), (.name(let name, _), .thisComputer):
            return name == .thisComputer || HostName.thisComputer.isBeneath(name)
        default: return false
        }
    }
}

/// What a request may be, as bits: each method with and without a body and an upgrade, git's two ways, and the unknown.
package enum ContentBits {
    package static let methods: [String] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "(other)",
    ]
    /// A POST to `…/git-upload-pack`: how git fetches.
    package static let gitFetch: UInt64 = 1 << 62
    package static let opaque: UInt64 = 1 << 63
    package static let all: UInt64 = .max

    package static func bit(_ method: String, body: Bool, upgrade: Bool) -> UInt64 {
        let known = methods.firstIndex(of: method) ?? methods.count - 1
        return 1 << UInt64(known * 4 + (body ? 2 : 0) + (upgrade ? 1 : 0))
    }

    private static func every(_ method: String, upgrades: Bool) -> UInt64 {
        var bits = bit(method, body: false, upgrade: false) | bit(method, body: true, upgrade: false)
        if upgrades { bits |= bit(method, body: false, upgrade: true) | bit(method, body: true, upgrade: true) }
        return bits
    }

    private static let downloads: UInt64 =
        bit("GET", body: false, upgrade: false) | bit("HEAD", body: false, upgrade: false) | gitFetch
    private static let harmless: UInt64 = bit("OPTIONS", body: false, upgrade: false)

    /// What `content` covers when it opens (`closing` false) or closes.
    package static func of(_ content: Content, closing: Bool) -> UInt64 {
        switch content {
        case .all: return all
        case .downloads: return downloads
        case .uploads:
            let bits = all & ~downloads & ~harmless
            return closing ? bits : bits & ~opaque
        case .methods(let list):
            var bits: UInt64 = closing ? opaque : 0
            for method in list {
                bits |= every(method, upgrades: closing)
                if method == "POST" { bits |= gitFetch }
            }
            return bits
        }
    }
}

extension WebPath {
    /// Reading of what closes takes what is beneath along.
    func contains(_ other: WebPath, closing: Bool) -> Bool {
        let beneath = below || closing
        if beneath {
            return other.segments.count >= segments.count
                && other.segments.prefix(segments.count).elementsEqual(segments)
        }
        return !other.below && other.segments == segments
    }
}

extension ConnectItem {
    /// Whether all that `other` speaks of lies in this item: by where and how.
    package func contains(_ other: ConnectItem, closing: Bool, otherCloses: Bool) -> Bool {
        guard place.contains(other.place), ports.contains(other.ports) else { return false }
        let own = ContentBits.of(content, closing: closing)
        let theirs = ContentBits.of(other.content, closing: otherCloses)
        guard theirs & ~own == 0 else { return false }
        guard let path else { return true }
        guard let theirPath = other.path else { return false }
        return path.contains(theirPath, closing: closing)
            && (!theirPath.below && otherCloses ? path.below || closing : true)
    }

    package func meets(_ other: ConnectItem) -> Bool {
        guard ports.meets(other.ports), place.meets(other.place) else { return false }
        if ContentBits.of(content, closing: true) & ContentBits.of(other.content, closing: true) == 0 { return false }
        guard let path, let theirs = other.path else { return true }
        return path.contains(theirs, closing: true) || theirs.contains(path, closing: true)
    }
}

extension FilePlace {
    /// Containment by path; two patterns contain each other only if equal, literal in pattern, or by prefix or suffix.
    package func contains(_ other: FilePlace) -> Bool {
        if self == other { return true }
        if isGitHooks || other.isGitHooks { return isAnything && other.isGitHooks }
        if isAnything { return true }
        if other.isAnything { return false }
        if let root {
            guard let theirs = other.root, root == theirs, other.components.count >= components.count else {
                return false
            }
            for (own, inner) in zip(components, other.components) where !own.contains(inner) { return false }
            guard let name else { return true }
            if let theirName = other.name, name.contains(theirName) { return true }
            return other.components.dropFirst(components.count).contains { name.contains($0) }
        }
        guard let name else { return true }
        if let theirName = other.name, name.contains(theirName) { return true }
        // A name inside an opened folder: the part of a path above its folder does not count.
        return other.root != nil && other.name == nil && other.components.count > 1
            && other.components.last.map { name.contains($0) } == true
    }

    /// False only when no file can lie in both.
    package func meets(_ other: FilePlace) -> Bool {
        if isGitHooks || other.isGitHooks { return true }
        guard let root, let theirs = other.root else { return true }
        guard root == theirs else { return root == .relative || theirs == .relative }
        for (own, inner) in zip(components, other.components) {
            if case .literal(let left) = own, case .literal(let right) = inner, left != right { return false }
        }
        return true
    }
}

extension FilePlace.Pattern {
    func contains(_ other: FilePlace.Pattern) -> Bool {
        if self == other { return true }
        guard case .glob(let pattern) = self else { return false }
        switch other {
        case .literal(let text): return matches(text, closing: false)
        case .glob(let inner):
            if pattern == "*" { return true }
            let stars = pattern.filter { $0 == "*" || $0 == "?" }
            guard stars == "*" else { return false }
            if pattern.hasPrefix("*") { return inner.hasSuffix(pattern.dropFirst()) }
            if pattern.hasSuffix("*") { return inner.hasPrefix(pattern.dropLast()) }
            return false
        }
    }
}

extension FileActivity {
    /// What a sentence of this effect about this activity speaks of.
    package func covers(_ effect: Effect) -> Set<Activity> {
        switch (effect, self) {
        case (_, .all): [.read, .change, .delete]
        case (.allow, .read): [.read]
        case (.allow, .change): [.read, .change]
        case (_, .delete): [.delete]
        case (_, .read): [.read, .change, .delete]
        case (_, .change): [.change, .delete]
        }
    }
}

extension When {
    /// Whether this holds whenever `other` does. A span is contained only in "always" or the identical span.
    package func contains(_ other: When) -> Bool {
        if let span, other.span != span { return false }
        if let from, (other.from ?? .min) < from { return false }
        if let until, (other.until ?? .max) > until { return false }
        if !isWeekly { return true }
        return WeekMinutes(other).isSubset(of: WeekMinutes(self))
    }

    package func meets(_ other: When) -> Bool {
        let low = max(from ?? .min, other.from ?? .min)
        let high = min(until ?? .max, other.until ?? .max)
        return low < high && !WeekMinutes(self).isDisjoint(with: WeekMinutes(other))
    }
}

/// The minutes of a week at which a sentence may hold, as sorted half-open runs.
package struct WeekMinutes: Sendable, Hashable {
    package var runs: [Range<Int>]

    package init(_ when: When) {
        var found: [Range<Int>] = []
        for day in 0..<7 where when.days & (1 << day) != 0 {
            let midnight = day * 1440
            if let window = when.window {
                if window.start < window.end {
                    found.append(midnight + window.start..<midnight + window.end)
                } else {
                    found.append(midnight + window.start..<midnight + 1440)
                    if window.end > 0 {
                        let next = (midnight + 1440) % 10_080
                        found.append(next..<next + window.end)
                    }
                }
            } else {
                found.append(midnight..<midnight + 1440)
            }
        }
        runs = Self.joined(found)
    }

    private static func joined(_ runs: [Range<Int>]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        for run in runs.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, run.lowerBound <= last.upperBound {
                result[result.count - 1] = last.lowerBound..<max(last.upperBound, run.upperBound)
            } else {
                result.append(run)
            }
        }
        return result
    }

    package func contains(_ minute: Int) -> Bool { runs.contains { $0.contains(minute) } }

    package func isSubset(of other: WeekMinutes) -> Bool { subtracting(other).runs.isEmpty }

    package func isDisjoint(with other: WeekMinutes) -> Bool {
        !runs.contains { run in other.runs.contains { $0.overlaps(run) } }
    }

    package func subtracting(_ other: WeekMinutes) -> WeekMinutes {
        var rest = runs
        for cut in other.runs {
            rest = rest.flatMap { run -> [Range<Int>] in
                guard run.overlaps(cut) else { return [run] }
                return [
                    run.lowerBound..<max(run.lowerBound, cut.lowerBound),
                    min(run.upperBound, cut.upperBound)..<run.upperBound,
                ]
                .filter { !$0.isEmpty }
            }
        }
        var copy = self
        copy.runs = rest
        return copy
    }
}
