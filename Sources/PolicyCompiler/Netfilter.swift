internal import PolicyLanguage

/// The first wall: which packets are handed to the judge. Text for libnftables, made of numbers and our own identifiers
/// only; two flat sets of disjoint boxes, however long the policy.
package enum Netfilter {
    /// A run of addresses of one family and the ports of it that are handed on.
    struct Handed: Hashable {
        var isV6: Bool
        var low: UInt128
        var high: UInt128
        var spans: [PortSpan]
    }

    /// The sets as they hold at `instant`; the caller swaps them at each edge, and elements end there by themselves.
    package static func text(_ ruling: Ruling, names: [NameTable.Entry], at instant: Instant) -> String {
        var runs = addresses(ruling, at: instant)
        for entry in names { runs = cut(runs, entry, ports(ruling, .name(entry.name), at: instant)) }
        var text = "table inet cowork_live {\n"
        let end = Edges.next(ruling, after: instant)
        for isV6 in [false, true] {
            text +=
                "\tset handed\(isV6 ? 6 : 4) {\n\t\ttype \(isV6 ? "ipv6_addr" : "ipv4_addr") . inet_proto . inet_service\n"
            text += "\t\tflags interval\(end == nil ? "" : ", timeout")\n"
            if let end { text += "\t\ttimeout \(end)s\n" }
            var elements: [String] = []
            for run in runs where run.isV6 == isV6 {
                let low = isV6 ? Address(v6: run.low) : Address(v4: UInt32(truncatingIfNeeded: run.low))
                let high = isV6 ? Address(v6: run.high) : Address(v4: UInt32(truncatingIfNeeded: run.high))
                let range = low == high ? "\(low)" : "\(low)-\(high)"
                for span in run.spans {
                    let ports = span.low == span.high ? "\(span.low)" : "\(span.low)-\(span.high)"
                    elements.append("\(range) . \(span.transport == .tcp ? "tcp" : "udp") . \(ports)")
                }
            }
            if !elements.isEmpty { text += "\t\telements = { " + elements.joined(separator: ",\n\t\t\t") + " }\n" }
            text += "\t}\n"
        }
        text += """
            \tchain wall {
            \t\ttype filter hook prerouting priority -150; policy drop;
            \t\tip daddr . meta l4proto . th dport @handed4 meta mark set 0x1 accept
            \t\tip6 daddr . meta l4proto . th dport @handed6 meta mark set 0x1 accept
            \t\tmeta l4proto tcp reject with tcp reset
            \t\treject with icmpx admin-prohibited
            \t}
            }

            """
        return text
    }

    /// Ports at which some request to `host` is allowed or asked.
    static func ports(_ ruling: Ruling, _ host: Connection.Host, at instant: Instant) -> [PortSpan] {
        let items = ruling.speaking(of: host)
        var found: [PortSpan] = []
        var contents: [Connection.Content] = [.unknown]
        var seen: Set<String> = []
        for method in ["GET", "POST", "OPTIONS"] {
            contents.append(.web(WebRequest(method, body: method == "POST", path: WebPath(segments: [], below: true))))
        }
        for item in items where item.inspects {
            var methods = ["GET"]
            if case .methods(let list) = item.content { methods = list }
            if item.content == .uploads { methods = ["POST"] }
            for method in methods where seen.insert(method + " " + (item.path?.text ?? "")).inserted {
                let path = item.path ?? WebPath(segments: [], below: true)
                contents.append(.web(WebRequest(method, body: ["POST", "PUT", "PATCH"].contains(method), path: path)))
            }
        }
        for transport in [Transport.tcp, .udp] {
            var edges: Set<Int> = [1, 65536]
            for item in items where item.ports.transport == .any || item.ports.transport == transport {
                edges.insert(Int(item.ports.low))
                edges.insert(Int(item.ports.high) + 1)
            }
            let sorted = edges.sorted()
            for (low, next) in zip(sorted, sorted.dropFirst()) {
                let isHanded = contents.contains { content in
                    if transport == .udp, content != .unknown { return false }
                    return ruling.decide(.connect(Connection(host, transport, UInt16(low), content)), at: instant)
                        .effect != .deny
                }
                guard isHanded else { continue }
                if let last = found.last, last.transport == transport, Int(last.high) + 1 == low {
                    found[found.count - 1].high = UInt16(next - 1)
                } else {
                    found.append(PortSpan(transport, UInt16(low), UInt16(next - 1)))
                }
            }
        }
        return found
    }

    /// Every run of addresses that the policy tells apart, with its ports; neighbours that are alike are one.
    private static func addresses(_ ruling: Ruling, at instant: Instant) -> [Handed] {
        var found: [Handed] = []
        for isV6 in [false, true] {
            let top: UInt128 = isV6 ? .max : 0xFFFF_FFFF
            var starts: Set<UInt128> = [0]
            func edge(_ range: AddressRange) {
                guard range.first.isV6 == isV6 else { return }
                starts.insert(range.first.value)
                if range.last.value < top { starts.insert(range.last.value + 1) }
            }
            for block in AddressBlocks.metadata + AddressBlocks.loopback + AddressBlocks.local + AddressBlocks.multicast
                + AddressBlocks.nobody + (isV6 ? AddressBlocks.carriers : [])
            { edge(block) }
            for layer in ruling.layers {
                for rule in layer.table.policy.rules {
                    for case .connect(let item) in rule.items + rule.exceptions {
                        if case .addresses(let range) = item.place { edge(range) }
                    }
                }
            }
            let sorted = starts.sorted()
            for (index, low) in sorted.enumerated() {
                let high = index + 1 < sorted.count ? sorted[index + 1] - 1 : top
                let address = isV6 ? Address(v6: low) : Address(v4: UInt32(truncatingIfNeeded: low))
                // Forms that carry an IPv4 address differ within a run; they are refused whole.
                if isV6, AddressBlocks.carriers.contains(where: { $0.contains(address) }) { continue }
                let spans = ports(ruling, .address(address), at: instant)
                if spans.isEmpty { continue }
                if let last = found.last, last.isV6 == isV6, last.high + 1 == low, last.spans == spans {
                    found[found.count - 1].high = high
                } else {
                    found.append(Handed(isV6: isV6, low: low, high: high, spans: spans))
                }
            }
        }
        return found
    }

    /// Puts a name's own address in the place of whatever run it lay in.
    private static func cut(_ runs: [Handed], _ entry: NameTable.Entry, _ spans: [PortSpan]) -> [Handed] {
        var result: [Handed] = []
        let value = entry.address.value
        for run in runs {
            guard run.isV6 == entry.address.isV6, run.low <= value, value <= run.high else {
                result.append(run)
                continue
            }
            if run.low < value {
                result.append(Handed(isV6: run.isV6, low: run.low, high: value - 1, spans: run.spans))
            }
            if run.high > value {
                result.append(Handed(isV6: run.isV6, low: value + 1, high: run.high, spans: run.spans))
            }
        }
        if !spans.isEmpty { result.append(Handed(isV6: entry.address.isV6, low: value, high: value, spans: spans)) }
        return result
    }
}

/// When answers may change by the clock alone.
package enum Edges {
    /// Seconds until the next beginning or end of a window or date; nil when the policy has none.
    package static func next(_ ruling: Ruling, after instant: Instant) -> Int? {
        var best: Int?
        func consider(_ minutes: Int) {
            guard minutes > instant.wall else { return }
            best = min(best ?? .max, (minutes - instant.wall) * 60)
        }
        let day = CivilTime.floorDivide(instant.wall, 1440)
        for layer in ruling.layers {
            let times = layer.table.policy.rules.map(\.when) + layer.table.policy.others.map(\.when)
            for when in Set(times) {
                if let from = when.from { consider(from) }
                if let until = when.until { consider(until) }
                if let span = when.span, span > instant.elapsed { best = min(best ?? .max, span - instant.elapsed) }
                guard when.isWeekly else { continue }
                for ahead in 0...8 {
                    consider((day + ahead) * 1440)
                    if let window = when.window {
                        consider((day + ahead) * 1440 + window.start)
                        consider((day + ahead) * 1440 + window.end)
                    }
                }
            }
        }
        return best
    }
}
