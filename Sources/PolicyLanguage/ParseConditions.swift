extension SentenceParser {
    // MARK: Time

    /// One statement of time, if one stands here. Two that contradict each other are refused.
    mutating func parseTime(into when: inout When) throws(Refusal) -> Bool {
        let mark = index
        _ = take("only")
        if take("always") || take("at", "all", "times") || take("at", "any", "time") { return true }
        if let days = try parseDays() {
            if when.days != When.everyDay { throw refusal(.badTime, at: mark, "this names the days twice") }
            when.days = days
            return true
        }
        if let window = try parseWindow() {
            if when.window != nil { throw refusal(.badTime, at: mark, "this names the hours twice") }
            when.window = window
            return true
        }
        if try parseDates(into: &when, mark: mark) { return true }
        if let span = try parseSpan() {
            if when.span != nil { throw refusal(.badTime, at: mark, "this names the span twice") }
            when.span = span
            return true
        }
        index = mark
        return false
    }

    private static let dayNames: [String] = [
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    ]

    private func day(_ word: String) -> (index: Int, plural: Bool)? {
        if let found = Self.dayNames.firstIndex(of: word) { return (found, false) }
        if word.hasSuffix("s"), let found = Self.dayNames.firstIndex(of: String(word.dropLast())) {
            return (found, true)
        }
        return nil
    }

    private mutating func parseDays() throws(Refusal) -> UInt8? {
        let mark = index
        if take("every", "day") || take("each", "day") || take("daily") { return When.everyDay }
        if take("every", "weekday") || take("on", "every", "weekday") || take("on", "weekdays") || take("weekdays")
            || take("on", "working", "days") || take("during", "weekdays")
        {
            return When.weekdays
        }
        if take("on", "weekends") || take("at", "weekends") || take("at", "the", "weekend") || take("weekends")
            || take("on", "the", "weekend") || take("every", "weekend") || take("on", "every", "weekend")
        {
            return When.weekend
        }
        let every = take("every") || take("on", "every")
        let on = !every && (take("on") || take("from"))
        guard index < tokens.count, let first = day(tokens[index].lower) else {
            index = mark
            return nil
        }
        index += 1
        if takeAny(["to", "through", "until"]) != nil {
            guard index < tokens.count, let last = day(tokens[index].lower) else {
                missed("the name of a day")
                throw notUnderstood()
            }
            index += 1
            var bits: UInt8 = 0
            var current = first.index
            while true {
                bits |= 1 << current
                if current == last.index { break }
                current = (current + 1) % 7
            }
            return bits
        }
        var bits: UInt8 = 0
        var singular: Int? = first.plural || every ? nil : index - 1
        bits |= 1 << first.index
        while !atEnd {
            let mark = index
            guard takeSeparator() else { break }
            _ = take("on") || take("every")
            guard index < tokens.count, let next = day(tokens[index].lower) else {
                index = mark
                break
            }
            if !next.plural, !every { singular = index }
            bits |= 1 << next.index
            index += 1
        }
        if let singular {
            let name = tokens[singular].text
            throw refusal(
                .badTime, at: singular, "“on \(name)” can mean the next one or every one",
                hints: ["On \(name)s, allow https to example.com."])
        }
        if !on && !every && bits == 0 { index = mark }
        return bits
    }

    private mutating func parseWindow() throws(Refusal) -> When.Window? {
        let mark = index
        let link: [String]
        if takeAny(["between"]) != nil {
            link = ["and"]
        } else if takeAny(["from"]) != nil {
            link = ["to", "until", "till"]
        } else {
            if index < tokens.count, ["before", "after"].contains(tokens[index].lower), index + 1 < tokens.count,
                tokens[index + 1].isWord, Self.clock(tokens[index + 1].lower) != nil
            {
                throw refusal(
                    .badTime, "a time needs a beginning and an end",
                    hints: [
                        "Between 18:00 and midnight, allow https to example.com.",
                        "Between midnight and 9:00, allow https to example.com.",
                    ])
            }
            return nil
        }
        guard let start = try parseClock() else {
            index = mark
            return nil
        }
        guard takeAny(link) != nil else {
            index = mark
            missed(link[0])
            return nil
        }
        guard let end = try parseClock() else {
            missed("a time such as 18:00")
            throw notUnderstood()
        }
        guard start != end else {
            throw refusal(
                .badTime, at: index - 1, "this window begins and ends at the same time",
                hints: ["Between 9:00 and 18:00, allow https to example.com."])
        }
        return When.Window(start: start, end: end)
    }

    /// Minutes of the day: `9:00`, `17:30`, `9am`, `5:30 pm`, `noon`, `midnight`. Bare numbers are refused.
    private mutating func parseClock() throws(Refusal) -> Int? {
        guard index < tokens.count, tokens[index].isWord else { return nil }
        var text = tokens[index].lower
        if index + 1 < tokens.count, ["am", "pm"].contains(tokens[index + 1].lower),
            text.utf8.allSatisfy({ (48...58).contains($0) })
        {
            text += tokens[index + 1].lower
            index += 1
        }
        if let minutes = Self.clock(text) {
            index += 1
            return minutes
        }
        if let number = Int(text), (0...24).contains(number) {
            throw refusal(
                .badTime, "“\(text)” is not a time; write \(number % 24):00, \(text)am or \(text)pm",
                hints: ["Between 9:00 and 17:00, allow https to example.com."])
        }
        if text.contains(":"), text.utf8.allSatisfy({ (48...58).contains($0) }) {
            throw refusal(
                .badTime, "“\(text)” is not a time of day",
                hints: ["Between 9:00 and 18:00, allow https to example.com."])
        }
        return nil
    }

    private static func clock(_ text: String) -> Int? {
        if text == "noon" { return 720 }
        if text == "midnight" { return 0 }
        var digits = Substring(text)
        var half: String?
        for suffix in ["am", "pm"] where digits.hasSuffix(suffix) {
            digits = digits.dropLast(2)
            half = suffix
        }
        let parts = digits.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ (1...2).contains($0.count) }),
            parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }), var hour = Int(parts[0])
        else { return nil }
        if parts.count == 2, parts[1].count != 2 { return nil }
        let minute = parts.count == 2 ? Int(parts[1]) ?? 60 : 0
        if let half {
            guard (1...12).contains(hour) else { return nil }
            hour = hour % 12 + (half == "pm" ? 12 : 0)
        } else if parts.count == 1 {
            return nil
        }
        if hour == 24, minute == 0 { return 0 }
        guard (0...23).contains(hour), (0...59).contains(minute) else { return nil }
        return hour * 60 + minute
    }

    private mutating func parseDates(into when: inout When, mark: Int) throws(Refusal) -> Bool {
        let start = index
        if takeAny(["from", "starting", "beginning", "since"]) != nil {
            _ = take("on")
            guard let date = try parseDate() else {
                index = start
                return false
            }
            if when.from != nil { throw refusal(.badTime, at: mark, "this names the beginning twice") }
            when.from = date
            return true
        }
        if let word = takeAny(["until", "till", "through"]) {
            guard let date = try parseDate() else {
                if word != "through", index < tokens.count, Self.clock(tokens[index].lower) != nil {
                    throw refusal(
                        .badTime, "a time without a date: say between which times, or until which date",
                        hints: [
                            "Until 2026-12-24 18:00, allow https to example.com.",
                            "Between 9:00 and 18:00, allow https to example.com.",
                        ])
                }
                index = start
                return false
            }
            if when.until != nil { throw refusal(.badTime, at: mark, "this names the end twice") }
            when.until = word == "through" && date % 1440 == 0 ? date + 1440 : date
            if let from = when.from, let until = when.until, from >= until {
                throw refusal(
                    .badTime, at: mark, "this ends before it begins",
                    hints: ["From 2026-12-01 until 2026-12-24, allow https to example.com."])
            }
            return true
        }
        return false
    }

    private mutating func parseDate() throws(Refusal) -> Int? {
        guard index < tokens.count, tokens[index].isWord else { return nil }
        var text = tokens[index].lower
        guard text.utf8.first.map({ (48...57).contains($0) }) == true else { return nil }
        guard text.contains("-") || text.contains("/") else { return nil }
        var clock: Int?
        if let cut = text.firstIndex(of: "t") {
            guard let time = Self.clock(String(text[text.index(after: cut)...])) else {
                throw refusal(.badTime, "“\(tokens[index].text)” is not a date and time", hints: [Self.dateHint])
            }
            clock = time
            text = String(text[..<cut])
        }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].count == 4, parts[1].count == 2, parts[2].count == 2,
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]),
            CivilTime.isDate(year: year, month: month, day: day)
        else {
            throw refusal(.badTime, "“\(text)” is not a date; dates are written 2026-12-24", hints: [Self.dateHint])
        }
        index += 1
        let minutes = CivilTime.days(year: year, month: month, day: day) * 1440
        if clock == nil {
            let mark = index
            _ = take("at")
            clock = try parseClockIfPresent()
            if clock == nil { index = mark }
        }
        return minutes + (clock ?? 0)
    }

    private static let dateHint = "Until 2026-12-24 18:00, allow https to example.com."

    private mutating func parseClockIfPresent() throws(Refusal) -> Int? {
        guard index < tokens.count, tokens[index].isWord,
            tokens[index].lower == "noon" || tokens[index].lower == "midnight"
                || tokens[index].lower.first?.isNumber == true
        else { return nil }
        return try parseClock()
    }

    private mutating func parseSpan() throws(Refusal) -> Int? {
        let mark = index
        guard take("for") else { return nil }
        let next = take("the", "next") || take("the", "following")
        var count: UInt64 = 1
        if index < tokens.count, let number = plainNumber(tokens[index].lower) {
            count = number
            index += 1
        } else if !next {
            index = mark
            return nil
        }
        guard index < tokens.count, let unit = Units.spans[tokens[index].lower] else {
            index = mark
            return nil
        }
        guard count >= 1, count <= 1_000_000 else {
            throw refusal(
                .badTime, "a span is at least 1", hints: ["For the next 2 hours, allow https to example.com."])
        }
        index += 1
        return Int(count) * unit
    }

    // MARK: Amounts

    func plainNumber(_ word: String) -> UInt64? {
        if let number = Units.numbers[word] { return number }
        guard word.utf8.allSatisfy({ (48...57).contains($0) }), !word.isEmpty, word.utf8.count <= 15 else { return nil }
        return UInt64(word)
    }

    /// A number and a size, `50 MB` or `1.5GB`, in bytes.
    mutating func parseSize() throws(Refusal) -> UInt64? {
        let mark = index
        guard index < tokens.count, tokens[index].isWord else { return nil }
        var text = tokens[index].lower
        index += 1
        var unit: String?
        if let cut = text.firstIndex(where: { $0.isLetter }), text.first?.isNumber == true {
            unit = String(text[cut...])
            text = String(text[..<cut])
        } else if index < tokens.count {
            unit = tokens[index].lower
            index += 1
        }
        guard let unit, let size = Units.sizes[unit] else {
            index = mark
            return nil
        }
        if let whole = plainNumber(text) {
            let (product, overflow) = whole.multipliedReportingOverflow(by: size)
            guard !overflow else { throw refusal(.badAmount, at: mark, "this amount is too large") }
            return product
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let whole = plainNumber(String(parts[0])), (1...3).contains(parts[1].count),
            let fraction = UInt64(parts[1]), whole < 1_000_000
        else {
            index = mark
            return nil
        }
        var scale: UInt64 = 1
        for _ in parts[1] { scale *= 10 }
        return whole * size + fraction * size / scale
    }

    /// "at most 100 requests per minute and 50 MB per day", or nil.
    mutating func parseLimits() throws(Refusal) -> [Limit]? {
        let mark = index
        guard take(Lexicon.limitWords) != nil else { return nil }
        guard let first = try parseLimit() else {
            missed("an amount such as 60 requests per minute")
            index = mark
            return nil
        }
        var found = [first]
        while !atEnd {
            let mark = index
            guard takeSeparator() else { break }
            _ = take(Lexicon.limitWords)
            guard let next = try parseLimit() else {
                index = mark
                break
            }
            found.append(next)
        }
        for limit in found {
            guard limit.count >= 1 else {
                throw refusal(.badAmount, at: mark, "a limit is at least 1", hints: ["At most 60 requests per minute."])
            }
        }
        return found
    }

    private mutating func parseLimit() throws(Refusal) -> Limit? {
        let mark = index
        if let limit = try parseCount() { return limit }
        if let limit = try parseTraffic() { return limit }
        index = mark
        return nil
    }

    private mutating func parseCount() throws(Refusal) -> Limit? {
        let mark = index
        guard index < tokens.count, let number = plainNumber(tokens[index].lower) else { return nil }
        index += 1
        _ = take("new")
        guard index < tokens.count, let measure = Units.counts[tokens[index].lower] else {
            index = mark
            return nil
        }
        index += 1
        guard let period = try parsePeriod() else {
            throw refusal(
                .badAmount, "a number of \(measure.rawValue) needs a period",
                hints: [
                    "At most \(number) \(measure.rawValue) per minute.",
                    "At most \(number) \(measure.rawValue) per session.",
                ])
        }
        return Limit(measure, number, period, each: takeEach())
    }

    private mutating func parseTraffic() throws(Refusal) -> Limit? {
        guard let size = try parseSize() else { return nil }
        var measure = Limit.Measure.traffic
        _ = takeAny(["of", "in"])
        _ = take("total")
        if let word = takeAny(["uploads", "upload", "downloads", "download", "traffic", "data", "transfers"]) {
            switch word {
            case "uploads", "upload": measure = .uploads
            case "downloads", "download": measure = .downloads
            default: break
            }
        } else if takeAny(["memory", "ram", "disk"]) != nil {
            return nil
        }
        // "of downloads from X per day" says the period behind the hosts; then it is read there.
        guard let period = try parsePeriod() else {
            throw refusal(
                .badAmount, "an amount of data needs a period",
                hints: [
                    "At most \(Amounts.bytes(max(1, size))) of \(measure.rawValue) per day.",
                    "At most \(Amounts.bytes(max(1, size))) of \(measure.rawValue) per session.",
                ])
        }
        return Limit(measure, size, period, each: takeEach())
    }

    private mutating func takeEach() -> Bool {
        let mark = index
        _ = takeComma()
        _ = take("for")
        if take("each", "of", "them") || take("each", "host") || take("per", "host") || take("each") { return true }
        index = mark
        return false
    }

    mutating func parsePeriod() throws(Refusal) -> Limit.Period? {
        let mark = index
        if take("daily") { return .day }
        if take("hourly") { return .hour }
        if take("in", "total") || take("altogether") || take("overall") { return .session }
        guard
            takeAny(["per", "a", "an", "each", "every"]) != nil || take("in", "each") || take("in", "a")
                || take("in", "any") || take("in", "every") || take("for", "each") || take("for", "every")
        else { return nil }
        guard index < tokens.count else {
            index = mark
            return nil
        }
        switch tokens[index].lower {
        case "minute", "min":
            index += 1
            return .minute
        case "hour":
            index += 1
            return .hour
        case "day":
            index += 1
            return .day
        case "session":
            index += 1
            return .session
        case "second", "week", "month", "year":
            throw refusal(
                .unsupported, "limits are counted per minute, hour, day or session, not per \(tokens[index].lower)",
                hints: ["At most 60 requests per minute.", "At most 200 MB per day."])
        default:
            index = mark
            return nil
        }
    }
}
