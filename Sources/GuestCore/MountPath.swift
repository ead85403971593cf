/// A place in the guest where a folder may appear: absolute, in its plain form, and not one the guest needs itself.
package struct MountPath: Sendable, Hashable {
    package struct Unusable: Error, Sendable, Equatable {
        package let reason: String
    }

    package let text: String
    /// The names from the root down.
    package var components: [String] { text.split(separator: "/").map(String.init) }

    /// Nothing may be mounted on these or anywhere in them.
    private static let closed = [
        "/proc", "/sys", "/dev", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/boot", "/usr/bin",
        "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/libexec",
    ]
    /// Nothing may be mounted on these or above them: it would hide what the guest works with.
    private static let kept = [
        "/etc", "/home/agent", "/root", "/run", "/tmp", "/usr/include", "/usr/local", "/usr/share", "/var/lib",
        "/var/tmp", "/var/cache", "/var/log", "/opt",
    ]
    /// Homes may be replaced by their owner's, but not hidden by something above them.
    private static let replaceable: Set<String> = ["/home/agent", "/root"]

    package init(_ text: String) throws(Unusable) {
        let components = text.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        guard text.hasPrefix("/"), text.utf8.count < 4096, !text.utf8.contains(0),
            !components.contains(where: { $0 == "." || $0 == ".." || $0.utf8.count > 255 })
        else { throw Unusable(reason: "not an absolute path") }
        guard !components.contains("") else {
            throw Unusable(reason: text == "/" ? "it is the guest's own root" : "not a plain path")
        }
        self.text = text
        for place in Self.closed where contains(place) || text.hasPrefix(place + "/") {
            throw Unusable(reason: "\(place) is the guest's own")
        }
        for place in Self.kept where contains(place) && !(text == place && Self.replaceable.contains(place)) {
            throw Unusable(reason: "it would hide the guest's own \(place)")
        }
        // /run itself holds the guest's sockets; a medium mounted under /run/media/USER is a folder like any other.
        if components.first == "run" && components.count < 3 {
            throw Unusable(reason: "/run is the guest's own")
        }
    }

    /// Is `other` this place or something in it?
    package func contains(_ other: String) -> Bool { other == text || other.hasPrefix(text + "/") }
}
