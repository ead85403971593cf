import Glibc
import Synchronization
import System
import Testing

@testable import Confinement

/// Landlock, tried on a program of the system and on a thread of ours. A kernel without it fails here: the machines that
/// run the tests have it.
@Suite struct PathRulesetTests {
    private final class Folder {
        let path: String
        init() throws {
            var template = Array("/tmp/cowork-paths-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
            path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            try Files.replace(path + "/file", with: Array("text".utf8))
        }
        deinit { try? Files.removeTree(path) }
    }

    private func shell(_ script: String, _ access: PathAccess?, _ folder: Folder) throws -> ChildExit? {
        var rules = PathRuleset()
        rules.allow([.read, .execute], beneath: "/usr", "/lib", "/lib64", "/bin", "/no/such/path")
        rules.allow([.read, .write], beneath: "/dev/null")
        if let access { rules.allow(access, beneath: folder.path) }
        var child = ChildSpecification(program: "/bin/sh", arguments: ["-c", script])
        child.noNewPrivileges = true
        child.environment = ["PATH": "/usr/bin:/bin"]
        child.workingDirectory = folder.path
        child.sandbox.pathRules = rules.rules
        return try Child.spawn(child).wait()
    }

    private static let needs: [(String, PathAccess)] = [
        ("cat file", .read), ("ls .", .read), ("echo x > new", .write), (": > file", .write),
        ("mv file other", .write), ("rm file", .write), ("mkdir d", .write), ("ln -s a b", .write),
        ("cp /bin/true t && ./t", [.read, .write, .execute]),
    ]

    @Test(arguments: needs)
    func onlyWhatARuleAllows(script: String, needed: PathAccess) throws {
        #expect(try shell(script, needed, Folder()) == .code(0))
        for right in [PathAccess.read, .write, .execute] where needed.contains(right) {
            let less = needed.subtracting(right)
            #expect(try shell(script + " 2>/dev/null", less.isEmpty ? nil : less, Folder()) != .code(0))
        }
    }

    @Test(.enabled(if: geteuid() == 0, "acts for other users or mounts"))
    func noRuleAllowsDevices() throws {
        let folder = try Folder()
        #expect(try shell("mknod d c 1 3 2>/dev/null", [.read, .write], folder) != .code(0))
        var free = ChildSpecification(program: "/bin/mknod", arguments: [folder.path + "/d", "c", "1", "3"])
        free.noNewPrivileges = true
        #expect(try Child.spawn(free).wait() == .code(0))
    }

    @Test func aThreadIsRestrictedAndTheOthersAreNot() async throws {
        let folder = try Folder()
        let path = folder.path
        let found: (before: Bool, after: Bool) = await withCheckedContinuation { continuation in
            let started: Void? = try? NamedThread.start("restricted") {
                let before = (try? Files.contents(ofFile: path + "/file")) != nil
                var rules = PathRuleset()
                rules.allow(.read, beneath: "/usr")
                let restricted: Void? = try? rules.restrictThisThread()
                let after = restricted == nil || (try? Files.contents(ofFile: path + "/file")) != nil
                continuation.resume(returning: (before, after))
            }
            if started == nil { continuation.resume(returning: (false, true)) }
        }
        #expect(found.before)
        #expect(!found.after)
        #expect(try Files.text(ofFile: path + "/file") == "text")
    }
}
