internal import Glibc
internal import PolicyCompiler
internal import PolicyLanguage
internal import Testing

/// Properties over drawn policies and requests.
@Suite struct PropertyTests {
    @Test(arguments: 0..<60) func printedAndReadAgainItIsTheSame(seed: Int) throws {
        var drawing = Drawing(UInt64(seed))
        let compilation = Draw.compile(Draw.policy(&drawing, sentences: 8))
        let said = Explain.text(compilation.policy)
        let again = Compilation.compile([SourceText(name: "explained", said)], suggesting: false)
        #expect(again.policy.json.written == compilation.policy.json.written, "\(said)")
        #expect(Explain.text(again.policy) == said)
    }

    @Test(arguments: 0..<60) func orderNeverMatters(seed: Int) {
        var drawing = Drawing(UInt64(seed) + 1000)
        let lines = Draw.policy(&drawing, sentences: 10)
        let first = Draw.compile(lines).policy.json.written
        #expect(Draw.compile(lines).policy.json.written == first)
        for _ in 0..<3 { #expect(Draw.compile(lines.shuffled(using: &drawing)).policy.json.written == first) }
    }

    @Test func theTablesDecideWhatTheRulesSay() {
        var counts: [Effect: Int] = [:]
        for seed in 0..<250 {
            var drawing = Drawing(UInt64(seed) + 2000)
            let lines = Draw.policy(&drawing, sentences: 7)
            let policy = Draw.compile(lines).policy
            let ruling = Ruling([Layer(.user, policy)])
            for _ in 0..<80 {
                let connection = Draw.connection(&drawing, from: policy)
                let instant = Draw.instant(&drawing)
                let decided = ruling.decide(.connect(connection), at: instant).effect
                let expected = Oracle.decide(policy, connection, instant)
                counts[decided, default: 0] += 1
                #expect(decided == expected, "\(lines.joined(separator: "\n"))\n\(connection)")
            }
        }
        let total = counts.values.reduce(0, +)
        for effect in Effect.allCases { #expect((counts[effect] ?? 0) * 5 >= total, "\(counts)") }
    }

    @Test func closingMoreNeverOpens() {
        for seed in 0..<250 {
            var drawing = Drawing(UInt64(seed) + 4000)
            let lines = Draw.policy(&drawing, sentences: 6)
            let before = Ruling([Layer(.user, Draw.compile(lines).policy)])
            let added = Draw.sentence(drawing.chance(50) ? .deny : .ask, &drawing, exception: false)
            guard Draw.compile([added]).isGood else { continue }
            let isDeny = added.contains("lock ")
            let after = Ruling([Layer(.user, Draw.compile(lines + [added]).policy)])
            for _ in 0..<60 {
                let request = Request.connect(Draw.connection(&drawing))
                let instant = Draw.instant(&drawing)
                let was = before.decide(request, at: instant).effect
                let now = after.decide(request, at: instant).effect
                if isDeny { #expect(!(now == .allow && was != .allow), "\(lines) + \(added): \(request)") }
                #expect(!(now == .allow && was == .deny), "\(lines) + \(added): \(request)")
            }
        }
    }

    @Test func aStricterLayerNeverMakesTheResultMilder() {
        for seed in 0..<150 {
            var drawing = Drawing(UInt64(seed) + 6000)
            let user = Layer(.user, Draw.compile(Draw.policy(&drawing, sentences: 5)).policy)
            let other = Draw.compile(Draw.policy(&drawing, sentences: 5)).policy
            let both = Ruling([user, Layer(.administrator, other)])
            let alone = Ruling([user])
            let theirs = Ruling([Layer(.administrator, other)])
            for _ in 0..<60 {
                let request = Request.connect(Draw.connection(&drawing))
                let instant = Draw.instant(&drawing)
                let result = both.decide(request, at: instant)
                for single in [alone, theirs] {
                    let answer = single.decide(request, at: instant)
                    // A layer that mentions the request is never overruled by a milder one.
                    if answer.reason == .rule { #expect(result.effect >= answer.effect, "\(request)") }
                }
            }
        }
    }

    @Test func workIsLinear() {
        func steps(_ count: Int) -> Int {
            var text = ""
            for index in 0..<count {
                text += "Allow https to host\(index).example, a\(index).b.example and 203.0.113.\(index % 250).\n"
            }
            return ParsedPolicy.parse(SourceText(name: "long", text), suggesting: false).steps
        }
        let small = steps(500)
        let large = steps(4000)
        #expect(large < small * 9)
        let commas = ParsedPolicy.parse(
            SourceText(name: "commas", String(repeating: "a, and or ", count: 20_000)), suggesting: false)
        #expect(commas.steps < 20_000 * 200)
        let list = "Allow https to " + (0..<20_000).map { "h\($0).example" }.joined(separator: ", ") + "."
        #expect(ParsedPolicy.parse(SourceText(name: "list", list), suggesting: false).steps < list.utf8.count * 30)
    }

    @Test func garbageNeverTrapsAndIsNeverAllowed() {
        let words =
            Array(Vocabulary.words).sorted() + [
                "a.example", "~/w", ",", ";", ".", "\"", "#", "\n", "9:00", "5", "MB", "203.0.113.0/24",
            ]
        // `COWORK_FUZZ` asks for the long run.
        let rounds = getenv("COWORK_FUZZ") == nil ? 3000 : 3_000_000
        var drawing = Drawing(77)
        for _ in 0..<rounds {
            let text = (0..<Int.random(in: 1..<14, using: &drawing)).map { _ in drawing.pick(words) }.joined(
                separator: " ")
            let compilation = Compilation.compile([SourceText(name: "noise", text)], suggesting: false)
            if compilation.isGood {
                let said = Explain.text(compilation.policy)
                if said.split(separator: "\n").allSatisfy({ $0.hasPrefix("#") }) { continue }
                let again = Compilation.compile([SourceText(name: "again", said)], suggesting: false)
                #expect(
                    again.policy.json.written == compilation.policy.json.written,
                    "\(text)\n→ \(said)\n\(again.faults.map(\.message))")
            }
        }
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0..<60, using: &drawing)).map { _ in
                UInt8.random(in: 0...255, using: &drawing)
            }
            #expect(!Compilation.compile([SourceText(name: "bytes", bytes: bytes)], suggesting: false).isGood)
        }
    }
}
