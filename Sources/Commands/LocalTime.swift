internal import Core
internal import Glibc

/// Points in time as a person here reads them.
enum LocalTime {
    /// An RFC 3339 time in this computer's zone; what is none is shown as it is.
    static func text(_ moment: String) -> String {
        guard let found = Moment(moment) else { return Display.escaped(moment, limit: 40) }
        var seconds = time_t(found.milliseconds / 1000)
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { return Display.escaped(moment, limit: 40) }
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }
}
