internal import PolicyLanguage

/// One item of a rule, as the tables refer to it.
struct Entry: Sendable {
    let rule: Int
    let item: ConnectItem
    let effect: Effect
    let bits: UInt64
    /// An allow that must look inside is no answer to a connection nobody has looked into.
    let inspects: Bool
}

/// A layer, indexed for deciding: names by their labels, ranges by their prefixes, ports within both.
package struct DecisionTable: Sendable {
    package let policy: Policy
    var entries: [Entry] = []
    private var labels: [Substring: Int32] = [:]
    private var children: [Int64: Int32] = [:]
    /// Per node of the tree of names: its own items, and those that take everything beneath along.
    private var exact: [Int32: PortIndex] = [:]
    private var beneath: [Int32: PortIndex] = [:]
    private var ranges: [RangeKey: PortIndex] = [:]
    private var lengths4: [UInt8] = []
    private var lengths6: [UInt8] = []
    private var general = PortIndex()
    private var nodes: Int32 = 1
    let files: FileTable
    let claimed: Set<Activity>
    let claimRules: [Activity: Int]

    private struct RangeKey: Hashable {
        let isV6: Bool
        let length: UInt8
        let value: UInt128
    }

    package init(_ policy: Policy) {
        self.policy = policy
        files = FileTable(policy)
        var claims: Set<Activity> = []
        var rulesOf: [Activity: Int] = [:]
        for (index, rule) in policy.rules.enumerated() where rule.claims {
            for item in rule.items {
                var claimed: [Activity]
                switch item {
                case .connect: claimed = [.connect]
                case .file(let file):
                    switch file.activity {
                    case .read, .all: claimed = [.read, .change, .delete]
                    case .change: claimed = [.change, .delete]
                    case .delete: claimed = [.delete]
                    }
                }
                for activity in claimed {
                    claims.insert(activity)
                    rulesOf[activity] = index
                }
            }
        }
        claimed = claims
        claimRules = rulesOf
        for (index, rule) in policy.rules.enumerated() {
            for case .connect(let item) in rule.items { add(item, rule, index) }
        }
        lengths4.sort()
        lengths6.sort()
    }

    private mutating func add(_ item: ConnectItem, _ rule: Rule, _ index: Int) {
        let number = Int32(entries.count)
        entries.append(
            Entry(
                rule: index, item: item, effect: rule.effect,
                bits: ContentBits.of(item.content, closing: !rule.effect.opens),
                inspects: item.inspects || rule.countsRequests))
        switch item.place {
        case .name(let name, let scope), .localName(let name, let scope):
            let node = insert(name)
            if scope != .under { exact[node, default: PortIndex()].add(number, item.ports) }
            if scope != .exact { beneath[node, default: PortIndex()].add(number, item.ports) }
        case .addresses(let range):
            let key = RangeKey(isV6: range.first.isV6, length: range.prefix, value: range.first.value)
            if ranges[key] == nil {
                if range.first.isV6 {
                    if !lengths6.contains(range.prefix) { lengths6.append(range.prefix) }
                } else if !lengths4.contains(range.prefix) {
                    lengths4.append(range.prefix)
                }
            }
            ranges[key, default: PortIndex()].add(number, item.ports)
        default: general.add(number, item.ports)
        }
    }

    private mutating func insert(_ name: HostName) -> Int32 {
        var node: Int32 = 0
        for label in name.text.split(separator: ".").reversed() {
            let id: Int32
            if let known = labels[label] {
                id = known
            } else {
                id = Int32(labels.count)
                labels[label] = id
            }
            let key = Int64(node) << 32 | Int64(id)
            if let next = children[key] {
                node = next
            } else {
                children[key] = nodes
                node = nodes
                nodes += 1
            }
        }
        return node
    }

    /// Calls `body` with every item whose place and port the request may be in.
    func forEachCandidate(_ host: Connection.Host, _ transport: Transport, _ port: UInt16, _ body: (Int32) -> Void) {
        switch host {
        case .name(let name): forEachName(name, transport, port, body)
        case .address(let address): forEachRange(address, transport, port, body)
        }
        general.forEach(transport, port, body)
    }

    /// Calls `body` with every item whose place the host may be in, whatever its ports.
    func forEachPlace(_ host: Connection.Host, _ body: (Int32) -> Void) {
        switch host {
        case .name(let name): forEachNode(name) { $0.forEach(body) }
        case .address(let address):
            let width: UInt8 = address.isV6 ? 128 : 32
            for length in address.isV6 ? lengths6 : lengths4 {
                let shift = UInt128(width - length)
                let value = shift >= 128 ? 0 : (address.value >> shift) << shift
                ranges[RangeKey(isV6: address.isV6, length: length, value: value)]?.forEach(body)
            }
        }
        general.forEach(body)
    }

    private func forEachName(_ name: HostName, _ transport: Transport, _ port: UInt16, _ body: (Int32) -> Void) {
        forEachNode(name) { $0.forEach(transport, port, body) }
    }

    private func forEachNode(_ name: HostName, _ body: (PortIndex) -> Void) {
        guard !labels.isEmpty else { return }
        var node: Int32 = 0
        let text = name.text
        let bytes = text.utf8
        var end = bytes.endIndex
        while true {
            var start = end
            while start > bytes.startIndex, bytes[bytes.index(before: start)] != 46 {
                start = bytes.index(before: start)
            }
            guard let id = labels[text[start..<end]], let next = children[Int64(node) << 32 | Int64(id)] else { return }
            node = next
            if start == bytes.startIndex {
                if let here = exact[node] { body(here) }
                return
            }
            if let here = beneath[node] { body(here) }
            end = bytes.index(before: start)
        }
    }

    func forEachRange(_ address: Address, _ transport: Transport, _ port: UInt16, _ body: (Int32) -> Void) {
        let width: UInt8 = address.isV6 ? 128 : 32
        for length in address.isV6 ? lengths6 : lengths4 {
            let shift = UInt128(width - length)
            let value = shift >= 128 ? 0 : (address.value >> shift) << shift
            ranges[RangeKey(isV6: address.isV6, length: length, value: value)]?.forEach(transport, port, body)
        }
    }
}

/// Items of one place by their ports.
struct PortIndex: Sendable {
    private var single: [UInt32: [Int32]] = [:]
    private var spans: [(span: PortSpan, entry: Int32)] = []

    mutating func add(_ entry: Int32, _ ports: PortSpan) {
        if ports.low == ports.high, ports.transport != .any {
            single[Self.key(ports.transport, ports.low), default: []].append(entry)
        } else {
            spans.append((ports, entry))
        }
    }

    private static func key(_ transport: Transport, _ port: UInt16) -> UInt32 {
        UInt32(transport.rawValue) << 16 | UInt32(port)
    }

    func forEach(_ body: (Int32) -> Void) {
        for entries in single.values { for entry in entries { body(entry) } }
        for (_, entry) in spans { body(entry) }
    }

    func forEach(_ transport: Transport, _ port: UInt16, _ body: (Int32) -> Void) {
        for entry in single[Self.key(transport, port)] ?? [] { body(entry) }
        for (span, entry) in spans
        where span.low <= port && port <= span.high && (span.transport == .any || span.transport == transport) {
            body(entry)
        }
    }
}
