extension SentenceParser {
    // MARK: Lists

    /// Takes what stands between two items of a list.
    mutating func takeSeparator() -> Bool {
        if takeComma() {
            if takeAny(["and", "or"]) == nil { _ = take("as", "well", "as") }
            return true
        }
        return takeAny(["and", "or", "plus"]) != nil || take("as", "well", "as")
    }

    mutating func parseTargets() throws(Refusal) -> [TargetTerm] {
        guard let first = try parseTarget() else {
            missed("a host, an address or a group")
            throw notUnderstood()
        }
        var found = [first]
        // Where names begin that no "and their subdomains" has spoken of yet.
        var unspoken = 0
        var isUnder = false
        try applyReach(to: &found, from: &unspoken)
        while !atEnd {
            let mark = index
            guard takeSeparator() else { break }
            if startsPart() {
                index = mark
                break
            }
            guard let next = try parseTarget() else {
                missed("a host, an address or a group")
                index = mark
                break
            }
            isUnder = isUnder || found[found.count - 1].saysBeneath
            found.append(next)
            try applyReach(to: &found, from: &unspoken)
            if isUnder, case .host = next.kind, found[found.count - 1].saidScope == nil {
                throw Refusal(
                    .ambiguous, next.range, "whether this name or only its subdomains are meant is not said",
                    hints: ["Allow https to *.a.example and b.example.", "Allow https to *.a.example and *.b.example."])
            }
        }
        if take("on", "the", "local", "network") || take("in", "the", "local", "network") {
            for position in found.indices {
                guard case .host = found[position].kind else {
                    throw refusal(
                        .notUnderstood, at: index - 4, "“on the local network” is said of names only",
                        hints: [
                            "Allow https to the local network.", "Allow https to nas.example.com on the local network.",
                        ])
                }
                found[position].onLocalNetwork = true
            }
        }
        return found
    }

    /// "and its subdomains", said of the last name or of all of them.
    private mutating func applyReach(to found: inout [TargetTerm], from unspoken: inout Int) throws(Refusal) {
        let mark = index
        _ = takeComma()
        guard let reach = take(Lexicon.reaches), !isWord("of") else {
            // "a.example and subdomains of b.example" begins another item.
            index = mark
            return
        }
        let affected = reach.plural ? Array(unspoken..<found.count) : [found.count - 1]
        if reach.plural { unspoken = found.count }
        for position in affected {
            switch found[position].kind {
            case .host, .group: break
            default: throw refusal(.notUnderstood, at: mark, "only names have subdomains")
            }
            if let said = found[position].saidScope, said != reach.scope {
                if reach.plural { continue }
                throw refusal(.notUnderstood, at: mark, "this says twice how far the name reaches")
            }
            found[position].saidScope = reach.scope
        }
    }

    /// Whether a new run of hosts with a service of its own begins here: "ssh to …".
    mutating func startsPart() -> Bool {
        let mark = index
        defer { index = mark }
        if peek(Lexicon.services) != nil || peek(Lexicon.nouns) != nil { return true }
        return (try? takeMethods()) != nil
    }

    /// One host, address, URL, place or group; nil when the next word cannot be one.
    mutating func parseTarget() throws(Refusal) -> TargetTerm? {
        let start = index
        if take(Lexicon.underPrefixes) != nil {
            _ = take(Lexicon.hostArticles)
            guard let term = try parseNamed(), case .host = term.kind, term.saidScope == nil, term.path == nil else {
                if !atEnd, FileWords.looksLikePath(tokens[index]) {
                    index = start
                } else {
                    missed("the name of a host")
                }
                index = start
                return nil
            }
            var under = term
            under.saidScope = .under
            under.saysBeneath = true
            under.range = spanning(start)
            return under
        }
        if let place = peek(Lexicon.places) {
            switch place.meaning {
            case .elsewhere: return nil
            case .internet: return term(.internet, place.count)
            case .localNetwork: return term(.localNetwork, place.count)
            case .thisComputer: return term(.thisComputer, place.count)
            case .metadata: return term(.metadata, place.count)
            case .registries: return term(.registries, place.count)
            case .anywhere: return term(.anywhere, place.count)
            }
        }
        if let group = peekGroup() { return term(.group(group.name), group.count) }
        _ = take(Lexicon.hostArticles)
        if let named = try parseNamed() {
            var named = named
            named.range = spanning(start)
            return named
        }
        index = start
        return nil
    }

    private mutating func term(_ kind: TargetTerm.Kind, _ count: Int) -> TargetTerm {
        let start = index
        index += count
        return TargetTerm(kind, spanning(start))
    }

    private mutating func peekGroup() -> (name: String, count: Int)? {
        if let found = peek(groups) { return (found.meaning, found.count) }
        if isWord("the") || isWord("our") || isWord("my"), let found = peek(groups, ahead: 1) {
            return (found.meaning, found.count + 1)
        }
        return nil
    }

