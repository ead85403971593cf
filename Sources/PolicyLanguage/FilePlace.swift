/// Which files a sentence speaks of.
package struct FilePlace: Sendable, Hashable {
    package enum Root: UInt8, Sendable, Hashable { case home, absolute, relative }

    /// A name, or a pattern of names; neither matches a slash.
    package enum Pattern: Sendable, Hashable {
        case literal(String)
        case glob(String)
    }

    /// The folder named, if any.
    package var root: Root?
    package var components: [Pattern]
    /// What is called so at any depth.
    package var name: Pattern?
    /// The hooks folders of git directories.
    package var isGitHooks: Bool

    package init(root: Root? = nil, components: [Pattern] = [], name: Pattern? = nil, isGitHooks: Bool = false) {
        self.root = root
        self.components = components
        self.name = name
        self.isGitHooks = isGitHooks
    }

    /// Every file in every opened folder.
    package static let anything = FilePlace()
    package static let gitHooks = FilePlace(isGitHooks: true)

    package var isAnything: Bool { self == .anything }
    /// Whether it names a folder from its root down: only such places open anything.
    package var opensFolder: Bool { name == nil && !isGitHooks && (root == .home || root == .absolute) }
}

extension FilePlace.Pattern {
    package var text: String {
        switch self {
        case .literal(let text), .glob(let text): text
        }
    }

    /// Whether `name` matches. Closing compares letters, however composed; opening compares bytes.
    package func matches(_ name: String, closing: Bool) -> Bool {
        switch self {
        case .literal(let text):
            return closing ? text == name : text.utf8.elementsEqual(name.utf8)
        case .glob(let pattern):
            return closing
                ? Self.glob(Array(pattern), Array(name), star: "*", one: "?")
                : Self.glob(Array(pattern.unicodeScalars), Array(name.unicodeScalars), star: "*", one: "?")
        }
    }

    /// Greedy matching with one point of return: at most pattern × name steps.
    private static func glob<Letter: Equatable>(
        _ pattern: [Letter], _ name: [Letter], star: Letter, one: Letter
    ) -> Bool {
        var at = 0
        var position = 0
        var lastStar: Int?
        var resume = 0
        while position < name.count {
            if at < pattern.count, pattern[at] == star {
                lastStar = at
                resume = position
                at += 1
            } else if at < pattern.count, pattern[at] == one || pattern[at] == name[position] {
                at += 1
                position += 1
            } else if let star = lastStar {
                at = star + 1
                resume += 1
                position = resume
            } else {
                return false
            }
        }
        while at < pattern.count, pattern[at] == star { at += 1 }
        return at == pattern.count
    }
}
