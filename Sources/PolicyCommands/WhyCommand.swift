internal import PolicyCompiler
internal import PolicyLanguage

extension PolicyCommand {
    struct Question {
        let request: String
        var method: String?
        var at: String?
        var since: String?
        var resolvesTo: String?
    }

    struct Answer {
        var effect: Effect
        var because: String
        var rule: String?
        var layer: String?
        var file: String?
        var line: Int?
        var limits: [String] = []
        var change: String?
    }

    static func why(_ options: Options) -> Outcome {
        guard options.operands.count == 1, let request = options.operands.first else {
            return failure(
                2, "usage", "why takes one request", "cowork policy why https://example.com/ --policy FILE",
                json: options.json)
        }
        var names = options.policies
        if names.isEmpty {
            names = ShippedPolicies.user()
            if names.isEmpty {
                return failure(
                    2, "usage", "no policy was named and none is installed", "name one with --policy FILE",
                    json: options.json)
            }
        }
        let compilation: Compilation
        switch compiled(names, json: options.json) {
        case .failure(let error): return error.outcome
        case .success(let good): compilation = good
        }
        let question = Question(
            request: request, method: options.values["method"], at: options.values["at"],
            since: options.values["since"],
            resolvesTo: options.values["resolves-to"])
        switch answer(question, compilation, BoundPolicy(compilation.policy, Registries.configured())) {
        case .failure(let problem):
            return failure(2, "usage", problem.message, "see cowork policy --help", json: options.json)
        case .success(let answer): return Outcome(0, options.json ? json(answer) : words(answer))
        }
    }

    static func answer(_ question: Question, _ compilation: Compilation, _ bound: BoundPolicy) -> Result<
        Answer, Problem
    > {
        let present = PolicyClock.now()
        var moment = present
        if let text = question.at {
            guard let parsed = PolicyClock.parse(text) else {
                return .failure(Problem(message: "“\(text)” is not a time such as 2026-11-24T09:00"))
            }
            moment = parsed
        }
        var since = present
        if let text = question.since {
            guard let parsed = PolicyClock.parse(text) else {
                return .failure(Problem(message: "“\(text)” is not a time such as 2026-11-24T09:00"))
            }
            since = parsed
        }
        var resolved: Address?
        if let text = question.resolvesTo {
            guard let address = Address(anySpelling: text) else {
                return .failure(Problem(message: "“\(text)” is not an address"))
            }
            resolved = address
        }
        let home = PolicyClock.environment("HOME").map { $0.split(separator: "/").map(String.init) }
        let reading = RequestText.parse(question.request, method: question.method, home: home, resolved: resolved)
        let request: Request
        switch reading {
        case .unreadable(let why): return .failure(Problem(message: why))
        case .denied(let why): return .success(Answer(effect: .deny, because: why))
        case .request(let parsed): request = parsed
        }
        let ruling = Ruling([Layer(.user, bound.policy)])
        var decision = ruling.decide(request, at: Instant(wall: moment.wall, elapsed: moment.seconds - since.seconds))
        if decision.reason == .rule || decision.reason == .claim, isAboutRules(request) {
            decision.rule = decision.rule.map { bound.sources[$0] }
        }
        return .success(describe(decision, request, compilation, ruling))
    }

    /// Whether a decision's rule is one of the policy's rules rather than of its other lists.
    private static func isAboutRules(_ request: Request) -> Bool {
        switch request {
        case .ingress, .call: false
        default: true
        }
    }

    private static func describe(_ decision: Decision, _ request: Request, _ compilation: Compilation, _ ruling: Ruling)
        -> Answer
    {
        var answer = Answer(effect: decision.effect, because: "")
        var origin: Origin?
        switch decision.reason {
        case .floor(let why):
            answer.because = why
            answer.layer = Layer.Kind.floor.rawValue
        case .lookAlike(let why): answer.because = why
        case .silence:
            answer.because =
                decision.effect == .allow
                ? "nothing limits it" : "no sentence mentions it, and what nothing mentions is denied"
        case .rule, .claim:
            switch request {
            case .ingress: origin = decision.rule.map { compilation.ingressOrigins[$0] }
            case .call: origin = decision.rule.map { compilation.programOrigins[$0] }
            default: origin = decision.rule.flatMap { compilation.origins[$0].first }
            }
            answer.because = decision.reason == .claim ? "“only” leaves nothing else" : "this sentence says so"
        case .otherwise:
            origin = decision.rule.map { compilation.otherOrigins[$0] }
            answer.because = "no sentence mentions it, and this one answers everything else"
        }
        if let note = decision.note { answer.because += "; " + note }
        if let origin {
            answer.rule = compilation.text(of: origin)
            answer.file = compilation.sources[origin.file].name
            answer.line = compilation.sources[origin.file].position(of: origin.range.lowerBound).line
            answer.layer = decision.layer.map { ruling.layers[$0].kind.rawValue }
        }
        answer.limits = decision.limits.map { "at most " + Explain.amount($0) }
        answer.change = Proposal.sentence(for: request, decision)
        return answer
    }

    private static func json(_ answer: Answer) -> String {
        JSONText.fields(
            ("decision", .text(answer.effect.word)), ("rule", answer.rule.map { .text($0) } ?? .null),
            ("layer", answer.layer.map { .text($0) } ?? .null), ("file", answer.file.map { .text($0) } ?? .null),
            ("line", answer.line.map { .number($0) } ?? .null), ("because", .text(answer.because)),
            ("limits", .list(answer.limits.map { .text($0) })), ("change", answer.change.map { .text($0) } ?? .null)
        ).written + "\n"
    }

    private static func words(_ answer: Answer) -> String {
        var text = "\(answer.effect.word): \(answer.because)\n"
        if let rule = answer.rule { text += "  \(rule)\n  \(answer.file ?? ""):\(answer.line ?? 0)\n" }
        for limit in answer.limits { text += "  assuming unused: \(limit)\n" }
        if let change = answer.change { text += "  to change it: \(change)\n" }
        return text
    }
}

/// The sentence that would change an answer.
enum Proposal {
    static func sentence(for request: Request, _ decision: Decision) -> String? {
        if case .floor = decision.reason, case .connect(let connection) = request,
            case .address(let address) = connection.host,
            AddressBlocks.kind(of: address) != .local
        {
            return nil
        }
        let opens = decision.effect == .deny
        switch request {
        case .connect(let connection):
            let host: String
            switch connection.host {
            case .name(let name): host = name.text
            case .address(let address): host = "\(address)"
            }
            if decision.effect != .deny { return "Block \(host)." }
            if decision.reason == .rule { return "change or remove the sentence above" }
            if connection.transport == .tcp, connection.port == 443 { return "Allow https to \(host)." }
            return "Allow \(connection.transport == .udp ? "udp" : "tcp") to \(host) on port \(connection.port)."
        case .resolve(let name): return opens ? "Allow https to \(name.text)." : "Block \(name.text)."
        case .ingress(let port): return opens ? "Show guest port \(port) as port \(port) here." : nil
        case .file(let activity, let path):
            guard let spelling = path.spellings.first else { return nil }
            let text =
                (spelling.root == .home ? "~/" : spelling.root == .absolute ? "/" : "./")
                + spelling.components.joined(separator: "/")
            let verb = activity == .read ? "read" : activity == .change ? "change" : "delete"
            if decision.effect == .deny, decision.reason == .rule { return "change or remove the sentence above" }
            return opens ? "Let the agent \(verb) \(text)." : "Never \(verb) \(text)."
        case .call: return nil
        }
    }
}
