internal import System

/// A place in a file system, whatever path leads to it: two paths with one location are the same directory, also through
/// a bind mount.
struct Location: Equatable {
    /// The file system, as `/proc/self/mountinfo` names it.
    let device: String
    /// From the file system's own root.
    let path: String

    func overlaps(_ other: Location) -> Bool {
        device == other.device && (path.isPath(orBeneath: other.path) || other.path.isPath(orBeneath: path))
    }

    func appending(_ rest: String) -> Location { Location(device: device, path: path.appendingPath(rest)) }
}

/// What is mounted where, as this process sees it.
struct MountTable {
    struct Mount: Equatable {
        let id: Int
        let device: String
        /// The part of the file system that is seen at `point`.
        let root: String
        let point: String
        let type: String
        var location: Location { Location(device: device, path: root) }
    }

    let mounts: [Mount]

    init(text: String) {
        mounts = text.split(separator: "\n").compactMap(Self.parse)
    }

    static func current() throws(SystemError) -> MountTable {
        MountTable(text: try Files.text(ofFile: "/proc/self/mountinfo"))
    }

    /// The mount an open directory is reached through.
    func mount(ofRaw raw: Int32) throws(SystemError) -> Mount? {
        let text = try Files.text(ofFile: "/proc/self/fdinfo/\(raw)", limit: 64 << 10)
        for line in text.split(separator: "\n") where line.hasPrefix("mnt_id:") {
            let id = line.dropFirst("mnt_id:".count).drop(while: { $0 == " " || $0 == "\t" })
            return mounts.first { String($0.id) == id }
        }
        return nil
    }

    func location(of path: String, on mount: Mount) -> Location? {
        guard path.isPath(orBeneath: mount.point) else { return nil }
        return mount.location.appending(String(path.dropFirst(mount.point == "/" ? 0 : mount.point.count)))
    }

    /// Mounts strictly beneath `path`.
    func mounts(beneath path: String) -> [Mount] {
        mounts.filter { $0.point != path && $0.point.isPath(orBeneath: path) }
    }

    // "36 35 98:0 /root /point options optional… - type source options"
    private static func parse(_ line: Substring) -> Mount? {
        let fields = line.split(separator: " ", omittingEmptySubsequences: false)
        guard fields.count > 9, let id = Int(fields[0]), let dash = fields.dropFirst(6).firstIndex(of: "-"),
            dash + 1 < fields.endIndex
        else { return nil }
        return Mount(
            id: id, device: String(fields[2]), root: unescaped(fields[3]), point: unescaped(fields[4]),
            type: String(fields[dash + 1]))
    }

    /// Space, tab, newline and backslash are written as three octal digits.
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = field.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy({ (48...55).contains($0) }) {
                bytes.append(UInt8(truncatingIfNeeded: digits.reduce(0) { $0 * 8 + Int($1 - 48) }))
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension String {
    /// Whether this absolute path is `other` or lies beneath it. Both are free of `.`, `..` and doubled slashes.
    func isPath(orBeneath other: String) -> Bool {
        let own = utf8
        let prefix = other.utf8
        if prefix.count == 1 { return own.first == prefix.first }
        return own.starts(with: prefix) && (own.count == prefix.count || own.dropFirst(prefix.count).first == 47)
    }

    /// `rest` is empty or starts with a slash.
    func appendingPath(_ rest: String) -> String { self == "/" ? (rest.isEmpty ? "/" : rest) : self + rest }
}