    /// A token that is a name, an address or a URL.
    private mutating func parseNamed() throws(Refusal) -> TargetTerm? {
        guard index < tokens.count else { return nil }
        let token = tokens[index]
        guard token.kind == .word || token.kind == .quoted else { return nil }
        let text = token.text
        guard token.kind == .word || text.contains(".") else { return nil }
        if let marker = text.firstRange(of: "://") {
            return try parseURL(
                scheme: text[..<marker.lowerBound].lowercased(), rest: String(text[marker.upperBound...]))
        }
        if text.hasPrefix("*.") { return try parseWildcard(String(text.dropFirst(2))) }
        let isBracketed = text.hasPrefix("[")
        guard text.contains(".") || text.contains(":") || isBracketed else {
            try refuseKnownSingles(token)
            return nil
        }
        if text.hasPrefix("~") || text.hasPrefix("/") || text.hasPrefix("./") || text.hasPrefix(".") { return nil }
        if let slash = text.firstIndex(of: "/") {
            let front = String(text[..<slash])
            if let address = Address(anySpelling: front), !front.isEmpty {
                return try parseRange(address, spelling: front, prefix: String(text[text.index(after: slash)...]))
            }
            guard let host = try? HostName.parse(front) else { return nil }
            throw refusal(
                .badName, "“\(text)” has a path but no scheme",
                hints: ["Allow https://\(text).", "Allow https to \(host.text)."])
        }
        return try parseHostPort(text, token)
    }

    private mutating func parseHostPort(_ text: String, _ token: Token) throws(Refusal) -> TargetTerm {
        let isNumeric = text.utf8.first.map { (48...57).contains($0) || $0 == 91 } ?? false || text.contains(":")
        if isNumeric, let address = Address(plain: text) {
            index += 1
            return TargetTerm(.addresses(AddressRange(address)), token.range)
        }
        var front = text
        var port: UInt16?
        if let colon = text.lastIndex(of: ":"), text.hasPrefix("[") || text.filter({ $0 == ":" }).count == 1 {
            let tail = text[text.index(after: colon)...]
            if !tail.hasSuffix("]") {
                guard let number = UInt16(tail), number > 0, !tail.hasPrefix("+"), !tail.hasPrefix("0") else {
                    throw refusal(
                        .badPort, "“\(tail)” is not a port (1 to 65535)",
                        hints: ["Allow tcp to \(text[..<colon]) on port 8443."])
                }
                port = number
                front = String(text[..<colon])
            }
        }
        if isNumeric, let address = Address(plain: front) {
            index += 1
            var term = TargetTerm(.addresses(AddressRange(address)), token.range)
            term.port = port
            return term
        }
        try refuseAddressSpelling(front)
        let host = try hostName(front)
        index += 1
        var term = TargetTerm(.host(host), token.range)
        term.port = port
        return term
    }

    /// The name that `text` is, or a refusal that says what is wrong with it.
    func hostName(_ text: String) throws(Refusal) -> HostName {
        do {
            return try HostName.parse(text)
        } catch {
            let message: String
            var hints: [String] = []
            switch error {
            case .empty, .badLabel: message = "“\(text)” is not the name of a host"
            case .tooLong: message = "this name is longer than a host's name can be"
            case .badCharacter(let character): message = "a host's name cannot contain “\(character)”"
            case .oneLabel: message = "“\(text)” is a single word and no defined group"
            case .looksLikeAddress:
                message = "“\(text)” is neither an address nor the name of a host"
                hints = ["Allow https to 192.0.2.1.", "Allow https to example.com."]
            case .notInternational: message = "“\(text)” is not a valid international name"
            case .lookAlike(let label): message = "“\(label)” mixes letters that look alike"
            }
            throw refusal(.badName, message, hints: hints)
        }
    }

    private func refuseAddressSpelling(_ text: String) throws(Refusal) {
        guard let first = text.utf8.first, (48...57).contains(first) || first == 91 || text.contains(":") else {
            return
        }
        let bare = text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
        if let address = Address(anySpelling: text), text.contains(":") || text.filter({ $0 == "." }).count == 3 {
            let why = bare.contains("%") ? "an address with a zone" : "an unusual spelling of an address"
            throw refusal(
                .badAddress, "“\(text)” is \(why); write it plainly",
                hints: ["Allow https to \(address).", "Block \(address)."])
        }
        if let address = Address(anySpelling: text), text.lowercased().hasPrefix("0x") {
            throw refusal(
                .badAddress, "“\(text)” is an unusual spelling of an address; write it plainly",
                hints: ["Allow https to \(address).", "Block \(address)."])
        }
        if text.contains(":") {
            throw refusal(.badAddress, "“\(text)” is not an address", hints: ["Allow https to 2001:db8::1."])
        }
    }

