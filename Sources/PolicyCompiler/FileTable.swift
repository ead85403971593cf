internal import PolicyLanguage

/// A layer's rules about files.
struct FileTable: Sendable {
    struct Entry: Sendable {
        let rule: Int
        let item: FileItem
        let effect: Effect
        let covers: Set<Activity>
    }
    private(set) var entries: [Entry] = []
    /// Literal rooted paths by their components joined; all else is looked at one by one.
    private var rooted: [String: [Int]] = [:]
    private var named: [String: [Int]] = [:]
    private var general: [Int] = []
    private(set) var opening: [Int] = []

    init(_ policy: Policy) {
        for (index, rule) in policy.rules.enumerated() {
            for case .file(let item) in rule.items {
                let number = entries.count
                entries.append(
                    Entry(rule: index, item: item, effect: rule.effect, covers: item.activity.covers(rule.effect)))
                if item.place.opensFolder, rule.effect != .deny { opening.append(number) }
                if let root = item.place.root, root != .relative, item.place.name == nil,
                    let key = Self.key(root, item.place.components)
                {
                    rooted[key, default: []].append(number)
                } else if item.place.root == nil, case .literal(let name)? = item.place.name {
                    named[name, default: []].append(number)
                } else {
                    general.append(number)
                }
            }
        }
    }

    private static func key(_ root: FilePlace.Root, _ components: [FilePlace.Pattern]) -> String? {
        var text = root == .home ? "~" : ""
        for component in components {
            guard case .literal(let name) = component else { return nil }
            text += "/" + name
        }
        return text
    }

    func forEachCandidate(_ path: FilePath, _ body: (Int) -> Void) {
        for spelling in path.spellings where spelling.root != .relative {
            var text = spelling.root == .home ? "~" : ""
            for entry in rooted[text] ?? [] { body(entry) }
            for component in spelling.components {
                text += "/" + component
                for entry in rooted[text] ?? [] { body(entry) }
            }
        }
        if !named.isEmpty {
            var seen: Set<Int> = []
            for spelling in path.spellings {
                for component in spelling.components {
                    for entry in named[component] ?? [] where seen.insert(entry).inserted { body(entry) }
                }
            }
        }
        for entry in general { body(entry) }
    }
}

extension FilePlace {
    /// Whether `path` lies here. `opened` counts, per spelling, the components of the folder through which the guest sees
    /// it: names are looked for beneath that folder only.
    func matches(_ path: FilePath, opened: [Int], closing: Bool) -> Bool {
        for (position, spelling) in path.spellings.enumerated() {
            let start = position < opened.count ? opened[position] : 0
            if matches(spelling, opened: start, closing: closing) { return true }
        }
        return false
    }

    private func matches(_ spelling: FilePath.Spelling, opened: Int, closing: Bool) -> Bool {
        let names = spelling.components
        if isGitHooks { return Self.isGitHook(names) }
        var beneath = opened
        if let root {
            var start = 0
            if root != spelling.root {
                // Relative to each granted folder.
                guard root == .relative else { return false }
                start = opened
            }
            guard names.count >= start + components.count else { return false }
            for (offset, component) in components.enumerated()
            where !component.matches(names[start + offset], closing: closing) {
                return false
            }
            beneath = start + components.count
        }
        guard let name else { return true }
        guard beneath < names.count else { return false }
        return names[beneath...].contains { name.matches($0, closing: closing) }
    }

    /// A hooks folder of a git directory, known by its name, or something in one.
    static func isGitHook(_ names: [String]) -> Bool {
        var inGit = false
        for name in names {
            if inGit, name == "hooks" { return true }
            if name == ".git" || name.hasSuffix(".git") && name.count > 4 { inGit = true }
        }
        return false
    }
}
