internal import CLinux
internal import Glibc
package import System

/// What may be done beneath a path. Making device nodes is never among it.
package struct PathAccess: OptionSet, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static let read = PathAccess(rawValue: 1)
    package static let write = PathAccess(rawValue: 2)
    package static let execute = PathAccess(rawValue: 4)

    fileprivate var rights: UInt64 {
        (contains(.read) ? cl_LANDLOCK_READ : 0) | (contains(.write) ? cl_LANDLOCK_WRITE : 0)
            | (contains(.execute) ? cl_LANDLOCK_EXECUTE : 0)
    }
}

/// Which paths a process may touch; all others are refused by Landlock, and so are, where the kernel knows how, TCP,
/// abstract sockets and signals to processes outside. A path that is absent grants nothing.
package struct PathRuleset: Sendable, Equatable {
    package private(set) var rules: [ChildSpecification.PathRule] = []

    package init() {}

    package mutating func allow(_ access: PathAccess, beneath paths: String...) {
        for path in paths { rules.append(ChildSpecification.PathRule(path: path, rights: access.rights)) }
    }

    /// The kernel's version of Landlock, or nil when it has none or it is switched off.
    package static var kernelVersion: Int? {
        let version = cl_landlock_version()
        return version > 0 ? Int(version) : nil
    }

    /// Confines this thread, and the threads and processes it starts, for good.
    package func restrictThisThread() throws(ConfinementError) {
        let paths = rules.map { strdup($0.path) }
        defer { for path in paths { free(path) } }
        let list = zip(paths, rules).map { path, rule in cl_path_rule(path: path, rights: rule.rights) }
        guard cl_landlock_paths(list, list.count) == 0 else { throw .kernel(call: "landlock", errno: errno) }
    }
}
