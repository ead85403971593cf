import Core
import Testing

@testable import CommandLineKit

@Suite struct TextTests {
    private let coloured = Palette(isTerminal: true, environment: ["TERM": "xterm"])

    @Test(arguments: [
        ("plain", 5), ("größe", 5), ("漢字", 4), ("한글", 4), ("ｆｕｌｌ", 8), ("e\u{301}", 1), ("👩‍👩‍👧", 2), ("🙂", 2),
        ("❤️", 2), ("a\u{200B}b", 2), ("…", 1), ("", 0),
    ])
    func widthIsWhatATerminalShows(text: String, columns: Int) {
        #expect(TextWidth.columns(text) == columns)
    }

    @Test func cuttingKeepsWholeCharacters() {
        #expect(TextWidth.cut("abcdef", to: 6) == "abcdef")
        #expect(TextWidth.cut("abcdef", to: 4) == "abc…")
        #expect(TextWidth.cut("/a/long/path", to: 6, keepingEnd: true) == "…/path")
        #expect(TextWidth.cut("漢字漢字", to: 6) == "漢字…")
        #expect(TextWidth.cut("漢字漢字", to: 4) == "漢…")
        #expect(TextWidth.cut("abc", to: 0) == "")
    }

    @Test func wrappingBreaksAtSpaces() {
        #expect(TextWidth.wrap("one two  three", to: 7) == ["one two", "three"])
        #expect(TextWidth.wrap("incomprehensibly a", to: 5) == ["incomprehensibly", "a"])
    }

