internal import PolicyCompiler
internal import PolicyLanguage
internal import Testing

/// The sentences of `Tables/`: what must be understood, with what requests get, and what must be refused.
@Suite struct TableTests {
    static let understood: [String] = Fixture.rows("understood.txt")
    static let refused: [String] = Fixture.rows("refused.txt")

    @Test func thereAreEnoughRows() {
        #expect(Self.understood.count + Self.refused.count >= 300)
        #expect(Self.refused.count * 2 >= Self.understood.count + Self.refused.count)
    }

    @Test(arguments: understood) func isUnderstoodAsMeant(row: String) throws {
        let halves = row.split(separator: "|").map { String($0) }
        try #require(halves.count == 2)
        let compilation = Compilation.compile([Fixture.source(halves[0])])
        try #require(compilation.isGood, "\(compilation.faults.map(\.message))")
        let ruling = Ruling([Layer(.user, compilation.policy)])
        for probe in halves[1].split(separator: ",") {
            let sides = probe.components(separatedBy: " = ").map { $0.trimmed }
            let decision = try Fixture.decide(sides[0], ruling)
            #expect(decision.word == sides[1], "\(sides[0])")
        }
        try Fixture.expectRoundTrip(compilation.policy)
    }

    @Test(arguments: refused) func isRefusedWithAHint(row: String) throws {
        let source = Fixture.source(row)
        let compilation = Compilation.compile([source])
        let errors = compilation.faults.filter { $0.severity == .error }
        #expect(!errors.isEmpty)
        #expect(errors.contains { !$0.hints.isEmpty && $0.range.lowerBound <= source.bytes.count })
        for fault in errors {
            #expect(fault.hints.count <= 3)
            for hint in fault.hints {
                #expect(
                    row.contains("Define") || Compilation.compile([SourceText(name: "hint", hint)]).isGood, "\(hint)")
            }
        }
    }

    @Test func theReferenceIsWhatTheTablesSay() {
        let root = Fixture.folder.split(separator: "/").dropLast(2).joined(separator: "/")
        #expect(
            Fixture.contents("/" + root + "/policy/LANGUAGE.md") == LanguageReference.text,
            "run: cowork policy language > policy/LANGUAGE.md")
    }

    @Test(arguments: LanguageReference.examples.flatMap(\.sentences)) func everyExampleCompilesAndReturns(
        sentence: String
    ) throws {
        let compilation = Compilation.compile([SourceText(name: "example", sentence)])
        #expect(compilation.isGood, "\(compilation.faults.map(\.message))")
        try Fixture.expectRoundTrip(compilation.policy)
    }
}
