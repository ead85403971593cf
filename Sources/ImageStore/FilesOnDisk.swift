import Core
import Glibc
import System

/// Runs `body`; a kernel call that fails becomes a fault that says what we wanted.
@discardableResult
func hosted<Result: ~Copyable>(
    _ failure: @autoclosure () -> String, _ body: () throws(SystemError) -> Result
) throws(Fault) -> Result {
    do {
        return try body()
    } catch {
        let code: FaultCode = error.code == ENOSPC || error.code == EDQUOT ? .noSpace : .hostFailed
        throw Fault(code, "\(failure()): \(error.reason)", hint: code == .noSpace ? "make room and try again" : nil)
    }
}

extension Files {
    /// Writes a new file that everybody may read and that is on the disk when this returns.
    static func create(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o644) throws(SystemError) {
        let file = try open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
        try writeAll(bytes, to: file.raw)
        let raw = file.raw
        try systemCall("fchmod", path) { fchmod(raw, mode) }
        try systemCall("fsync", path) { fsync(raw) }
    }

    /// The absolute path of a directory, links resolved.
    static func resolved(_ path: String) throws(SystemError) -> String {
        let directory = try openDirectory(path)
        return try self.path(ofRaw: directory.raw)
    }

    /// Makes a directory and what is missing above it, for everybody to read.
    static func makeDirectories(_ path: String) throws(SystemError) {
        guard !exists(path) else { return }
        let parent = path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        if !parent.isEmpty { try makeDirectories(parent) }
        try makeDirectory(path)
    }

    static func makeDirectory(_ path: String) throws(SystemError) {
        try systemCall("mkdir", path) { mkdir(path, 0o755) }
        try systemCall("chmod", path) { chmod(path, 0o755) }
    }

    static func synchronizeDirectory(_ path: String) throws(SystemError) {
        let directory = try open(path, O_RDONLY | O_DIRECTORY)
        let raw = directory.raw
        try systemCall("fsync", path) { fsync(raw) }
    }

    static func synchronizeFile(_ path: String) throws(SystemError) {
        let file = try open(path, O_RDONLY | O_NOFOLLOW)
        let raw = file.raw
        try systemCall("fsync", path) { fsync(raw) }
    }

    /// Removes a tree without ever following a link or entering another file system: what a killed build may have left
    /// mounted in its directory is not ours to empty. Such a tree is refused and stays.
    static func removeTree(_ path: String, on sibling: String) throws(SystemError) {
        guard exists(path) else { return }
        try removeTree(path, device: try status(sibling, followLinks: false).device)
    }

    private static func removeTree(_ path: String, device: UInt64) throws(SystemError) {
        let found = try status(path, followLinks: false)
        guard found.device == device else { throw SystemError("remove", code: EXDEV, subject: path) }
        if found.kind == .directory {
            for name in try entries(path) { try removeTree(path + "/" + name, device: device) }
            try systemCall("rmdir", path) { rmdir(path) }
        } else {
            try systemCall("unlink", path) { unlink(path) }
        }
    }

    /// The lengths of all files beneath a directory, as far as they can be seen.
    static func treeBytes(_ path: String) -> UInt64 {
        guard let found = try? status(path, followLinks: false) else { return 0 }
        guard found.kind == .directory else { return found.size }
        return ((try? entries(path)) ?? []).reduce(0) { $0 &+ treeBytes(path + "/" + $1) }
    }
}