    private mutating func parseRange(
        _ address: Address, spelling: String, prefix: String
    ) throws(Refusal) -> TargetTerm {
        guard let plain = Address(plain: spelling) else {
            throw refusal(
                .badAddress, "“\(spelling)” is an unusual spelling of an address; write it plainly",
                hints: ["Block \(address)/\(prefix)."])
        }
        guard let length = Int(prefix), length >= 0, prefix.first?.isNumber == true,
            let meant = AddressRange.trimmed(plain, prefix: length)
        else {
            let width = plain.isV6 ? 128 : 32
            throw refusal(
                .badAddress, "“/\(prefix)” is not the length of a range (0 to \(width))", hints: ["Block \(plain)/24."])
        }
        guard let range = AddressRange(plain, prefix: length) else {
            throw refusal(
                .badAddress, "“\(plain)/\(length)” has bits set beyond /\(length)",
                hints: ["Allow https to \(meant).", "Block \(meant)."])
        }
        let token = tokens[index]
        index += 1
        return TargetTerm(.addresses(range), token.range)
    }

    private mutating func parseWildcard(_ text: String) throws(Refusal) -> TargetTerm {
        let token = tokens[index]
        if let host = try? HostName.parse(text, singleLabel: true) {
            index += 1
            var term = TargetTerm(.host(host), token.range)
            term.saidScope = .under
            return term
        }
        throw refusal(
            .badName, "“\(token.text)” is not a pattern of names; a star stands before a whole name only",
            hints: ["Allow https to *.example.com."])
    }

    private mutating func parseURL(scheme: String, rest: String) throws(Refusal) -> TargetTerm {
        let token = tokens[index]
        guard ["http", "https"].contains(scheme) else {
            throw refusal(
                .badName, "a URL here begins with https:// or http://, not \(scheme)://",
                hints: ["Allow ssh to example.com.", "Allow https://example.com/."])
        }
        let slash = rest.firstIndex(of: "/")
        let authority = String(rest[..<(slash ?? rest.endIndex)])
        let pathText = slash.map { String(rest[$0...]) } ?? ""
        if authority.contains("@") {
            throw refusal(.badName, "a URL of a policy carries no user name", hints: ["Allow https://example.com/."])
        }
        if rest.contains("?") || rest.contains("#") {
            let cut = rest.prefix { $0 != "?" && $0 != "#" }
            throw refusal(
                .badName, "the query of a URL does not count", hints: ["Allow \(scheme)://\(cut)."])
        }
        var term: TargetTerm
        if authority.hasPrefix("*.") {
            guard let host = try? HostName.parse(String(authority.dropFirst(2))) else {
                throw refusal(.badName, "“\(authority)” is not a pattern of names")
            }
            index += 1
            term = TargetTerm(.host(host), token.range)
            term.saidScope = .under
        } else {
            guard authority.contains(".") || authority.contains(":") else {
                throw refusal(.badName, "“\(authority)” is not the full name of a host")
            }
            term = try parseHostPort(authority, token)
        }
        term.scheme = scheme
        if let path = try parseWebPath(pathText), !(path.segments.isEmpty && path.below) { term.path = path }
        return term
    }

    /// A path as a policy writes it; nil when it is empty.
    func parseWebPath(_ text: String) throws(Refusal) -> WebPath? {
        guard !text.isEmpty else { return nil }
        guard case .path(let path) = WebPaths.parse(text) else {
            throw refusal(
                .badPath, "“\(text)” can be read in two ways", hints: ["Allow https://example.com/v1/."])
        }
        return path
    }

    /// Words that are no names but that people try.
    private func refuseKnownSingles(_ token: Token) throws(Refusal) {
        switch token.lower {
        case "localhost", "loopback":
            throw refusal(
                .ambiguous, "“\(token.text)” is the guest itself; the computer it runs on is “this computer”",
                hints: ["Allow tcp to this computer on port 5432.", "Block this computer."])
        case "git":
            throw refusal(
                .ambiguous, "“git” alone does not say how it connects",
                hints: ["Allow git over https to example.com.", "Allow git over ssh to example.com."])
        case "icmp", "ping":
            throw refusal(
                .unsupported, "ICMP is never opened, so there is nothing to say about it",
                hints: ["Allow https to example.com."])
        default: break
        }
    }

    // MARK: Ports and services

