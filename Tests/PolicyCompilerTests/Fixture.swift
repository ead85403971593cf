internal import Glibc
internal import PolicyCompiler
internal import PolicyLanguage
internal import Testing

/// Tables beside the tests, and how their rows are read.
enum Fixture {
    static func contents(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static let folder: String = {
        let parts = #filePath.split(separator: "/").dropLast()
        return "/" + parts.joined(separator: "/")
    }()

    static func rows(_ name: String) -> [String] {
        contents(folder + "/Tables/" + name).split(separator: "\n").map(String.init).filter { row in
            !row.hasPrefix("# Understood") && !row.hasPrefix("# Must")
        }
    }

    /// " / " is a new line, `\n` one inside a sentence, `\u200b` a character.
    static func source(_ row: String) -> SourceText {
        var text = ""
        var rest = Substring(row.trimmed)
        while let letter = rest.first {
            if rest.hasPrefix(" / ") {
                text += "\n"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("\\n") {
                text += "\n"
                rest = rest.dropFirst(2)
            } else if rest.hasPrefix("\\u"), let value = UInt32(rest.dropFirst(2).prefix(4), radix: 16),
                let scalar = Unicode.Scalar(value)
            {
                text.unicodeScalars.append(scalar)
                rest = rest.dropFirst(6)
            } else {
                text.append(letter)
                rest = rest.dropFirst()
            }
        }
        return SourceText(name: "row", text + "\n")
    }

    static func minutes(_ text: String) -> Int {
        let numbers = text.split { "-T:".contains($0) }.compactMap { Int($0) }
        guard numbers.count == 5 else { return 0 }
        return CivilTime.days(year: numbers[0], month: numbers[1], day: numbers[2]) * 1440 + numbers[3] * 60
            + numbers[4]
    }

    static func decide(_ probe: String, _ ruling: Ruling) throws -> Effect {
        let pieces = probe.components(separatedBy: " --")
        var at = minutes("2026-11-24T12:00")
        var since = at
        var method: String?
        var resolved: Address?
        for option in pieces.dropFirst() {
            let words = option.split(separator: " ").map(String.init)
            switch words[0] {
            case "at": at = minutes(words[1])
            case "since": since = minutes(words[1])
            case "method": method = words[1]
            default: resolved = Address(anySpelling: words[1])
            }
        }
        if !probe.contains("--since") { since = at }
        switch RequestText.parse(pieces[0], method: method, resolved: resolved) {
        case .request(let request):
            return ruling.decide(request, at: Instant(wall: at, elapsed: (at - since) * 60)).effect
        case .denied: return .deny
        case .unreadable(let why):
            Issue.record("\(why)")
            return .deny
        }
    }

    /// Compiling what was printed gives the same form, byte for byte.
    static func expectRoundTrip(_ policy: Policy) throws {
        let said = Explain.text(policy)
        let again = Compilation.compile([SourceText(name: "explained", said)])
        #expect(again.isGood, "\(said)\n\(again.faults.map(\.message))")
        #expect(again.policy.json.written == policy.json.written, "\(said)")
        #expect(Explain.text(again.policy) == said)
    }
}

extension StringProtocol {
    var trimmed: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }

    func components(separatedBy mark: String) -> [String] {
        var found: [String] = []
        var rest = Substring(self)
        while let hit = rest.firstRange(of: mark) {
            found.append(String(rest[..<hit.lowerBound]))
            rest = rest[hit.upperBound...]
        }
        return found + [String(rest)]
    }
}
