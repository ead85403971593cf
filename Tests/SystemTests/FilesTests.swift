import Glibc
import Testing

@testable import System

/// A directory of the test's own, removed at its end.
final class ScratchDirectory {
    let path: String
    init() throws {
        var template = Array("/tmp/cowork-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    deinit { try? Files.removeTree(path) }
}

@Suite struct FilesTests {
    @Test func nothingOpensOutsideTheDirectory() throws {
        let scratch = try ScratchDirectory()
        mkdir(scratch.path + "/inside", 0o700)
        try Files.replace(scratch.path + "/secret", with: Array("x".utf8))
        try Files.replace(scratch.path + "/inside/own", with: Array("y".utf8))
        symlink("../secret", scratch.path + "/inside/link")
        symlink("own", scratch.path + "/inside/fine")
        let directory = try Files.openDirectory(scratch.path + "/inside")
        for path in ["../secret", "link", "/etc/passwd", "fine"] {
            #expect(throws: SystemError.self) { _ = try Files.open(path, beneath: directory, O_RDONLY) }
        }
        // Links may be followed when asked for, as long as they stay inside.
        let own = try Files.open("fine", beneath: directory, O_RDONLY, followLinks: true)
        #expect(try Files.contents(of: own) == Array("y".utf8))
        #expect(throws: SystemError.self) {
            _ = try Files.open("link", beneath: directory, O_RDONLY, followLinks: true)
        }
    }

    @Test func replaceIsWholeAndPrivate() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/f"
        try Files.replace(path, with: Array("one".utf8))
        try Files.replace(path, with: Array("two".utf8))
        #expect(try Files.text(ofFile: path) == "two")
        #expect(try Files.status(path).permissions == 0o600)
        #expect(try Files.entries(scratch.path) == ["f"])
    }

    @Test func contentsHaveALimit() throws {
        let scratch = try ScratchDirectory()
        try Files.replace(scratch.path + "/f", with: [UInt8](repeating: 0, count: 100))
        #expect(throws: SystemError("read", code: EFBIG)) { try Files.contents(ofFile: scratch.path + "/f", limit: 99) }
        #expect(try Files.contents(ofFile: scratch.path + "/f", limit: 100).count == 100)
    }

    @Test func removingATreeDoesNotFollowLinks() throws {
        let scratch = try ScratchDirectory()
        mkdir(scratch.path + "/keep", 0o700)
        try Files.replace(scratch.path + "/keep/f", with: [])
        mkdir(scratch.path + "/gone", 0o700)
        symlink("../keep", scratch.path + "/gone/link")
        try Files.removeTree(scratch.path + "/gone")
        #expect(Files.exists(scratch.path + "/keep/f"))
        #expect(!Files.exists(scratch.path + "/gone"))
    }
}

@Suite struct DirectoriesTests {
    @Test func environmentDecides() throws {
        let found = try Directories.forUser(
            environment: [
                "HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r", "XDG_DATA_HOME": "relative/is/ignored",
            ], uid: 7)
        #expect(found.state == "/s/cowork")
        #expect(found.socket == "/r/cowork/daemon.sock")
        #expect(found.data == "/h/.local/share/cowork")
        #expect(found.configuration == "/h/.config/cowork")
    }

    @Test func withoutARuntimeDirectoryOneOfOurOwn() throws {
        #expect(try Directories.forUser(environment: ["HOME": "/h"], uid: 64999).runtime == "/tmp/cowork-64999/cowork")
    }

    @Test func whatAnotherUserPreparedIsRefused() throws {
        let scratch = try ScratchDirectory()
        let target = scratch.path + "/elsewhere"
        mkdir(target, 0o700)
        symlink(target, scratch.path + "/link")
        #expect(throws: SystemError.self) { try Directories.makePrivate(scratch.path + "/link", owner: geteuid()) }
        #expect(throws: SystemError.self) { try Directories.makePrivate(target, owner: geteuid() + 1) }
        // Its twin: one of our own is made, and made private.
        chmod(target, 0o755)
        try Directories.makePrivate(target, owner: geteuid())
        #expect(try Files.status(target).permissions == 0o700)
        try Directories.makePrivate(scratch.path + "/new/deep", owner: geteuid())
        #expect(try Files.status(scratch.path + "/new").permissions == 0o700)
    }
}