    /// "on port 2222", "on tcp ports 80, 443 and 8000 to 8100".
    mutating func parsePorts() throws(Refusal) -> [PortSpan]? {
        let mark = index
        if isWord("path", ahead: 1) || isWord("paths", ahead: 1) { return nil }
        _ = take("only")
        _ = takeAny(["on", "at", "through", "using", "to", "via"])
        var transport = Transport.any
        if take("tcp") { transport = .tcp } else if take("udp") { transport = .udp }
        if take("any", "port") || take("all", "ports") || take("every", "port") || take("any", "ports") {
            return [PortSpan(transport, 1, 65535)]
        }
        _ = take("the")
        guard takeAny(["port", "ports"]) != nil else {
            index = mark
            return nil
        }
        guard let first = try parsePortSpan(transport) else {
            missed("a port number")
            throw notUnderstood()
        }
        var found = [first]
        while !atEnd {
            let mark = index
            guard takeSeparator() else { break }
            if index + 1 < tokens.count, ["port", "ports"].contains(tokens[index].lower) { index += 1 }
            guard let next = try parsePortSpan(transport) else {
                index = mark
                break
            }
            found.append(next)
        }
        return found
    }

    private mutating func parsePortSpan(_ transport: Transport) throws(Refusal) -> PortSpan? {
        let mark = index
        let between = take("between")
        if !between { _ = take("from") }
        guard index < tokens.count, tokens[index].isWord, let lead = tokens[index].lower.utf8.first,
            (48...57).contains(lead)
        else {
            index = mark
            return nil
        }
        let text = tokens[index].lower
        // A number with a unit is an amount, not a port.
        if index + 1 < tokens.count, !between, let unit = tokens.dropFirst(index + 1).first, unit.isWord,
            Units.isUnit(unit.lower)
        {
            index = mark
            return nil
        }
        for dash in ["-", "–"] {
            if let cut = text.firstRange(of: dash) {
                let low = try port(String(text[..<cut.lowerBound]))
                let high = try port(String(text[cut.upperBound...]))
                index += 1
                return try span(transport, low, high)
            }
        }
        let low = try port(text)
        index += 1
        let after = index
        if between {
            guard take("and") else { throw notUnderstood() }
        } else if takeAny(["to", "through"]) == nil {
            return PortSpan(transport, low, low)
        }
        guard index < tokens.count, tokens[index].lower.first?.isNumber == true else {
            index = after
            return PortSpan(transport, low, low)
        }
        let high = try port(tokens[index].lower)
        index += 1
        return try span(transport, low, high)
    }

    private func span(_ transport: Transport, _ low: UInt16, _ high: UInt16) throws(Refusal) -> PortSpan {
        guard low <= high else {
            throw refusal(
                .badPort, at: index - 1, "ports run upwards, from the lower to the higher",
                hints: ["Allow tcp to example.com on ports \(high) to \(low)."])
        }
        return PortSpan(transport, low, high)
    }

    func port(_ text: String) throws(Refusal) -> UInt16 {
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(text), number > 0,
            !text.hasPrefix("0")
        else {
            throw refusal(
                .badPort, "“\(text)” is not a port (1 to 65535)", hints: ["Allow tcp to example.com on port 8443."])
        }
        return number
    }

    /// "https", "ssh and https", "tcp connections".
    mutating func parseServices() throws(Refusal) -> [ServiceTerm]? {
        if isWord("git"), peek(Lexicon.services) == nil { try refuseKnownSingles(tokens[index]) }
        if isWord("icmp") || isWord("ping") { try refuseKnownSingles(tokens[index]) }
        let start = index
        _ = takeAny(["outgoing", "outbound", "any", "all", "new"])
        guard let first = take(Lexicon.services) else {
            index = start
            return nil
        }
        var found = [first]
        while !atEnd {
            let mark = index
            guard takeSeparator(), let next = take(Lexicon.services) else {
                index = mark
                break
            }
            // "https to a and ssh to b": the second service begins a part of its own.
            found.append(next)
        }
        _ = take(Lexicon.serviceTails)
        return found
    }

    /// "GET and POST requests", or methods in capitals before "to"; throws when the words are no methods.
    mutating func takeMethods() throws(Refusal) -> [String] {
        let mark = index
        var found: [String] = []
        var capitals = true
        _ = takeAny(["make", "making", "send", "sending", "makes", "sends"])
        while index < tokens.count, tokens[index].isWord, Lexicon.methods.contains(tokens[index].lower) {
            capitals = capitals && tokens[index].text == tokens[index].text.uppercased()
            found.append(tokens[index].text.uppercased())
            index += 1
            let separator = index
            guard takeSeparator() else { break }
            guard index < tokens.count, Lexicon.methods.contains(tokens[index].lower) else {
                index = separator
                break
            }
        }
        let named = takeAny(["requests", "request", "calls"]) != nil
        guard !found.isEmpty, named || capitals else {
            index = mark
            throw refusal(.notUnderstood, "no methods here")
        }
        return Array(Set(found)).sorted()
    }
}
