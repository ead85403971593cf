/// How much of something may happen.
package struct Limit: Sendable, Hashable {
    package enum Measure: String, Sendable, Hashable, CaseIterable {
        case requests, connections, traffic, uploads, downloads
    }
    package enum Period: String, Sendable, Hashable, CaseIterable { case minute, hour, day, session }

    package var measure: Measure
    package var count: UInt64
    package var period: Period
    /// One count for each item of the list rather than one for all.
    package var each: Bool

    package init(_ measure: Measure, _ count: UInt64, _ period: Period, each: Bool = false) {
        self.measure = measure
        self.count = count
        self.period = period
        self.each = each
    }
    package var isBytes: Bool { measure != .requests && measure != .connections }
}

/// What a whole session may use up.
package struct Budget: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable, CaseIterable { case time, money, memory, disk }
    package var kind: Kind
    /// Seconds, cents or bytes.
    package var amount: UInt64
    package var period: Limit.Period
    package init(_ kind: Kind, _ amount: UInt64, _ period: Limit.Period = .session) {
        self.kind = kind
        self.amount = amount
        self.period = period
    }
}

package enum Amounts {
    /// `200 MB`, exactly.
    package static func bytes(_ count: UInt64) -> String {
        let units: [(UInt64, String)] = [
            (1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "KB"),
        ]
        for (size, name) in units where count >= size && count % size == 0 { return "\(count / size) \(name)" }
        let binary: [(UInt64, String)] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        for (size, name) in binary where count >= size && count % size == 0 { return "\(count / size) \(name)" }
        return count == 1 ? "1 byte" : "\(count) bytes"
    }

    package static func span(_ seconds: Int) -> String {
        let units: [(Int, String)] = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")]
        for (size, name) in units where seconds % size == 0 {
            let count = seconds / size
            return count == 1 ? "1 \(name)" : "\(count) \(name)s"
        }
        return "\(seconds) seconds"
    }

    package static func money(_ cents: UInt64) -> String {
        let rest = cents % 100
        if rest == 0 { return cents == 100 ? "1 dollar" : "\(cents / 100) dollars" }
        return "\(cents / 100).\(CivilTime.twoDigits(Int(rest))) dollars"
    }
}
