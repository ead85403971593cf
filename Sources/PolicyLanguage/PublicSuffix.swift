internal import CPSL

/// Which names are suffixes beneath which strangers may register, by the table built into libpsl. No file is read.
package enum PublicSuffix {
    package static func contains(_ name: HostName) -> Bool {
        guard let table = psl_builtin() else { return true }
        return name.text.withCString { psl_is_public_suffix(table, $0) } != 0
    }

    /// Whether a last label is one that hosts have: in the table, or kept for documentation and tests.
    package static func isKnownTop(_ label: String) -> Bool {
        if ["example", "test", "invalid", "local", "internal", "lan", "home", "corp", "arpa", "onion"].contains(label) {
            return true
        }
        guard let table = psl_builtin() else { return true }
        let type = Int32(PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE)
        return label.withCString { psl_is_public_suffix2(table, $0, type) } != 0
    }

    /// The name a person would have bought: `example.co.uk` of `www.example.co.uk`.
    package static func registrable(_ name: HostName) -> HostName? {
        guard let table = psl_builtin() else { return nil }
        return name.text.withCString { start in
            psl_registrable_domain(table, start).map { HostName(normalised: String(cString: $0)) }
        }
    }
}
