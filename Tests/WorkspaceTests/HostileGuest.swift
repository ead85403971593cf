import Glibc
import System

/// A guest's kernel that sends what it likes: requests of the FUSE protocol, one at a time, over vhost-user, with no
/// check in between. It blocks: use it on a thread of its own.
final class HostileGuest {
    struct Answer {
        /// 0, or what went wrong.
        let errno: Int32
        let bytes: [UInt8]

        func number<Value: FixedWidthInteger>(at offset: Int, as: Value.Type = Value.self) -> Value {
            guard offset + MemoryLayout<Value>.size <= bytes.count else { return 0 }
            return bytes[offset..<offset + MemoryLayout<Value>.size].reversed().reduce(0) { $0 << 8 | Value($1) }
        }
        /// Of an entry: the number by which the server knows the file from now on.
        var node: UInt64 { errno == 0 ? number(at: 0) : 0 }
        var inode: UInt64 { number(at: 40) }
        var mode: UInt32 { number(at: 40 + 60) }
    }

    enum Operation: UInt32 {
        case lookup = 1, setattr = 4, readlink, symlink
        case mknod = 8, mkdir, unlink, rmdir, rename, link, open, read, write
        case initialise = 26, opendir, readdir
        case create = 35
        case rename2 = 45
    }

    static let root: UInt64 = 1
    /// Whom requests are said to come from.
    var user: UInt32 = 1000

    private let connection: FileDescriptor
    private let memory: FileDescriptor
    private let base: UnsafeMutableRawPointer
    private let kick, call: FileDescriptor
    private var turn: UInt16 = 0

    // One ring of four descriptors, then what is sent and what comes back.
    private static let size = 1 << 20
    private static let ringSize: UInt32 = 4
    private static let (descriptors, available, used, sent, received) = (0, 0x100, 0x200, 0x1000, 0x20000)
    private static let userAddress: UInt64 = 0x7000_0000_0000

