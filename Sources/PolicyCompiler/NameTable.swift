package import PolicyLanguage

/// Which address of ours stands for which name in a session.
package enum NameTable {
    package struct Entry: Sendable, Hashable {
        package let name: HostName
        package let address: Address
        package init(_ name: HostName, _ address: Address) {
            self.name = name
            self.address = address
        }
    }
    package struct Problem: Error { package let message: String }

    /// Lines of a name and an address; `#` begins a comment.
    package static func parse(_ text: String) -> Result<[Entry], Problem> {
        var found: [Entry] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
            if words.isEmpty { continue }
            guard words.count == 2, let name = try? HostName.parse(words[0], singleLabel: true),
                let address = Address(plain: words[1])
            else { return .failure(Problem(message: "line \(index + 1) is not a name and an address")) }
            found.append(Entry(name, address))
        }
        return .success(found)
    }
}
