/// Sentences near a refused one that would be understood.
enum Suggestions {
    static func hints(for refusal: Refusal, _ sentence: SentenceTokens, groups: PhraseTable<String>) -> [String] {
        var found: [String] = []
        func add(_ text: String) {
            guard found.count < 3, !text.isEmpty else { return }
            let whole = text.hasSuffix(".") ? text : text + "."
            let shown = whole.prefix(1).uppercased() + whole.dropFirst()
            if !found.contains(shown), ParsedPolicy.understands(shown, groups: groups) { found.append(shown) }
        }
        for hint in refusal.hints { add(hint) }
        let tokens = sentence.tokens
        guard tokens.count <= 60 else { return found.isEmpty ? fallback(tokens, groups) : found }
        let at = tokens.firstIndex { $0.range.upperBound > refusal.range.lowerBound } ?? tokens.count - 1
        if found.count < 3 {
            for (position, token) in tokens.enumerated() where token.isWord && !Vocabulary.knows(token.lower) {
                for near in Vocabulary.near(token.lower) { add(joined(tokens, replacing: position, with: near)) }
            }
        }
        // A comma or a space inside a name.
        if at < tokens.count, found.count < 3 {
            for position in max(0, at - 2)..<min(tokens.count, at + 3) where tokens[position].kind == .comma {
                guard position > 0, position + 1 < tokens.count,
                    !Vocabulary.knows(tokens[position + 1].lower) || tokens[position + 1].lower.count < 4
                else { continue }
                let name = tokens[position - 1].text + "." + tokens[position + 1].text
                if (try? HostName.parse(name)) != nil {
                    var rest = tokens
                    rest.removeSubrange(position - 1...position + 1)
                    add(
                        joined(tokens[..<(position - 1)]) + " https to " + name + " "
                            + joined(tokens[(position + 2)...]))
                    add(joined(tokens[..<(position - 1)]) + " " + name + " " + joined(tokens[(position + 2)...]))
                }
            }
        }
        if at < tokens.count, found.count < 3 {
            if !narrows(tokens[at]) { add(joined(tokens, replacing: at, with: nil)) }
            // What is cut off must not be what made the sentence narrow.
            var cut = at
            while cut > 1, found.count < 3, at - cut < 6, !tokens[cut...].contains(where: narrows) {
                add(joined(tokens[..<cut]))
                cut -= 1
            }
        }
        if found.isEmpty { found = fallback(tokens, groups) }
        return Array(found.prefix(3))
    }

    /// Words after which a sentence says less than before.
    private static func narrows(_ token: Token) -> Bool { narrowing.contains(token.lower) }
    private static let narrowing: Set<String> = [
        "only", "except", "but", "not", "never", "no", "until", "between", "unless", "most", "more", "than", "from",
        "before",
        "after", "during", "while", "when", "if", "without", "excluding", "other", "apart", "read", "for", "on", "per",
        "limit",
        "up", "don't", "cannot", "can't", "through", "till", "once", "twice", "first", "ask", "asking", "approval",
    ]

    private static func joined(_ tokens: ArraySlice<Token>) -> String {
        var text = ""
        for token in tokens {
            if token.kind == .comma {
                text += ","
                continue
            }
            if !text.isEmpty { text += " " }
            text += token.kind == .quoted ? "\"\(token.text)\"" : token.text
        }
        while text.hasSuffix(",") || text.hasSuffix(" ") { text.removeLast() }
        for word in [" and", " or"] where text.hasSuffix(word) { text.removeLast(word.count) }
        return text
    }

    private static func joined(_ tokens: [Token], replacing position: Int, with word: String?) -> String {
        let front = joined(tokens[..<position])
        let back = joined(tokens[(position + 1)...])
        return [front, word ?? "", back].filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// When nothing near compiles: plain sentences about the names found, or about the words used.
    private static func fallback(_ tokens: [Token], _ groups: PhraseTable<String>) -> [String] {
        var hosts: [String] = []
        var paths: [String] = []
        for token in tokens.prefix(200) where token.isWord {
            if hosts.count < 1, let host = try? HostName.parse(token.text) { hosts.append(host.text) }
            if paths.count < 1, token.text.hasPrefix("~/") { paths.append(token.text) }
        }
        let words = Set(tokens.prefix(200).map(\.lower))
        let closes = !words.isDisjoint(with: [
            "never", "no", "not", "block", "deny", "forbid", "don't", "cannot", "can't",
            "forbidden", "blocked", "denied", "off", "prohibited", "banned", "hide", "prevent", "stop",
        ])
        let asks = !words.isDisjoint(with: ["ask", "check", "confirm", "permission", "approval"])
        var found: [String] = []
        let timed = !words.isDisjoint(with: [
            "during", "between", "until", "after", "before", "week", "weekday", "night", "morning", "hours", "today",
            "tomorrow", "when",
        ])
        let limited = !words.isDisjoint(with: ["limit", "most", "per", "minute", "requests", "rate", "mb", "gb"])
        for host in hosts {
            if closes {
                found.append("Block \(host).")
            } else if asks {
                found.append("Ask before connecting to \(host).")
            } else if timed {
                found.append("On weekdays between 9:00 and 18:00, allow https to \(host).")
            } else if limited {
                found.append("Allow https to \(host), at most 60 requests per minute.")
            } else {
                found.append("Allow https to \(host).")
            }
        }
        for path in paths {
            found.append(
                closes ? "Never touch \(path)." : asks ? "Ask before changing \(path)." : "The agent may read \(path).")
        }
        if found.isEmpty, words.contains("guest") || words.contains("port") && !closes {
            found = ["Show guest port 3000 as port 3000 here.", "Allow tcp to example.com on port 8443."]
        }
        if found.isEmpty, !words.isDisjoint(with: ["inspect", "inspection", "decrypt", "tls"]) {
            found = ["Do not inspect bank.example."]
        }
        if found.isEmpty, !words.isDisjoint(with: ["program", "programs", "process", "processes", "run", "execute"]) {
            found = ["Programs may not trace other programs.", "No raw sockets and no new user namespaces."]
        }
        if found.isEmpty, limited || !words.isDisjoint(with: ["spend", "memory", "budget", "dollars", "cost"]) {
            found = [
                "At most 200 MB of uploads per session.", "Spend at most 5 dollars.", "Use at most 4 GB of memory.",
            ]
        }
        if found.isEmpty, words.contains("apply") {
            found = ["Apply new files and edits without asking; ask for everything else."]
        }
        if found.isEmpty {
            let files = !words.isDisjoint(with: [
                "file", "files", "folder", "folders", "directory", "delete", "change", "read",
            ])
            found =
                files
                ? ["Let it change anything in ~/projects.", "Ask before deleting anything.", "Hide .env files."]
                : ["Allow https to example.com.", "Block example.com.", "Ask me before connecting anywhere else."]
        }
        return found.filter { ParsedPolicy.understands($0, groups: groups) }
    }
}
