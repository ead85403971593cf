internal import PolicyLanguage

/// A time zone as read from a TZif file: what the wall clock shows at an instant, and the other way round.
package struct Zone: Sendable {
    private var transitions: [(at: Int, offset: Int)] = []
    private var firstOffset = 0
    private var rule: Rule?

    package static let utc = Zone()
    private init() {}

    /// The zone in the bytes of a TZif file; nil when they are none.
    package init?(_ bytes: [UInt8]) {
        guard let first = Self.header(bytes, 0) else { return nil }
        var start = 0
        var width = 4
        var counts = first
        if first.version >= 2 {
            start = 44 + first.length(width: 4)
            width = 8
            guard let second = Self.header(bytes, start) else { return nil }
            counts = second
        }
        start += 44
        guard start + counts.length(width: width) <= bytes.count else { return nil }
        func number(_ at: Int, _ size: Int) -> Int {
            var value: Int64 = bytes[at] & 0x80 != 0 ? -1 : 0
            for position in 0..<size { value = value << 8 | Int64(bytes[at + position]) }
            return Int(value)
        }
        let types = start + counts.times * width + counts.times
        func offset(_ type: Int) -> Int? { type < counts.types ? number(types + type * 6, 4) : nil }
        firstOffset = offset(0) ?? 0
        for position in 0..<counts.times {
            guard let offset = offset(Int(bytes[start + counts.times * width + position])) else { return nil }
            transitions.append((number(start + position * width, width), offset))
        }
        let end = start + counts.length(width: width)
        if width == 8, end < bytes.count, bytes[end] == 10 {
            let footer = String(decoding: bytes[(end + 1)...].prefix { $0 != 10 }, as: UTF8.self)
            rule = Rule(footer)
        }
    }

    private struct Header {
        let version: Int
        let times: Int
        let types: Int
        let rest: Int
        func length(width: Int) -> Int { times * width + times + types * 6 + rest }
    }

    private static func header(_ bytes: [UInt8], _ at: Int) -> Header? {
        guard bytes.count >= at + 44, bytes[at..<at + 4].elementsEqual("TZif".utf8) else { return nil }
        func count(_ position: Int) -> Int {
            (0..<4).reduce(0) { $0 << 8 | Int(bytes[at + 20 + position * 4 + $1]) }
        }
        let version = bytes[at + 4] == 0 ? 1 : Int(bytes[at + 4]) - 48
        let width = version >= 2 && at > 0 ? 8 : 4
        let rest = count(0) + count(1) + count(2) * (width + 4) + count(5)
        let header = Header(version: version, times: count(3), types: count(4), rest: rest)
        return header.times < 100_000 && header.types < 1000 && header.rest < 1_000_000 ? header : nil
    }

    /// Seconds that the wall clock is ahead of UTC.
    package func offset(at seconds: Int) -> Int {
        guard let last = transitions.last else { return rule?.offset(at: seconds) ?? firstOffset }
        if seconds >= last.at, let rule { return rule.offset(at: seconds) }
        var low = 0
        var high = transitions.count
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle].at <= seconds { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? firstOffset : transitions[low - 1].offset
    }

    /// What the wall clock shows, in civil minutes.
    package func wall(at seconds: Int) -> Int {
        let local = seconds + offset(at: seconds)
        return local >= 0 ? local / 60 : -((-local + 59) / 60)
    }

    /// An instant at which the wall clock shows `minutes`; the earlier of two, or the first after a gap.
    package func seconds(atWall minutes: Int) -> Int {
        let local = minutes * 60
        var best: Int?
        for guess in [offset(at: local - 86_400), offset(at: local), offset(at: local + 86_400)] {
            let candidate = local - guess
            if offset(at: candidate) == guess { best = min(best ?? candidate, candidate) }
        }
        return best ?? local - offset(at: local - 86_400)
    }

    /// The part of a POSIX zone text that says when summer time begins and ends each year.
    private struct Rule: Sendable {
        struct Day: Sendable {
            let month: Int
            let week: Int
            let weekday: Int
            let time: Int
        }
        var standard = 0
        var summer = 0
        var begins: Day?
        var ends: Day?

        init?(_ text: String) {
            var rest = Substring(text)
            guard Self.name(&rest), let offset = Self.clock(&rest) else { return nil }
            standard = -offset
            guard !rest.isEmpty else { return }
            guard Self.name(&rest) else { return nil }
            summer = standard + 3600
            if let first = rest.first, first != ",", let offset = Self.clock(&rest) { summer = -offset }
            guard rest.first == "," else { return nil }
            rest = rest.dropFirst()
            let parts = rest.split(separator: ",")
            guard parts.count == 2, let first = Self.day(parts[0]), let second = Self.day(parts[1]) else { return nil }
            begins = first
            ends = second
        }

        private static func name(_ rest: inout Substring) -> Bool {
            if rest.first == "<" {
                guard let end = rest.firstIndex(of: ">") else { return false }
                rest = rest[rest.index(after: end)...]
                return true
            }
            let letters = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(letters.count)
            return !letters.isEmpty
        }

        private static func clock(_ rest: inout Substring) -> Int? {
            var sign = 1
            if rest.first == "-" || rest.first == "+" {
                sign = rest.first == "-" ? -1 : 1
                rest = rest.dropFirst()
            }
            let digits = rest.prefix { $0.isNumber || $0 == ":" }
            rest = rest.dropFirst(digits.count)
            let parts = digits.split(separator: ":").compactMap { Int($0) }
            guard (1...3).contains(parts.count), parts.allSatisfy({ $0 <= 200 }) else { return nil }
            var seconds = parts[0] * 3600
            if parts.count > 1 { seconds += parts[1] * 60 }
            if parts.count > 2 { seconds += parts[2] }
            return sign * seconds
        }

        private static func day(_ text: Substring) -> Day? {
            let halves = text.split(separator: "/")
            guard let date = halves.first, date.hasPrefix("M") else { return nil }
            let numbers = date.dropFirst().split(separator: ".").compactMap { Int($0) }
            guard numbers.count == 3, (1...12).contains(numbers[0]), (1...5).contains(numbers[1]),
                (0...6).contains(numbers[2])
            else { return nil }
            var time = 7200
            if halves.count == 2 {
                var clock = halves[1]
                guard let seconds = Self.clock(&clock) else { return nil }
                time = seconds
            }
            return Day(month: numbers[0], week: numbers[1], weekday: numbers[2], time: time)
        }

        func offset(at seconds: Int) -> Int {
            guard let begins, let ends else { return standard }
            let day = seconds >= 0 ? seconds / 86_400 : -((-seconds + 86_399) / 86_400)
            let year = CivilYear.of(day)
            let start = CivilYear.seconds(year, begins) - standard
            let stop = CivilYear.seconds(year, ends) - summer
            let isSummer = start < stop ? seconds >= start && seconds < stop : seconds >= start || seconds < stop
            return isSummer ? summer : standard
        }

        private enum CivilYear {
            static func of(_ day: Int) -> Int { CivilTime.date(ofDay: day).year }
            static func seconds(_ year: Int, _ day: Day) -> Int {
                let first = CivilTime.days(year: year, month: day.month, day: 1)
                let weekday = ((first + 4) % 7 + 7) % 7
                var date = first + (day.weekday - weekday + 7) % 7 + (day.week - 1) * 7
                let next =
                    day.month == 12
                    ? CivilTime.days(year: year + 1, month: 1, day: 1)
                    : CivilTime.days(year: year, month: day.month + 1, day: 1)
                while date >= next { date -= 7 }
                return date * 86_400 + day.time
            }
        }
    }
}
