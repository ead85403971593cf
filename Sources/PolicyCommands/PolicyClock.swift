internal import Glibc
internal import PolicyCompiler
internal import PolicyLanguage

/// The wall clock of this computer and times as people write them.
enum PolicyClock {
    struct Moment {
        let seconds: Int
        let wall: Int
    }

    static func zone() -> Zone {
        var candidates = ["/etc/localtime"]
        if let name = environment("TZ"), !name.isEmpty {
            let plain = name.hasPrefix(":") ? String(name.dropFirst()) : name
            if plain.hasPrefix("/") {
                candidates = [plain]
            } else if !plain.contains("..") {
                candidates = ["/usr/share/zoneinfo/" + plain]
            }
        }
        for candidate in candidates {
            if case .success(let bytes) = PolicyFile.read(candidate), let zone = Zone(bytes) { return zone }
        }
        return .utc
    }

    static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    static func now() -> Moment {
        let seconds = time(nil)
        return Moment(seconds: seconds, wall: zone().wall(at: seconds))
    }

    /// `2026-11-24T09:00`, local without an offset; with seconds, `Z` or `+01:00` if one likes; or a date alone.
    static func parse(_ text: String) -> Moment? {
        let zone = zone()
        var body = Substring(text.replacingSpaces())
        var offset: Int?
        if body.hasSuffix("Z") || body.hasSuffix("z") {
            offset = 0
            body = body.dropLast()
        } else if body.count > 6, let sign = body.dropFirst(10).lastIndex(where: { $0 == "+" || $0 == "-" }) {
            let parts = body[body.index(after: sign)...].split(separator: ":")
            guard parts.count == 2, let hours = number(parts[0], 2), let minutes = number(parts[1], 2), hours < 15,
                minutes < 60
            else {
                return nil
            }
            offset = (hours * 3600 + minutes * 60) * (body[sign] == "-" ? -1 : 1)
            body = body[..<sign]
        }
        let halves = body.split(separator: "T", omittingEmptySubsequences: false)
        let date = halves[0].split(separator: "-", omittingEmptySubsequences: false)
        guard (1...2).contains(halves.count), date.count == 3, let year = number(date[0], 4),
            let month = number(date[1], 2),
            let day = number(date[2], 2), CivilTime.isDate(year: year, month: month, day: day)
        else { return nil }
        var minutes = CivilTime.days(year: year, month: month, day: day) * 1440
        var extra = 0
        if halves.count == 2 {
            let clock = halves[1].split(separator: ":", omittingEmptySubsequences: false)
            guard (2...3).contains(clock.count), let hour = number(clock[0], nil), let minute = number(clock[1], 2),
                hour < 24, minute < 60
            else { return nil }
            minutes += hour * 60 + minute
            if clock.count == 3 {
                guard let second = number(clock[2].prefix { $0 != "." }, 2), second < 61 else { return nil }
                extra = second
            }
        }
        if let offset {
            let seconds = minutes * 60 + extra - offset
            return Moment(seconds: seconds, wall: zone.wall(at: seconds))
        }
        return Moment(seconds: zone.seconds(atWall: minutes) + extra, wall: minutes)
    }

    private static func number(_ text: Substring, _ digits: Int?) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), text.utf8.count <= 4 else { return nil }
        if let digits, text.utf8.count != digits { return nil }
        return Int(text)
    }
}

extension String {
    fileprivate func replacingSpaces() -> String { String(map { $0 == " " ? "T" : $0 }) }
}
