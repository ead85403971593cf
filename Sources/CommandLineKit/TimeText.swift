/// Lengths of time as people write and read them.
package enum TimeText {
    /// `90` and `90s`, `500ms`, `5m`, `1h30m`, `2d`: milliseconds; nil when it is none, or zero, or beyond ten years.
    package static func milliseconds(_ text: String) -> Int64? {
        var rest = text[...]
        var total: Int64 = 0
        var previous = Int64.max
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard (1...12).contains(digits.count), let count = Int64(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            // A bare number is seconds, but `1h30` is not guessed at.
            guard let size = unit.isEmpty && total == 0 && rest.isEmpty ? 1000 : units[String(unit)],
                size < previous
            else { return nil }
            previous = size
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow, product <= longest - total else { return nil }
            total += product
        }
        return total > 0 ? total : nil
    }

    /// A span in its two largest units at most: `4s`, `12m`, `3h 5m`, `2d 4h`.
    package static func span(milliseconds: Int64) -> String {
        let seconds = max(0, milliseconds / 1000)
        if seconds < 60 { return "\(seconds)s" }
        if seconds < 3600 { return "\(seconds / 60)m" }
        let (larger, smaller, names) =
            seconds < 86_400
            ? (seconds / 3600, seconds % 3600 / 60, ("h", "m"))
            : (seconds / 86_400, seconds % 86_400 / 3600, ("d", "h"))
        return smaller == 0 ? "\(larger)\(names.0)" : "\(larger)\(names.0) \(smaller)\(names.1)"
    }

    private static let longest: Int64 = 10 * 366 * 86_400_000
    private static let units: [String: Int64] = [
        "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000,
    ]
}
