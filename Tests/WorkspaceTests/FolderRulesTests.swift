import Contract
import Core
import Glibc
import System
import Testing

@testable import Workspace

@Suite struct FolderRulesTests {
    private let here: TemporaryFolder
    private let workspace: Workspace
    private let me = geteuid()

    init() throws {
        here = try TemporaryFolder()
        workspace = here.workspace()
    }

    private func granted(_ path: String, mode: FolderMode = .readOnly, owner: UInt32? = nil) async throws -> String {
        try await workspace.resolve(path, mode: mode, owner: owner ?? me).path
    }

    /// Why `path` is refused; nil when it is granted. Every refusal has its code and says what to do.
    private func refusal(_ path: String, mode: FolderMode = .readOnly, owner: UInt32? = nil) async -> String? {
        do {
            _ = try await workspace.resolve(path, mode: mode, owner: owner ?? me)
            return nil
        } catch {
            #expect(error.code == .badFolder)
            #expect(error.hint?.isEmpty == false)
            #expect(!error.message.unicodeScalars.contains { $0.properties.generalCategory == .control })
            return error.message
        }
    }

    @Test func whatIsNoFolder() async throws {
        let file = try here.write("file")
        #expect(await refusal(here.path + "/nothing")?.contains("no such folder") == true)
        #expect(await refusal(file)?.contains("not a folder") == true)
        #expect(await refusal(file + "/x")?.contains("not a folder") == true)
        #expect(await refusal("relative")?.contains("start with /") == true)
        #expect(await refusal("")?.contains("start with /") == true)
        #expect(await refusal("/tmp\0/x")?.contains("no path looks like that") == true)
        #expect(await refusal("/" + String(repeating: "a", count: 5000))?.contains("no path looks like that") == true)
        #expect(await refusal(try here.link("loop", to: "loop"))?.contains("circle") == true)
    }

    @Test(arguments: [
        "/", "/usr", "/usr/local/src", "/etc", "/etc/ssl", "/bin", "/sbin", "/lib", "/lib64", "/boot", "/dev",
        "/dev/shm",
        "/proc", "/proc/self", "/proc/self/task", "/sys", "/sys/kernel", "/run", "/home", "/var", "/var/lib",
        "/var/lib/dpkg", "/tmp", "/opt",
    ])
    func whatTheGuestNeedsItself(path: String) async {
        #expect(await refusal(path) != nil)
    }

    @Test(arguments: [
        "/srv", "/srv/www", "/root", "/home/agent", "/home/a/b", "/opt/x", "/var/www", "/var/lib/jenkins/workspace",
        "/mnt",
        "/media/disk", "/run/media/me/disk", "/usrlocal", "/etcetera", "/data", "/tmp/x", "/var/tmp/x",
    ])
    func whatIsFine(path: String) {
        #expect(SystemPaths.objection(to: path) == nil)
    }

    @Test func linksAreFollowedOnce() async throws {
        let target = try here.make("target/sub")
        #expect(try await granted(try here.link("link", to: "target/sub")) == target)
        #expect(try await granted(here.path + "/target/../target/./sub//") == target)
        #expect(await refusal(try here.link("to-root", to: "/"))?.contains("root of this machine") == true)
    }

    @Test(arguments: [
        "it's", "say \"hi\"", "a b", "-rf", "100%", "a,b=c", "ü漢🙂", "👨‍👩‍👧", "back\\slash", "$HOME", "#", "…",
    ])
    func namesWithOddCharacters(name: String) async throws {
        let folder = try here.make(name)
        #expect(try await granted(folder) == folder)
    }

    @Test(arguments: ["new\nline", "tab\there", "\u{1B}[31m", "\u{7F}", "\u{202E}cod", "\u{2066}x", "\u{2028}"])
    func namesThatLie(name: String) async throws {
        let message = await refusal(try here.make(name))
        #expect(message?.contains("do not show") == true)
        #expect(message?.contains("\\") == true)
        #expect(await refusal(try here.make(name + "/beneath")) != nil)
    }

    @Test func aNameThatIsNotUTF8() async throws {
        let raw: [CChar] = here.path.utf8.map { CChar(bitPattern: $0) } + [47, 98, CChar(bitPattern: 0xFF), 0]
        #expect(mkdir(raw, 0o755) == 0)
        defer { rmdir(raw) }
        let link = here.path + "/link"
        #expect(link.withCString { symlink(raw, $0) } == 0)
        #expect(await refusal(link)?.contains("not UTF-8") == true)
    }

    @Test func cowoksOwnDirectories() async throws {
        let ours = here.path + "/ours"
        for own in [ours + "/state", ours + "/run", ours + "/data", here.path + "/images"] {
            #expect(await refusal(own)?.contains("it is Cowork's") == true)
        }
        #expect(await refusal(ours + "/state/sessions")?.contains("lies in Cowork's state") == true)
        #expect(await refusal(ours)?.contains("lies in it") == true)
        #expect(await refusal(here.path)?.contains("lies in it") == true)
        #expect(await refusal(try here.link("to-state", to: ours + "/state/sessions"))?.contains("state") == true)
        #expect(try await granted(try here.make("ours2/state")) == here.path + "/ours2/state")
    }

