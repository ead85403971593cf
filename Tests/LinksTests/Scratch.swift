import Contract
import Core
import Glibc
import Links
import System

/// Directories of a daemon of its own, removed with the value.
final class Scratch: Sendable {
    let path: String
    let directories: Directories

    init() throws {
        path = "/tmp/cowork-links-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        directories = Directories(
            state: path + "/state", runtime: path + "/run", configuration: path + "/conf", data: path + "/data")
        for directory in [directories.state, directories.runtime, directories.configuration] {
            try Directories.makePrivate(directory, owner: geteuid())
        }
    }
    deinit { try? Files.removeTree(path) }
}

/// Whatever blocks, away from the threads of the tests.
func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    let result = try await Blocking.run("test") { () throws(Fault) in Result { try work() } }
    return try result.get()
}

/// One end of a connection, used with blocking calls.
struct Plain: Sendable {
    let socket: SharedDescriptor

    func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            sent += try systemCall("send") {
                bytes[sent...].withUnsafeBytes { Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            }
        }
    }

    /// What comes until a NUL, or until the other side closes, which is nil.
    func message() throws -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            var item = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
            guard poll(&item, 1, 60_000) > 0 else { throw SystemError("poll", code: ETIMEDOUT) }
            let count = read(socket.raw, &byte, 1)
            if count <= 0 { return nil }
            if byte == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
    }
}
