/// Phrases of one or more words and what they mean. The longest phrase that fits wins.
package struct PhraseTable<Meaning: Sendable>: Sendable {
    package struct Entry: Sendable {
        package let words: [String]
        package let meaning: Meaning
    }
    /// In the order of writing, for the language's reference.
    package let entries: [Entry]
    private let byFirst: [String: [Entry]]

    /// Each line holds phrases of one meaning, separated by ` | `.
    package init(_ lines: [(String, Meaning)]) {
        var all: [Entry] = []
        for (phrases, meaning) in lines {
            for phrase in phrases.split(separator: "|") {
                all.append(Entry(words: phrase.split(separator: " ").map(String.init), meaning: meaning))
            }
        }
        entries = all
        var index: [String: [Entry]] = [:]
        for entry in all {
            if let first = entry.words.first { index[first, default: []].append(entry) }
        }
        byFirst = index.mapValues { $0.sorted { $0.words.count > $1.words.count } }
    }

    package func longest(in tokens: [Token], at index: Int) -> (meaning: Meaning, count: Int)? {
        guard index < tokens.count, tokens[index].isWord, let candidates = byFirst[tokens[index].lower] else {
            return nil
        }
        for entry in candidates where index + entry.words.count <= tokens.count {
            var fits = true
            for offset in 1..<max(1, entry.words.count) {
                let token = tokens[index + offset]
                if !token.isWord || token.lower != entry.words[offset] {
                    fits = false
                    break
                }
            }
            if fits { return (entry.meaning, entry.words.count) }
        }
        return nil
    }

    package var vocabulary: Set<String> { Set(entries.flatMap(\.words)) }
    package var phrases: [String] { entries.map { $0.words.joined(separator: " ") } }
}
