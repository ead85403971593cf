package import PolicyLanguage

/// Something the guest wants to do, or somebody asks about.
package enum Request: Sendable, Hashable {
    case connect(Connection)
    case resolve(HostName)
    /// The guest's port.
    case ingress(UInt16)
    case file(Activity, FilePath)
    case call(String)
}

package struct Connection: Sendable, Hashable {
    package enum Host: Sendable, Hashable {
        case name(HostName)
        case address(Address)
    }
    package enum Content: Sendable, Hashable {
        /// Nobody has looked.
        case unknown
        case web(WebRequest)
    }
    package var host: Host
    package var transport: Transport
    package var port: UInt16
    package var content: Content
    /// Where a name leads, when that is asked too.
    package var resolved: Address?

    package init(
        _ host: Host, _ transport: Transport, _ port: UInt16, _ content: Content = .unknown, resolved: Address? = nil
    ) {
        self.host = host
        self.transport = transport
        self.port = port
        self.content = content
        self.resolved = resolved
    }
}

package struct WebRequest: Sendable, Hashable {
    package var method: String
    package var body: Bool
    package var upgrade: Bool
    /// Nil when the path can be read in two ways.
    package var path: WebPath?

    package init(_ method: String, body: Bool = false, upgrade: Bool = false, path: WebPath?) {
        self.method = method
        self.body = body
        self.upgrade = upgrade
        self.path = path
    }

    var bits: UInt64 {
        if method == "POST", !upgrade, path?.segments.last == "git-upload-pack", path?.below == false {
            return ContentBits.gitFetch
        }
        return ContentBits.bit(method, body: body, upgrade: upgrade)
    }
}

/// A file by every name it has: beneath the home folder, and from the root.
package struct FilePath: Sendable, Hashable {
    package struct Spelling: Sendable, Hashable {
        package var root: FilePlace.Root
        package var components: [String]
        package init(root: FilePlace.Root, components: [String]) {
            self.root = root
            self.components = components
        }
    }
    package var spellings: [Spelling]
    package init(_ spellings: [Spelling]) { self.spellings = spellings }
}

/// When a decision is made.
package struct Instant: Sendable, Hashable {
    /// The wall clock's label, in civil minutes.
    package var wall: Int
    /// Seconds since each sentence came into force.
    package var elapsed: Int
    package init(wall: Int, elapsed: Int = 0) {
        self.wall = wall
        self.elapsed = elapsed
    }

    package func satisfies(_ when: When) -> Bool {
        if when.isAlways { return true }
        if let from = when.from, wall < from { return false }
        if let until = when.until, wall >= until { return false }
        if let span = when.span, elapsed >= span || elapsed < 0 { return false }
        guard when.isWeekly else { return true }
        let day = CivilTime.floorDivide(wall, 1440)
        let minute = wall - day * 1440
        let weekday = CivilTime.weekday(ofDay: day)
        guard let window = when.window else { return when.days & (1 << weekday) != 0 }
        if window.start < window.end {
            return when.days & (1 << weekday) != 0 && minute >= window.start && minute < window.end
        }
        // Past midnight it belongs to the day it started on.
        return when.days & (1 << weekday) != 0 && minute >= window.start
            || when.days & (1 << ((weekday + 6) % 7)) != 0 && minute < window.end
    }
}

