/// A session's permanent identity: 16 lower-case hex digits, never reused. Safe in paths, unit names and domain names.
package struct SessionID: Sendable, Hashable, CustomStringConvertible {
    package let text: String

    package init?(_ text: String) {
        guard text.utf8.count == 16, text.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else {
            return nil
        }
        self.text = text
    }

    package init(random generator: inout some RandomNumberGenerator) {
        let value = UInt64.random(in: .min ... .max, using: &generator)
        let digits = String(value, radix: 16)
        text = String(repeating: "0", count: 16 - digits.count) + digits
    }

    package var description: String { text }
}

/// What a person calls a session: letters, digits, `-`, `_`, `.`; starts with a letter or digit; at most 63 bytes.
package struct SessionName: Sendable, Hashable, CustomStringConvertible {
    package let text: String

    package init?(_ text: String) {
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        }
        guard (1...63).contains(text.utf8.count), let first = text.utf8.first, isAlphanumeric(first),
            text.utf8.allSatisfy({ isAlphanumeric($0) || $0 == 45 || $0 == 46 || $0 == 95 })
        else { return nil }
        self.text = text
    }

    /// A readable name that `isTaken` does not know yet, such as `quiet-heron`.
    package static func readable(
        using generator: inout some RandomNumberGenerator, isTaken: (SessionName) -> Bool
    ) -> SessionName {
        var attempts = 0
        while true {
            var text = qualities.randomElement(using: &generator) ?? "quiet"
            text += "-" + (animals.randomElement(using: &generator) ?? "heron")
            attempts += 1
            if attempts > 20 { text += "-\(UInt32.random(in: 0 ... .max, using: &generator))" }
            if let name = SessionName(text), !isTaken(name) { return name }
        }
    }

    package var description: String { text }

    private static let qualities = [
        "amber", "brave", "brisk", "calm", "candid", "clever", "copper", "dapper", "eager", "fair", "fleet", "gentle",
        "glad", "golden", "hardy", "honest", "jolly", "keen", "kind", "lively", "lucid", "mellow", "merry", "mild",
        "nimble", "patient", "placid", "plucky", "polite", "proud", "quick", "quiet", "ready", "silver", "sober",
        "steady", "sunny", "swift", "tidy", "vivid", "warm", "wise", "witty", "zesty",
    ]
    private static let animals = [
        "badger", "beaver", "bittern", "bobcat", "condor", "coot", "crane", "curlew", "dipper", "dolphin", "dunlin",
        "egret", "falcon", "ferret", "finch", "gannet", "gecko", "grebe", "heron", "hoopoe", "ibex", "jackdaw",
        "kestrel", "lapwing", "lemur", "linnet", "lynx", "marten", "merlin", "newt", "ocelot", "osprey", "otter",
        "petrel", "pipit", "plover", "puffin", "quail", "raven", "robin", "sable", "serval", "shrike", "siskin",
        "stoat", "swift", "tapir", "teal", "tern", "vole", "walrus", "wren",
    ]
}