    @Test func columnsAlign() {
        var table = Table([.init("NAME"), .init("SIZE", alignsRight: true), .init("NOTE")])
        table.append([.init("a"), .init("5"), .init("x")])
        table.append([.init("漢字漢"), .init("12345"), .init("")])
        table.append([.init("b"), .init("")])
        #expect(
            table.lines(width: nil, palette: .plain) == [
                "NAME     SIZE  NOTE", "a           5  x", "漢字漢  12345", "b",
            ])
    }

    @Test func whatMayBeCutIsCutInOrder() {
        var table = Table([
            .init("NAME", fit: .cut(priority: 1, least: 8, keepingEnd: false)), .init("STATE"),
            .init("FOLDER", fit: .cut(priority: 0, least: 10, keepingEnd: true)),
        ])
        table.append([.init("a-name-of-twenty-one-"), .init("running"), .init("/home/someone/and/further/down")])
        let roomy = table.lines(width: 62, palette: .plain)
        #expect(roomy[1] == "a-name-of-twenty-one-  running  /home/someone/and/further/down")
        let tight = table.lines(width: 45, palette: .plain)
        #expect(tight[1] == "a-name-of-twenty-one-  running  …further/down")
        let tighter = table.lines(width: 32, palette: .plain)
        #expect(tighter[1] == "a-name-of-…  running  …ther/down")
        #expect(tighter.allSatisfy { TextWidth.columns($0) <= 32 })
    }

    @Test func colourIsAddedWithoutChangingTheLayout() {
        var table = Table([.init("STATE"), .init("X")])
        table.append([.init("failed", tint: .bad), .init("y")])
        let lines = table.lines(width: nil, palette: coloured)
        #expect(lines[1] == "\u{1b}[31mfailed\u{1b}[0m  y")
    }

    @Test func colourOnlyWhereItIsWanted() {
        #expect(coloured.isEnabled)
        #expect(!Palette(isTerminal: false, environment: ["TERM": "xterm"]).isEnabled)
        #expect(!Palette(isTerminal: true, environment: ["TERM": "dumb"]).isEnabled)
        #expect(!Palette(isTerminal: true, environment: [:]).isEnabled)
        #expect(!Palette(isTerminal: true, environment: ["TERM": "xterm", "NO_COLOR": "1"]).isEnabled)
        #expect(Palette(isTerminal: true, environment: ["TERM": "xterm", "NO_COLOR": ""]).isEnabled)
    }

    @Test func aFaultIsTwoLinesAndOneObject() {
        let fault = Fault(.notFound, "no session 'x'", hint: "cowork ps -a")
        #expect(FaultText.lines(for: fault) == ["cowork: no session 'x'", "hint: cowork ps -a"])
        #expect(
            FaultText.json(for: fault)
                == #"{"error":{"code":"not-found","hint":"cowork ps -a","message":"no session 'x'"}}"#)
        let bare = Fault(.failed, "a/\"b\"")
        #expect(FaultText.lines(for: bare) == ["cowork: a/\"b\""])
        #expect(FaultText.json(for: bare) == #"{"error":{"code":"failed","hint":null,"message":"a/\"b\""}}"#)
    }

    @Test func aFaultCannotForgeALine() {
        let fault = Fault(.failed, "first\ncowork: forged\u{1b}[2J", hint: "one\nhint: two")
        #expect(FaultText.lines(for: fault) == ["cowork: first\n    cowork: forged?[2J", "hint: one\n    hint: two"])
    }

    @Test func theProgressLineIsRewrittenInPlace() {
        var line = ProgressLine(isEnabled: true, width: 20)
        #expect(line.clear() == "")
        #expect(line.show(stage: "Booting", seconds: 0) == "\rBooting…\u{1b}[K")
        #expect(line.show(stage: "Booting", seconds: 0) == "")
        #expect(line.show(stage: "Booting", seconds: 2) == "\rBooting… 2 s\u{1b}[K")
        let long = line.show(stage: "Something that goes on and on", seconds: 12)
        #expect(TextWidth.columns(long.dropFirst().dropLast(3)) <= 19)
        #expect(long.hasSuffix(" 12 s\u{1b}[K"))
        #expect(line.clear() == "\r\u{1b}[K")
        #expect(line.clear() == "")
    }

    @Test func offATerminalTheProgressLineIsSilent() {
        var line = ProgressLine(isEnabled: false, width: 80)
        #expect(line.show(stage: "Booting", seconds: 3) == "")
        #expect(line.clear() == "")
    }

    @Test(
        arguments: [
            ("90", 90_000), ("90s", 90_000), ("500ms", 500), ("5m", 300_000), ("1h30m", 5_400_000), ("2d", 172_800_000),
            ("1h30m5s", 5_405_000),
        ] as [(String, Int64)])
    func lengthsOfTimeAreRead(text: String, milliseconds: Int64) {
        #expect(TimeText.milliseconds(text) == milliseconds)
    }

    @Test(arguments: [
        "", "0", "0s", "-5s", "5 m", "m", "5x", "1h30", "5m1h", "5m5m", "1.5h", "99999999999d", "9999999999999",
        "５m",
    ])
    func whatIsNoLengthOfTimeIsRefused(text: String) {
        #expect(TimeText.milliseconds(text) == nil)
    }

    @Test(
        arguments: [
            (0, "0s"), (-5, "0s"), (59_999, "59s"), (60_000, "1m"), (3_599_000, "59m"), (3_600_000, "1h"),
            (11_100_000, "3h 5m"), (187_200_000, "2d 4h"),
        ] as [(Int64, String)])
    func spansAreShort(milliseconds: Int64, text: String) {
        #expect(TimeText.span(milliseconds: milliseconds) == text)
    }

    @Test(
        arguments: [
            0, 1, 951_782_399_999, 951_782_400_000, 1_795_233_906_789, -1, -62_135_596_800_000, 253_402_300_799_999,
        ] as [Int64])
    func aMomentReadsWhatItWrites(milliseconds: Int64) {
        #expect(Moment(Moment(milliseconds: milliseconds).text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "soon", "2026-11-21", "2026-11-21T04:05:06", "2026-13-21T04:05:06Z", "2026-11-21T24:05:06Z",
        "2026-11-21T04:05:06.7Z", "2026-11-21T04:05:06.789+", "２026-11-21T04:05:06Z",
    ])
    func whatIsNoMomentIsRefused(text: String) {
        #expect(Moment(text) == nil)
    }
}
