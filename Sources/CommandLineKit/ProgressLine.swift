/// One line of a terminal that says what is going on, rewritten in place. It makes the bytes; its owner writes them.
package struct ProgressLine: Sendable {
    private let isEnabled: Bool
    private let width: Int
    private var shown = ""

    /// `isEnabled` is false off a terminal: then there is never anything to write.
    package init(isEnabled: Bool, width: Int) {
        self.isEnabled = isEnabled
        self.width = width
    }

    /// What to write so that the line says `stage`, for `seconds` so far; empty when it already does.
    package mutating func show(stage: String, seconds: Int) -> String {
        guard isEnabled else { return "" }
        let clock = seconds > 0 ? " \(seconds) s" : ""
        // The last column stays free: writing there would scroll some terminals.
        let line = TextWidth.cut(stage, to: max(0, width - 1 - clock.count - 1)) + "…" + clock
        guard line != shown else { return "" }
        shown = line
        return "\r" + line + "\u{1b}[K"
    }

    /// What to write so that the line is gone.
    package mutating func clear() -> String {
        guard isEnabled, !shown.isEmpty else { return "" }
        shown = ""
        return "\r\u{1b}[K"
    }
}
