internal import PolicyLanguage

/// One layout: a sentence to a line, capital first, a full stop, comments kept.
enum Layout {
    static func formatted(_ source: SourceText) -> String {
        var text = String(decoding: source.bytes, as: UTF8.self)
        if text.hasPrefix("\u{FEFF}") { text.removeFirst() }
        let cut = Tokenizer.run(source).sentences
        var lines: [String] = []
        var blank = 0
        var next = 0
        var offset = 0
        // Lines are visited in order; a sentence is printed on the line where it begins.
        for raw in String(decoding: source.bytes, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            let end = offset + raw.utf8.count
            var printed: [String] = []
            while next < cut.count, cut[next].range.lowerBound >= offset, cut[next].range.lowerBound <= end {
                let joined = sentence(cut[next], semicolon: next + 1 < cut.count && cut[next + 1].followsSemicolon)
                if cut[next].followsSemicolon, !printed.isEmpty {
                    printed[printed.count - 1] += " " + joined
                } else if cut[next].followsSemicolon, !lines.isEmpty {
                    lines[lines.count - 1] += " " + joined
                } else {
                    printed.append(joined)
                }
                next += 1
            }
            let comment = comment(in: String(raw))
            offset = end + 1
            if printed.isEmpty, comment == nil {
                if raw.allSatisfy(\.isWhitespace) { blank += 1 }
                continue
            }
            if blank > 0, !lines.isEmpty { lines.append("") }
            blank = 0
            if printed.isEmpty, let comment {
                lines.append(comment)
            } else {
                if let comment { lines.append(comment) }
                lines += printed
            }
        }
        return lines.isEmpty ? "" : lines.joined(separator: "\n") + "\n"
    }

    private static func sentence(_ sentence: SentenceTokens, semicolon: Bool) -> String {
        var text = ""
        for token in sentence.tokens {
            switch token.kind {
            case .comma: text += ","
            case .quoted:
                text +=
                    (text.isEmpty ? "" : " ") + (token.text.contains("\"") ? "'\(token.text)'" : "\"\(token.text)\"")
            case .word: text += (text.isEmpty ? "" : " ") + token.text
            }
        }
        if !sentence.followsSemicolon, let first = text.first, sentence.tokens.first?.lower.contains(".") == false {
            text = first.uppercased() + text.dropFirst()
        }
        return text + (semicolon ? ";" : ".")
    }

    /// A `#` at the start of the line or after white space, outside quotes.
    private static func comment(in line: String) -> String? {
        var quote = false
        var previous: Character = " "
        var index = line.startIndex
        while index < line.endIndex {
            let character = line[index]
            if character == "\"" { quote.toggle() }
            if character == "#", !quote, previous.isWhitespace {
                var text = String(line[index...])
                while text.last?.isWhitespace == true { text.removeLast() }
                return text
            }
            previous = character
            index = line.index(after: index)
        }
        return nil
    }
}
