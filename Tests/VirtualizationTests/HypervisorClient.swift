import Contract
import FoundationEssentials
import Glibc
import System

@testable import Virtualization

/// A daemon's end of the control socket, for tests that run on a thread of their own. Every wait has a deadline.
final class HypervisorClient {
    struct Failure: Error { let text: String }

    private let descriptor: FileDescriptor
    private var input: [UInt8] = []
    private var number: UInt64 = 0
    private(set) var events: [MachineEvent] = []

    init(path: String) throws { descriptor = try UnixSocket.connect(to: path) }

    func send(_ call: HypervisorRequest.Call) throws -> UInt64 {
        number += 1
        try send(bytes: Array(JSONEncoder().encode(HypervisorRequest(number: number, call: call))) + [0])
        return number
    }

    func send(bytes: [UInt8]) throws {
        guard try UnixSocket.send(bytes, to: descriptor.raw) == bytes.count else { throw Failure(text: "short") }
    }

    func call(_ call: HypervisorRequest.Call) throws -> HypervisorReply.Result {
        let wanted = try send(call)
        while let reply = try receive() {
            if reply.number == wanted { return reply.result }
            if case .event(let event) = reply.result { events.append(event) }
        }
        throw Failure(text: "the connection ended")
    }

    func event() throws -> MachineEvent {
        while events.isEmpty {
            guard let reply = try receive() else { throw Failure(text: "the connection ended") }
            if case .event(let event) = reply.result { events.append(event) }
        }
        return events.removeFirst()
    }

    /// Nil at the end of the connection.
    func receive() throws -> HypervisorReply? {
        while true {
            if let end = input.firstIndex(of: 0) {
                defer { input.removeFirst(end + 1) }
                return try JSONDecoder().decode(HypervisorReply.self, from: Data(input[..<end]))
            }
            try awaitReadable(descriptor.raw)
            guard let message = try UnixSocket.receive(from: descriptor.raw) else { continue }
            if message.bytes.isEmpty { return nil }
            input += message.bytes
        }
    }
}

/// Waits until a descriptor can be read, for at most 20 s.
func awaitReadable(_ raw: Int32) throws {
    var item = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
    guard poll(&item, 1, 20_000) == 1 else { throw HypervisorClient.Failure(text: "nothing came within 20 s") }
}
