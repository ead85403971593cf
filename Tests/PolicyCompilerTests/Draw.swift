internal import PolicyCompiler
internal import PolicyLanguage

/// A generator of numbers that gives the same ones each time.
struct Drawing: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
    mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &self)] }
    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

/// Random sentences and requests over a pool so small that everything overlaps.
enum Draw {
    static let names = [
        "a.example", "b.a.example", "c.b.a.example", "d.a.example", "example.org", "www.example.org",
        "x.www.example.org",
        "acme.dev", "git.acme.dev", "api.git.acme.dev", "nas.local", "zone.test",
    ]
    static let ranges = [
        "203.0.113.0/24", "203.0.113.0/26", "203.0.113.16/28", "203.0.113.20", "198.51.100.0/24", "198.51.100.7",
        "192.168.0.0/16", "192.168.7.0/24", "192.168.7.7", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::5",
        "fd00::/8",
    ]
    static let addresses = [
        "203.0.113.1", "203.0.113.20", "203.0.113.17", "203.0.113.60", "203.0.113.200", "198.51.100.7", "198.51.100.8",
        "192.168.7.7", "192.168.7.8", "192.168.9.9", "10.0.0.1", "127.0.0.1", "169.254.169.254", "224.0.0.5", "1.1.1.1",
        "2001:db8:1::5", "2001:db8:1::6", "2001:db8:2::1", "fd00::9", "::1", "2002:a00:1::", "::ffff:10.0.0.1",
    ]
    static let ports: [UInt16] = [22, 80, 443, 8000, 8050, 8100, 123, 9]
    static let times = [
        "On weekdays, ", "Between 9:00 and 18:00, ", "On Fridays between 22:00 and 6:00, ", "Until 2026-12-24 18:00, ",
        "From 2026-11-01, ", "For 2 hours, ",
    ]

    static func target(_ drawing: inout Drawing, opens: Bool) -> String {
        switch Int.random(in: 0..<10, using: &drawing) {
        case 0..<4: return drawing.pick(names)
        case 4: return drawing.pick(names) + " and its subdomains"
        case 5: return "subdomains of " + drawing.pick(["a.example", "acme.dev", "www.example.org"])
        case 6, 7: return drawing.pick(ranges)
        case 8: return "the internet"
        default: return drawing.pick(["the local network", "this computer", "the internet"])
        }
    }

    static func way(_ drawing: inout Drawing) -> String {
        switch Int.random(in: 0..<9, using: &drawing) {
        case 0..<3: return "https"
        case 3: return "ssh"
        case 4: return "tcp"
        case 5: return "udp"
        case 6: return "GET requests"
        case 7: return "http"
        default: return "uploads"
        }
    }

    static func manner(_ way: String, _ drawing: inout Drawing) -> String {
        guard way == "tcp" || way == "udp", drawing.chance(70) else { return "" }
        return drawing.chance(50)
            ? " on port \(drawing.pick(ports))" : " on ports 8000 to \(drawing.pick([8050, 8100]))"
    }

    static func sentence(_ effect: Effect, _ drawing: inout Drawing, exception: Bool = true) -> String {
        let prefix = drawing.chance(20) ? drawing.pick(times) : ""
        let place = target(&drawing, opens: effect == .allow)
        let way = way(&drawing)
        let manner = manner(way, &drawing)
        var text: String
        switch effect {
        case .allow: text = "Allow \(way) to \(place)\(manner)"
        case .ask:
            text =
                drawing.chance(40)
                ? "Ask before connecting to \(place)" : "Ask before using \(way) to \(place)\(manner)"
        case .deny: text = drawing.chance(50) ? "Block \(place)" : "Block \(way) to \(place)\(manner)"
        }
        if exception, drawing.chance(15) { text += ", except " + drawing.pick(names) }
        return prefix + text + "."
    }

    /// Sentences each of which compiles alone; together they may contradict, which deciding does not mind.
    static func policy(_ drawing: inout Drawing, sentences: Int) -> [String] {
        var lines: [String] = []
        var tries = 0
        while lines.count < sentences, tries < sentences * 20 {
            tries += 1
            let effect = drawing.pick([Effect.allow, .allow, .allow, .ask, .ask, .ask, .deny])
            let line = sentence(effect, &drawing)
            if compile([line]).isGood { lines.append(line) }
        }
        if drawing.chance(55) { lines.append("Ask me before connecting anywhere else.") }
        return lines
    }

    static func compile(_ lines: [String]) -> Compilation {
        Compilation.compile([SourceText(name: "drawn", lines.joined(separator: "\n") + "\n")], suggesting: false)
    }

    static func connection(_ drawing: inout Drawing) -> Connection {
        let host: Connection.Host
        if drawing.chance(60) {
            let prefix = drawing.chance(20) ? "deep.er." : ""
            host = .name(HostName(normalised: prefix + drawing.pick(names)))
        } else {
            host = .address(Address(plain: drawing.pick(addresses)) ?? Address(v4: 0))
        }
        let transport: Transport = drawing.chance(80) ? .tcp : .udp
        var content = Connection.Content.unknown
        if transport == .tcp, drawing.chance(70) {
            let method = drawing.pick(["GET", "HEAD", "POST", "OPTIONS"])
            content = .web(WebRequest(method, body: method == "POST", path: WebPath(segments: ["v1"], below: false)))
        }
        let resolved = drawing.chance(20) ? Address(plain: drawing.pick(addresses)) : nil
        return Connection(host, transport, drawing.pick(ports), content, resolved: resolved)
    }

    /// A connection that some item of the policy speaks of, as a person would make it.
    static func connection(_ drawing: inout Drawing, from policy: Policy) -> Connection {
        let opening = policy.rules.filter { $0.effect == .allow }
        guard !opening.isEmpty, drawing.chance(65) else { return connection(&drawing) }
        let rule = drawing.pick(drawing.chance(75) ? opening : policy.rules)
        guard case .connect(let item) = drawing.pick(rule.items) else { return connection(&drawing) }
        let host: Connection.Host
        switch item.place {
        case .name(let name, let scope), .localName(let name, let scope):
            let prefix = scope == .under || scope == .wide && drawing.chance(40) ? "deep." : ""
            host = .name(HostName(normalised: prefix + name.text))
        case .addresses(let range): host = .address(drawing.chance(50) ? range.first : range.last)
        case .localNetwork: host = .address(Address(v4: 0xC0A8_0707))
        case .thisComputer: host = .address(Address(v4: 0x7F00_0001))
        default: host = .name(HostName(normalised: drawing.pick(names)))
        }
        let transport: Transport = item.ports.transport == .udp ? .udp : .tcp
        let port = item.ports.contains(.https) ? 443 : drawing.chance(50) ? item.ports.low : item.ports.high
        let method = item.content == .uploads ? "POST" : "GET"
        let web = WebRequest(method, body: method == "POST", path: WebPath(segments: ["v1"], below: false))
        return Connection(host, transport, port, transport == .udp ? .unknown : .web(web))
    }

    static func instant(_ drawing: inout Drawing) -> Instant {
        let texts = [
            "2026-11-23T08:59", "2026-11-23T09:00", "2026-11-23T17:59", "2026-11-23T18:00", "2026-11-27T22:00",
            "2026-11-28T05:59", "2026-11-28T06:00", "2026-12-24T17:59", "2026-12-24T18:00", "2026-10-31T23:59",
        ]
        return Instant(wall: Fixture.minutes(drawing.pick(texts)), elapsed: drawing.pick([0, 7199, 7200]))
    }
}
