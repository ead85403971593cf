import Glibc
import Testing

@testable import System

@Suite struct UnixSocketTests {
    @Test func pathsOfAnyLengthWork() throws {
        let scratch = try ScratchDirectory()
        let deep = scratch.path + "/" + String(repeating: "long-directory-name/", count: 12) + "end"
        try Directories.makePrivate(deep, owner: geteuid())
        let listener = try UnixSocket.listen(at: deep + "/a.sock")
        let client = try UnixSocket.connect(to: deep + "/a.sock")
        let accepted = try #require(try UnixSocket.accept(listener).map { SharedDescriptor($0) })
        #expect(try UnixSocket.peer(ofRaw: accepted.raw).uid == geteuid())
        #expect(try UnixSocket.send(Array("hi".utf8), to: client.raw) == 2)
        #expect(try UnixSocket.receive(from: accepted.raw)?.bytes == Array("hi".utf8))
        #expect(try Files.status(deep + "/a.sock").permissions == 0o600)
    }

    @Test func aStaleSocketIsReplacedAFileIsNot() throws {
        let scratch = try ScratchDirectory()
        _ = try UnixSocket.listen(at: scratch.path + "/s")
        _ = try UnixSocket.listen(at: scratch.path + "/s")
        try Files.replace(scratch.path + "/f", with: [])
        #expect(throws: SystemError.self) { _ = try UnixSocket.listen(at: scratch.path + "/f") }
    }

    @Test func descriptorsTravelAndBoundariesHold() throws {
        let ends = try UnixSocket.pair(kind: .packets).split()
        let pipe = try UnixSocket.pair().split()
        #expect(try UnixSocket.send([1, 2, 3], descriptors: [pipe.first.raw], to: ends.first.raw) == 3)
        #expect(try UnixSocket.send([4], to: ends.first.raw) == 1)
        let message = try #require(try UnixSocket.receive(from: ends.second.raw))
        #expect(message.bytes == [1, 2, 3])
        let passed = try #require(message.descriptors.first)
        #expect(try UnixSocket.send([9], to: passed.raw) == 1)
        #expect(try UnixSocket.receive(from: pipe.second.raw)?.bytes == [9])
        #expect(try UnixSocket.receive(from: ends.second.raw)?.bytes == [4])
        #expect(try UnixSocket.receive(from: ends.second.raw) == nil)
    }

    @Test func moreDescriptorsThanExpectedAreAFault() throws {
        let ends = try UnixSocket.pair(kind: .packets).split()
        let pipe = try UnixSocket.pair().split()
        _ = try UnixSocket.send([1], descriptors: [pipe.first.raw, pipe.first.raw], to: ends.first.raw)
        #expect(throws: SystemError("recvmsg", code: EMSGSIZE)) {
            _ = try UnixSocket.receive(from: ends.second.raw, mostDescriptors: 1)
        }
    }
}

extension Optional where Wrapped: ~Copyable {
    fileprivate consuming func map<Result>(_ transform: (consuming Wrapped) -> Result) -> Result? {
        switch consume self {
        case .some(let wrapped): transform(wrapped)
        case .none: nil
        }
    }
}

@Suite struct EventLoopTests {
    @Test func timersRunInOrderAndCanBeCancelled() throws {
        let loop = try EventLoop()
        var seen: [Int] = []
        loop.after(.milliseconds(20)) {
            seen.append(2)
            loop.stop()
        }
        loop.after(.milliseconds(1)) { seen.append(1) }
        let cancelled = loop.after(.milliseconds(5)) { seen.append(99) }
        loop.cancel(cancelled)
        try loop.run()
        #expect(seen == [1, 2])
    }

    @Test func workFromAnotherThreadRunsHere() throws {
        let loop = try EventLoop()
        let remote = loop.remote
        try NamedThread.start("submitter") { remote.submit { $0.stop() } }
        try loop.run()
    }

    @Test func aRemovedWatchIsNeverCalledAgain() throws {
        let loop = try EventLoop()
        let ends = try UnixSocket.pair().split()
        var calls = 0
        try loop.watch(ends.second.raw, .readable) { _ in
            calls += 1
            loop.unwatch(ends.second.raw)
        }
        _ = try UnixSocket.send([1], to: ends.first.raw)
        try loop.turn(limit: .seconds(1))
        try loop.turn(limit: .zero)
        #expect(calls == 1)
    }
}