    @Test func aDirectoryOfOursThatIsNotThereYet() async throws {
        // The configuration directory does not exist; whoever could make it would configure us.
        let alone = try here.make("alone")
        let directories = Directories(
            state: here.path + "/s", runtime: here.path + "/r", configuration: alone + "/deep/cowork",
            data: here.path + "/d")
        let workspace = Workspace(
            rules: FolderRules(directories: directories, images: []),
            setting: .init(runtime: directories.runtime, hypervisor: me) { _ in })
        await #expect(throws: Fault.self) { try await workspace.resolve(alone, mode: .readOnly, owner: me) }
        try here.make("alone/deep/other")
        let other = try await workspace.resolve(alone + "/deep/other", mode: .readOnly, owner: me)
        #expect(other.path == alone + "/deep/other")
    }

    @Test(.enabled(if: geteuid() == 0, "acts for other users or mounts"))
    func foldersOfOthers() async throws {
        let daemon = Accounts.find(name: "daemon")?.uid ?? 1
        let closed = try here.make("closed", mode: 0o700)
        #expect(await refusal(closed, owner: daemon)?.contains("may not") == true)
        #expect(await refusal(try here.make("closed/inside"), owner: daemon)?.contains("may not be entered") == true)
        let open = try here.make("open", mode: 0o755)
        #expect(try await granted(open, owner: daemon) == open)
        #expect(await refusal(open, mode: .direct, owner: daemon)?.contains("may not write") == true)
        #expect(
            try await granted(try here.make("all", mode: 0o777), mode: .direct, owner: daemon) == here.path + "/all")
        // Entering and listing are both needed.
        #expect(await refusal(try here.make("unlisted", mode: 0o711), owner: daemon) != nil)
        #expect(await refusal(try here.make("unentered", mode: 0o744), owner: daemon) != nil)
        // The server has no capability, so neither has root here.
        let theirs = try here.make("theirs", mode: 0o700)
        #expect(chown(theirs, daemon, daemon) == 0)
        #expect(await refusal(theirs)?.contains("may not") == true)
        #expect(try await granted(theirs, mode: .direct, owner: daemon) == theirs)
        let unknown = await #expect(throws: Fault.self) {
            try await workspace.resolve(open, mode: .readOnly, owner: 3_999_999)
        }
        #expect(unknown?.message.contains("3999999") == true)
    }

    @Test(.enabled(if: geteuid() == 0, "acts for other users or mounts"))
    func bindMountsHideNothing() async throws {
        try here.make("ours/state/sessions/deep")
        let point = try here.make("point")
        let holder = try here.make("holder")
        let inner = try here.make("holder/inner")
        let cases: [(source: String, target: String, asked: String)] = [
            (here.path + "/ours/state", point, point),
            (here.path + "/ours/state/sessions", point, point),
            (here.path + "/ours/state/sessions", point, point + "/deep"),
            (here.path + "/ours", point, point),
            (here.path + "/ours/state/sessions/deep", inner, holder),
            (here.path, inner, holder),
            ("/proc/self/fd", inner, holder),
        ]
        for one in cases {
            try Mounts.bind(one.source, one.target)
            let message = await refusal(one.asked)
            try Mounts.unmount(one.target)
            #expect(message != nil, "\(one)")
        }
        // The same, with something that is not ours.
        let free = try here.make("free/sub")
        try Mounts.bind(here.path + "/free", inner)
        let allowed = await refusal(holder)
        let allowedBeneath = await refusal(inner + "/sub")
        try Mounts.unmount(inner)
        #expect(allowed == nil && allowedBeneath == nil)
        #expect(try await granted(free) == free)
    }
}

@Suite struct MountTableTests {
    @Test func linesAreRead() throws {
        let table = MountTable(
            text: """
                24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
                30 24 0:5 /a\\040b /mnt/we\\134ird\\040name rw master:1 propagate_from:2 - btrfs /dev/sda rw,subvol=/x - y
                31 24 0:6 / /proc rw - proc proc rw
                garbage
                32 24 0:6 / /short rw
                """)
        #expect(table.mounts.map(\.id) == [24, 30, 31])
        let odd = try #require(table.mounts.dropFirst().first)
        #expect(odd.root == "/a b" && odd.point == "/mnt/we\\ird name" && odd.type == "btrfs")
        #expect(table.location(of: odd.point + "/x", on: odd) == Location(device: "0:5", path: "/a b/x"))
        #expect(table.location(of: "/mnt/we\\ird namesake", on: odd) == nil)
        #expect(table.mounts(beneath: "/mnt").map(\.id) == [30])
        #expect(table.mounts(beneath: "/").map(\.id) == [30, 31])
        #expect(table.mounts(beneath: "/proc").isEmpty)
    }

    @Test func pathsContainWholeNames() {
        #expect("/a/b".isPath(orBeneath: "/a") && "/a".isPath(orBeneath: "/a") && "/a".isPath(orBeneath: "/"))
        #expect(!"/ab".isPath(orBeneath: "/a") && !"/a".isPath(orBeneath: "/a/b"))
        #expect(!Location(device: "1:1", path: "/a").overlaps(Location(device: "1:2", path: "/a")))
    }
}
