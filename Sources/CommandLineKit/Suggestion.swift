/// What somebody probably meant.
package enum Suggestion {
    /// The known word nearest to `text`; nil when none is near enough to be worth naming.
    package static func nearest(to text: String, among known: [String]) -> String? {
        var best: (word: String, distance: Int)?
        for word in known {
            let isBeginning = text.count >= 2 && word.hasPrefix(text)
            let distance = isBeginning ? 1 : distance(text, word)
            if distance < best?.distance ?? .max { best = (word, distance) }
        }
        guard let best, best.distance < text.count, best.distance <= max(1, min(text.count, best.word.count) / 2) else {
            return nil
        }
        return best.word
    }

    /// Insertions, deletions, replacements, and swaps of neighbours, each counted as one.
    static func distance(_ first: String, _ second: String) -> Int {
        // Long input is no slip of the keys.
        let first = Array(first.unicodeScalars.prefix(64))
        let second = Array(second.unicodeScalars.prefix(64))
        var beforeLast: [Int] = []
        var last = Array(0...second.count)
        for (row, letter) in first.enumerated() {
            var current = [row + 1]
            for (column, other) in second.enumerated() {
                var cost = min(last[column + 1] + 1, current[column] + 1, last[column] + (letter == other ? 0 : 1))
                if row > 0, column > 0, letter == second[column - 1], first[row - 1] == other {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            beforeLast = last
            last = current
        }
        return last[second.count]
    }
}
