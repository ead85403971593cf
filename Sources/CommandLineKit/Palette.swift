/// Whether and how text is coloured: only on a terminal that can, and not against the user's wish.
package struct Palette: Sendable, Equatable {
    package enum Tint: String, Sendable {
        case good = "32"
        case warning = "33"
        case bad = "31"
        case faint = "2"
        case strong = "1"
    }

    package let isEnabled: Bool

    package init(isTerminal: Bool, environment: [String: String]) {
        // https://no-color.org: any value but an empty one.
        let refused = !(environment["NO_COLOR"] ?? "").isEmpty
        isEnabled = isTerminal && !refused && !["", "dumb"].contains(environment["TERM"] ?? "")
    }

    private init(isEnabled: Bool) { self.isEnabled = isEnabled }
    package static let plain = Palette(isEnabled: false)

    package func paint(_ text: String, _ tint: Tint?) -> String {
        guard isEnabled, let tint else { return text }
        return "\u{1b}[\(tint.rawValue)m\(text)\u{1b}[0m"
    }
}
