/// Why a sentence was refused, before suggestions are looked for.
package struct Refusal: Error, Sendable {
    package let code: Diagnostic.Code
    package let range: Range<Int>
    package let message: String
    package var hints: [String]

    package init(_ code: Diagnostic.Code, _ range: Range<Int>, _ message: String, hints: [String] = []) {
        self.code = code
        self.range = range
        self.message = message
        self.hints = hints
    }
}

/// Reads one sentence. Every token must be understood; nothing is skipped. Where two readings are possible the sentence
/// is refused, so the order in which forms are tried never decides a meaning.
package struct SentenceParser {
    /// What the sentence before a semicolon was about.
    package enum Subject: Sendable {
        case activities([Activity]), apply, other
    }
    package struct Before: Sendable {
        package let subject: Subject
        package let isTimed: Bool
        package init(subject: Subject, isTimed: Bool) {
            self.subject = subject
            self.isTimed = isTimed
        }
    }

    var tokens: [Token]
    var index = 0
    let groups: PhraseTable<String>
    let before: Before?
    let range: Range<Int>
    /// One per token looked at; a test counts them.
    package var steps = 0
    /// The furthest token at which something was missed, and what.
    var furthest = 0
    var expected: Set<String> = []

    package init(_ sentence: SentenceTokens, groups: PhraseTable<String>, before: Before?) {
        tokens = sentence.tokens
        range = sentence.range
        self.groups = groups
        self.before = sentence.followsSemicolon ? before : nil
    }

    // MARK: Tokens

    var atEnd: Bool { index >= tokens.count }

    mutating func isWord(_ word: String, ahead: Int = 0) -> Bool {
        steps += 1
        let at = index + ahead
        return at < tokens.count && tokens[at].isWord && tokens[at].lower == word
    }

    mutating func take(_ words: String...) -> Bool {
        for (offset, word) in words.enumerated() where !isWord(word, ahead: offset) { return false }
        index += words.count
        return true
    }

    mutating func takeAny(_ words: [String]) -> String? {
        for word in words where take(word) { return word }
        return nil
    }

    mutating func take<Meaning>(_ table: PhraseTable<Meaning>) -> Meaning? {
        steps += 1
        guard let found = table.longest(in: tokens, at: index) else { return nil }
        index += found.count
        return found.meaning
    }

    mutating func peek<Meaning>(_ table: PhraseTable<Meaning>, ahead: Int = 0) -> (meaning: Meaning, count: Int)? {
        steps += 1
        return table.longest(in: tokens, at: index + ahead)
    }

    mutating func takeComma() -> Bool {
        guard index < tokens.count, tokens[index].kind == .comma else { return false }
        index += 1
        return true
    }

    func tokenRange(_ at: Int) -> Range<Int> {
        if at < tokens.count { return tokens[at].range }
        return tokens.last.map { $0.range.upperBound..<$0.range.upperBound } ?? range
    }

    func spanning(_ from: Int) -> Range<Int> {
        let low = tokenRange(from).lowerBound
        let high = index > from ? tokens[min(index, tokens.count) - 1].range.upperBound : low
        return low..<max(low, high)
    }

    mutating func missed(_ what: String) {
        if index > furthest {
            furthest = index
            expected = []
        }
        if index == furthest { expected.insert(what) }
    }

    func refusal(
        _ code: Diagnostic.Code, at token: Int? = nil, _ message: String, hints: [String] = []
    ) -> Refusal {
        Refusal(code, tokenRange(token ?? index), message, hints: hints)
    }

    /// The refusal for a sentence that is understood up to some word.
    func notUnderstood() -> Refusal {
        let at = max(furthest, index)
        guard at < tokens.count else {
            let wanted = expected.sorted().joined(separator: " or ")
            return refusal(
                .notUnderstood, at: tokens.count,
                wanted.isEmpty ? "the sentence breaks off" : "the sentence breaks off; expected \(wanted)")
        }
        let shown = tokens[at].text
        let wanted = expected.sorted().joined(separator: " or ")
        let code: Diagnostic.Code = Vocabulary.knows(tokens[at].lower) ? .notUnderstood : .unknownWord
        let tail = wanted.isEmpty || at != furthest ? "" : "; expected \(wanted)"
        return refusal(code, at: at, "“\(shown)” is not understood here\(tail)")
    }

    // MARK: A whole sentence

    package mutating func parse() throws(Refusal) -> [Clause] {
        if let clause = try parseDefinition() { return [clause] }
        var when = When.always
        let start = index
        while try parseTime(into: &when) { _ = takeComma() }
        if index == start { _ = takeComma() }
        let clauses = try parseCore(when: when)
        guard atEnd else { throw notUnderstood() }
        return clauses
    }

    private mutating func parseCore(when: When) throws(Refusal) -> [Clause] {
        if let clause = try parseStandalone(when: when) { return [clause] }
        let start = index
        if let opening = take(Lexicon.openings) { return try parseOpening(opening, at: start, when: when) }
        if take(Lexicon.subjects) != nil {
            if let modal = take(Lexicon.modals) {
                return try parseAfterModal(modal, at: start, when: when)
            }
            index = start
        }
        if try rearrangePassive() {
            guard let passive = passive else { throw notUnderstood() }
            return try parsePassive(passive, when: when)
        }
        index = start
        if take(Lexicon.subjects) != nil { missed("“may”, “may not” or “must ask before”") }
        index = start
        missed("“allow”, “deny”, “ask me before” or “the agent may”")
        throw notUnderstood()
    }

    private var passive: Lexicon.PassiveVerb? = nil

    /// Turns "X is allowed on weekdays" into "X on weekdays" and remembers the effect.
    private mutating func rearrangePassive() throws(Refusal) -> Bool {
        let from = index
        var position = from + 1
        while position < tokens.count {
            steps += 1
            if let found = Lexicon.passives.longest(in: tokens, at: position) {
                passive = found.meaning
                tokens.removeSubrange(position..<position + found.count)
                index = from
                return true
            }
            position += 1
        }
        return false
    }

    private mutating func parsePassive(
        _ passive: Lexicon.PassiveVerb, when: When
    ) throws(Refusal) -> [Clause] {
        switch passive.verb {
        case "": return try parseObject(passive.effect, claims: false, when: when)
        case "read": return try parseFiles([.read], passive.effect, when: when)
        case "change": return try parseFiles([.change], passive.effect, when: when)
        case "delete": return try parseFiles([.delete], passive.effect, when: when)
        case "read-only":
            let start = index
            let read = try parseFiles([.read], .allow, when: when)
            let end = index
            index = start
            let kept = try parseFiles([.change], .deny, when: when)
            guard index == end, read.count == 1, case .access(let clause) = read[0], clause.when.isAlways else {
                throw refusal(
                    .ambiguous, at: start, "say in two sentences what the time belongs to",
                    hints: ["The agent may read ~/reference but never change it."])
            }
            return read + kept
        default: return try parseFiles([.all], passive.effect, when: when)
        }
    }

    private mutating func parseAfterModal(
        _ modal: Lexicon.Modal, at start: Int, when: When
    ) throws(Refusal) -> [Clause] {
        if modal.next == .access {
            return try parseByTarget(modal.effect, claims: modal.claims, verb: .access, when: when)
        }
        if modal.effect == .allow, let clause = try parseBudget(when: when) { return [clause] }
        if modal.effect == .deny, let clause = try parseNegatedBudget(when: when) { return [clause] }
        return try parseObject(modal.effect, claims: modal.claims, when: when)
    }

    private mutating func parseOpening(
        _ opening: Lexicon.Opening, at start: Int, when: When
    ) throws(Refusal) -> [Clause] {
        switch opening {
        case .allow:
            try skipSubject(["to"])
            return try parseObject(.allow, claims: false, when: when)
        case .grant:
            try skipSubject([])
            guard isWord("access") || isWord("access", ahead: 1) else {
                missed("“access to”")
                throw notUnderstood()
            }
            return try parseObject(.allow, claims: false, when: when)
        case .onlyAllow:
            try skipSubject(["to"])
            return try parseObject(.allow, claims: true, when: when)
        case .allowOnly:
            let rest = rest(from: index)
            throw refusal(
                .ambiguous, at: start,
                "“\(tokens[start].text) only” can mean that nothing else is allowed, or only how",
                hints: ["Only allow \(rest).", "Allow \(rest)."])
        case .deny:
            if isWord("encrypted"), isWord("hello", ahead: 1) || isWord("hellos", ahead: 1), index + 2 == tokens.count {
                index += 2
                return [.refuseEncryptedHello]
            }
            try skipSubject(["to", "from"])
            try refuseDoubleNegation(at: start)
            return try parseObject(.deny, claims: false, when: when)
        case .prevent:
            if let clauses = try parseKeepOutOfSight(when: when) { return clauses }
            guard take(Lexicon.subjects) != nil else {
                missed("“the agent from”")
                throw notUnderstood()
            }
            if tokens[start].lower == "keep", take("out", "of") || take("away", "from") || take("off") {
                return try parseByTarget(.deny, claims: false, verb: .access, when: when)
            }
            guard take("from") else {
                missed("“from”")
                throw notUnderstood()
            }
            try refuseDoubleNegation(at: start)
            return try parseObject(.deny, claims: false, when: when)
        case .negation: return try parseNegation(at: start, when: when)
        case .no: return try parseNo(when: when)
        case .ask:
            if take(Lexicon.subjects) == nil, takeAny(["letting", "allowing"]) != nil { try skipSubject(["to"]) }
            return try parseObject(.ask, claims: false, when: when)
        case .askFor: return try parseObject(.ask, claims: false, when: when)
        case .fine, .notFine:
            if take("for"), take(Lexicon.subjects) == nil { throw notUnderstood() }
            guard take("to") else {
                missed("“to”")
                throw notUnderstood()
            }
            return try parseObject(opening == .fine ? .allow : .deny, claims: false, when: when)
        case .hide: return try parseFiles([.all], .deny, when: when)
        case .dontAsk:
            _ = takeAny(["before", "for", "about"])
            let rest = rest(from: index)
            throw refusal(
                .doubleNegation, at: start, "“\(tokens[start].text) ask” can mean to allow it or to deny it",
                hints: ["Allow the agent to \(rest).", "Never \(rest)."])
        }
    }

    private mutating func parseNegation(at start: Int, when: When) throws(Refusal) -> [Clause] {
        if let clause = try parseLeaveClosed(when: when) { return [clause] }
        if let clause = try parseNegatedBudget(when: when) { return [clause] }
        try refuseDoubleNegation(at: start)
        if let opening = peek(Lexicon.openings), opening.meaning == .allow {
            index += opening.count
            try skipSubject(["to"])
        } else {
            let mark = index
            if take(Lexicon.subjects) != nil, atEnd || !isWord("to") { index = mark }
        }
        try refuseDoubleNegation(at: start)
        if take("only") { throw refusal(.ambiguous, at: index - 1, "“only” cannot be negated") }
        return try parseObject(.deny, claims: false, when: when)
    }

    private mutating func refuseDoubleNegation(at start: Int) throws(Refusal) {
        if isWord("not") || isWord("never") || isWord("no") || isWord("don't") {
            let rest = rest(from: index + 1)
            throw refusal(
                .doubleNegation, "two negations: say which one is meant",
                hints: ["Allow \(rest).", "Block \(rest)."])
        }
        if let found = peek(Lexicon.openings) {
            switch found.meaning {
            case .deny, .prevent, .hide, .notFine, .negation, .no, .dontAsk:
                index += found.count
                let rest = rest(from: index)
                throw refusal(
                    .doubleNegation, at: index - 1, "two negations: say which one is meant",
                    hints: ["Allow \(rest).", "Block \(rest)."])
            case .ask, .askFor, .allowOnly, .onlyAllow, .fine:
                index += found.count
                let rest = rest(from: index)
                throw refusal(
                    .doubleNegation, at: index - found.count, "this can be meant as an allow or as a deny",
                    hints: ["Allow \(rest).", "Block \(rest).", "Ask before \(rest)."])
            case .allow, .grant: break
            }
        }
    }

    private mutating func parseNo(when: When) throws(Refusal) -> [Clause] {
        if take("inspection", "of") || take("inspecting") { return [try parseLeaveClosedTargets(when: when)] }
        return try parseObject(.deny, claims: false, when: when)
    }

    private mutating func skipSubject(_ links: [String]) throws(Refusal) {
        let mark = index
        guard take(Lexicon.subjects) != nil else { return }
        if atEnd {
            index = mark
            return
        }
        _ = takeAny(links)
    }

    func rest(from position: Int) -> String {
        guard position < tokens.count else { return "https to example.com" }
        var text = ""
        for token in tokens[position...] {
            if token.kind == .comma {
                text += ","
            } else {
                if !text.isEmpty { text += " " }
                text += token.kind == .quoted ? "\"\(token.text)\"" : token.text
            }
        }
        return text
    }

    // MARK: Definitions

    private mutating func parseDefinition() throws(Refusal) -> Clause? {
        guard let head = Self.definitionHead(tokens) else { return nil }
        let nameRange = tokens[head.name].map(\.range)
        let low = nameRange.first?.lowerBound ?? range.lowerBound
        let name = tokens[head.name].map(\.lower).joined(separator: " ")
        index = head.list
        if atEnd {
            missed("the names that belong to “\(name)”")
            throw notUnderstood()
        }
        let targets = try parseTargets()
        guard atEnd else { throw notUnderstood() }
        if let last = nameRange.last, let problem = Vocabulary.problem(withGroupName: name) {
            throw Refusal(
                .badDefinition, low..<last.upperBound, problem,
                hints: [
                    "Define our \(tokens[head.name].last?.lower.filter { $0.isLetter } ?? "") hosts as "
                        + rest(from: head.list) + "."
                ])
        }
        return .define(name: name, targets: targets)
    }

    /// Where a definition's name and list stand, if the sentence is one.
    package static func definitionHead(_ tokens: [Token]) -> (name: Range<Int>, list: Int)? {
        guard let first = tokens.first, first.isWord else { return nil }
        func articleEnd(_ at: Int) -> Int {
            at < tokens.count && ["the", "our", "my"].contains(tokens[at].lower) ? at + 1 : at
        }
        if first.lower == "define" || first.lower == "call" && false {
            let start = articleEnd(1)
            for position in start..<max(start, min(tokens.count, start + 7)) where tokens[position].isWord {
                var end = position + 1
                switch tokens[position].lower {
                case "as", "as:":
                    return position > start ? (start..<position, end) : nil
                case "to"
                where position + 1 < tokens.count
                    && ["mean", "be"].contains(tokens[position + 1].lower):
                    end = position + 2
                    return position > start ? (start..<position, end) : nil
                default: continue
                }
            }
            return nil
        }
        if first.lower == "by" {
            let start = articleEnd(1)
            for position in start..<max(start, min(tokens.count - 1, start + 7))
            where tokens[position].lower == "i" && tokens[position + 1].lower == "mean" && position > start {
                return (start..<position, position + 2)
            }
            return nil
        }
        let start = articleEnd(0)
        for position in start..<max(start, min(tokens.count, start + 7)) where tokens[position].isWord {
            if ["means", "mean"].contains(tokens[position].lower) {
                return position > start ? (start..<position, position + 1) : nil
            }
        }
        return nil
    }
}
