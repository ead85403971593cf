import Glibc
import System
import Testing

@testable import GuestCore

/// Where a folder is mounted, in a root of the test's own.
@Suite struct FolderPlaceTests {
    private func withRoot(_ body: (String) throws -> Void) throws {
        var name = Array("/tmp/cowork-guest-place-XXXXXX\0".utf8CString)
        try systemCall("mkdtemp") { mkdtemp(&name) == nil ? -1 : 0 }
        let root = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? Files.removeTree(root) }
        try body(root)
    }

    @Test func whatIsMissingIsMadeAndWhatIsThereIsUsed() throws {
        try withRoot { root in
            for _ in 1...2 {
                let made = try FolderMounts.makeDirectory(MountPath("/srv/a folder/x"), below: root)
                #expect(try Files.status(of: made).inode == Files.status(root + "/srv/a folder/x").inode)
            }
            #expect(try Files.status(root + "/srv").permissions & 0o700 == 0o700)
        }
    }

    @Test func directoriesOnTheWayBecomePassableAndNothingElseChanges() throws {
        try withRoot { root in
            try systemCall("mkdir") { mkdir(root + "/root", 0o700) }
            try systemCall("mkdir") { mkdir(root + "/root/place", 0o700) }
            _ = try FolderMounts.makeDirectory(MountPath("/root/place"), below: root)
            #expect(try Files.status(root + "/root").permissions == 0o711)
            #expect(try Files.status(root + "/root/place").permissions == 0o700)
        }
    }

    @Test func noLinkLeadsAMountAway() throws {
        try withRoot { root in
            try systemCall("mkdir") { mkdir(root + "/etc", 0o755) }
            try systemCall("mkdir") { mkdir(root + "/data", 0o755) }
            try systemCall("symlink") { symlink("../etc", root + "/data/way") }
            try systemCall("symlink") { symlink("etc", root + "/link") }
            #expect(throws: SystemError.self) {
                _ = try FolderMounts.makeDirectory(MountPath("/data/way/x"), below: root)
            }
            #expect(throws: SystemError.self) { _ = try FolderMounts.makeDirectory(MountPath("/link"), below: root) }
            #expect(!Files.exists(root + "/etc/x"))
            _ = try FolderMounts.makeDirectory(MountPath("/data/real/x"), below: root)
            #expect(Files.exists(root + "/data/real/x"))
        }
    }

    @Test func aFileIsNoPlace() throws {
        try withRoot { root in
            try Files.replace(root + "/file", with: "".utf8)
            #expect(throws: SystemError.self) { _ = try FolderMounts.makeDirectory(MountPath("/file"), below: root) }
            #expect(throws: SystemError.self) { _ = try FolderMounts.makeDirectory(MountPath("/file/x"), below: root) }
        }
    }
}
