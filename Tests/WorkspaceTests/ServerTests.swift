import Contract
import Core
import Glibc
import System
import Testing

@testable import Workspace

/// Real servers, seen from outside. What a guest gets out of them is in `HostileGuestTests` and in the tests with guests.
@Suite struct ServerTests {
    private let here: TemporaryFolder
    private let log = Lines()
    private let session: SessionID
    private let me = geteuid()

    init() throws {
        here = try TemporaryFolder()
        var generator = SystemRandomNumberGenerator()
        session = SessionID(random: &generator)
    }

    private func launch(
        _ folder: String, mode: FolderMode = .readOnly, tag: String = "f0", owner: UInt32? = nil,
        patience: Duration = .seconds(60)
    ) async throws -> (workspace: Workspace, server: ProcessIdentity) {
        let workspace = here.workspace(log: log, patience: patience)
        let owner = owner ?? me
        let grant = try await workspace.resolve(folder, mode: mode, owner: owner)
        return (workspace, try await workspace.launch(grant, tag: tag, session: session, owner: owner))
    }

    private func socket(_ tag: String = "f0") -> String { "\(here.directories.runtime)/s/\(session)/\(tag).sock" }

    /// Whether it has ended and been reaped, at once or within some seconds.
    private func isGone(_ identity: ProcessIdentity) async throws -> Bool {
        try await Blocking.run("watch") { () throws(Fault) in
            guard let process = try? Child.adopt(pid: identity.pid) else { return true }
            guard process.waitForEnd(limit: .seconds(20)) else { return false }
            // Its thread reaps it right after its end; that can be seen only by looking again.
            let end = MonotonicClock.nanoseconds() + 5_000_000_000
            while RunningProcess.startTicks(of: identity.pid) == identity.startTicks {
                if MonotonicClock.nanoseconds() > end { return false }
                sched_yield()
            }
            return true
        }
    }

    @Test(arguments: FolderMode.allCases)
    func aServerIsConfined(mode: FolderMode) async throws {
        let folder = try here.make("folder, with = odd \"name\" 漢")
        let (workspace, server) = try await launch(folder, mode: mode)
        let seen = try ProcessView(pid: server.pid)

        #expect(seen.status("NoNewPrivs") == ["1"])
        #expect(seen.status("Seccomp") == ["2"])
        #expect(seen.status("Uid") == Array(repeating: "\(me)", count: 4))
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            // Two, for the moment in which it closes itself in; none afterwards, as `HostileGuestTests` shows.
            #expect(seen.status(set) == ["0000000000040100"])
        }
        #expect(seen.map("uid_map") == ["1000", "\(me)", "1"])
        #expect(seen.map("gid_map") == ["1000", "\(getegid())", "1"])
        #expect(try Files.text(ofFile: "/proc/\(server.pid)/setgroups") == "deny\n")
        for namespace in ["user", "mnt", "net", "ipc"] {
            #expect(try seen.namespace(namespace) != Files.readLink("/proc/self/ns/\(namespace)"))
        }
        #expect(try Files.contents(ofFile: "/proc/\(server.pid)/environ").isEmpty)
        #expect(try Files.contents(ofFile: "/proc/\(server.pid)/net/dev").count(where: { $0 == 10 }) == 3)
        let arguments = try Files.text(ofFile: "/proc/\(server.pid)/cmdline")
        #expect(!arguments.contains("odd"))

