import Contract
import Core
import Glibc
import Synchronization
import System
import Testing
import Varlink

@testable import Links

/// A server on a real socket whose handler a test gives.
final class Served: Sendable {
    let scratch: Scratch
    let io: IOThread
    let server: VarlinkServer
    let open = Mutex(0)

    init(
        limits: VarlinkServer.Limits = .init(), admits: Bool = true,
        serve: @escaping @Sendable ([UInt8], any ClientConnection) async -> Void
    ) throws {
        scratch = try Scratch()
        io = try IOThread("test-io")
        server = VarlinkServer(
            io: io, listener: try UnixSocket.listen(at: scratch.directories.socket), limits: limits,
            handlers: .init(admits: { _ in admits }, serve: serve, came: {}, left: {}, log: { _ in }))
    }

    func connect() throws -> Plain {
        let socket = SharedDescriptor(try UnixSocket.connect(to: scratch.directories.socket))
        _ = fcntl(socket.raw, F_SETFL, 0)
        return Plain(socket: socket)
    }
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

struct VarlinkServerTests {
    @Test func answersCallsInOrderHoweverTheyArrive() async throws {
        let served = try Served { message, client in
            try? await client.send(Array(("re:" + text(message)).utf8))
        }
        try await blocking {
            let client = try served.connect()
            try client.send("one\0two\0thr")
            #expect(try client.message() == "re:one")
            #expect(try client.message() == "re:two")
            try client.send("ee\0")
            #expect(try client.message() == "re:three")
        }
        await served.server.close()
    }

    @Test func aLargeAnswerReachesASlowReader() async throws {
        let served = try Served { _, client in
            try? await client.send([UInt8](repeating: 120, count: 3 << 20))
        }
        try await blocking {
            let client = try served.connect()
            try client.send("x\0")
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            var total = 0
            while total < (3 << 20) + 1 {
                let count = read(client.socket.raw, &buffer, buffer.count)
                #expect(count > 0)
                if count <= 0 { break }
                total += count
            }
            #expect(total == (3 << 20) + 1)
        }
    }

    @Test func aMessageThatIsTooLongCostsTheConnection() async throws {
        let served = try Served { _, client in try? await client.send(Array("served".utf8)) }
        try await blocking {
            let client = try served.connect()
            // The server hangs up while this is written.
            try? client.send(String(repeating: "x", count: Varlink.largestMessage + (1 << 20)))
            #expect(try client.message() == nil)
            let another = try served.connect()
            try another.send(String(repeating: "x", count: Varlink.largestMessage - 1) + "\0")
            #expect(try another.message() == "served")
        }
    }

    @Test func halfAMessageIsNotWaitedForLong() async throws {
        var limits = VarlinkServer.Limits()
        limits.patience = .milliseconds(1)
        let served = try Served(limits: limits) { _, client in try? await client.send(Array("served".utf8)) }
        try await blocking {
            let client = try served.connect()
            try client.send("{\"method\"")
            #expect(try client.message() == nil)
            let another = try served.connect()
            try another.send("{}\0")
            #expect(try another.message() == "served")
        }
    }

    @Test func oneUserHasOnlySoManyConnections() async throws {
        var limits = VarlinkServer.Limits()
        limits.connectionsPerUser = 2
        let served = try Served(limits: limits) { _, client in try? await client.send(Array("served".utf8)) }
        try await blocking {
            let first = try served.connect()
            let second = try served.connect()
            for client in [first, second] {
                try client.send("{}\0")
                #expect(try client.message() == "served")
            }
            let third = try served.connect()
            let refusal = try #require(try third.message())
            #expect(try Reply(Array(refusal.utf8)).fault?.message.contains("too many connections") == true)
            #expect(try third.message() == nil)
            withExtendedLifetime((first, second)) {}
        }
    }

    @Test func whoIsNotAdmittedIsNotServed() async throws {
        let served = try Served(admits: false) { _, client in try? await client.send(Array("served".utf8)) }
        try await blocking {
            let client = try served.connect()
            try? client.send("{}\0")
            #expect(try client.message() == nil)
        }
    }

    @Test func aCallIsCancelledWhenItsClientGoesAway() async throws {
        let (begun, cancelled) = (Promise<Void>(), Promise<Void>())
        let never = Promise<Void>()
        let served = try Served { _, _ in
            begun.resolve(.success(()))
            _ = try? await never.value()
            if Task.isCancelled { cancelled.resolve(.success(())) }
        }
        let client = try await blocking {
            let client = try served.connect()
            try client.send("{}\0")
            return Mutexed(client)
        }
        try await begun.value()
        client.drop()
        try await cancelled.value()
        await served.server.close()
    }

    @Test func aHalfClosedClientStillGetsItsAnswer() async throws {
        let go = Promise<Void>()
        let served = try Served { _, client in
            _ = try? await go.value()
            try? await client.send(Array("late".utf8))
        }
        try await blocking {
            let client = try served.connect()
            try client.send("{}\0")
            shutdown(client.socket.raw, Int32(SHUT_WR))
            go.resolve(.success(()))
            #expect(try client.message() == "late")
            #expect(try client.message() == nil)
        }
    }

    @Test func aConnectionThatWasLentIsTheOthersAlone() async throws {
        let lent = Promise<any PassedDescriptor>()
        let served = try Served { _, client in
            await client.offer(Array("progress".utf8))
            guard let descriptor = try? await client.lend() else { return }
            // Nothing of ours may come between.
            await client.offer(Array("too late".utf8))
            lent.resolve(.success(Passed(SharedDescriptor(duplicating: descriptor.raw))))
            await client.closeAfterCall()
        }
        let client = try await blocking {
            let client = try served.connect()
            try client.send("{}\0")
            #expect(try client.message() == "progress")
            return client
        }
        let other = try await lent.value()
        try await blocking {
            try Files.writeAll("from the other\0".utf8, to: other.raw)
            #expect(try client.message() == "from the other")
            try client.send("to the other\0")
            #expect(try Plain(socket: SharedDescriptor(duplicating: other.raw)).message() == "to the other")
        }
        await served.server.close()
    }

    @Test func aConnectionThatWasLentInVainIsAnsweredByTheServer() async throws {
        let served = try Served { message, client in
            guard text(message) == "lend" else {
                try? await client.send(Array("again".utf8))
                return
            }
            _ = try? await client.lend()
            try? await client.send(Array("refused".utf8))
        }
        try await blocking {
            let client = try served.connect()
            try client.send("lend\0")
            #expect(try client.message() == "refused")
            try client.send("next\0")
            #expect(try client.message() == "again")
        }
    }

    @Test func aClientThatDoesNotWaitIsNotLent() async throws {
        let outcome = Promise<Bool>()
        let served = try Served { message, client in
            guard text(message) == "one" else { return }
            outcome.resolve(.success((try? await client.lend()) != nil))
        }
        let client = try await blocking {
            let client = try served.connect()
            try client.send("one\0early bytes")
            return client
        }
        #expect(try await outcome.value() == false)
        await served.server.close()
        withExtendedLifetime(client) {}
    }
}

/// Lets go of a client when a test wants it.
private final class Mutexed: Sendable {
    private let client: Mutex<Plain?>
    init(_ client: Plain) { self.client = Mutex(client) }
    func drop() { client.withLock { $0 = nil } }
}

extension SharedDescriptor {
    fileprivate convenience init(duplicating raw: Int32) { self.init(FileDescriptor(owning: dup(raw))) }
}
