internal import CLinux
internal import Glibc

/// Who is at the other end of a unix socket, as the kernel recorded it when the connection was made.
package struct PeerCredentials: Sendable, Hashable {
    package let pid: Int32
    package let uid, gid: UInt32
}

package enum UnixSocket {
    package enum Kind: Sendable {
        case stream
        /// Keeps message boundaries; a message is at most `UnixSocket.largestMessage` bytes.
        case packets

        fileprivate var type: Int32 {
            Int32(self == .stream ? SOCK_STREAM.rawValue : SOCK_SEQPACKET.rawValue) | cloexec | nonblocking
        }
    }

    package static let largestMessage = 160 << 10
    fileprivate static let cloexec = Int32(bitPattern: SOCK_CLOEXEC.rawValue)
    fileprivate static let nonblocking = Int32(bitPattern: SOCK_NONBLOCK.rawValue)

    /// A listening socket at `path`, whatever its length. A stale socket there is replaced; anything else is not.
    package static func listen(
        at path: String, kind: Kind = .stream, mode: UInt32 = 0o600
    ) throws(SystemError) -> FileDescriptor {
        let place = try openParent(path)
        if let found = try? Files.status(path, followLinks: false) {
            guard found.kind == .socket else { throw SystemError("bind", code: EEXIST, subject: path) }
            let parent = place.directory.raw
            let name = place.name
            try systemCall("unlink", path) { unlinkat(parent, name, 0) }
        }
        let descriptor = FileDescriptor(
            owning: try systemCall("socket") { Glibc.socket(AF_UNIX, kind.type, 0) })
        let raw = descriptor.raw
        // The mode is set before anybody can connect: nothing connects before listen.
        try withAddress(place.address, path) { address, length in bind(raw, address, length) }
        let parent = place.directory.raw
        let name = place.name
        try systemCall("chmod", path) { fchmodat(parent, name, mode, 0) }
        try systemCall("listen", path) { Glibc.listen(raw, 128) }
        return descriptor
    }

    /// Connects, blocking only as long as the listener's queue is full. The result is non-blocking.
    package static func connect(to path: String, kind: Kind = .stream) throws(SystemError) -> FileDescriptor {
        let place = try openParent(path)
        let descriptor = FileDescriptor(
            owning: try systemCall("socket") { Glibc.socket(AF_UNIX, kind.type & ~nonblocking, 0) })
        let raw = descriptor.raw
        try withAddress(place.address, path) { address, length in
            Glibc.connect(raw, address, length)
        }
        try systemCall("fcntl") { cl_set_nonblocking(raw, 1) }
        return descriptor
    }

    /// Two connected ends, both non-blocking and close-on-exec.
    package static func pair(kind: Kind = .stream) throws(SystemError) -> SocketPair {
        var raw: [Int32] = [-1, -1]
        try systemCall("socketpair") { socketpair(AF_UNIX, kind.type, 0, &raw) }
        return SocketPair(first: FileDescriptor(owning: raw[0]), second: FileDescriptor(owning: raw[1]))
    }

    /// The next waiting connection, or nil when there is none.
    package static func accept(_ listener: borrowing FileDescriptor) throws(SystemError) -> FileDescriptor? {
        let raw = listener.raw
        do throws(SystemError) {
            return FileDescriptor(owning: try systemCall("accept") { cl_accept4(raw, nonblocking) })
        } catch {
            if error.code == EAGAIN || error.code == ECONNABORTED { return nil }
            throw error
        }
    }

    /// For a program that expects a socket it can wait on: `accept` blocks, for at most `limit`.
    package static func makeBlocking(_ listener: borrowing FileDescriptor, limit: Duration) throws(SystemError) {
        let raw = listener.raw
        try systemCall("fcntl") { cl_set_nonblocking(raw, 0) }
        var time = timeval(tv_sec: Int(limit.components.seconds), tv_usec: 0)
        try systemCall("setsockopt SO_RCVTIMEO") {
            setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    package static func peer(ofRaw raw: Int32) throws(SystemError) -> PeerCredentials {
        var found = cl_credentials()
        try systemCall("getsockopt SO_PEERCRED") { cl_peer_credentials(raw, &found) }
        return PeerCredentials(pid: found.pid, uid: found.uid, gid: found.gid)
    }

    /// Sends one message with descriptors. False when the peer cannot take it now.
    package static func send(
        _ bytes: [UInt8], descriptors: [Int32] = [], to raw: Int32
    ) throws(SystemError) -> Int? {
        do throws(SystemError) {
            return try systemCall("sendmsg") {
                cl_send_with_fds(raw, bytes, bytes.count, descriptors, descriptors.count, Int32(MSG_DONTWAIT))
            }
        } catch {
            if error.code == EAGAIN { return nil }
            throw error
        }
    }

    package struct Message: Sendable {
        package let bytes: [UInt8]
        package let descriptors: [SharedDescriptor]
    }

    /// Receives what is there: nil when nothing is; an empty message means the peer is gone.
    package static func receive(
        from raw: Int32, limit: Int = largestMessage, mostDescriptors: Int = 8
    ) throws(SystemError) -> Message? {
        var truncated: Int32 = 0
        var count = mostDescriptors
        var passed = [Int32](repeating: -1, count: mostDescriptors)
        let bytes: [UInt8]
        do throws(SystemError) {
            var failure: SystemError?
            bytes = [UInt8](unsafeUninitializedCapacity: limit) { room, filled in
                filled = 0
                do throws(SystemError) {
                    filled = try systemCall("recvmsg") {
                        cl_recv_with_fds(
                            raw, room.baseAddress, limit, &passed, &count, &truncated, Int32(MSG_DONTWAIT))
                    }
                } catch { failure = error }
            }
            if let failure { throw failure }
        } catch {
            if error.code == EAGAIN { return nil }
            throw error
        }
        let descriptors = passed.prefix(count).map { SharedDescriptor(FileDescriptor(owning: $0)) }
        if truncated != 0 { throw SystemError("recvmsg", code: EMSGSIZE) }
        return Message(bytes: bytes, descriptors: descriptors)
    }

    // A unix socket's name has 107 bytes; the directory is named by an open descriptor so that any path fits.
    private static func openParent(_ path: String) throws(SystemError) -> ParentAndName {
        guard let slash = path.lastIndex(of: "/") else { throw SystemError("bind", code: EINVAL, subject: path) }
        let name = String(path[path.index(after: slash)...])
        guard (1...64).contains(name.utf8.count) else { throw SystemError("bind", code: ENAMETOOLONG, subject: path) }
        let parent = slash == path.startIndex ? "/" : String(path[..<slash])
        return ParentAndName(directory: try Files.openDirectory(parent), name: name)
    }

    private static func withAddress(
        _ name: String, _ subject: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(SystemError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name.utf8.prefix($0.count - 1)) }
        let copy = address
        try systemCall("connect", subject) {
            withUnsafePointer(to: copy) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
    }
}

package struct SocketPair: ~Copyable {
    package let first: FileDescriptor
    package let second: FileDescriptor

    /// Both ends, each with an owner of its own.
    package consuming func split() -> (first: SharedDescriptor, second: SharedDescriptor) {
        let first = SharedDescriptor(self.first)
        let second = SharedDescriptor(self.second)
        return (first, second)
    }
}

private struct ParentAndName: ~Copyable {
    let directory: FileDescriptor
    let name: String
    var address: String { "/proc/self/fd/\(directory.raw)/\(name)" }
}
