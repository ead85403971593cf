/// The list a recipe leaves of what it installed: lines of `name version architecture`.
package enum PackageList {
    package struct Failure: Error, Sendable, Equatable {
        package let line: Int
    }

    package static func parse(_ text: String) throws(Failure) -> [ImageManifest.Package] {
        var packages: [ImageManifest.Package] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        where !line.isEmpty {
            let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            guard words.count == 3, !words.contains("") else { throw Failure(line: index + 1) }
            packages.append(ImageManifest.Package(name: words[0], version: words[1], architecture: words[2]))
        }
        return packages
    }
}
