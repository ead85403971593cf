extension SentenceParser {
    /// Sentences that begin with their own verb rather than with an effect.
    mutating func parseStandalone(when: When) throws(Refusal) -> Clause? {
        let start = index
        if let limits = try parseLimits() { return try parseLimitClause(limits, when: when) }
        index = start
        if let clause = try parseBudget(when: when) { return clause }
        index = start
        if let clause = try parseIngress() {
            try requireAlways(when, start)
            return clause
        }
        index = start
        if take("apply") { return try parseApply() }
        if take("use"), let clause = try parseKey(.allow, claims: false, when: when) { return clause }
        index = start
        if take("limit") { return try parseLimitVerb(when: when) }
        return nil
    }

    private func requireAlways(_ when: When, _ start: Int) throws(Refusal) {
        guard when.isAlways else {
            throw refusal(.unsupported, at: 0, "a time does not fit this sentence", hints: [rest(from: start) + "."])
        }
    }

    // MARK: Limits and budgets

    /// A limit that is a sentence of its own: over everything, or over some hosts.
    private mutating func parseLimitClause(_ limits: [Limit], when: When) throws(Refusal) -> Clause {
        var clause = LimitClause(limits: limits)
        clause.when = when
        while !atEnd {
            let mark = index
            _ = takeComma()
            if takeAny(["to", "from", "with", "for"]) != nil {
                let start = index
                guard clause.parts.isEmpty else { throw notUnderstood() }
                var part = ConnectPart(range: tokenRange(start))
                part.targets = try parseTargets()
                try parseManner(&part)
                part.range = spanning(start)
                clause.parts.append(part)
                if isWord("each"), clause.limits.count == 1 {
                    index += 1
                    clause.limits[0].each = true
                }
                continue
            }
            if try parseTime(into: &clause.when) { continue }
            if take(Lexicon.exceptions) != nil {
                clause.exceptions += try parseExceptions()
                continue
            }
            if clause.parts.isEmpty, peek(Lexicon.carriers) != nil {
                var part = ConnectPart(range: tokenRange(index))
                try parseManner(&part)
                if !part.services.isEmpty {
                    clause.parts.append(part)
                    continue
                }
            }
            index = mark
            break
        }
        return .limit(clause)
    }

    /// "Limit uploads to 200 MB per session."
    private mutating func parseLimitVerb(when: When) throws(Refusal) -> Clause {
        if let word = takeAny(["memory", "ram", "disk"]), take("to"), let size = try parseSize(), size > 0 {
            return .budget(Budget(word == "disk" ? .disk : .memory, size))
        }
        guard let word = takeAny(["uploads", "downloads", "traffic", "requests", "connections"]) else {
            missed("“uploads”, “downloads”, “traffic”, “requests” or “connections”")
            throw notUnderstood()
        }
        var part: ConnectPart?
        let mark = index
        if takeAny(["to", "from"]) != nil, let first = tokens.dropFirst(index).first, first.text.contains("."),
            first.lower.first?.isNumber != true
        {
            var found = ConnectPart(range: tokenRange(index))
            found.targets = try parseTargets()
            part = found
        } else {
            index = mark
        }
        guard take("to") else {
            missed("“to”")
            throw notUnderstood()
        }
        _ = take("at", "most")
        var limits: [Limit] = []
        let measure = Limit.Measure(rawValue: word) ?? .traffic
        if measure == .requests || measure == .connections {
            guard index < tokens.count, let count = plainNumber(tokens[index].lower), count > 0 else {
                missed("a number")
                throw notUnderstood()
            }
            index += 1
            guard let period = try parsePeriod() else {
                missed("“per minute”")
                throw notUnderstood()
            }
            limits.append(Limit(measure, count, period))
        } else {
            guard let size = try parseSize(), size > 0 else {
                missed("an amount such as 200 MB")
                throw notUnderstood()
            }
            guard let period = try parsePeriod() else {
                throw refusal(
                    .badAmount, "an amount of data needs a period",
                    hints: ["At most \(Amounts.bytes(size)) of \(word) per session."])
            }
            limits.append(Limit(measure, size, period))
        }
        var clause = LimitClause(limits: limits)
        clause.when = when
        if let part { clause.parts = [part] }
        return .limit(clause)
    }

    /// "Stop after 2 hours", "Spend at most 5 dollars", "Use at most 4 GB of memory".
    mutating func parseBudget(when: When) throws(Refusal) -> Clause? {
        let start = index
        var kinds: Set<Budget.Kind>
        if take("stop", "after") || take("end", "after") || take("stop", "the", "session", "after")
            || take("end", "the", "session", "after")
        {
            kinds = [.time]
        } else if take("run", "for") || take("work", "for") || take("run") || take("work") {
            guard take(Lexicon.limitWords) != nil else {
                index = start
                return nil
            }
            _ = take("for")
            kinds = [.time]
        } else if take("spend") {
            guard take(Lexicon.limitWords) != nil else {
                missed("“at most”")
                return try giveUp(start)
            }
            kinds = [.money]
        } else if take("use") {
            guard take(Lexicon.limitWords) != nil else { return try giveUp(start) }
            kinds = [.memory, .disk, .money]
        } else if take(Lexicon.limitWords) != nil {
            kinds = [.memory, .disk, .money, .time]
        } else {
            return nil
        }
        guard let budget = try parseBudgetAmount(kinds) else { return try giveUp(start) }
        guard when.isAlways else {
            throw refusal(.unsupported, at: 0, "a budget holds at all times", hints: [rest(from: start) + "."])
        }
        return .budget(budget)
    }

    private mutating func giveUp(_ start: Int) throws(Refusal) -> Clause? {
        index = start
        return nil
    }

    /// "never spend more than 5 dollars".
    mutating func parseNegatedBudget(when: When) throws(Refusal) -> Clause? {
        let start = index
        let kinds: Set<Budget.Kind>
        if take("spend") {
            kinds = [.money]
        } else if take("use") {
            kinds = [.memory, .disk, .money]
        } else if take("run") || take("work") {
            _ = take("for")
            kinds = [.time]
        } else {
            return nil
        }
        guard take(Lexicon.moreThan) != nil, let budget = try parseBudgetAmount(kinds) else { return try giveUp(start) }
        guard when.isAlways else {
            throw refusal(.unsupported, at: 0, "a budget holds at all times", hints: [rest(from: start) + "."])
        }
        return .budget(budget)
    }

    private mutating func parseBudgetAmount(_ kinds: Set<Budget.Kind>) throws(Refusal) -> Budget? {
        let mark = index
        if kinds.contains(.money), let cents = try parseMoney() {
            return Budget(.money, cents, try parsePeriod() ?? .session)
        }
        index = mark
        if !kinds.isDisjoint(with: [.memory, .disk]), let size = try parseSize() {
            _ = take("of")
            _ = take("the")
            let word = takeAny(["memory", "ram", "disk", "disk space", "storage"])
            if word == "disk" { _ = take("space") }
            guard let word, size > 0 else {
                index = mark
                return nil
            }
            let kind: Budget.Kind = word == "memory" || word == "ram" ? .memory : .disk
            return Budget(kind, size)
        }
        index = mark
        if kinds.contains(.time), index + 1 < tokens.count, let number = plainNumber(tokens[index].lower),
            let unit = Units.spans[tokens[index + 1].lower]
        {
            guard (1...1_000_000).contains(number) else {
                throw refusal(.badAmount, "a budget is at least 1", hints: ["Stop after 2 hours."])
            }
            index += 2
            return Budget(.time, number * UInt64(unit), try parsePeriod() ?? .session)
        }
        index = mark
        return nil
    }

    /// "5 dollars", "$5", "$2.50", "50 cents", in cents.
    private mutating func parseMoney() throws(Refusal) -> UInt64? {
        guard index < tokens.count, tokens[index].isWord else { return nil }
        var text = tokens[index].lower
        let sign = text.hasPrefix("$")
        if sign { text.removeFirst() }
        let mark = index
        index += 1
        var unit: UInt64 = 100
        if !sign {
            if takeAny(["dollars", "dollar", "usd"]) == nil {
                guard takeAny(["cents", "cent"]) != nil else {
                    if let word = takeAny(["euros", "euro", "eur", "pounds", "gbp", "yen"]) {
                        throw refusal(
                            .unsupported, at: mark + 1, "money is counted in dollars, not in \(word)",
                            hints: ["Spend at most 5 dollars."])
                    }
                    index = mark
                    return nil
                }
                unit = 1
            }
        }
        if let whole = plainNumber(text), whole < 1_000_000_000 {
            guard whole > 0 else {
                throw refusal(
                    .badAmount, at: mark, "a budget is at least one cent", hints: ["Spend at most 5 dollars."])
            }
            return whole * unit
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let whole = plainNumber(String(parts[0])), parts[1].count == 2, unit == 100,
            let cents = UInt64(parts[1]), whole < 1_000_000_000, whole * 100 + cents > 0
        else {
            index = mark
            return nil
        }
        return whole * 100 + cents
    }

    // MARK: Ingress

    private mutating func parseIngress() throws(Refusal) -> Clause? {
        let start = index
        let lead: Bool
        if take("let", "me") || take("allow", "me", "to") || take("i", "may") || take("i", "can")
            || take("i", "want", "to")
        {
            guard takeAny(["open", "reach", "use", "see", "visit", "access"]) != nil || take("connect", "to") else {
                missed("“open”")
                throw notUnderstood()
            }
            lead = true
        } else {
            lead = takeAny(["show", "expose", "forward", "publish", "map", "open"]) != nil
        }
        guard lead else { return nil }
        guard let guest = try parseGuestPort() else {
            guard !take("guest") else { throw notUnderstood() }
            missed("“port 3000 of the guest”")
            if tokens[start].lower == "let" || tokens[start].lower == "show" || tokens[start].lower == "expose" {
                throw notUnderstood()
            }
            index = start
            return nil
        }
        var host = guest
        if takeAny(["as", "to", "on", "at"]) != nil {
            let mark = index
            if take("local", "port") || take("port") {
                guard index < tokens.count else { throw notUnderstood() }
                host = try port(tokens[index].lower)
                index += 1
            } else {
                index = mark - 1
            }
        }
        _ =
            take("here") || take("on", "this", "computer") || take("on", "my", "computer")
            || take("of", "this", "computer")
            || take("on", "my", "machine") || take("on", "this", "machine") || take("locally")
        return .ingress(guest: guest, host: host)
    }

    /// "port 3000 of the guest", "guest port 3000", "the guest's port 3000".
    private mutating func parseGuestPort() throws(Refusal) -> UInt16? {
        let mark = index
        _ = take("the")
        if take("guest", "port") || take("guest's", "port") {
            guard index < tokens.count else { throw notUnderstood() }
            let number = try port(tokens[index].lower)
            index += 1
            return number
        }
        if take("port"), index < tokens.count {
            let number = try port(tokens[index].lower)
            index += 1
            if take("of", "the", "guest") || take("in", "the", "guest") || take("on", "the", "guest")
                || take("from", "the", "guest")
            {
                return number
            }
        }
        index = mark
        return nil
    }

    // MARK: Keys

    /// "my anthropic key for api.anthropic.com, only for POST to /v1/messages".
    mutating func parseKey(_ effect: Effect, claims: Bool, when: When) throws(Refusal) -> Clause? {
        let start = index
        guard takeAny(["my", "the", "our"]) != nil else { return nil }
        var name: [String] = []
        while index < tokens.count, tokens[index].isWord, name.count < 4 {
            if take("api", "key") || take("access", "token")
                || takeAny(["key", "token", "credential", "credentials", "password", "secret"]) != nil
            {
                return try parseKeyTargets(name, effect, claims: claims, start: start, when: when)
            }
            name.append(tokens[index].lower)
            index += 1
        }
        index = start
        return nil
    }

    private mutating func parseKeyTargets(
        _ name: [String], _ effect: Effect, claims: Bool, start: Int, when: When
    ) throws(Refusal) -> Clause {
        let example = "Use my anthropic key for api.anthropic.com, only for POST to /v1/messages."
        guard !name.isEmpty, name.allSatisfy({ $0.utf8.allSatisfy(Self.isKeyByte) }) else {
            throw refusal(.badName, at: start, "say which key", hints: [example])
        }
        if Lexicon.services.phrases.contains(name.joined(separator: " ")) || name == ["git"] {
            throw refusal(
                .unsupported, at: start, "a key here is one that web requests carry; other keys never enter the guest",
                hints: [example])
        }
        guard effect == .allow, !claims else {
            throw refusal(
                .unsupported, at: start, "a key is used where a sentence says so and nowhere else", hints: [example])
        }
        guard takeAny(["for", "with", "at", "on", "to"]) != nil else {
            missed("“for” and the host")
            throw notUnderstood()
        }
        _ = take("reach") || take("https", "to")
        var part = ConnectPart(range: tokenRange(index))
        part.targets = try parseTargets()
        for target in part.targets {
            switch target.kind {
            case .host, .group: break
            default:
                throw Refusal(.tooBroad, target.range, "a key is bound to the names of hosts", hints: [example])
            }
        }
        try parseManner(&part)
        var parts = [part]
        var clause = AccessClause(effect: .allow, subject: .connect(parts))
        clause.when = when
        clause.key = name.joined(separator: " ")
        try parseConditions(&clause, &parts)
        clause.narrows = false
        clause.subject = .connect(parts)
        return .access(clause)
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        (97...122).contains(byte) || (48...57).contains(byte) || byte == 45 || byte == 95
    }

    // MARK: Applying, inspection, hiding

    /// "Apply new files and edits without asking."
    private mutating func parseApply() throws(Refusal) -> Clause {
        let start = index
        let kinds = try parseApplyKinds()
        if take("without", "asking") || take("automatically") || take("without", "asking", "me") || take("at", "once")
            || take("by", "itself") || take("without", "my", "approval")
        {
            _ = take("me")
            guard !kinds.contains(.otherwise) else {
                throw refusal(
                    .tooBroad, at: start, "“else” can ask or deny, not allow",
                    hints: ["Apply new files and edits without asking; ask for everything else."])
            }
            return .apply(effect: .allow, kinds: kinds)
        }
        if take("only", "after", "asking") || take("after", "asking") {
            _ = take("me")
            return .apply(effect: .ask, kinds: kinds)
        }
        let words = rest(from: start)
        throw refusal(
            .ambiguous, "say how they are applied",
            hints: ["Apply \(words) without asking.", "Ask before applying \(words).", "Never apply \(words)."])
    }

    /// After "ask before applying" or "never apply".
    mutating func parseApplied(_ effect: Effect) throws(Refusal) -> Clause {
        let kinds = try parseApplyKinds()
        if effect == .allow {
            guard take("without", "asking") || atEnd else { throw notUnderstood() }
        }
        return .apply(effect: effect, kinds: kinds)
    }

    private mutating func parseApplyKinds() throws(Refusal) -> [ApplyKind] {
        var found: [ApplyKind] = []
        repeat {
            if take("anything", "else") || take("everything", "else") || take("all", "other", "changes")
                || take("other", "changes")
            {
                found.append(.otherwise)
            } else if take("all", "changes") || take("everything") || take("any", "change") || take("anything")
                || take("changes") || take("any", "changes")
            {
                found += [.create, .edit, .delete, .rename, .mode]
            } else if let kind = take(Lexicon.applyKinds) {
                found.append(kind)
            } else {
                missed("“new files”, “edits”, “deletions” or “renames”")
                throw notUnderstood()
            }
            let mark = index
            guard takeSeparator() else { break }
            if atEnd || peek(Lexicon.applyKinds) == nil && !isWord("everything") && !isWord("anything") {
                index = mark
                break
            }
        } while !atEnd
        return Array(Set(found)).sorted { $0.rawValue < $1.rawValue }
    }

    /// "do not inspect bank.example".
    mutating func parseLeaveClosed(when: When) throws(Refusal) -> Clause? {
        let mark = index
        guard let verb = take(Lexicon.verbs), verb == .inspect else {
            index = mark
            return nil
        }
        return try parseLeaveClosedTargets(when: when)
    }

    mutating func parseLeaveClosedTargets(when: When) throws(Refusal) -> Clause {
        guard when.isAlways else {
            throw refusal(
                .unsupported, at: 0, "inspection does not depend on the time", hints: ["Do not inspect bank.example."])
        }
        if let noun = peek(Lexicon.nouns), noun.meaning == .connections || noun.meaning == .anyConnection {
            index += noun.count
            guard takeAny(["to", "with", "from"]) != nil else { throw notUnderstood() }
        } else if take("https", "to") || take("https", "connections", "to") || take("https", "traffic", "to") {
        }
        let targets = try parseTargets()
        var exceptions: [ConnectPart] = []
        let mark = index
        _ = takeComma()
        if take(Lexicon.exceptions) != nil { exceptions = try parseExceptions() } else { index = mark }
        return .leaveClosed(targets: targets, exceptions: exceptions)
    }

    /// "keep ~/.ssh out of sight".
    mutating func parseKeepOutOfSight(when: When) throws(Refusal) -> [Clause]? {
        let mark = index
        guard tokens[index - 1].lower == "keep" else { return nil }
        if take("out", "of", "sight") { return try parseFiles([.all], .deny, when: when) }
        guard tokens.count >= index + 2 else { return nil }
        let tail = tokens.suffix(3).map(\.lower)
        if tail == ["out", "of", "sight"] {
            tokens.removeLast(3)
        } else if tail.last == "hidden" || tail.last == "secret" {
            tokens.removeLast(1)
        } else {
            index = mark
            return nil
        }
        return try parseFiles([.all], .deny, when: when)
    }
}
