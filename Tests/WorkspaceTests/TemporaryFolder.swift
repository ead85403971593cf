import Contract
import Core
import Glibc
import Synchronization
import System
import Workspace

/// A place of a test's own, with the directories of a Cowork in it; removed with it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/cowork-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        chmod(path, 0o755)
        for name in ["state/sessions", "run", "data"] { try make("ours/" + name) }
        try make("images")
    }

    deinit { try? Files.removeTree(path) }

    /// Makes a directory and those above it; its path.
    @discardableResult
    func make(_ name: String, mode: UInt32 = 0o755) throws -> String {
        var made = path
        for part in name.split(separator: "/") {
            made += "/" + part
            if !Files.exists(made) { try systemCall("mkdir", made) { mkdir(made, 0o755) } }
        }
        let last = made
        try systemCall("chmod", last) { chmod(last, mode) }
        return made
    }

    @discardableResult
    func write(_ name: String, _ text: String = "text") throws -> String {
        try Files.replace(path + "/" + name, with: Array(text.utf8), mode: 0o644)
        return path + "/" + name
    }

    func link(_ name: String, to target: String) throws -> String {
        let place = path + "/" + name
        try systemCall("symlink", place) { symlink(target, place) }
        return place
    }

    var directories: Directories {
        Directories(
            state: path + "/ours/state", runtime: path + "/ours/run", configuration: path + "/ours/configuration",
            data: path + "/ours/data")
    }

    func workspace(log: Lines = Lines(), patience: Duration = .seconds(60)) -> Workspace {
        Workspace(
            rules: FolderRules(directories: directories, images: [path + "/images"]),
            setting: .init(runtime: directories.runtime, hypervisor: geteuid(), patience: patience) { log.add($0) })
    }
}

/// What was logged.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}