        let mounts = try MountTable(text: Files.text(ofFile: "/proc/\(server.pid)/mountinfo"))
        // Mounts of the host beneath these come along.
        for mount in mounts.mounts where mount.point != "/" {
            #expect(seen.allowedMounts.contains { mount.point.isPath(orBeneath: $0) }, "\(mount)")
        }
        let shared = try #require(mounts.mounts.first { $0.point == "/shared" })
        #expect(shared.root.hasSuffix("folder, with = odd \"name\" 漢"))
        for mount in mounts.mounts {
            let options = try seen.options(ofMount: mount.point)
            #expect(options.contains(mount.point == "/shared" && mode == .direct ? "rw" : "ro"))
            #expect(options.contains("nosuid") && options.contains("nodev"))
        }
        #expect(
            try Set(Files.entries("/proc/\(server.pid)/root")).isSubset(of: ["shared", "usr", "lib", "lib64", "proc"]))

        let found = try Files.status(socket(), followLinks: false)
        #expect(found.kind == .socket && found.permissions == 0o600 && found.uid == me)
        await workspace.end(server)
        #expect(RunningProcess.startTicks(of: server.pid) != server.startTicks)
    }

    @Test(.enabled(if: geteuid() == 0, "acts for other users or mounts"))
    func anotherOwner() async throws {
        let account = try #require(Accounts.find(name: "daemon"))
        let folder = try here.make("theirs", mode: 0o700)
        #expect(chown(folder, account.uid, account.gid) == 0)
        let (workspace, server) = try await launch(folder, mode: .direct, owner: account.uid)
        let seen = try ProcessView(pid: server.pid)
        #expect(seen.status("Uid") == Array(repeating: "\(account.uid)", count: 4))
        #expect(seen.map("uid_map") == ["1000", "\(account.uid)", "1"])
        // The groups of an ordinary user stay: the program cannot drop them and must not mind.
        #expect(seen.status("Groups") == Accounts.groups(of: account).map { "\($0)" })
        await workspace.end(server)
    }

    @Test(.enabled(if: geteuid() == 0, "acts for other users or mounts"))
    func theHypervisorOwnsItsSocket() async throws {
        let workspace = Workspace(
            rules: FolderRules(directories: here.directories, images: []),
            setting: .init(runtime: here.directories.runtime, hypervisor: 61_184) { _ in })
        let grant = try await workspace.resolve(try here.make("f"), mode: .readOnly, owner: me)
        let server = try await workspace.launch(grant, tag: "f0", session: session, owner: me)
        let found = try Files.status(socket(), followLinks: false)
        #expect(found.uid == 61_184 && found.permissions == 0o600)
        let above = try Files.status("\(here.directories.runtime)/s/\(session)")
        #expect(above.uid == 0 && above.permissions == 0o711)
        await workspace.end(server)
    }

    @Test func whatWasGrantedIsWhatIsServed() async throws {
        let folder = try here.make("granted/inner")
        try here.make("elsewhere/inner")
        let workspace = here.workspace(log: log)
        let grant = try await workspace.resolve(folder, mode: .readOnly, owner: me)
        #expect(rename(here.path + "/granted", here.path + "/was") == 0)
        _ = try here.link("granted", to: "elsewhere")
        let fault = await #expect(throws: Fault.self) {
            try await workspace.launch(grant, tag: "f0", session: session, owner: me)
        }
        #expect(fault?.code == .badFolder && fault?.message.contains("replaced") == true)
        #expect(!Files.exists(socket()))
        // Back in its place it is the same folder again.
        #expect(unlink(here.path + "/granted") == 0)
        #expect(rename(here.path + "/was", here.path + "/granted") == 0)
        await workspace.end(try await workspace.launch(grant, tag: "f0", session: session, owner: me))
    }

    @Test func aGrantThatWasMadeUpIsNotServed() async throws {
        let workspace = here.workspace(log: log)
        for path in [
            "/", "/etc", here.path + "/ours/state", here.path + "/nothing", "", "relative", here.path + "/../etc",
        ] {
            let made = Grant(path: path, mode: .readOnly)
            let fault = await #expect(throws: Fault.self, "\(path)") {
                try await workspace.launch(made, tag: "f0", session: session, owner: me)
            }
            #expect(fault?.code == .badFolder)
        }
        let good = Grant(path: try here.make("f"), mode: .readOnly)
        for tag in ["", "../f", "f 0", "f,0", String(repeating: "f", count: 37)] {
            await #expect(throws: Fault.self) {
                try await workspace.launch(good, tag: tag, session: session, owner: me)
            }
        }
        await workspace.end(try await workspace.launch(good, tag: "f0", session: session, owner: me))
    }

    @Test func itEndsWithItsGuest() async throws {
        let (_, server) = try await launch(try here.make("f"))
        do {
            let guest = try UnixSocket.connect(to: socket())
            _ = consume guest
        }
        #expect(try await isGone(server))
    }

    @Test func itEndsWhenNoGuestComes() async throws {
        let (_, server) = try await launch(try here.make("f"), patience: .seconds(1))
        #expect(try await isGone(server))
    }

    @Test func endingTwiceAndEndingStrangersIsHarmless() async throws {
        let (workspace, server) = try await launch(try here.make("f"))
        // The same number, another start: not the process that was meant.
        await workspace.end(ProcessIdentity(pid: server.pid, startTicks: server.startTicks + 1))
        #expect(RunningProcess.startTicks(of: server.pid) == server.startTicks)
        await workspace.end(server)
        #expect(RunningProcess.startTicks(of: server.pid) != server.startTicks)
        await workspace.end(server)
    }

    @Test func aTakenSocketIsReplacedAndAFileIsNot() async throws {
        let folder = try here.make("f")
        let (workspace, server) = try await launch(folder)
        await workspace.end(server)
        #expect(Files.exists(socket()))
        let (_, second) = try await launch(folder)
        await workspace.end(second)
        #expect(unlink(socket()) == 0)
        try Files.replace(socket(), with: [])
        await #expect(throws: Fault.self) { try await launch(folder) }
    }
}

/// A process as /proc shows it.
private struct ProcessView {
    let allowedMounts: Set = ["/shared", "/proc", "/usr/lib", "/usr/lib64", "/lib", "/lib64"]
    private let pid: Int32
    private let fields: [String: [String]]

    init(pid: Int32) throws {
        self.pid = pid
        var fields: [String: [String]] = [:]
        for line in try Files.text(ofFile: "/proc/\(pid)/status").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
            if parts.count == 2 {
                fields[parts[0]] = parts[1].split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
            }
        }
        self.fields = fields
    }

    func status(_ name: String) -> [String]? { fields[name] }

    func map(_ name: String) -> [String]? {
        (try? Files.text(ofFile: "/proc/\(pid)/\(name)"))?.split(whereSeparator: \.isWhitespace).map(String.init)
    }

    func namespace(_ name: String) throws -> String { try Files.readLink("/proc/\(pid)/ns/\(name)") }

    func options(ofMount point: String) throws -> [Substring] {
        for line in try Files.text(ofFile: "/proc/\(pid)/mountinfo").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 5, fields[4] == point { return fields[5].split(separator: ",") }
        }
        return []
    }
}
