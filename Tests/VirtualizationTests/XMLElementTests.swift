import Core
import Testing

@testable import Virtualization

@Suite struct XMLElementTests {
    @Test(arguments: [
        ("'/><device evil='", "&apos;/&gt;&lt;device evil=&apos;"),
        ("\"]]>", "&quot;]]&gt;"),
        ("&lt;&#39;", "&amp;lt;&amp;#39;"),
        ("</name><devices/>", "&lt;/name&gt;&lt;devices/&gt;"),
        ("plain /path-1.2_3", "plain /path-1.2_3"),
        ("żółw 𝄞 \u{202E}", "żółw 𝄞 \u{202E}"),
    ])
    func `markup stays text`(value: String, expected: String) throws {
        #expect(try XMLElement.escaped(value) == expected)
        let element = XMLElement("a", ["b": value], [XMLElement("c", text: value)])
        #expect(try element.document() == "<a b='\(expected)'>\n  <c>\(expected)</c>\n</a>\n")
    }

    @Test(arguments: ["\0", "a\nb", "\t", "\r", "\u{7F}", "\u{85}", "\u{1B}[2J", "a\u{80}"])
    func `what XML cannot carry unchanged is refused`(value: String) {
        #expect(throws: Fault.self) { try XMLElement("a", text: value).document() }
        #expect(throws: Fault.self) { try XMLElement("a", ["b": value]).document() }
    }

    @Test func `an element without children closes itself`() throws {
        #expect(try XMLElement("acpi").document() == "<acpi/>\n")
    }

    @Test func `a comma does not end an emulator's option`() {
        #expect(DomainDescription.optionValue("/a,server=on,b") == "/a,,server=on,,b")
    }
}
