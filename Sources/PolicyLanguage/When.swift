/// When a sentence holds. Everything is wall-clock labels; nothing here knows a zone or the present.
package struct When: Sendable, Hashable {
    /// Bit 0 is Monday.
    package var days: UInt8
    /// Minutes of the day, from the first up to, not including, the last; past midnight when the last is smaller.
    package var window: Window?
    /// Civil minutes (see `CivilTime`): from the first on, and before the last.
    package var from: Int?
    package var until: Int?
    /// Seconds counted from when the sentence came into force.
    package var span: Int?

    package struct Window: Sendable, Hashable {
        package var start: Int
        package var end: Int
        package init(start: Int, end: Int) {
            self.start = start
            self.end = end
        }
    }

    package static let everyDay: UInt8 = 0x7F
    package static let weekdays: UInt8 = 0x1F
    package static let weekend: UInt8 = 0x60
    package static let always = When()

    package init(days: UInt8 = When.everyDay, window: Window? = nil) {
        self.days = days
        self.window = window
    }

    package var isAlways: Bool { self == .always }
    package var isWeekly: Bool { days != Self.everyDay || window != nil }
}

/// Dates and times without a zone, as minutes since 1970-01-01 00:00.
package enum CivilTime {
    package static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    package static func date(ofDay day: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        return (
            yearOfEra + era * 400 + (month >= 10 ? 1 : 0), month < 10 ? month + 3 : month - 9,
            dayOfYear - (153 * month + 2) / 5 + 1
        )
    }

    package static func isDate(year: Int, month: Int, day: Int) -> Bool {
        guard (1970...9999).contains(year), (1...12).contains(month), (1...31).contains(day) else { return false }
        return date(ofDay: days(year: year, month: month, day: day)) == (year, month, day)
    }

    package static func floorDivide(_ value: Int, _ by: Int) -> Int {
        value >= 0 ? value / by : -((-value + by - 1) / by)
    }

    /// 0 is Monday.
    package static func weekday(ofDay day: Int) -> Int { ((day + 3) % 7 + 7) % 7 }

    package static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    package static func dateText(_ minutes: Int) -> String {
        let (year, month, day) = date(ofDay: floorDivide(minutes, 1440))
        let digits = String(year)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "-" + twoDigits(month) + "-"
            + twoDigits(day)
    }

    package static func timeText(_ minuteOfDay: Int) -> String {
        "\(minuteOfDay / 60):" + twoDigits(minuteOfDay % 60)
    }
}
