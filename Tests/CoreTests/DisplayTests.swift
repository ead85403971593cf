import Testing

@testable import Core

@Suite struct DisplayTests {
    @Test(arguments: [
        ("plain text", "plain text"),
        ("größe 漢字 🙂", "größe 漢字 🙂"),
        ("two\nlines", "two\\nlines"),
        ("\u{1B}[31mred", "\\u{1b}[31mred"),
        ("right\u{202E}left", "right\\u{202e}left"),
        ("zero\u{200B}width", "zero\\u{200b}width"),
        ("back\\slash", "back\\\\slash"),
        ("\u{7F}", "\\u{7f}"),
    ])
    func whatCouldForgeALineIsWrittenOut(text: String, shown: String) {
        #expect(Display.escaped(text) == shown)
    }

    @Test func longTextIsCut() {
        #expect(Display.escaped(String(repeating: "a", count: 10), limit: 4) == "aaaa…")
    }

    @Test func linesAreSplitAndStripped() {
        #expect(Display.escapedLines(Array("one\r\ntw\u{8}o\nlast".utf8)) == ["one", "tw\\u{8}o", "last"])
    }
}
