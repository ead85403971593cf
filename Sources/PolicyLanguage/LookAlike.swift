/// Labels that show one name and mean another: letters of scripts that nobody mixes, or a whole label of foreign letters
/// that all look like Latin ones.
package enum LookAlike {
    package static func isSuspicious(_ label: some StringProtocol) -> Bool {
        var scripts: Set<Script> = []
        var letters = 0
        var doubles = 0
        for scalar in label.unicodeScalars {
            guard let script = Script(scalar) else { continue }
            scripts.insert(script)
            letters += 1
            if latinDoubles.contains(scalar) { doubles += 1 }
        }
        if scripts.isEmpty { return false }
        if scripts.isSubset(of: [.cyrillic]) || scripts.isSubset(of: [.greek]) || scripts.isSubset(of: [.armenian]) {
            return doubles == letters
        }
        if scripts.count == 1 { return scripts == [.other] }
        if scripts.contains(.other) { return true }
        for together in together where scripts.isSubset(of: together) { return false }
        return true
    }

    private static let together: [Set<Script>] = [
        [.latin, .han, .hiragana, .katakana], [.latin, .han, .hangul], [.latin, .han, .bopomofo],
        [.latin, .thai], [.latin, .arabic], [.latin, .hebrew], [.latin, .devanagari],
    ]

    /// Letters of other scripts that are drawn like Latin ones.
    private static let latinDoubles: Set<Unicode.Scalar> = Set(
        "асеорхуіјѕԁԛԝһӏґкмтнвгпԍьзѡѵαβγειϊκνορτυχωιսօոհզցքյլ".unicodeScalars)

    private enum Script {
        case latin, greek, cyrillic, armenian, hebrew, arabic, devanagari, thai, hangul, hiragana, katakana, bopomofo
        case han, other

        /// Nil for digits, hyphens and marks, which belong to every script.
        init?(_ scalar: Unicode.Scalar) {
            switch scalar.value {
            case 0x61...0x7A, 0x41...0x5A, 0xC0...0x24F, 0x1E00...0x1EFF: self = .latin
            case 0x30...0x39, 0x2D, 0x300...0x36F: return nil
            case 0x370...0x3FF, 0x1F00...0x1FFF: self = .greek
            case 0x400...0x52F, 0x1C80...0x1C8F: self = .cyrillic
            case 0x530...0x58F: self = .armenian
            case 0x590...0x5FF: self = .hebrew
            case 0x600...0x6FF, 0x750...0x77F: self = .arabic
            case 0x900...0x97F: self = .devanagari
            case 0xE00...0xE7F: self = .thai
            case 0x1100...0x11FF, 0xAC00...0xD7AF: self = .hangul
            case 0x3040...0x309F: self = .hiragana
            case 0x30A0...0x30FF: self = .katakana
            case 0x3100...0x312F: self = .bopomofo
            case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2FA1F, 0x3005: self = .han
            default:
                if scalar.properties.generalCategory == .nonspacingMark { return nil }
                self = .other
            }
        }
    }
}
