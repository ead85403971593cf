internal import Glibc
internal import System

/// A file that one process at a time holds; the kernel takes it back when its holder dies.
package final class FileLock: Sendable {
    private let file: FileDescriptor

    private init(_ file: consuming FileDescriptor) { self.file = file }

    /// Nil when somebody else holds it.
    package static func take(_ path: String) throws -> FileLock? {
        let file = try open(path)
        guard flock(file.raw, LOCK_EX | LOCK_NB) == 0 else {
            if errno == EWOULDBLOCK { return nil }
            throw SystemError("flock", subject: path)
        }
        return FileLock(file)
    }

    /// Waits for it, blocking the caller; nil when `limit` passes first.
    package static func wait(_ path: String, limit: Duration) throws -> FileLock? {
        if let free = try take(path) { return free }
        let pair = try UnixSocket.pair().split()
        let signal = pair.second
        let file = SharedDescriptor(try open(path))
        // A blocking flock has no deadline of its own: a thread waits for it, and is left behind when time is up.
        try NamedThread.start("lock") {
            while flock(file.raw, LOCK_EX) != 0 && errno == EINTR {}
            var done: UInt8 = 1
            _ = send(signal.raw, &done, 1, Int32(MSG_NOSIGNAL))
        }
        guard try Waiting.poll(pair.first.raw, Int16(POLLIN), limit: limit) else { return nil }
        return FileLock(FileDescriptor(owning: try systemCall("dup") { fcntl(file.raw, F_DUPFD_CLOEXEC, 3) }))
    }

    private static func open(_ path: String) throws -> FileDescriptor {
        try Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW)
    }
}
