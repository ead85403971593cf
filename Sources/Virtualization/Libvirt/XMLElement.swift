internal import Core

/// An XML element, written so that no attribute or text can become anything else. It writes what libvirt reads and
/// nothing more: no text beside children, no namespaces but by name.
struct XMLElement: Sendable {
    let name: StaticString
    var attributes: [(name: StaticString, value: String)]
    var content: Content

    enum Content: Sendable {
        case children([XMLElement])
        case text(String)
    }

    init(_ name: StaticString, _ attributes: KeyValuePairs<StaticString, String> = [:], _ children: [XMLElement] = []) {
        self.name = name
        self.attributes = attributes.map { (name: $0.key, value: $0.value) }
        content = .children(children)
    }

    init(_ name: StaticString, _ attributes: KeyValuePairs<StaticString, String> = [:], text: String) {
        self.name = name
        self.attributes = attributes.map { (name: $0.key, value: $0.value) }
        content = .text(text)
    }

    /// Throws when a value holds what XML cannot carry.
    func document() throws(Fault) -> String {
        var out = ""
        try write(into: &out, depth: 0)
        return out
    }

    private func write(into out: inout String, depth: Int) throws(Fault) {
        let indent = String(repeating: "  ", count: depth)
        out += indent + "<\(name)"
        for attribute in attributes { out += " \(attribute.name)='\(try Self.escaped(attribute.value))'" }
        switch content {
        case .text(let text):
            out += ">\(try Self.escaped(text))</\(name)>\n"
        case .children(let children) where children.isEmpty:
            out += "/>\n"
        case .children(let children):
            out += ">\n"
            for child in children { try child.write(into: &out, depth: depth + 1) }
            out += indent + "</\(name)>\n"
        }
    }

    /// Safe in a quoted attribute and as text. Control characters are refused, line breaks and tabs too: a reader would
    /// turn them into spaces, and none of our values has any.
    static func escaped(_ value: String) throws(Fault) -> String {
        var out = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "'": out += "&apos;"
            case "\"": out += "&quot;"
            default:
                let isForbidden =
                    scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                    || scalar.value & 0xFFFE == 0xFFFE || (0xFDD0...0xFDEF).contains(scalar.value)
                guard !isForbidden else {
                    throw Fault(.usage, "'\(Display.escaped(value))' holds a character that cannot be used here")
                }
                out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
