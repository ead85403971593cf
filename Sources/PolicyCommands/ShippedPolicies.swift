internal import Glibc

/// Where the user's policies lie, or the shipped default.
enum ShippedPolicies {
    static func user() -> [String] {
        var candidates: [String] = []
        if let configuration = PolicyClock.environment("XDG_CONFIG_HOME"), configuration.hasPrefix("/") {
            candidates.append(configuration + "/cowork/user.policy")
        } else if let home = PolicyClock.environment("HOME") {
            candidates.append(home + "/.config/cowork/user.policy")
        }
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        if count > 0 {
            let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let folder = path.split(separator: "/").dropLast().joined(separator: "/")
            candidates.append("/" + folder + "/../share/cowork/policy/default.policy")
        }
        candidates += ["/usr/local/share/cowork/policy/default.policy", "/usr/share/cowork/policy/default.policy"]
        return candidates.first(where: PolicyFile.exists).map { [$0] } ?? []
    }
}
