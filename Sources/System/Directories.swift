internal import CLinux
internal import Glibc

/// Where this user's things are. Read once from the environment and passed on, never looked up again.
package struct Directories: Sendable, Equatable {
    /// Survives reboots: store, machines, logs.
    package let state: String
    /// Sockets; may vanish at logout while guests live.
    package let runtime: String
    package let configuration: String
    package let data: String

    package init(state: String, runtime: String, configuration: String, data: String) {
        self.state = state
        self.runtime = runtime
        self.configuration = configuration
        self.data = data
    }

    package static func forUser(
        environment: [String: String], uid: UInt32 = geteuid()
    ) throws(SystemError) -> Directories {
        func absolute(_ name: String) -> String? {
            environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil }
        }
        let home = absolute("HOME") ?? Accounts.home(of: uid) ?? "/nonexistent"
        let runtimeBase: String
        if let given = absolute("XDG_RUNTIME_DIR") {
            runtimeBase = given
        } else if let found = try? Files.status("/run/user/\(uid)", followLinks: false), found.kind == .directory,
            found.uid == uid
        {
            runtimeBase = "/run/user/\(uid)"
        } else {
            runtimeBase = "/tmp/cowork-\(uid)"
        }
        return Directories(
            state: (absolute("XDG_STATE_HOME") ?? home + "/.local/state") + "/cowork",
            runtime: runtimeBase + "/cowork",
            configuration: (absolute("XDG_CONFIG_HOME") ?? home + "/.config") + "/cowork",
            data: (absolute("XDG_DATA_HOME") ?? home + "/.local/share") + "/cowork")
    }

    package var socket: String { runtime + "/daemon.sock" }

    /// Makes state and runtime directories, private to `uid`, and refuses what somebody else prepared for us.
    package func prepare(uid: UInt32 = geteuid()) throws(SystemError) {
        try Self.makePrivate(state, owner: uid)
        let base = String(runtime.dropLast("/cowork".count))
        if base.hasPrefix("/tmp/") { try Self.makePrivate(base, owner: uid) }
        try Self.makePrivate(runtime, owner: uid)
    }

    /// A directory of `owner`, mode 0700, itself no link. Missing parents are made private too.
    package static func makePrivate(_ path: String, owner: UInt32) throws(SystemError) {
        if !Files.exists(path) {
            let parent = path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
            if !parent.isEmpty && !Files.exists(parent) { try makePrivate(parent, owner: owner) }
            if mkdir(path, 0o700) != 0 && errno != EEXIST { throw SystemError("mkdir", subject: path) }
        }
        let found = try Files.status(path, followLinks: false)
        guard found.kind == .directory else { throw SystemError("mkdir", code: ENOTDIR, subject: path) }
        guard found.uid == owner else { throw SystemError("use another user's", code: EPERM, subject: path) }
        if found.permissions & 0o077 != 0 { try systemCall("chmod", path) { chmod(path, 0o700) } }
    }
}

/// The password database, as far as we need it.
package enum Accounts {
    package struct Account: Sendable, Equatable {
        package let name: String
        package let uid: UInt32
        package let gid: UInt32
        package let home: String
    }

    package static func find(uid: UInt32) -> Account? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var room = [CChar](repeating: 0, count: 16 << 10)
        guard getpwuid_r(uid, &entry, &room, room.count, &found) == 0, found != nil else { return nil }
        return account(entry)
    }

    package static func find(name: String) -> Account? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var room = [CChar](repeating: 0, count: 16 << 10)
        guard getpwnam_r(name, &entry, &room, room.count, &found) == 0, found != nil else { return nil }
        return account(entry)
    }

    package static func home(of uid: UInt32) -> String? { find(uid: uid)?.home }

    package static func groupName(_ gid: UInt32) -> String? {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var room = [CChar](repeating: 0, count: 64 << 10)
        guard getgrgid_r(gid, &entry, &room, room.count, &found) == 0, found != nil else { return nil }
        return String(cString: entry.gr_name)
    }

    /// The groups `account` is in, its own among them.
    package static func groups(of account: Account) -> [UInt32] {
        var count: Int32 = 64
        while count <= 65_536 {
            var found = [gid_t](repeating: 0, count: Int(count))
            let room = count
            if getgrouplist(account.name, account.gid, &found, &count) >= 0 {
                return Array(found.prefix(Int(count)))
            }
            count = max(count, room &* 2)
        }
        return [account.gid]
    }

    private static func account(_ entry: passwd) -> Account {
        Account(
            name: String(cString: entry.pw_name), uid: entry.pw_uid, gid: entry.pw_gid,
            home: String(cString: entry.pw_dir))
    }
}