    init(socket: String) throws {
        connection = try UnixSocket.connect(to: socket)
        memory = try SharedMemory.create("guest", size: Self.size)
        guard let mapped = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.raw, 0), mapped != MAP_FAILED
        else { throw SystemError("mmap") }
        base = mapped
        kick = try EventCounter.create()
        call = try EventCounter.create()
        try connect()
        _ = try ask(.initialise, 0, bytes(UInt32(7), 31, 1 << 17, 0))
    }

    deinit { munmap(base, Self.size) }

    /// Sends a request as it is and waits for its answer.
    func ask(_ operation: Operation, _ node: UInt64, _ body: [UInt8]) throws -> Answer {
        turn &+= 1
        let header =
            bytes(UInt32(40 + body.count), operation.rawValue) + bytes(UInt64(turn), node)
            + bytes(user, user, UInt32(1), 0)
        store(header + body, at: Self.sent)
        let room = 0x10000
        store(bytes(UInt64(Self.sent)) + bytes(UInt32(header.count + body.count)) + bytes(UInt16(1), 1), at: 0)
        store(bytes(UInt64(Self.received)) + bytes(UInt32(room)) + bytes(UInt16(2), 0), at: 16)
        let slot = Int(turn &- 1) % Int(Self.ringSize)
        store(bytes(UInt16(0)), at: Self.available + 4 + 2 * slot)
        store(bytes(turn), at: Self.available + 2)
        EventCounter.signal(kick.raw)
        while load(at: Self.used + 2, as: UInt16.self) != turn { try wait(for: call.raw, andTake: true) }
        let length = Int(load(at: Self.received, as: UInt32.self))
        let code = load(at: Self.received + 4, as: Int32.self)
        guard (16...room).contains(length) else { throw SystemError("answer", code: EPROTO) }
        return Answer(
            errno: -code,
            bytes: Array(UnsafeRawBufferPointer(start: base + Self.received, count: length))[16...].map { $0 })
    }

    func lookup(_ name: String, in node: UInt64 = root) throws -> Answer { try ask(.lookup, node, text(name)) }

    /// The whole of a small file, by its node.
    func contents(of node: UInt64) throws -> (errno: Int32, text: String) {
        let opened = try ask(.open, node, bytes(UInt32(O_RDONLY), 0))
        guard opened.errno == 0 else { return (opened.errno, "") }
        let read = try ask(
            .read, node,
            bytes(opened.number(at: 0, as: UInt64.self), 0) + bytes(UInt32(4096), 0) + bytes(UInt64(0))
                + bytes(UInt32(0), 0))
        return (read.errno, String(decoding: read.bytes, as: UTF8.self))
    }

    func create(_ name: String, in node: UInt64 = root, mode: UInt32 = 0o644) throws -> Answer {
        try ask(.create, node, bytes(UInt32(O_CREAT | O_RDWR), 0o100000 | mode, 0, 0) + text(name))
    }

    func text(_ names: String...) -> [UInt8] { names.flatMap { Array($0.utf8) + [0] } }

    func bytes<Value: FixedWidthInteger>(_ values: Value...) -> [UInt8] {
        values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    }

    // What QEMU says for a device of this kind.
    private func connect() throws {
        let features: UInt64 = 1 << 32 | 1 << 30
        _ = try message(1, reply: 8)
        _ = try message(15, reply: 8)
        try message(16, bytes(UInt64(0)))
        try message(3)
        try message(2, bytes(features))
        try message(
            5, bytes(UInt32(1), 0) + bytes(UInt64(0), UInt64(Self.size), Self.userAddress, 0),
            descriptors: [memory.raw])
        // The first queue is for forgetting; it stays empty.
        for queue in [UInt32(1)] {
            try message(8, bytes(queue, Self.ringSize))
            try message(10, bytes(queue, 0))
            let places = [Self.descriptors, Self.used, Self.available].map { Self.userAddress + UInt64($0) }
            try message(9, bytes(queue, 0) + places.flatMap { bytes($0) } + bytes(UInt64(0)))
            try message(13, bytes(UInt64(queue)), descriptors: [call.raw])
            try message(12, bytes(UInt64(queue)), descriptors: [kick.raw])
            try message(18, bytes(queue, 1))
        }
    }

    @discardableResult
    private func message(
        _ request: UInt32, _ payload: [UInt8] = [], descriptors: [Int32] = [], reply: Int = 0
    ) throws -> [UInt8] {
        let whole = bytes(request, UInt32(1), UInt32(payload.count)) + payload
        guard try UnixSocket.send(whole, descriptors: descriptors, to: connection.raw) == whole.count else {
            throw SystemError("send", code: EAGAIN)
        }
        var answer: [UInt8] = []
        while reply > 0 && answer.count < 12 + reply {
            try wait(for: connection.raw, andTake: false)
            guard let part = try UnixSocket.receive(from: connection.raw, limit: 64), !part.bytes.isEmpty else {
                throw SystemError("receive", code: ECONNRESET)
            }
            answer += part.bytes
        }
        return answer
    }

    /// A server that died closes the connection: then this throws, and at the latest after ten seconds.
    private func wait(for raw: Int32, andTake counter: Bool) throws {
        var items = [
            pollfd(fd: raw, events: Int16(POLLIN), revents: 0), pollfd(fd: connection.raw, events: 0, revents: 0),
        ]
        let ready = poll(&items, 2, 10_000)
        guard ready > 0 else { throw SystemError("wait", code: ETIMEDOUT) }
        if items[1].revents != 0 { throw SystemError("wait", code: ECONNRESET) }
        if counter { _ = try EventCounter.take(raw) }
    }

    private func store(_ bytes: [UInt8], at offset: Int) {
        bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(start: base + offset, count: $0.count).copyMemory(from: $0)
        }
    }

    private func load<Value: FixedWidthInteger>(at offset: Int, as: Value.Type) -> Value {
        base.loadUnaligned(fromByteOffset: offset, as: Value.self)
    }
}
