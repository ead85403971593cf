extension SentenceParser {
    /// What follows an effect: a verb, a noun, a service or a target, and its conditions.
    mutating func parseObject(_ effect: Effect, claims said: Bool, when: When) throws(Refusal) -> [Clause] {
        var claims = said
        let start = index
        try takeOnly(effect, &claims)
        if let clause = try parsePrograms(effect) { return [clause] }
        if let clause = try parseElse(effect, activities: nil, when: when) { return [clause] }
        try refuseEverything(effect)
        if effect == .allow, let clause = try parseLimitedObject(claims: claims, when: when) { return [clause] }
        if let methods = try? takeMethods() {
            return try parseConnect(effect, claims: claims, content: .methods(methods), when: when)
        }
        if let activities = take(Lexicon.verbPairs) {
            try takeOnly(effect, &claims)
            return try parseFiles(activities, effect, claims: claims, when: when)
        }
        if let noun = peek(Lexicon.nouns), isWord("to", ahead: noun.count) || isWord("of", ahead: noun.count) {
            index += noun.count
            return try parseNoun(noun.meaning, effect, claims: claims, when: when)
        }
        if let verb = take(Lexicon.verbs) {
            return try parseVerb(verb, effect, claims: claims, start: start, when: when)
        }
        index = start
        if let noun = take(Lexicon.nouns) { return try parseNoun(noun, effect, claims: claims, when: when) }
        if startsFileTerm(verb: nil) {
            guard effect != .allow || inherited != nil else {
                let rest = rest(from: index)
                throw refusal(
                    .ambiguous, "say whether this may be read or changed",
                    hints: ["Let the agent read \(rest).", "Let the agent change \(rest)."])
            }
            return try parseFiles(inherited ?? [.all], effect, claims: claims, when: when)
        }
        return try parseConnect(effect, claims: claims, content: .all, when: when)
    }

    /// The file activities that a sentence after a semicolon takes over.
    private var inherited: [FileActivity]? {
        guard let before, case .activities(let activities) = before.subject, !activities.contains(.connect) else {
            return nil
        }
        return activities.map { $0 == .read ? .read : $0 == .change ? .change : .delete }
    }

    mutating func takeOnly(_ effect: Effect, _ claims: inout Bool) throws(Refusal) {
        guard take("only") else { return }
        guard effect == .allow else {
            throw refusal(
                .ambiguous, at: index - 1, "“only” belongs to what is allowed",
                hints: ["The agent may only reach example.com.", "Ask me before connecting anywhere else."])
        }
        claims = true
    }

    private mutating func refuseEverything(_ effect: Effect) throws(Refusal) {
        let mark = index
        guard let word = takeAny(["everything", "anything", "all"]) else { return }
        let next = index < tokens.count ? tokens[index].lower : ""
        defer { index = mark }
        if atEnd || ["but", "except", "other", "apart", "else"].contains(next) || tokens[index].kind == .comma {
            throw refusal(
                .tooBroad, at: mark, "“\(word)” does not say what: connections, or which files",
                hints: effect == .allow
                    ? [
                        "The agent may only reach example.com.", "Allow https to the internet.",
                        "Let it change anything in ~/projects.",
                    ]
                    : effect == .ask
                        ? ["Ask me before connecting anywhere.", "Ask before changing anything."]
                        : [
                            "The agent may only reach example.com.", "Never connect to anything.",
                            "Never touch anything in ~/projects.",
                        ])
        }
    }

    private mutating func parsePrograms(_ effect: Effect) throws(Refusal) -> Clause? {
        guard let first = take(Lexicon.programs) else { return nil }
        guard effect != .ask else {
            throw refusal(
                .unsupported, at: index - 1, "what programs do inside the guest can be allowed or denied, not asked",
                hints: ["Programs may not trace other programs."])
        }
        var found = [first]
        while !atEnd, takeSeparator() {
            _ = take("no") || take("may", "not") || take("not")
            guard let next = take(Lexicon.programs) else {
                missed("something that programs do")
                throw notUnderstood()
            }
            found.append(next)
        }
        return .programs(effect: effect, activities: found)
    }

    // MARK: else

    /// "anywhere else", "anything else"; `activities` is what the verb said.
    mutating func parseElse(_ effect: Effect, activities: [Activity]?, when: When) throws(Refusal) -> Clause? {
        let start = index
        _ = takeAny(["to", "with", "from"])
        var meant = activities
        let place = peek(Lexicon.places)
        if let place, place.meaning == .elsewhere {
            index += place.count
            guard activities == nil || activities == [.connect] else { throw notUnderstood() }
            meant = [.connect]
        } else if take(Lexicon.anythingElse) != nil {
            if meant == nil, let before {
                guard !before.isTimed else {
                    throw refusal(
                        .ambiguous, at: start,
                        "after a sentence with a time, say what “\(tokens[start].text) else” is about",
                        hints: ["Ask me before connecting anywhere else.", "Ask before changing anything else."])
                }
                switch before.subject {
                case .activities(let known): meant = known
                case .apply: return .apply(effect: effect, kinds: [.otherwise])
                case .other:
                    throw refusal(
                        .ambiguous, at: start, "say what “else” is about",
                        hints: ["Ask me before connecting anywhere else.", "Deny anything else."])
                }
            }
            meant = meant ?? [.connect, .read, .change, .delete]
        } else {
            index = start
            return nil
        }
        guard effect != .allow else {
            throw refusal(
                .tooBroad, at: start, "“else” can ask or deny, not allow",
                hints: ["Ask me before connecting anywhere else.", "Allow https to the internet."])
        }
        var time = when
        while !atEnd {
            let mark = index
            _ = takeComma()
            guard try parseTime(into: &time) else {
                index = mark
                break
            }
        }
        return .otherwise(activities: (meant ?? []).sorted(), effect: effect, when: time)
    }

    // MARK: Verbs and nouns

    private mutating func parseVerb(
        _ verb: Lexicon.Verb, _ effect: Effect, claims said: Bool, start: Int, when: When
    ) throws(Refusal) -> [Clause] {
        var claims = said
        try takeOnly(effect, &claims)
        switch verb {
        case .reach:
            _ = take("out")
            _ = takeAny(["to", "with"])
            try takeOnly(effect, &claims)
            if let clause = try parseElse(effect, activities: [.connect], when: when) { return [clause] }
            readAnythingAsAnywhere()
            return try parseConnect(effect, claims: claims, content: .all, when: when)
        case .use:
            if let clause = try parseKey(effect, claims: claims, when: when) { return [clause] }
            if let clause = try parsePrograms(effect) { return [clause] }
            return try parseByTarget(effect, claims: claims, verb: .use, when: when)
        case .access, .touch: return try parseByTarget(effect, claims: claims, verb: verb, when: when)
        case .upload, .download:
            let isSend = tokens[index - 1].lower.hasPrefix("send")
            guard take(Lexicon.payloads) != nil || !isSend else {
                missed("“anything” or “data”")
                throw notUnderstood()
            }
            if let clause = try parseElse(effect, activities: [.connect], when: when) {
                throw refusal(
                    .unsupported, at: start, "“else” speaks of whole connections",
                    hints: ["Ask me before connecting anywhere else."] + (clause.isNothing ? [] : []))
            }
            return try parseConnect(
                effect, claims: claims, content: verb == .upload ? .uploads : .downloads, when: when)
        case .read: return try parseFileVerbs([.read], effect, claims: claims, when: when)
        case .change: return try parseFileVerbs([.change], effect, claims: claims, when: when)
        case .delete: return try parseFileVerbs([.delete], effect, claims: claims, when: when)
        case .hide: return try parseFiles([.all], effect == .deny ? .deny : effect, claims: claims, when: when)
        case .apply: return [try parseApplied(effect)]
        case .inspect:
            throw refusal(
                .unsupported, at: start, "what is inspected follows from the rules; only “do not inspect” is said",
                hints: ["Do not inspect bank.example.", "Allow downloads from example.com."])
        case .spend, .run:
            if effect == .allow {
                index = start
                if let clause = try parseBudget(when: when) { return [clause] }
            }
            missed("an amount, as in “at most 5 dollars”")
            throw notUnderstood()
        }
    }

    /// "read, change and delete": verbs joined in a list.
    private mutating func parseFileVerbs(
        _ first: [FileActivity], _ effect: Effect, claims said: Bool, when: When
    ) throws(Refusal) -> [Clause] {
        var claims = said
        var activities = first
        while !atEnd {
            let mark = index
            guard takeSeparator(), let verb = take(Lexicon.verbs) else {
                index = mark
                break
            }
            switch verb {
            case .read: activities.append(.read)
            case .change: activities.append(.change)
            case .delete: activities.append(.delete)
            default: throw notUnderstood()
            }
        }
        try takeOnly(effect, &claims)
        let names: [Activity] = activities.map { $0 == .read ? .read : $0 == .change ? .change : .delete }
        if let clause = try parseElse(effect, activities: names, when: when) { return [clause] }
        // "may read but not change ~/w": the second verb shares the object.
        let mark = index
        if let further = take(Lexicon.furtherClauses), further.effect == .deny, let verb = take(Lexicon.verbs) {
            let denied: [FileActivity]
            switch verb {
            case .change: denied = [.change]
            case .delete: denied = [.delete]
            default: denied = []
            }
            let object = index
            if !denied.isEmpty, !isWord("it"), !isWord("them"), startsFileTerm(verb: nil) {
                let allowed = try parseFiles(activities, effect, claims: claims, when: when)
                let end = index
                index = object
                let forbidden = try parseFiles(denied, .deny, claims: false, when: when)
                guard index == end, allowed.count == 1 else { throw notUnderstood() }
                return allowed + forbidden
            }
        }
        index = mark
        return try parseFiles(activities, effect, claims: claims, when: when)
    }

    private mutating func parseNoun(
        _ noun: Lexicon.Noun, _ effect: Effect, claims: Bool, when: When
    ) throws(Refusal) -> [Clause] {
        switch noun {
        case .connections, .requests, .anyConnection:
            if let clause = try parseElse(effect, activities: [.connect], when: when) { return [clause] }
            // "No connections.", "Block outgoing traffic.": what closes may leave out where.
            let nowhere = effect != .allow && (atEnd || startsCondition())
            return try parseConnect(
                effect, claims: claims, content: .all, anyConnection: noun == .anyConnection || nowhere,
                linked: !nowhere,
                when: when)
        case .downloads, .uploads:
            return try parseConnect(
                effect, claims: claims, content: noun == .uploads ? .uploads : .downloads, when: when)
        case .changes, .deletions, .reads:
            guard takeAny(["to", "of", "in"]) != nil else {
                missed("“to”")
                throw notUnderstood()
            }
            let activity: FileActivity = noun == .changes ? .change : noun == .deletions ? .delete : .read
            return try parseFiles([activity], effect, claims: claims, when: when)
        }
    }

    /// Verbs that take their activity from what they are said of.
    mutating func parseByTarget(
        _ effect: Effect, claims said: Bool, verb: Lexicon.Verb, when: When
    ) throws(Refusal) -> [Clause] {
        var claims = said
        try takeOnly(effect, &claims)
        if let found = peek(Lexicon.places), found.meaning == .elsewhere,
            let clause = try parseElse(effect, activities: [.connect], when: when)
        {
            return [clause]
        }
        if peek(Lexicon.anythingElse) != nil {
            throw refusal(
                .ambiguous, "say whether hosts or files are meant",
                hints: ["Ask me before connecting anywhere else.", "Ask before changing anything else."])
        }
        if startsFileTerm(verb: verb) {
            let rest = rest(from: index)
            if effect == .allow || verb == .use {
                throw refusal(
                    .ambiguous, "say whether this may be read or changed",
                    hints: ["Let the agent read \(rest).", "Let the agent change \(rest)."])
            }
            // To touch a hook is to write, delete or rename it; reading one harms nobody.
            let isHook = verb == .touch && (isWord("git") || isWord("git", ahead: 1))
            return try parseFiles([isHook ? .change : .all], effect, claims: claims, when: when)
        }
        if index < tokens.count, tokens[index].isWord, FileWords.couldBeEither(tokens[index].text), !isHostArticle() {
            let text = tokens[index].text
            throw refusal(
                .ambiguous, "“\(text)” can be a file or a host",
                hints: ["Never touch the file \(text).", "Never reach \(text)."])
        }
        return try parseConnect(effect, claims: claims, content: .all, when: when)
    }

    private mutating func isHostArticle() -> Bool { peek(Lexicon.hostArticles) != nil }

    // MARK: Connections

    mutating func parseConnect(
        _ effect: Effect, claims: Bool, content: Content, anyConnection: Bool = false, linked: Bool = false, when: When
    ) throws(Refusal) -> [Clause] {
        let start = index
        var parts = [try parsePart(content: content, anyConnection: anyConnection, linked: linked)]
        while !atEnd {
            let mark = index
            guard takeSeparator(), startsPart() else {
                index = mark
                break
            }
            let part = try parsePart(content: .all, anyConnection: false, linked: false)
            guard !part.targets.isEmpty else {
                index = mark
                break
            }
            parts.append(part)
        }
        var clause = AccessClause(effect: effect, subject: .connect(parts))
        clause.claims = claims
        clause.when = when
        try parseConditions(&clause, &parts)
        clause.subject = .connect(parts)
        if effect == .allow, let open = parts.first(where: { $0.targets.isEmpty }) {
            let words = rest(from: start)
            _ = open
            throw refusal(
                .tooBroad, at: start, "what opens must say where",
                hints: [
                    "Allow \(words) to the internet.", "Allow \(words) to example.com.",
                    "Let the agent reach example.com.",
                ])
        }
        if parts.contains(where: { part in
            part.targets.isEmpty && part.services.isEmpty && part.ports.isEmpty && part.content == .all
        }), !anyConnection, start == index {
            throw notUnderstood()
        }
        return [.access(clause)]
    }

    /// "https to a and b over tcp on port 8443".
    mutating func parsePart(content: Content, anyConnection: Bool, linked: Bool) throws(Refusal) -> ConnectPart {
        let start = index
        var part = ConnectPart(range: tokenRange(start))
        part.content = content
        if anyConnection { part.services = [.anyConnection] }
        var said = content != .all || anyConnection
        if content == .all, !anyConnection {
            if let methods = try? takeMethods() {
                part.content = .methods(methods)
                said = true
            } else if let services = try parseServices() {
                part.services = services
                said = true
                if isWord("port") || isWord("ports"), let ports = try parsePorts() { part.ports = ports }
            } else if let noun = peek(Lexicon.nouns) {
                switch noun.meaning {
                case .downloads: part.content = .downloads
                case .uploads: part.content = .uploads
                case .anyConnection: part.services = [.anyConnection]
                case .connections, .requests: break
                default: throw notUnderstood()
                }
                index += noun.count
                said = true
            } else if isWord("port") || isWord("ports"), let ports = try parsePorts() {
                part.ports = ports
                said = true
            }
        }
        let mark = index
        var preposition = false
        if !part.ports.isEmpty, takeAny(["of", "on", "at"]) != nil {
            preposition = true
        } else if said || linked {
            preposition = try takePreposition(part.content)
        }
        if preposition, part.ports.isEmpty, isWord("port") || isWord("ports"), let ports = try parsePorts() {
            part.ports = ports
            guard takeAny(["of", "on", "at"]) != nil else {
                missed("“on” and the host")
                throw notUnderstood()
            }
        }
        if said, !preposition, let place = peek(Lexicon.places), place.meaning == .anywhere { preposition = true }
        if preposition { readAnythingAsAnywhere() }
        if let place = peek(Lexicon.places), place.meaning == .elsewhere {
            throw refusal(
                .unsupported, "“else” speaks of whole connections, without a service",
                hints: ["Ask me before connecting anywhere else."])
        }
        if !said || preposition || !startsCondition() {
            if !atEnd || !said {
                if said, !preposition {
                    // "ssh github.com" without a preposition is not understood.
                    index = mark
                } else {
                    part.targets = try parseTargets()
                }
            } else if preposition {
                missed("a host, an address or a group")
                throw notUnderstood()
            }
        }
        try parseManner(&part)
        part.range = spanning(start)
        return part
    }

    /// What one connects to is a host: "anything" is then anywhere.
    private mutating func readAnythingAsAnywhere() {
        guard isWord("anything"), peek(Lexicon.places) == nil, peek(Lexicon.anythingElse) == nil,
            !startsFileTerm(verb: nil)
        else { return }
        tokens[index] = Token(kind: .word, text: tokens[index].text, lower: "anywhere", range: tokens[index].range)
    }

    /// Downloads come from a host and everything else goes to it; the other way round would be somebody reaching in.
    private mutating func takePreposition(_ content: Content) throws(Refusal) -> Bool {
        let mark = index
        guard take(Lexicon.prepositions) != nil else { return false }
        let word = tokens[mark].lower
        if content == .downloads {
            guard ["from", "at"].contains(word) else {
                throw refusal(
                    .ambiguous, at: mark, "downloads come “from” a host", hints: ["Allow downloads from example.com."])
            }
        } else if word == "from" {
            throw refusal(
                .ambiguous, at: mark, "this can mean connections into the guest; those out of it go “to” a host",
                hints: ["Allow https to example.com.", "Allow downloads from example.com.", "Block example.com."])
        }
        return true
    }

    /// Whether what follows is a condition rather than a target: then the sentence does not say where.
    private mutating func startsCondition() -> Bool {
        if atEnd { return true }
        if tokens[index].kind == .comma { return true }
        if peek(Lexicon.exceptions) != nil || peek(Lexicon.limitWords) != nil || peek(Lexicon.carriers) != nil {
            return true
        }
        return ["on", "only", "until", "between", "for", "from", "port", "ports", "and", "or"].contains(
            tokens[index].lower)
    }

    /// Ports and services said behind the hosts.
    mutating func parseManner(_ part: inout ConnectPart) throws(Refusal) {
        while !atEnd {
            let mark = index
            if let ports = try parsePorts() {
                guard part.ports.isEmpty else { throw refusal(.badPort, at: mark, "this names the ports twice") }
                part.ports = ports
                continue
            }
            if take(Lexicon.carriers) != nil, let services = try parseServices() {
                if !part.services.isEmpty {
                    throw refusal(.notUnderstood, at: mark, "this names the service twice")
                }
                part.services = services
                continue
            }
            index = mark
            if try parsePathManner(&part) { continue }
            index = mark
            return
        }
    }

    /// "on path /v1/", "under the paths /v1/ and /v2/".
    private mutating func parsePathManner(_ part: inout ConnectPart) throws(Refusal) -> Bool {
        guard takeAny(["on", "under", "at", "below"]) != nil else { return false }
        _ = take("the")
        guard takeAny(["path", "paths"]) != nil else { return false }
        guard part.paths.isEmpty else { throw refusal(.notUnderstood, "this names the path twice") }
        while index < tokens.count, tokens[index].text.hasPrefix("/") {
            if let path = try parseWebPath(tokens[index].text) { part.paths.append(path) }
            index += 1
            let separator = index
            guard takeSeparator(), index < tokens.count, tokens[index].text.hasPrefix("/") else {
                index = separator
                break
            }
        }
        guard !part.paths.isEmpty else {
            missed("a path such as /v1/")
            throw notUnderstood()
        }
        return true
    }

    // MARK: Conditions

    mutating func parseConditions(_ clause: inout AccessClause, _ parts: inout [ConnectPart]) throws(Refusal) {
        while !atEnd {
            let mark = index
            let comma = takeComma()
            if isWord("but") || isWord("and"), isWord("only", ahead: 1) { index += 1 }
            if take("without", "asking") || take("without", "asking", "me") {
                guard clause.effect == .allow else { throw refusal(.notUnderstood, at: mark, "this says two things") }
                continue
            }
            if try parseTime(into: &clause.when) { continue }
            if let limits = try parseLimits() {
                guard clause.effect == .allow else {
                    throw refusal(
                        .unsupported, at: mark, "only what is allowed has a limit",
                        hints: ["Allow https to example.com, at most 60 requests per minute."])
                }
                clause.limits += limits
                continue
            }
            if take(Lexicon.exceptions) != nil {
                clause.exceptions += try parseExceptions()
                continue
            }
            if try parseNarrowing(&parts) {
                clause.narrows = true
                continue
            }
            if parts.count == 1 {
                let before = index
                try parseManner(&parts[0])
                if index > before { continue }
            }
            if comma, take("and") {
                if try parseTime(into: &clause.when) { continue }
                if let limits = try parseLimits(), clause.effect == .allow {
                    clause.limits += limits
                    continue
                }
            }
            index = mark
            return
        }
    }

    mutating func parseExceptions() throws(Refusal) -> [ConnectPart] {
        var found: [ConnectPart] = []
        repeat {
            let start = index
            var part = ConnectPart(range: tokenRange(start))
            if peek(Lexicon.carriers) != nil {
                try parseManner(&part)
            } else if let ports = try parsePorts() {
                part.ports = ports
            } else if startsPart() {
                part = try parsePart(content: .all, anyConnection: false, linked: false)
            } else {
                part.targets = try parseTargets()
                try parseManner(&part)
            }
            guard index > start else { throw notUnderstood() }
            part.range = spanning(start)
            found.append(part)
            let mark = index
            if takeSeparator() {
                if startsPart() { continue }
                index = mark
            }
            break
        } while !atEnd
        return found
    }

    /// "only for POST to /v1/messages", "only for downloads".
    mutating func parseNarrowing(_ parts: inout [ConnectPart]) throws(Refusal) -> Bool {
        let mark = index
        let only = take("only")
        _ = take("and", "only")
        guard take("for") || only else {
            index = mark
            return false
        }
        var content: Content?
        if let methods = try? takeMethods() {
            content = .methods(methods)
        } else if take("downloads") || take("downloading") {
            content = .downloads
        } else if take("uploads") || take("uploading") {
            content = .uploads
        }
        var paths: [WebPath] = []
        let beforePaths = index
        _ = takeAny(["to", "on", "at", "under"])
        while index < tokens.count, tokens[index].text.hasPrefix("/") {
            let text = tokens[index].text
            if let path = try parseWebPath(text) { paths.append(path) }
            index += 1
            let separator = index
            guard takeSeparator(), index < tokens.count, tokens[index].text.hasPrefix("/") else {
                index = separator
                break
            }
        }
        if paths.isEmpty { index = beforePaths }
        guard content != nil || !paths.isEmpty else {
            index = mark
            return false
        }
        for position in parts.indices {
            if let content {
                guard parts[position].content == .all else {
                    throw refusal(.notUnderstood, at: mark, "this says twice which requests are meant")
                }
                parts[position].content = content
            }
            if !paths.isEmpty {
                guard parts[position].targets.allSatisfy({ $0.path == nil }) else {
                    throw refusal(.notUnderstood, at: mark, "this names the path twice")
                }
                parts[position].paths = paths
            }
        }
        return true
    }

    /// "Allow at most 1 GB of downloads per day from example.com": an allow and its limit in one.
    private mutating func parseLimitedObject(claims: Bool, when: When) throws(Refusal) -> Clause? {
        let start = index
        guard let limits = try parseLimits() else { return nil }
        guard limits.count == 1, let limit = limits.first, takeAny(["to", "from"]) != nil else {
            throw refusal(
                .tooBroad, at: start, "what opens must say where",
                hints: ["At most \(rest(from: start)).", "Allow at most 1 GB of downloads per day from example.com."])
        }
        let content: Content = limit.measure == .downloads ? .downloads : limit.measure == .uploads ? .uploads : .all
        var part = ConnectPart(range: tokenRange(index))
        part.content = content
        part.targets = try parseTargets()
        try parseManner(&part)
        var parts = [part]
        var clause = AccessClause(effect: .allow, subject: .connect(parts))
        clause.claims = claims
        clause.when = when
        clause.limits = limits
        try parseConditions(&clause, &parts)
        clause.subject = .connect(parts)
        return .access(clause)
    }
}

extension Clause {
    var isNothing: Bool { if case .refuseEncryptedHello = self { true } else { false } }
}
