/// A file's sentences as they were understood, and the faults of those that were not.
package struct ParsedPolicy: Sendable {
    package let source: SourceText
    package var sentences: [Sentence]
    package var faults: [Diagnostic]
    /// Characters, tokens and phrases looked at: proportional to the length of the text.
    package var steps: Int

    package static func parse(_ source: SourceText, suggesting: Bool = true) -> ParsedPolicy {
        let cut = Tokenizer.run(source)
        var parsed = ParsedPolicy(source: source, sentences: [], faults: cut.faults, steps: cut.steps)
        var names: [(String, String)] = []
        for sentence in cut.sentences {
            guard let head = SentenceParser.definitionHead(sentence.tokens) else { continue }
            let name = sentence.tokens[head.name].map(\.lower).joined(separator: " ")
            if Vocabulary.problem(withGroupName: name) == nil { names.append((name, name)) }
        }
        let groups = PhraseTable<String>(names)
        var before: SentenceParser.Before?
        var suggested = 0
        for tokens in cut.sentences {
            var parser = SentenceParser(tokens, groups: groups, before: before)
            do {
                let clauses = try parser.parse()
                before = Self.context(clauses)
                parsed.sentences.append(
                    Sentence(clauses: clauses, range: tokens.range, text: source.text(tokens.range)))
            } catch {
                before = nil
                var hints = error.hints
                if suggesting, suggested < 50 {
                    suggested += 1
                    hints = Suggestions.hints(for: error, tokens, groups: groups)
                }
                parsed.faults.append(Diagnostic(error.code, error.range, error.message, hints: hints))
            }
            parsed.steps += parser.steps
        }
        if cut.sentences.isEmpty, cut.faults.isEmpty {
            parsed.faults.append(
                Diagnostic(
                    .empty, 0..<0, "there is no sentence in this policy",
                    hints: ["Allow https to example.com.", "Ask me before connecting anywhere else."]))
        }
        return parsed
    }

    /// What a sentence after a semicolon may take over.
    private static func context(_ clauses: [Clause]) -> SentenceParser.Before? {
        guard let last = clauses.last else { return nil }
        switch last {
        case .access(let clause):
            let activities: [Activity]
            switch clause.subject {
            case .connect: activities = [.connect]
            case .files(let files, _):
                activities =
                    files.contains(.all)
                    ? [.read, .change, .delete]
                    : files.map { $0 == .read ? .read : $0 == .change ? .change : .delete }
            }
            return .init(subject: .activities(activities), isTimed: !clause.when.isAlways)
        case .apply: return .init(subject: .apply, isTimed: false)
        case .otherwise(let activities, _, let when):
            return .init(subject: .activities(activities), isTimed: !when.isAlways)
        default: return .init(subject: .other, isTimed: false)
        }
    }

    /// Whether `text` alone is a sentence that is understood.
    static func understands(_ text: String, groups: PhraseTable<String>) -> Bool {
        let cut = Tokenizer.run(SourceText(name: "", text))
        guard cut.faults.isEmpty, !cut.sentences.isEmpty else { return false }
        for tokens in cut.sentences {
            var parser = SentenceParser(tokens, groups: groups, before: nil)
            guard (try? parser.parse()) != nil else { return false }
        }
        return true
    }
}
