import Contract
import Core
import Glibc
import System
import Testing

@testable import Workspace

/// What a guest's kernel gets out of a folder's server when it sends requests that no honest kernel sends.
@Suite struct HostileGuestTests {
    private let here: TemporaryFolder
    private let session: SessionID
    private let me = geteuid()

    init() throws {
        here = try TemporaryFolder()
        var generator = SystemRandomNumberGenerator()
        session = SessionID(random: &generator)
        try here.make("granted/sub/deep")
        try here.make("sibling")
        try here.write("sibling/secret", "not for the guest")
        try here.write("granted/file", "hello")
        _ = try here.link("granted/out", to: "../sibling/secret")
        _ = try here.link("granted/absolute", to: "/etc/passwd")
    }

    /// Runs `body` as the guest of a server of `granted`; the server must be alive at the end of it.
    private func guest(
        _ mode: FolderMode, _ body: @escaping @Sendable (HostileGuest, Int32) throws -> Void
    ) async throws {
        let workspace = here.workspace()
        let grant = try await workspace.resolve(here.path + "/granted", mode: mode, owner: me)
        let server = try await workspace.launch(grant, tag: "f0", session: session, owner: me)
        let socket = "\(here.directories.runtime)/s/\(session)/f0.sock"
        let result: Result<Void, any Error> = try await Blocking.run("guest") { () throws(Fault) in
            Result {
                let guest = try HostileGuest(socket: socket)
                // The server takes a name away only if the guest has asked for it before.
                for name in ["file", "out"] { _ = try guest.lookup(name) }
                _ = try guest.lookup("deep", in: guest.lookup("sub").node)
                try body(guest, server.pid)
                #expect(try guest.lookup("..").errno == 0, "the server still answers")
            }
        }
        await workspace.end(server)
        try result.get()
    }

    private func inode(_ name: String) throws -> UInt64 { try Files.status(here.path + "/" + name).inode }

