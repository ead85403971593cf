internal import PolicyCompiler
internal import PolicyLanguage

extension PolicyCommand {
    /// Runs the `.test` file beside each policy: `REQUEST [--at T] [--method M] -> allow|ask|deny`.
    static func test(_ options: Options) -> Outcome {
        guard !options.operands.isEmpty else {
            return failure(2, "usage", "no policy file was named", "cowork policy test my.policy", json: options.json)
        }
        var output = ""
        var failed = 0
        var passed = 0
        for name in options.operands {
            let compilation: Compilation
            switch compiled([name], json: options.json) {
            case .failure(let error): return error.outcome
            case .success(let good): compilation = good
            }
            let beside = (name.hasSuffix(".policy") ? String(name.dropLast(7)) : name) + ".test"
            guard case .success(let bytes) = PolicyFile.read(beside) else {
                return failure(
                    4, "not-found", "\(beside) cannot be read", "write lines such as: https://example.com/ -> allow",
                    json: options.json)
            }
            let bound = BoundPolicy(compilation.policy, Registries.configured())
            let text = String(decoding: bytes, as: UTF8.self)
            for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
                guard let first = words.first, !first.hasPrefix("#") else { continue }
                let problem = judge(words, compilation, bound)
                if problem == nil { passed += 1 } else { failed += 1 }
                if options.json {
                    output +=
                        JSONText.fields(
                            ("file", .text(beside)), ("line", .number(index + 1)), ("passed", .truth(problem == nil)),
                            ("problem", problem.map { .text($0) })
                        ).written + "\n"
                } else if let problem {
                    output += "\(beside):\(index + 1): \(problem)\n"
                }
            }
        }
        if !options.json { output += "\(passed) passed, \(failed) failed\n" }
        return Outcome(failed == 0 ? 0 : 1, output)
    }

    private static func judge(_ words: [String], _ compilation: Compilation, _ bound: BoundPolicy) -> String? {
        guard words.count >= 3, let wanted = words.last, words[words.count - 2] == "->",
            let effect = Effect.allCases.first(where: { $0.word == wanted })
        else { return "not “REQUEST -> allow|ask|deny”" }
        var question = Question(request: words[0])
        var index = 1
        while index < words.count - 2 {
            guard index + 1 < words.count - 2 else { return "“\(words[index])” needs a value" }
            switch words[index] {
            case "--at": question.at = words[index + 1]
            case "--since": question.since = words[index + 1]
            case "--method": question.method = words[index + 1]
            case "--resolves-to": question.resolvesTo = words[index + 1]
            default: return "no option “\(words[index])”"
            }
            index += 2
        }
        switch answer(question, compilation, bound) {
        case .failure(let problem): return problem.message
        case .success(let answer):
            return answer.effect == effect
                ? nil : "\(words[0]): \(answer.effect.word), not \(wanted) (\(answer.because))"
        }
    }
}
