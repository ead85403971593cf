internal import CLinux
internal import Glibc

/// An open descriptor, closed when it goes out of scope. It has exactly one owner.
package struct FileDescriptor: ~Copyable, Sendable {
    package let raw: Int32

    /// Takes over `raw`, which must be open and nobody else's.
    package init(owning raw: Int32) { self.raw = raw }

    deinit { close(raw) }

    /// Gives the number away; the caller closes it.
    package consuming func release() -> Int32 {
        let raw = self.raw
        discard self
        return raw
    }

    package func duplicate() throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: try systemCall("dup") { cl_dup_cloexec(raw) })
    }
}

/// A descriptor that several owners hold, or that sits in a collection. Closed with the last of them.
package final class SharedDescriptor: Sendable {
    private let descriptor: FileDescriptor
    package var raw: Int32 { descriptor.raw }

    package init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
}

package enum Files {
    /// Opens by path, close-on-exec.
    package static func open(
        _ path: String, _ flags: Int32, mode: UInt32 = 0o600
    ) throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: try systemCall("open", path) { Glibc.open(path, flags | O_CLOEXEC, mode) })
    }

    /// Opens `path` strictly beneath `directory`: nothing in it can lead out.
    package static func open(
        _ path: String, beneath directory: borrowing FileDescriptor, _ flags: Int32, mode: UInt32 = 0o600,
        followLinks: Bool = false
    ) throws(SystemError) -> FileDescriptor {
        let raw = directory.raw
        return FileDescriptor(
            owning: try systemCall("open", path) { cl_open_beneath(raw, path, flags, mode, followLinks ? 0 : 1) })
    }

    package static func openDirectory(_ path: String) throws(SystemError) -> FileDescriptor {
        try open(path, cl_O_PATH | O_DIRECTORY)
    }

    /// Opens a directory beneath another; a link anywhere in `path` is refused with ELOOP.
    package static func openDirectory(
        _ path: String, beneath directory: borrowing FileDescriptor
    ) throws(SystemError) -> FileDescriptor {
        try open(path, beneath: directory, cl_O_PATH | O_DIRECTORY)
    }

    /// The whole of a file, which must not be larger than `limit`.
    package static func contents(
        of descriptor: borrowing FileDescriptor, limit: Int = 16 << 20
    ) throws(SystemError) -> [UInt8] {
        let raw = descriptor.raw
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = try systemCall("read") { read(raw, &chunk, chunk.count) }
            if count == 0 { return bytes }
            if bytes.count + count > limit { throw SystemError("read", code: EFBIG) }
            bytes.append(contentsOf: chunk[0..<count])
        }
    }

    package static func contents(ofFile path: String, limit: Int = 16 << 20) throws(SystemError) -> [UInt8] {
        // Somebody's FIFO in a file's place must not hold us.
        try contents(of: open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY), limit: limit)
    }

    package static func text(ofFile path: String, limit: Int = 16 << 20) throws(SystemError) -> String {
        String(decoding: try contents(ofFile: path, limit: limit), as: UTF8.self)
    }

    /// Writes all of `bytes` to a blocking descriptor.
    package static func writeAll(_ bytes: some Sequence<UInt8>, to raw: Int32) throws(SystemError) {
        let bytes = Array(bytes)
        var sent = 0
        while sent < bytes.count {
            sent += try systemCall("write") {
                bytes.withUnsafeBytes { write(raw, $0.baseAddress.map { $0 + sent }, $0.count - sent) }
            }
        }
    }

    /// Replaces `path` by a file with these bytes: readers see the old or the new one, whole, also after a crash.
    package static func replace(
        _ path: String, with bytes: some Sequence<UInt8>, mode: UInt32 = 0o600
    ) throws(SystemError) {
        let temporary = path + ".new-\(getpid())"
        do throws(SystemError) {
            let descriptor = try open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: mode)
            try writeAll(bytes, to: descriptor.raw)
            let raw = descriptor.raw
            try systemCall("fsync", temporary) { fsync(raw) }
            try systemCall("rename", path) { rename(temporary, path) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    package static func status(_ path: String, followLinks: Bool = true) throws(SystemError) -> FileStatus {
        var found = cl_stat()
        try systemCall("stat", path) { cl_statat(AT_FDCWD, path, followLinks ? 1 : 0, &found) }
        return FileStatus(found)
    }

    package static func status(of descriptor: borrowing FileDescriptor) throws(SystemError) -> FileStatus {
        try status(ofRaw: descriptor.raw)
    }

    package static func status(ofRaw raw: Int32) throws(SystemError) -> FileStatus {
        var found = cl_stat()
        try systemCall("fstat") { cl_fstat(raw, &found) }
        return FileStatus(found)
    }

    package static func exists(_ path: String) -> Bool { (try? status(path, followLinks: false)) != nil }

    /// The path the kernel knows an open descriptor by.
    package static func path(ofRaw raw: Int32) throws(SystemError) -> String {
        try readLink("/proc/self/fd/\(raw)")
    }

    package static func readLink(_ path: String) throws(SystemError) -> String {
        var room = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = try systemCall("readlink", path) {
            room.withUnsafeMutableBytes { room in
                guard let start = room.baseAddress else { return -1 }
                return readlink(path, start.assumingMemoryBound(to: CChar.self), room.count)
            }
        }
        return String(decoding: room[0..<count], as: UTF8.self)
    }

    /// The entries of a directory, without `.` and `..`, in no order.
    package static func entries(_ path: String) throws(SystemError) -> [String] {
        guard let stream = opendir(path) else { throw SystemError("opendir", subject: path) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a file or a whole tree, never following a link; absent is fine.
    package static func removeTree(_ path: String) throws(SystemError) {
        guard let found = try? status(path, followLinks: false) else { return }
        if found.kind == .directory {
            for name in try entries(path) { try removeTree(path + "/" + name) }
            try systemCall("rmdir", path) { rmdir(path) }
        } else {
            try systemCall("unlink", path) { unlink(path) }
        }
    }

    /// Free and total bytes of the file system that holds `path`.
    package static func space(at path: String) throws(SystemError) -> (total: UInt64, available: UInt64) {
        var found = cl_space()
        try systemCall("statvfs", path) { cl_filesystem_space(path, &found) }
        return (found.total, found.available)
    }
}

package struct FileStatus: Sendable, Equatable {
    package enum Kind: Sendable { case directory, regular, link, socket, other }

    package let kind: Kind
    package let device, inode, size, allocated: UInt64
    package let links: UInt64
    package let permissions, uid, gid: UInt32
    package let modifiedNanoseconds, changedNanoseconds: Int64

    init(_ found: cl_stat) {
        kind =
            found.is_directory != 0
            ? .directory
            : found.is_regular != 0 ? .regular : found.is_link != 0 ? .link : found.is_socket != 0 ? .socket : .other
        device = found.device
        inode = found.inode
        size = found.size
        allocated = found.blocks &* 512
        links = found.links
        permissions = found.mode
        uid = found.uid
        gid = found.gid
        modifiedNanoseconds = found.mtime_s &* 1_000_000_000 &+ Int64(found.mtime_ns)
        changedNanoseconds = found.ctime_s &* 1_000_000_000 &+ Int64(found.ctime_ns)
    }
}