/// A request as written on the command line, or why it is none.
package enum RequestText: Sendable, Equatable {
    case request(Request)
    /// A request that nothing allows whatever the policy: malformed, or made to look like another.
    case denied(String)
    /// Not a request at all.
    case unreadable(String)

    package static func parse(
        _ text: String, method: String? = nil, home: [String]? = nil, resolved: Address? = nil
    ) -> RequestText {
        if let marker = text.firstRange(of: "://") {
            let rest = String(text[marker.upperBound...])
            return url(text[..<marker.lowerBound].lowercased(), rest, method, resolved)
        }
        guard let colon = text.firstIndex(of: ":") else {
            return .unreadable(
                "“\(text)” is no request: a URL, tcp:HOST:PORT, udp:HOST:PORT, dns:NAME, ingress:PORT, "
                    + "read:PATH, write:PATH, delete:PATH or syscall:NAME")
        }
        let rest = String(text[text.index(after: colon)...])
        switch text[..<colon].lowercased() {
        case "tcp": return endpoint(.tcp, rest, resolved)
        case "udp": return endpoint(.udp, rest, resolved)
        case "dns":
            if Address(anySpelling: rest) != nil { return .denied("an address is not a name") }
            return host(rest).map { .request(.resolve($0)) } ?? .denied("“\(rest)” is not a name that can be resolved")
        case "ingress":
            guard let port = UInt16(rest), port > 0 else { return .denied("“\(rest)” is not a port") }
            return .request(.ingress(port))
        case "read": return file(.read, rest, home)
        case "write", "change", "edit": return file(.change, rest, home)
        case "delete": return file(.delete, rest, home)
        case "syscall":
            let valid =
                !rest.isEmpty && rest.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
            return valid ? .request(.call(rest)) : .denied("“\(rest)” is not the name of a system call")
        default: return .unreadable("“\(text)” is no request")
        }
    }

    private static func host(_ text: String) -> HostName? {
        try? HostName.parse(text, singleLabel: true, lookAlikes: false)
    }

    private static func endpoint(_ transport: Transport, _ rest: String, _ resolved: Address?) -> RequestText {
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]), port > 0,
            !rest[rest.index(after: colon)...].hasPrefix("+")
        else { return .denied("“\(rest)” is not HOST:PORT") }
        let name = String(rest[..<colon])
        guard let host = connectionHost(name) else {
            return .denied("“\(name)” is not the name of a host, or looks like another's")
        }
        return .request(.connect(Connection(host, transport, port, resolved: resolved)))
    }

    private static func connectionHost(_ text: String) -> Connection.Host? {
        if let address = Address(anySpelling: text) {
            // An IPv6 address needs its brackets before a port, or the port might be part of it.
            return text.contains("%") ? nil : .address(address)
        }
        return host(text).map { .name($0) }
    }

    private static func url(_ scheme: String, _ rest: String, _ method: String?, _ resolved: Address?) -> RequestText {
        let ports: [String: UInt16] = [
            "http": 80, "https": 443, "ws": 80, "wss": 443, "ssh": 22, "ftp": 21, "telnet": 23, "smtp": 25,
            "postgres": 5432, "postgresql": 5432, "mysql": 3306, "redis": 6379,
        ]
        guard let standard = ports[scheme] else { return .denied("“\(scheme)://” is no scheme that is known here") }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" || $0 == "\\" } ?? rest.endIndex
        let authority = String(rest[..<end])
        guard !authority.contains("@") else { return .denied("a URL with a user name can look like another host's") }
        var name = authority
        var port = standard
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0 else {
                return .denied("“\(authority)” has no valid port")
            }
            port = number
            name = String(authority[..<colon])
        }
        guard let host = connectionHost(name) else {
            return .denied("“\(name)” is not the name of a host, or looks like another's")
        }
        guard ["http", "https", "ws", "wss"].contains(scheme) else {
            return .request(.connect(Connection(host, .tcp, port, resolved: resolved)))
        }
        let tail = rest[end...]
        let pathText = tail.prefix { $0 != "?" && $0 != "#" }
        let upgrade = scheme.hasPrefix("ws")
        let verb = (method ?? "GET").uppercased()
        guard !verb.isEmpty, verb.utf8.allSatisfy({ (65...90).contains($0) || $0 == 45 || $0 == 95 }) else {
            return .denied("“\(verb)” is not a method")
        }
        var path: WebPath?
        if case .path(let read) = WebPaths.parse(pathText.isEmpty ? "/" : pathText) { path = read }
        let body = ["POST", "PUT", "PATCH"].contains(verb)
        let request = WebRequest(verb, body: body, upgrade: upgrade, path: path)
        return .request(.connect(Connection(host, .tcp, port, .web(request), resolved: resolved)))
    }

    private static func file(_ activity: Activity, _ text: String, _ home: [String]?) -> RequestText {
        guard !text.isEmpty, !text.unicodeScalars.contains("\0") else { return .denied("this names no file") }
        var root = FilePlace.Root.relative
        var body = Substring(text)
        if text == "~" || text.hasPrefix("~/") {
            root = .home
            body = body.dropFirst()
        } else if text.hasPrefix("/") {
            root = .absolute
        } else if text.hasPrefix("~") {
            return .denied("another person's home is not reached")
        }
        var components: [String] = []
        for piece in body.split(separator: "/") where piece != "." {
            if piece == ".." {
                guard components.popLast() != nil else { return .denied("the path leads out of its folder") }
            } else {
                components.append(String(piece))
            }
        }
        var spellings = [FilePath.Spelling(root: root, components: components)]
        if let home, root == .home { spellings.append(.init(root: .absolute, components: home + components)) }
        if let home, root == .absolute, components.starts(with: home) {
            spellings.append(.init(root: .home, components: Array(components.dropFirst(home.count))))
        }
        return .request(.file(activity, FilePath(spellings)))
    }
}
