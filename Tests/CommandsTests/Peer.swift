import Core
import Glibc
import System
import Wire

@testable import Commands

/// Runs blocking work on a thread of its own, so that no test blocks the threads all tests share.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        do {
            try NamedThread.start("test") { continuation.resume(with: Result { try body() }) }
        } catch { continuation.resume(throwing: error) }
    }
}

struct PeerFailure: Error, CustomStringConvertible {
    let description: String
}

/// The other end of a connection: reads and writes frames as a test tells it, and gives up after a while.
final class Peer: Sendable {
    private let socket: SharedDescriptor
    private static let patience: Int32 = 20_000

    init(_ socket: SharedDescriptor) { self.socket = socket }

    var raw: Int32 { socket.raw }

    func send(_ frames: Frame...) throws { try send(bytes: frames.flatMap(\.encoded)) }

    func send(bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            try wait(POLLOUT)
            let count = bytes[sent...].withUnsafeBytes { write(raw, $0.baseAddress, $0.count) }
            if count < 0 { throw PeerFailure(description: "write: \(errno)") }
            sent += count
        }
    }

    /// The next frames, until `isEnough` says so or the connection ends.
    func frames(until isEnough: ([Frame]) -> Bool) throws -> [Frame] {
        var decoder = FrameDecoder()
        var found: [Frame] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while !isEnough(found) {
            try wait(POLLIN)
            let count = read(raw, &chunk, chunk.count)
            if count <= 0 { return found }
            decoder.append(chunk[0..<count])
            while let frame = try decoder.next() { found.append(frame) }
        }
        return found
    }

    private func wait(_ events: Int32) throws {
        var item = pollfd(fd: raw, events: Int16(truncatingIfNeeded: events), revents: 0)
        if poll(&item, 1, Self.patience) != 1 { throw PeerFailure(description: "the other side is silent") }
    }
}

func readAll(_ raw: Int32) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = read(raw, &chunk, chunk.count)
        if count < 0 { throw PeerFailure(description: "read: \(errno)") }
        if count == 0 { return bytes }
        bytes += chunk[0..<count]
    }
}

struct TestPipe: Sendable {
    let reading, writing: SharedDescriptor

    init() throws {
        var raw: [Int32] = [-1, -1]
        try systemCall("pipe") { pipe(&raw) }
        reading = SharedDescriptor(FileDescriptor(owning: raw[0]))
        writing = SharedDescriptor(FileDescriptor(owning: raw[1]))
    }
}
