/// Cuts a text into sentences of tokens. One pass; what it cannot read becomes a fault and the next line goes on.
package struct Tokenizer {
    private let source: SourceText
    private var scalars: [Unicode.Scalar] = []
    private var offsets: [Int] = []
    private var index = 0
    private var sentences: [SentenceTokens] = []
    private var tokens: [Token] = []
    private var afterSemicolon = false
    private var spoiled = false
    package private(set) var faults: [Diagnostic] = []
    /// One per character looked at; a test counts them.
    package private(set) var steps = 0

    package static func run(_ source: SourceText) -> (sentences: [SentenceTokens], faults: [Diagnostic], steps: Int) {
        var tokenizer = Tokenizer(source)
        tokenizer.readAll()
        return (tokenizer.sentences, tokenizer.faults, tokenizer.steps)
    }

    private init(_ source: SourceText) { self.source = source }

    private mutating func readAll() {
        guard source.bytes.count <= SourceText.limit else {
            let hint = "Split the policy into several files, or list fewer names."
            faults.append(.init(.tooLarge, 0..<0, "the file is larger than 8 MiB", hints: [hint]))
            return
        }
        guard decode() else { return }
        while index < scalars.count { readOne() }
        endSentence(semicolon: false)
    }

    private mutating func decode() -> Bool {
        guard let text = String(validating: source.bytes, as: UTF8.self) else {
            let valid = String(decoding: source.bytes, as: UTF8.self)
            var offset = 0
            for scalar in valid.unicodeScalars {
                if scalar == "\u{FFFD}" { break }
                offset += UTF8.width(scalar)
            }
            let hint = "Save the file as UTF-8 text."
            faults.append(.init(.badText, offset..<offset + 1, "this is not UTF-8 text", hints: [hint]))
            return false
        }
        scalars.reserveCapacity(source.bytes.count)
        offsets.reserveCapacity(source.bytes.count + 1)
        var offset = 0
        for scalar in text.unicodeScalars {
            scalars.append(scalar)
            offsets.append(offset)
            offset += UTF8.width(scalar)
        }
        offsets.append(offset)
        if scalars.first == "\u{FEFF}" { index = 1 }
        return true
    }

    private func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || scalar == "\t" || scalar == "\n" || scalar == "\r"
    }

    private func plain(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar.value {
        case 0x2018, 0x2019, 0x201B, 0x02BC: "'"
        case 0x201C, 0x201D, 0x201F, 0x201E: "\""
        default: scalar
        }
    }

    private func isEnd(_ position: Int) -> Bool { position >= scalars.count || isSpace(scalars[position]) }

    private mutating func readOne() {
        steps += 1
        let scalar = plain(scalars[index])
        switch scalar {
        case "\n":
            index += 1
            lineEnds()
        case " ", "\t", "\r": index += 1
        case "#" where index == 0 || isSpace(scalars[index - 1]) || index == 1 && scalars[0] == "\u{FEFF}":
            while index < scalars.count, scalars[index] != "\n" {
                refuseInvisible(at: index)
                steps += 1
                index += 1
            }
        case ",":
            add(.comma, ",", index..<index + 1)
            index += 1
        case ";":
            index += 1
            endSentence(semicolon: true)
        case "\"": readQuoted()
        case "'" where index + 1 < scalars.count && !isSpace(scalars[index + 1]) && closesLater(): readQuoted()
        case "." where isEnd(index + 1):
            index += 1
            endSentence(semicolon: false)
        case "-", "*", "\u{2022}":
            // A list's bullet at the start of a line means nothing; a star followed by anything else is a pattern.
            if tokens.isEmpty, isEnd(index + 1), isLineStart() { index += 1 } else { readWord() }
        default: readWord()
        }
    }

    private func isLineStart() -> Bool {
        var position = index - 1
        while position >= 0, scalars[position] == " " || scalars[position] == "\t" { position -= 1 }
        return position < 0 || scalars[position] == "\n" || scalars[position] == "\u{FEFF}"
    }

    /// Whether a single quote that opens here is closed before the line ends.
    private func closesLater() -> Bool {
        var position = index + 1
        while position < scalars.count, scalars[position] != "\n" {
            if plain(scalars[position]) == "'" {
                let next = position + 1
                return next >= scalars.count || isSpace(scalars[next]) || [",", ";", "."].contains(scalars[next])
            }
            position += 1
        }
        return false
    }

    private mutating func readQuoted() {
        let start = index
        let opening = scalars[index]
        let closing: Unicode.Scalar
        switch opening.value {
        case 0x201C, 0x201E: closing = "\u{201D}"
        case 0x2018: closing = "\u{2019}"
        default: closing = plain(opening)
        }
        index += 1
        var text = String.UnicodeScalarView()
        while index < scalars.count, scalars[index] != "\n" {
            steps += 1
            let scalar = scalars[index]
            if scalar == closing || (plain(closing) == "\"" && scalar == "\"") {
                index += 1
                if !isEnd(index), ![",", ";", "."].contains(scalars[index]) {
                    let range = offsets[start]..<offsets[min(index + 1, scalars.count)]
                    refuse(
                        .badText, range, "a quoted text must stand alone", hint: "The agent may read \"~/my files\".")
                }
                add(.quoted, String(text), start..<index)
                return
            }
            refuseInvisible(at: index)
            text.append(scalar)
            index += 1
        }
        refuse(
            .badText, offsets[start]..<offsets[index], "this quote is never closed",
            hint: "The agent may read \"~/my files\".")
    }

    private mutating func readWord() {
        let start = index
        var text = String.UnicodeScalarView()
        var ascii = true
        while index < scalars.count {
            steps += 1
            let scalar = plain(scalars[index])
            if isSpace(scalar) || scalar == "," || scalar == ";" || scalar == "\"" { break }
            if scalar == ".", isEnd(index + 1) || isClosing(index + 1) { break }
            if scalar.value >= 128 || scalar.value < 32 {
                ascii = false
                refuseInvisible(at: index)
            }
            text.append(scalar)
            index += 1
        }
        if index == start {
            // A full stop before a comma or a semicolon.
            index += 1
            return
        }
        _ = ascii
        add(.word, String(text), start..<index)
    }

    private func isClosing(_ position: Int) -> Bool {
        position < scalars.count && (scalars[position] == "," || scalars[position] == ";")
    }

    private mutating func add(_ kind: Token.Kind, _ text: String, _ range: Range<Int>) {
        let lower = text.lowercased()
        tokens.append(
            Token(kind: kind, text: text, lower: lower, range: offsets[range.lowerBound]..<offsets[range.upperBound]))
    }

    /// A line's end ends the sentence unless the line says that it goes on.
    private mutating func lineEnds() {
        guard let last = tokens.last else {
            spoiled = false
            return
        }
        if last.kind == .comma || last.kind == .word && ["and", "or", "as"].contains(last.lower) { return }
        endSentence(semicolon: false)
    }

    private mutating func endSentence(semicolon: Bool) {
        let kept = tokens.filter { !($0.isWord && $0.lower == "please") }
        if let first = kept.first, let last = kept.last, !spoiled {
            sentences.append(
                SentenceTokens(
                    tokens: kept, range: first.range.lowerBound..<last.range.upperBound,
                    followsSemicolon: afterSemicolon))
            afterSemicolon = semicolon
        } else if !kept.isEmpty {
            afterSemicolon = false
        } else if !semicolon {
            afterSemicolon = false
        }
        tokens.removeAll(keepingCapacity: true)
        spoiled = false
    }

    private mutating func refuseInvisible(at position: Int) {
        guard Self.isInvisible(scalars[position]) else { return }
        let code = String(scalars[position].value, radix: 16, uppercase: true)
        let name = "U+" + String(repeating: "0", count: max(0, 4 - code.count)) + code
        refuse(
            .invisible, offsets[position]..<offsets[position + 1],
            "the invisible character \(name) stands here", hint: cleaned(around: position))
    }

    /// The line without what cannot be seen.
    private func cleaned(around position: Int) -> String {
        var low = position
        var high = position
        while low > 0, scalars[low - 1] != "\n", position - low < 400 { low -= 1 }
        while high < scalars.count, scalars[high] != "\n", high - position < 400 { high += 1 }
        var text = String.UnicodeScalarView()
        for scalar in scalars[low..<high] {
            if !Self.isInvisible(scalar) {
                text.append(scalar)
            } else if scalar.properties.generalCategory == .spaceSeparator {
                text.append(" ")
            }
        }
        return String(text)
    }

    private mutating func refuse(_ code: Diagnostic.Code, _ range: Range<Int>, _ message: String, hint: String) {
        spoiled = true
        faults.append(Diagnostic(code, range, message, hints: [hint]))
    }

    /// Characters that show nothing, or move what stands around them.
    static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 9, 10, 13: return false
        case 0x20...0x7E: return false
        case 0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B...0x180F, 0x2800, 0x3164, 0xFFA0, 0xFE00...0xFE0F,
            0xE0000...0xE0FFF, 0x1D173...0x1D17A:
            return true
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return true
        default: return false
        }
    }
}
