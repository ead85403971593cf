/// Which kernel modules the guest loads, when, and in what order: lines of `group file.ko`, a module after all it needs.
package struct ModuleOrder: Sendable, Equatable {
    package enum Group: String, Sendable, CaseIterable {
        /// Needed before the control channel can come up.
        case early
        /// Needed to mount the root file system.
        case root
        /// Loaded when the daemon asks for what they drive.
        case demand
    }

    package struct Module: Sendable, Equatable {
        package let group: Group
        package let file: PlainName
    }

    package struct Failure: Error, Sendable, Equatable {
        package let line: Int
        package let reason: String
    }

    package let modules: [Module]

    package init(_ text: String) throws(Failure) {
        var modules: [Module] = []
        var seen: Set<PlainName> = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        where !line.isEmpty {
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 2 else { throw Failure(line: index + 1, reason: "expected a group and a file") }
            guard let group = Group(rawValue: String(words[0])) else {
                throw Failure(line: index + 1, reason: "unknown group")
            }
            guard let file = PlainName(String(words[1])), file.text.hasSuffix(".ko") else {
                throw Failure(line: index + 1, reason: "not the plain name of a module")
            }
            guard seen.insert(file).inserted else { throw Failure(line: index + 1, reason: "named twice") }
            modules.append(Module(group: group, file: file))
        }
        self.modules = modules
    }

    package var text: String { modules.map { "\($0.group.rawValue) \($0.file)\n" }.joined() }
}
