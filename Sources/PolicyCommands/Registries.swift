internal import PolicyCompiler
internal import PolicyLanguage

/// The hosts that this computer's package tools are configured for: what "the package registries" is bound to.
///
/// Only system and user configuration is read, never a file of a folder that a guest may change.
enum Registries {
    struct Tool {
        let system: [String]
        /// Beneath the home folder.
        let user: [String]
        /// What the tool uses when nothing is configured; files come from a second host, so the pair is named.
        let standard: [String]
    }

    static let tools: [Tool] = [
        Tool(
            system: [
                "/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources",
                "/etc/apt/sources.list.d/ubuntu.sources",
            ],
            user: [], standard: ["http://deb.debian.org/", "http://security.debian.org/"]),
        Tool(
            system: ["/etc/pip.conf", "/etc/xdg/pip/pip.conf"], user: [".config/pip/pip.conf", ".pip/pip.conf"],
            standard: ["https://pypi.org/", "https://files.pythonhosted.org/"]),
        Tool(system: ["/etc/npmrc", "/usr/etc/npmrc"], user: [".npmrc"], standard: ["https://registry.npmjs.org/"]),
        Tool(
            system: [], user: [".cargo/config.toml", ".cargo/config"],
            standard: ["https://index.crates.io/", "https://static.crates.io/", "https://crates.io/"]),
        Tool(
            system: ["/etc/gemrc"], user: [".gemrc"],
            standard: ["https://rubygems.org/", "https://index.rubygems.org/"]),
        Tool(
            system: [], user: [".config/go/env"], standard: ["https://proxy.golang.org/", "https://sum.golang.org/"]),
    ]

    /// Hosts with their ports; a private one counts only if the administrator configured it.
    static func configured() -> [RegistryHost] {
        let home = PolicyClock.environment("HOME")
        var found: [RegistryHost] = []
        for tool in tools {
            var hosts: [RegistryHost] = []
            for file in tool.system { hosts += read(file) }
            for file in tool.user {
                guard let home else { break }
                hosts += read(home + "/" + file).filter(\.isPublic)
            }
            if hosts.isEmpty { hosts = tool.standard.compactMap { host(in: $0) } }
            for host in hosts where !found.contains(host) { found.append(host) }
        }
        return found
    }

    private static func read(_ name: String) -> [RegistryHost] {
        guard case .success(let bytes) = PolicyFile.read(name) else { return [] }
        var found: [RegistryHost] = []
        for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
            guard let first = line.first(where: { !$0.isWhitespace }), first != "#", first != ";" else { continue }
            for word in line.split(whereSeparator: { $0.isWhitespace || "\"'=,|[]".contains($0) }) {
                if let host = host(in: String(word)) { found.append(host) }
            }
        }
        return found
    }

    private static func host(in text: String) -> RegistryHost? {
        guard let start = text.firstRange(of: "http") else { return nil }
        guard case .request(.connect(let connection)) = RequestText.parse(String(text[start.lowerBound...])) else {
            return nil
        }
        return RegistryHost(connection.host, connection.port)
    }
}
