/// All words that mean something, for spelling hints and to keep groups from taking their names.
package enum Vocabulary {
    package static let words: Set<String> = {
        var all: Set<String> = []
        all.formUnion(Lexicon.openings.vocabulary)
        all.formUnion(Lexicon.subjects.vocabulary)
        all.formUnion(Lexicon.modals.vocabulary)
        all.formUnion(Lexicon.passives.vocabulary)
        all.formUnion(Lexicon.verbs.vocabulary)
        all.formUnion(Lexicon.nouns.vocabulary)
        all.formUnion(Lexicon.payloads.vocabulary)
        all.formUnion(Lexicon.places.vocabulary)
        all.formUnion(Lexicon.anythingElse.vocabulary)
        all.formUnion(Lexicon.reaches.vocabulary)
        all.formUnion(Lexicon.underPrefixes.vocabulary)
        all.formUnion(Lexicon.hostArticles.vocabulary)
        all.formUnion(Lexicon.services.vocabulary)
        all.formUnion(Lexicon.prepositions.vocabulary)
        all.formUnion(Lexicon.exceptions.vocabulary)
        all.formUnion(Lexicon.carriers.vocabulary)
        all.formUnion(Lexicon.programs.vocabulary)
        all.formUnion(Lexicon.applyKinds.vocabulary)
        all.formUnion(Lexicon.limitWords.vocabulary)
        all.formUnion(Lexicon.methods)
        all.formUnion(others)
        return all
    }()

    private static let others: Set<String> = [
        "port", "ports", "define", "as", "between", "until", "weekdays", "weekends", "minute", "hour", "day", "session",
        "per", "each", "every", "requests", "connections", "mondays", "tuesdays", "wednesdays", "thursdays", "fridays",
        "saturdays", "sundays", "memory", "dollars", "folder", "directory", "file", "files", "called", "named", "key",
        "guest", "open", "show", "without", "asking", "noon", "midnight", "hooks", "next", "hours", "minutes", "days",
    ]

    package static func knows(_ word: String) -> Bool { words.contains(word) }

    /// Known words that a misspelt one may have been meant to be, nearest first.
    package static func near(_ word: String) -> [String] {
        guard (3...24).contains(word.count) else { return [] }
        let letters = Array(word)
        var found: [(Int, String)] = []
        for known in words where abs(known.count - letters.count) <= 2 {
            let distance = distance(letters, Array(known))
            if distance <= (letters.count <= 4 ? 1 : 2) { found.append((distance, known)) }
        }
        return found.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.prefix(4).map(\.1)
    }

    /// Edits between two short words; swapping neighbours counts once.
    private static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var rows: [[Int]] = [Array(0...right.count)]
        for row in 1...max(1, left.count) where row <= left.count {
            var line = [row]
            for column in 0..<right.count {
                var best = min(rows[row - 1][column + 1], line[column]) + 1
                best = min(best, rows[row - 1][column] + (left[row - 1] == right[column] ? 0 : 1))
                if row > 1, column > 0, left[row - 1] == right[column - 1], left[row - 2] == right[column] {
                    best = min(best, rows[row - 2][column - 1] + 1)
                }
                line.append(best)
            }
            rows.append(line)
        }
        return rows[left.count][right.count]
    }

    private static let reserved: Set<String> = [
        "and", "or", "except", "but", "not", "no", "never", "only", "else", "to", "from", "on", "over", "via", "as",
        "port",
        "ports", "apart", "other", "than", "unless", "with", "without", "anything", "everything", "anywhere",
        "everywhere",
        "any", "all", "until", "between", "for", "its", "their", "it", "plus", "well", "including", "excluding",
        "under", "in",
        "at", "of", "by", "per", "each", "every", "a", "an",
    ]

    /// What is wrong with calling a group so; nil when nothing is.
    package static func problem(withGroupName name: String) -> String? {
        let words = name.split(separator: " ").map(String.init)
        if (try? HostName.parse(name)) != nil || name.contains(".") {
            return "“\(name)” is the name of a host and cannot be a group's"
        }
        for word in words {
            if reserved.contains(word) { return "“\(word)” cannot stand in the name of a group" }
            for scalar in word.unicodeScalars
            where
                !(scalar.properties.isAlphabetic || scalar.properties.numericType != nil || scalar == "-"
                || scalar == "_")
            {
                return "the name of a group is made of letters and digits"
            }
            if word.first?.isNumber == true { return "the words of a group's name begin with letters" }
        }
        if isBuiltIn(name) || isBuiltIn("the " + name) { return "“\(name)” already means something" }
        if words.count == 1, knows(name) { return "“\(name)” already means something" }
        return nil
    }

    private static func isBuiltIn(_ name: String) -> Bool {
        for table in [
            Lexicon.places.phrases, Lexicon.subjects.phrases, Lexicon.services.phrases, Lexicon.nouns.phrases,
        ]
        where table.contains(name) { return true }
        return Lexicon.verbs.phrases.contains(name) || Lexicon.programs.phrases.contains(name)
            || Lexicon.payloads.phrases.contains(name) || Lexicon.modals.phrases.contains(name)
    }
}

/// Words for amounts.
package enum Units {
    package static let sizes: [String: UInt64] = [
        "byte": 1, "bytes": 1, "kb": 1000, "mb": 1_000_000, "gb": 1_000_000_000, "tb": 1_000_000_000_000,
        "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "kilobytes": 1000, "megabytes": 1_000_000,
        "gigabytes": 1_000_000_000, "megabyte": 1_000_000, "gigabyte": 1_000_000_000, "kilobyte": 1000,
        "terabytes": 1_000_000_000_000, "terabyte": 1_000_000_000_000,
    ]
    package static let spans: [String: Int] = [
        "second": 1, "seconds": 1, "minute": 60, "minutes": 60, "hour": 3600, "hours": 3600, "day": 86_400,
        "days": 86_400, "week": 604_800, "weeks": 604_800, "min": 60, "mins": 60,
    ]
    package static let counts: [String: Limit.Measure] = [
        "requests": .requests, "request": .requests, "connections": .connections, "connection": .connections,
    ]
    package static func isUnit(_ word: String) -> Bool {
        sizes[word] != nil || spans[word] != nil || counts[word] != nil || word == "dollars"
    }
    package static let numbers: [String: UInt64] = [
        "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
        "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "sixty": 60, "a": 1, "an": 1, "fifty": 50,
        "hundred": 100,
    ]
}
