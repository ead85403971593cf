import FoundationEssentials

/// Everything that decides what a recipe makes: its files by hash, and what it says about the tools and suites it uses.
/// The hash of the record names the parts made by it, so that they are made once.
package struct RecipeRecord: Sendable, Equatable, Codable {
    package struct File: Sendable, Equatable, Codable {
        package let name: PlainName
        package let executable: Bool
        package let sha256: Digest

        package init(name: PlainName, executable: Bool, sha256: Digest) {
            self.name = name
            self.executable = executable
            self.sha256 = sha256
        }
    }

    package let name: PlainName
    package let files: [File]
    package let inputs: [String]

    package init(name: PlainName, files: [File], inputs: [String]) {
        self.name = name
        self.files = files.sorted { $0.name.text < $1.name.text }
        self.inputs = inputs
    }

    package var fileBytes: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        return ((try? encoder.encode(self)).map { Array($0) } ?? []) + [10]
    }
}
