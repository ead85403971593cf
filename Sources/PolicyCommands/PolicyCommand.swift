internal import Glibc
internal import PolicyCompiler
internal import PolicyLanguage

/// `cowork policy …`: reads files and the clock, and talks to no daemon.
package enum PolicyCommand {
    package struct Outcome: Sendable {
        package var exitStatus: Int32
        package var standardOutput: String
        package var standardError: String
        package init(_ exitStatus: Int32, _ standardOutput: String = "", _ standardError: String = "") {
            self.exitStatus = exitStatus
            self.standardOutput = standardOutput
            self.standardError = standardError
        }
    }

    package static let usage = """
        usage: cowork policy COMMAND [--json]

          check FILE…      are all sentences of these files understood
          explain FILE…    print back what was understood
          why REQUEST [--policy FILE]… [--at TIME] [--since TIME] [--method METHOD]
              [--resolves-to ADDRESS]
                           what is decided about a request, by which sentence
          test FILE…       run the FILE.test beside each policy
          fmt FILE…        one canonical layout, in place
          diff A B         what B newly allows, asks and denies
          compile FILE… --to nft|gateway|dns|files|seccomp|json [--names FILE]
          language         the reference of the language

        A request is a URL, tcp:HOST:PORT, udp:HOST:PORT, dns:NAME, ingress:PORT,
        read:PATH, write:PATH, delete:PATH or syscall:NAME.

        """

    package static func run(arguments: [String]) -> Outcome {
        var rest = arguments
        guard let name = rest.first else { return Outcome(2, "", usage) }
        rest.removeFirst()
        if name == "language" { return Outcome(0, LanguageReference.text) }
        if ["--help", "-h", "help"].contains(name) || rest.contains("--help") { return Outcome(0, usage) }
        let options: Options
        switch Options.parse(rest) {
        case .success(let parsed): options = parsed
        case .failure(let problem):
            return failure(2, "usage", problem.message, "see cowork policy --help", json: rest.contains("--json"))
        }
        switch name {
        case "check": return check(options)
        case "explain": return explain(options)
        case "why": return why(options)
        case "test": return test(options)
        case "fmt": return format(options)
        case "diff": return diff(options)
        case "compile": return compile(options)
        default:
            return failure(2, "usage", "no policy command “\(name)”", "see cowork policy --help", json: options.json)
        }
    }

    struct Problem: Error { let message: String }

    struct Options {
        var operands: [String] = []
        var policies: [String] = []
        var json = false
        var values: [String: String] = [:]

        static func parse(_ arguments: [String]) -> Result<Options, Problem> {
            var options = Options()
            var index = 0
            var onlyOperands = false
            while index < arguments.count {
                let argument = arguments[index]
                index += 1
                if onlyOperands || !argument.hasPrefix("--") || argument.count < 3 {
                    if argument == "--" { onlyOperands = true } else { options.operands.append(argument) }
                    continue
                }
                if argument == "--json" {
                    options.json = true
                    continue
                }
                var name = String(argument.dropFirst(2))
                var value: String?
                if let equals = name.firstIndex(of: "=") {
                    value = String(name[name.index(after: equals)...])
                    name = String(name[..<equals])
                }
                guard ["policy", "at", "since", "method", "resolves-to", "to", "names"].contains(name) else {
                    return .failure(Problem(message: "no option “--\(name)”"))
                }
                if value == nil {
                    guard index < arguments.count else {
                        return .failure(Problem(message: "“--\(name)” needs a value"))
                    }
                    value = arguments[index]
                    index += 1
                }
                if name == "policy" { options.policies.append(value ?? "") } else { options.values[name] = value }
            }
            return .success(options)
        }
    }

    static func failure(_ status: Int32, _ code: String, _ message: String, _ hint: String, json: Bool) -> Outcome {
        if json {
            let error = JSONText.fields(
                ("error", .fields(("code", .text(code)), ("message", .text(message)), ("hint", .text(hint)))))
            return Outcome(status, "", error.written + "\n")
        }
        return Outcome(status, "", "cowork: \(message)\nhint: \(hint)\n")
    }

    // MARK: Loading

    static func load(_ names: [String], json: Bool) -> Result<[SourceText], OutcomeError> {
        guard !names.isEmpty else {
            return .failure(
                OutcomeError(failure(2, "usage", "no policy file was named", "name one, such as my.policy", json: json))
            )
        }
        var sources: [SourceText] = []
        for name in names {
            switch PolicyFile.read(name) {
            case .success(let bytes): sources.append(SourceText(name: name, bytes: bytes))
            case .failure(let problem):
                return .failure(
                    OutcomeError(failure(4, "not-found", "\(name): \(problem.message)", "check the path", json: json)))
            }
        }
        return .success(sources)
    }

    struct OutcomeError: Error {
        let outcome: Outcome
        init(_ outcome: Outcome) { self.outcome = outcome }
    }

    static func compiled(_ names: [String], json: Bool) -> Result<Compilation, OutcomeError> {
        switch load(names, json: json) {
        case .failure(let error): return .failure(error)
        case .success(let sources):
            let compilation = Compilation.compile(sources, now: PolicyClock.now().wall)
            guard compilation.isGood else {
                return .failure(
                    OutcomeError(Outcome(1, json ? Report.json(compilation) : "", Report.text(compilation))))
            }
            return .success(compilation)
        }
    }

    // MARK: check, explain, fmt

    private static func check(_ options: Options) -> Outcome {
        switch load(options.operands, json: options.json) {
        case .failure(let error): return error.outcome
        case .success(let sources):
            let compilation = Compilation.compile(sources, now: PolicyClock.now().wall)
            let status: Int32 = compilation.isGood ? 0 : 1
            let count = compilation.isGood ? Explain.sentences(compilation.policy).count : nil
            if options.json {
                let last = count.map { JSONText.fields(("understood", .number($0))).written + "\n" } ?? ""
                return Outcome(status, Report.json(compilation) + last)
            }
            let said = count.map { "\($0) \($0 == 1 ? "sentence" : "sentences") understood\n" } ?? ""
            return Outcome(status, said, Report.text(compilation))
        }
    }

    private static func explain(_ options: Options) -> Outcome {
        switch compiled(options.operands, json: options.json) {
        case .failure(let error): return error.outcome
        case .success(let compilation):
            guard options.json else { return Outcome(0, Explain.text(compilation.policy)) }
            let lines = Explain.sentences(compilation.policy).map { JSONText.text($0) }
            let facts = Facts.state(compilation.policy).map { JSONText.text($0) }
            return Outcome(0, JSONText.fields(("sentences", .list(lines)), ("facts", .list(facts))).written + "\n")
        }
    }

    private static func format(_ options: Options) -> Outcome {
        switch load(options.operands, json: options.json) {
        case .failure(let error): return error.outcome
        case .success(let sources):
            let compilation = Compilation.compile(sources)
            guard compilation.isGood else {
                return Outcome(1, options.json ? Report.json(compilation) : "", Report.text(compilation))
            }
            var changed: [String] = []
            for source in sources {
                let text = Layout.formatted(source)
                if Array(text.utf8) == source.bytes { continue }
                if let problem = PolicyFile.write(source.name, Array(text.utf8)) {
                    return failure(
                        1, "failed", "\(source.name): \(problem)", "check that the file can be written",
                        json: options.json)
                }
                changed.append(source.name)
            }
            if options.json {
                return Outcome(0, JSONText.fields(("changed", .list(changed.map { .text($0) }))).written + "\n")
            }
            return Outcome(0, changed.map { $0 + "\n" }.joined())
        }
    }

    private static func diff(_ options: Options) -> Outcome {
        guard options.operands.count == 2 else {
            return failure(2, "usage", "diff compares two policies", "cowork policy diff OLD NEW", json: options.json)
        }
        var policies: [Policy] = []
        for name in options.operands {
            switch compiled([name], json: options.json) {
            case .failure(let error): return error.outcome
            case .success(let compilation): policies.append(compilation.policy)
            }
        }
        let lines = PolicyDiff.words(policies[0], policies[1])
        if options.json {
            return Outcome(
                0,
                lines.map { JSONText.fields(("change", .text($0.kind)), ("text", .text($0.text))).written + "\n" }
                    .joined())
        }
        return Outcome(0, lines.isEmpty ? "no difference\n" : lines.map { "\($0.kind): \($0.text)\n" }.joined())
    }
}