    @Test func itServesWithoutAnyRightOfItsOwn() async throws {
        try await guest(.direct) { guest, pid throws in
            let status = try Files.text(ofFile: "/proc/\(pid)/status")
            for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                #expect(status.contains("\(set):\t0000000000000000\n"))
            }
            // Ours, and the one it brings.
            #expect(status.contains("Seccomp_filters:\t2\n"))
            let root = try Files.status("/proc/\(pid)/root/.")
            #expect(try root.inode == inode("granted"))
            // Of all its descriptors, those that lead to files lead to the folder or to itself.
            for name in try Files.entries("/proc/\(pid)/fd") {
                let target = try Files.readLink("/proc/\(pid)/fd/\(name)")
                let isOwn = ["/proc/\(pid)/fd", "/proc/\(pid)/task", "/dev/null"].contains(target)
                #expect(isOwn || target.hasPrefix("/shared") || !target.hasPrefix("/") || target.hasPrefix("/memfd:"))
            }
        }
    }

    @Test func namesDoNotLeadOut() async throws {
        try await guest(.readOnly) { guest, _ throws in
            let sub = try guest.lookup("sub")
            let file = try inode("granted/file")
            #expect(try sub.inode == inode("granted/sub"))
            #expect(try guest.contents(of: guest.lookup("file").node).text == "hello")
            // Up from the folder is the folder; up from what lies in it is in it.
            #expect(try guest.lookup("..").inode == inode("granted"))
            #expect(try guest.lookup("..", in: sub.node).inode == inode("granted"))
            for name in [
                "../sibling", "../sibling/secret", "sub/../../sibling", "/etc/passwd", "/", "sub/deep", "", "/../..",
                "file\0/../../sibling",
            ] {
                for node in [HostileGuest.root, sub.node] {
                    let found = try guest.lookup(name, in: node)
                    #expect(found.errno != 0 || found.inode == file, "\(name)")
                }
            }
        }
    }

    @Test func linksAreNotFollowedForTheGuest() async throws {
        try await guest(.readOnly) { guest, _ throws in
            for (name, target) in [("out", "../sibling/secret"), ("absolute", "/etc/passwd")] {
                let link = try guest.lookup(name)
                #expect(link.mode & 0o170000 == 0o120000)
                let opened = try guest.contents(of: link.node)
                #expect(opened.errno != 0 && opened.text.isEmpty)
                #expect(String(decoding: try guest.ask(.readlink, link.node, []).bytes, as: UTF8.self) == target)
                #expect(try guest.lookup("secret", in: link.node).errno != 0)
            }
        }
    }

    @Test func whatIsMovedOutLeadsNowhere() async throws {
        try await guest(.direct) { guest, _ throws in
            let sub = try guest.lookup("sub")
            let deep = try guest.lookup("deep", in: sub.node)
            #expect(try guest.lookup("..", in: deep.node).inode == inode("granted/sub"))
            #expect(rename(here.path + "/granted/sub/deep", here.path + "/sibling/deep") == 0)
            let above = try guest.lookup("..", in: deep.node)
            #expect(above.errno == ENOENT)
        }
    }

    /// What each writing request does in a read-only folder and in one that may be written.
    private static let writes: [(String, @Sendable (HostileGuest, String) throws -> HostileGuest.Answer)] = [
        ("create", { try $0.create($1) }),
        ("mkdir", { try $0.ask(.mkdir, 1, $0.bytes(UInt32(0o755), 0) + $0.text($1)) }),
        ("symlink", { try $0.ask(.symlink, 1, $0.text($1, "target")) }),
        ("mknod", { try $0.ask(.mknod, 1, $0.bytes(UInt32(0o100644), 0, 0, 0) + $0.text($1)) }),
        ("link", { try $0.ask(.link, 1, $0.bytes($0.lookup("file").node) + $0.text($1)) }),
        ("rename", { try $0.ask(.rename2, 1, $0.bytes(UInt64(1)) + $0.bytes(UInt32(0), 0) + $0.text("file", $1)) }),
    ]

    @Test(arguments: 0..<6)
    func writingIsForDirectFolders(index: Int) async throws {
        let (_, write) = Self.writes[index]
        try await guest(.readOnly) { guest, _ throws in
            #expect(try write(guest, "new").errno == EROFS)
            #expect(!Files.exists(here.path + "/granted/new"))
        }
        try await guest(.direct) { guest, _ throws in
            for name in ["../new", "..", ".", "sub/new", "/new", "../sibling/new"] {
                #expect(try write(guest, name).errno != 0, "\(name)")
            }
            #expect(!Files.exists(here.path + "/new") && !Files.exists(here.path + "/sibling/new"))
            #expect(!Files.exists(here.path + "/granted/sub/new"))
            #expect(try write(guest, "new").errno == 0)
            let made = try Files.status(here.path + "/granted/new", followLinks: false)
            #expect(made.uid == me)
        }
    }

    @Test func removingIsForDirectFolders() async throws {
        try await guest(.readOnly) { guest, _ throws in
            #expect(try guest.ask(.unlink, 1, guest.text("file")).errno == EROFS)
            let sub = try guest.lookup("sub")
            #expect(try guest.ask(.rmdir, sub.node, guest.text("deep")).errno == EROFS)
        }
        try await guest(.direct) { guest, _ throws in
            for name in ["../sibling/secret", "..", ".", "/etc/passwd"] {
                #expect(try guest.ask(.unlink, 1, guest.text(name)).errno != 0)
                #expect(try guest.ask(.rmdir, 1, guest.text(name)).errno != 0)
            }
            #expect(Files.exists(here.path + "/sibling/secret"))
            #expect(try guest.ask(.unlink, 1, guest.text("out")).errno == 0)
            #expect(!Files.exists(here.path + "/granted/out"))
        }
    }

    @Test(arguments: [UInt32(0), 1, 999, 1001, 65_534, .max])
    func nobodyButTheAgentOwnsAnything(user: UInt32) async throws {
        try await guest(.direct) { guest, _ throws in
            guest.user = user
            for (_, write) in Self.writes.prefix(4) { #expect(try write(guest, "new").errno == EPERM) }
            #expect(!Files.exists(here.path + "/granted/new"))
            guest.user = 1000
            let file = try guest.create("new")
            #expect(file.errno == 0)
            // FATTR_UID, FATTR_GID
            for (valid, uid, gid) in [(UInt32(2), user, UInt32(0)), (4, 0, user)] where user != .max {
                let change =
                    guest.bytes(valid, 0) + guest.bytes(UInt64(0), 0, 0, 0, 0, 0)
                    + guest.bytes(UInt32(0), 0, 0, 0o644, 0)
                    + guest.bytes(uid, gid, 0)
                #expect(try guest.ask(.setattr, file.node, change).errno == EPERM)
            }
            let own =
                guest.bytes(UInt32(6), 0) + guest.bytes(UInt64(0), 0, 0, 0, 0, 0)
                + guest.bytes(UInt32(0), 0, 0, 0o644, 0)
                + guest.bytes(UInt32(1000), 1000, 0)
            #expect(try guest.ask(.setattr, file.node, own).errno == 0)
        }
    }

    @Test func noProgramRunsAsItsOwner() async throws {
        try await guest(.direct) { guest, _ throws in
            #expect(try guest.create("set", mode: 0o4755).errno == EPERM)
            #expect(
                try guest.ask(.mknod, 1, guest.bytes(UInt32(0o104755), 0, 0, 0) + guest.text("set")).errno == EPERM)
            let file = try guest.create("plain", mode: 0o755)
            func change(mode: UInt32) throws -> Int32 {
                let body =
                    guest.bytes(UInt32(1), 0) + guest.bytes(UInt64(0), 0, 0, 0, 0, 0)
                    + guest.bytes(UInt32(0), 0, 0, mode, 0) + guest.bytes(UInt32(0), 0, 0)
                return try guest.ask(.setattr, file.node, body).errno
            }
            #expect(try change(mode: 0o104755) == EPERM)
            #expect(try change(mode: 0o100700) == 0)
            #expect(try Files.status(here.path + "/granted/plain").permissions == 0o700)
            #expect(!Files.exists(here.path + "/granted/set"))
        }
    }

    @Test func madeUpNumbersAreRefused() async throws {
        try await guest(.direct) { guest, _ throws in
            for node in [UInt64(0), 77, 1 << 32, .max] {
                #expect(try guest.lookup("file", in: node).errno != 0)
                #expect(try guest.contents(of: node).errno != 0)
            }
            let file = try guest.lookup("file")
            for handle in [UInt64(1), 99, .max] {
                let body =
                    guest.bytes(handle, 0) + guest.bytes(UInt32(64), 0) + guest.bytes(UInt64(0))
                    + guest.bytes(UInt32(0), 0)
                let read = try guest.ask(.read, file.node, body)
                #expect(read.errno != 0 && read.bytes.isEmpty)
            }
        }
    }
}
