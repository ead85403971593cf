internal import PolicyLanguage

/// A product of sets: where, ports, kinds of request, path, minutes of the week, dates. What denies leave of an allow is
/// a list of these.
struct Box {
    enum Where: Hashable {
        case place(Place)
        case run(isV6: Bool, low: UInt128, high: UInt128)
    }
    var place: Where
    var transport: Transport
    var low: Int
    var high: Int
    var bits: UInt64
    var path: WebPath?
    var week: WeekMinutes
    var from: Int
    var until: Int
    var span: Int?

    /// The boxes of an item: one per protocol.
    static func of(_ item: ConnectItem, _ when: When, closing: Bool) -> [Box] {
        let place: Where
        if case .addresses(let range) = item.place {
            place = .run(isV6: range.first.isV6, low: range.first.value, high: range.last.value)
        } else {
            place = .place(item.place)
        }
        let transports: [Transport] = item.ports.transport == .any ? [.tcp, .udp] : [item.ports.transport]
        return transports.map {
            Box(
                place: place, transport: $0, low: Int(item.ports.low), high: Int(item.ports.high),
                bits: ContentBits.of(item.content, closing: closing), path: item.path, week: WeekMinutes(when),
                from: when.from ?? .min, until: when.until ?? .max, span: when.span)
        }
    }

    /// What of this box lies outside `cut`.
    func subtracting(_ cut: Box) -> [Box] {
        guard transport == cut.transport, cut.low <= high, low <= cut.high, bits & cut.bits != 0,
            !week.isDisjoint(with: cut.week), cut.from < until, from < cut.until,
            cut.span == nil || cut.span == span
        else { return [self] }
        if let theirs = cut.path {
            guard let path, theirs.contains(path, closing: true) else { return [self] }
        }
        guard let outside = Self.difference(place, cut.place) else { return [self] }
        var rest: [Box] = []
        var inner = self
        for place in outside {
            var box = self
            box.place = place
            rest.append(box)
        }
        if inner.low < cut.low {
            var box = inner
            box.high = cut.low - 1
            rest.append(box)
            inner.low = cut.low
        }
        if inner.high > cut.high {
            var box = inner
            box.low = cut.high + 1
            rest.append(box)
            inner.high = cut.high
        }
        if inner.bits & ~cut.bits != 0 {
            var box = inner
            box.bits = inner.bits & ~cut.bits
            rest.append(box)
            inner.bits &= cut.bits
        }
        let left = inner.week.subtracting(cut.week)
        if !left.runs.isEmpty {
            var box = inner
            box.week = left
            rest.append(box)
        }
        if inner.from < cut.from {
            var box = inner
            box.until = cut.from
            rest.append(box)
            inner.from = cut.from
        }
        if inner.until > cut.until {
            var box = inner
            box.from = cut.until
            rest.append(box)
        }
        return rest
    }

    /// What of `place` lies outside `cut`; nil when nothing is known to be cut away.
    private static func difference(_ place: Where, _ cut: Where) -> [Where]? {
        switch (place, cut) {
        case (.run(let isV6, let low, let high), .run(let theirs, let first, let last)):
            guard isV6 == theirs, first <= high, low <= last else { return nil }
            var rest: [Where] = []
            if low < first { rest.append(.run(isV6: isV6, low: low, high: first - 1)) }
            if high > last { rest.append(.run(isV6: isV6, low: last + 1, high: high)) }
            return rest
        case (.run(let isV6, let low, let high), .place(let place)):
            let first = isV6 ? Address(v6: low) : Address(v4: UInt32(truncatingIfNeeded: low))
            let last = isV6 ? Address(v6: high) : Address(v4: UInt32(truncatingIfNeeded: high))
            switch place {
            case .everywhere: return []
            case .internet:
                return AddressBlocks.kind(of: first) == .public && AddressBlocks.kind(of: last) == .public ? [] : nil
            case .localNetwork:
                for block in AddressBlocks.localClosed where block.contains(first) && block.contains(last) { return [] }
                return nil
            case .thisComputer:
                for block in AddressBlocks.loopback where block.contains(first) && block.contains(last) { return [] }
                return nil
            default: return nil
            }
        case (.place(let own), .place(let theirs)):
            if theirs.contains(own) { return [] }
            switch (own, theirs) {
            case (.name(let name, .wide), .name(let other, let scope)) where name == other:
                return [.place(.name(name, scope == .exact ? .under : .exact))]
            default: return nil
            }
        case (.place, .run): return nil
        }
    }
}
