import Contract
import Core
import Glibc
import System
import Testing
import Varlink

@testable import Links

/// The blocking client against a server that answers as the daemon would.
struct DaemonClientTests {
    private static func answer(_ call: Call, _ client: any ClientConnection) async throws {
        switch call.method {
        case DaemonAPI.Version.name:
            try await client.send(try Reply.encode(DaemonAPI.Version.Reply(version: "1", protocol: 1)))
        case DaemonAPI.Show.name:
            try await client.send(
                try Reply.encode(.fault(Fault(.notFound, "no such session: x", hint: "look"))))
        case DaemonAPI.Logs.name:
            for number in 0..<3 {
                let entry = DaemonAPI.LogEntry(kind: "k", text: "\(number)")
                try await client.send(try Reply.encode(DaemonAPI.Logs.Reply(entry: entry), continues: true))
            }
            try await client.send(try Reply.encode(DaemonAPI.Logs.Reply()))
        case DaemonAPI.Exec.name:
            let lent = try await client.lend()
            try Files.writeAll(Array(#"{"parameters":{}}"#.utf8) + [0] + Array("frames".utf8), to: lent.raw)
            await client.closeAfterCall()
        default: try await client.send(Array("no json".utf8))
        }
    }

    private func served() throws -> Served {
        try Served { message, client in
            guard let call = try? Call(message) else { return }
            try? await Self.answer(call, client)
        }
    }

    @Test func callsStreamsAndUpgrades() async throws {
        let served = try served()
        try await blocking {
            let client = try #require(try DaemonClient.connectOnce(served.scratch.directories))
            let fault = #expect(throws: Fault.self) { try client.call(DaemonAPI.Show.self, .init(session: "x")) }
            #expect(fault == Fault(.notFound, "no such session: x", hint: "look"))
            var heard: [String] = []
            try client.stream(DaemonAPI.Logs.self, .init()) { (reply) throws(Fault) in
                heard.append(reply.entry?.text ?? "end")
            }
            #expect(heard == ["0", "1", "2", "end"])
            let odd = #expect(throws: Fault.self) { try client.call(DaemonAPI.List.self, .init()) }
            #expect(odd?.code == .protocolViolation)

            let other = try #require(try DaemonClient.connectOnce(served.scratch.directories))
            let upgraded = try other.upgrade(
                DaemonAPI.Exec.self, .init(session: "x", process: .init(arguments: ["a"])))
            var rest = upgraded.received
            while rest.count < 6 {
                var byte: UInt8 = 0
                if read(upgraded.socket.raw, &byte, 1) == 1 { rest.append(byte) }
            }
            #expect(rest == Array("frames".utf8))
        }
    }

    @Test func noDaemonIsNoError() async throws {
        let scratch = try Scratch()
        #expect(try await blocking { try DaemonClient.connectOnce(scratch.directories) == nil })
        // A socket that a killed daemon left.
        _ = try UnixSocket.listen(at: scratch.directories.socket)
        #expect(try await blocking { try DaemonClient.connectOnce(scratch.directories) == nil })
        let fault = await #expect(throws: Fault.self) {
            try await blocking {
                _ = try DaemonClient.connect(scratch.directories, environment: [:], autoStart: false)
            }
        }
        #expect(fault?.code == .noDaemon && fault?.hint != nil)
    }

    @Test func aDaemonThatHangsUpAtOnceIsNone() async throws {
        let served = try Served(admits: false) { _, _ in }
        #expect(try await blocking { try DaemonClient.connectOnce(served.scratch.directories) == nil })
    }

    @Test func aDaemonOfAnotherProtocolIsNamed() async throws {
        let served = try Served { _, client in
            guard let text = try? Reply.encode(DaemonAPI.Version.Reply(version: "9", protocol: 7)) else { return }
            try? await client.send(text)
        }
        let fault = await #expect(throws: Fault.self) {
            try await blocking { _ = try DaemonClient.connectOnce(served.scratch.directories) }
        }
        #expect(fault?.code == .unsupported && fault?.message.contains("version 9") == true)
    }

    @Test func aWaitCanBeInterrupted() async throws {
        let served = try Served { message, client in
            guard let call = try? Call(message), call.method == DaemonAPI.Version.name else { return }
            try? await Self.answer(call, client)
        }
        let fault = await #expect(throws: Fault.self) {
            try await blocking {
                let pair = try UnixSocket.pair().split()
                let client = try #require(try DaemonClient.connectOnce(served.scratch.directories))
                client.interruption = pair.first
                try Files.writeAll([1], to: pair.second.raw)
                _ = try client.call(DaemonAPI.List.self, .init())
            }
        }
        #expect(fault?.code == .interrupted)
    }
}

struct LockTests {
    @Test func oneHolderAtATimeAndWaitingHasAnEnd() async throws {
        let scratch = try Scratch()
        let path = scratch.path + "/lock"
        try await blocking {
            var first = try FileLock.take(path)
            #expect(first != nil)
            #expect(try FileLock.take(path) == nil)
            #expect(try FileLock.wait(path, limit: .milliseconds(1)) == nil)
            first = nil
        }
        // The waiter that gave up may still get it for a moment; then it is free.
        #expect(try await blocking { try FileLock.wait(path, limit: .seconds(60)) != nil })
    }
}
