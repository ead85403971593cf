/// The text of /modules/order: lines of `group file.ko`, each module after all it needs.
package struct ModuleList: Sendable, Equatable {
    package enum Group: String, Sendable {
        /// Needed before the control channel can come up.
        case early
        /// Needed to mount the root.
        case root
        /// Loaded when something asks for what they drive.
        case demand
    }

    package struct Malformed: Error, Sendable, Equatable {
        package let line: Int
    }

    package struct Module: Sendable, Equatable {
        package let group: Group
        package let file: String
    }

    package let modules: [Module]

    package init(_ text: String) throws(Malformed) {
        var modules: [Module] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        where !line.isEmpty {
            let words = line.split(separator: " ")
            guard words.count == 2, let group = Group(rawValue: String(words[0])), !words[1].contains("/"),
                words[1].hasSuffix(".ko")
            else { throw Malformed(line: index + 1) }
            modules.append(Module(group: group, file: String(words[1])))
        }
        self.modules = modules
    }

    package func files(_ group: Group) -> [String] { modules.filter { $0.group == group }.map(\.file) }

    /// What of the demand group is to be loaded, in order, for `file` to work: it and all before it, because the list
    /// says what must come first and not what need not. Empty when it is not carried.
    package func files(for file: String) -> [String] {
        let demand = files(.demand)
        guard let last = demand.firstIndex(of: file) else { return [] }
        return Array(demand[...last])
    }
}
