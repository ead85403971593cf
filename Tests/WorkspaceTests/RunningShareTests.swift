import Core
import Glibc
import System
import Testing

@testable import Workspace

/// How a server's words are taken, with a shell in the server's place.
@Suite struct RunningShareTests {
    private func start(_ script: String) throws -> RunningShare {
        let (reading, writing) = try UnixSocket.pair().split()
        let child = try Child.spawn(
            ChildSpecification(program: "/bin/sh", arguments: ["-c", script], descriptors: [2: writing.raw]))
        return try #require(RunningShare(child: child, output: reading))
    }

    @Test func wordsAreBoundedAndHarmless() async throws {
        let log = Lines()
        let share = UncheckedBox(
            try start(
                """
                printf '\\033[31mred\\n' >&2; i=0
                while [ $i -lt 4000 ]; do echo 'the same again and again, as a guest may make it say' >&2; i=$((i+1)); done
                exit 3
                """))
        try await Blocking.run("attend") { () throws(Fault) in share.value.attend { log.add($0) } }
        #expect(log.all.first == "\\u{1b}[31mred")
        #expect(log.all.last == "ended with status 3")
        #expect(log.all.reduce(0) { $0 + $1.utf8.count } < 20 << 10)
        #expect(log.all.count > 100)
    }

    @Test func readinessIsWaitedFor() async throws {
        let ready = UncheckedBox(try start("echo 'x: Waiting for vhost-user socket connection...' >&2"))
        try await Blocking.run("wait") { () throws(Fault) in try ready.value.waitUntilReady(limit: .seconds(20)) }
        let failing = UncheckedBox(try start("echo 'no such option' >&2; exit 1"))
        let fault = await #expect(throws: Fault.self) {
            try await Blocking.run("wait") { () throws(Fault) in try failing.value.waitUntilReady(limit: .seconds(20)) }
        }
        #expect(fault?.message.contains("no such option") == true)
        let silent = UncheckedBox(try start("exec sleep 60"))
        let late = await #expect(throws: Fault.self) {
            try await Blocking.run("wait") { () throws(Fault) in
                try silent.value.waitUntilReady(limit: .milliseconds(50))
            }
        }
        #expect(late?.message.contains("did not get ready") == true)
    }

    @Test func linesWithoutAnEndAreCut() {
        var reader = LineReader()
        reader.append(Array("one\ntwo".utf8))
        #expect(reader.next() == "one")
        #expect(reader.next() == nil)
        reader.append(Array("\n".utf8) + [UInt8](repeating: 97, count: 3000))
        #expect(reader.next() == "two")
        #expect(reader.next()?.count == 1024 && reader.next()?.count == 1024)
        #expect(reader.next() == nil)
    }
}

/// Hands a value of one thread to another, which then has it alone.
private struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
