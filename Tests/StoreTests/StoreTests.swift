import Contract
import Core
import Glibc
import System
import Testing

@testable import Store

/// A directory of its own for each test, removed with the value.
final class Scratch: Sendable {
    let path: String
    init() throws {
        path = "/tmp/cowork-store-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try Directories.makePrivate(path, owner: geteuid())
    }
    deinit { try? Files.removeTree(path) }
    var store: String { path + "/store.db" }
}

extension SessionRecord {
    static func sample(
        _ number: UInt64 = 1, name: String = "one", owner: UInt32 = 1000, because: String? = nil,
        path: String = "/home/a"
    ) throws -> SessionRecord {
        let digits = String(number, radix: 16)
        let id = try #require(SessionID(String(repeating: "0", count: 16 - digits.count) + digits))
        return SessionRecord(
            id: id, name: try #require(SessionName(name)), owner: owner,
            grants: [Grant(path: path, mode: .direct), Grant(path: "/srv", mode: .readOnly)],
            resources: Resources(processors: 2, memoryBytes: 1 << 30, diskBytes: 8 << 30), imageID: "base-1",
            created: Moment(milliseconds: 1000 + Int64(number)), command: ["sh", "-c", "x"], endsWithCommand: true,
            because: because, processes: ["relay": ProcessIdentity(pid: 7, startTicks: 99)])
    }
}

struct StoreTests {
    @Test func whatIsWrittenIsReadAgainByALaterOne() async throws {
        let scratch = try Scratch()
        var record = try SessionRecord.sample()
        do {
            let store = try Store(path: scratch.store)
            try await store.insert(record)
            record.state = .failed
            record.because = "why"
            record.hint = "what now"
            record.accelerator = .tcg
            record.started = Moment(milliseconds: 5)
            record.ended = Moment(milliseconds: 6)
            record.exitStatus = -3
            record.processes = [:]
            try await store.update(record)
            try await store.append(
                SessionEvent(serial: 0, at: Moment(milliseconds: 9), kind: "k", text: "t"), to: record.id)
        }
        let later = try Store(path: scratch.store)
        #expect(try await later.sessions() == [record])
        let events = try await later.events(of: record.id, after: 0)
        #expect(events.map(\.text) == ["t"] && events.map(\.at.milliseconds) == [9])
    }

    @Test(arguments: [
        "'; DROP TABLE sessions; --", "a\u{0}b", "\u{202E}gpj.exe", "😀\n\t\"", "",
        String(repeating: "é", count: 70_000),
    ])
    func hostileTextIsKeptAsItIs(text: String) async throws {
        let scratch = try Scratch()
        let store = try Store(path: scratch.store)
        let record = try SessionRecord.sample(because: text, path: "/" + text)
        try await store.insert(record)
        try await store.append(
            SessionEvent(serial: 0, at: Moment(milliseconds: 1), kind: text, text: text), to: record.id)
        #expect(try await store.sessions() == [record])
        let events = try await store.events(of: record.id, after: 0)
        #expect(events.map(\.kind) == [text] && events.map(\.text) == [text])
    }

    @Test func oneOwnerHasANameOnceAndAnotherMayHaveItToo() async throws {
        let scratch = try Scratch()
        let store = try Store(path: scratch.store)
        try await store.insert(try .sample(1))
        await #expect(throws: Fault.self) { try await store.insert(try .sample(2)) }
        try await store.insert(try .sample(3, owner: 1001))
        #expect(try await store.sessions().count == 2)
    }

    @Test func eventsComeInOrderAreBoundedAndGoWithTheirSession() async throws {
        let scratch = try Scratch()
        let store = try Store(path: scratch.store, mostEvents: 30)
        let record = try SessionRecord.sample()
        let other = try SessionRecord.sample(2, name: "two")
        try await store.insert(record)
        try await store.insert(other)
        try await store.append(SessionEvent(serial: 0, at: Moment(milliseconds: 1), kind: "k", text: "o"), to: other.id)
        for number in 0..<35 {
            try await store.append(
                SessionEvent(serial: 0, at: Moment(milliseconds: 1), kind: "k", text: "\(number)"), to: record.id)
        }
        let events = try await store.events(of: record.id, after: 0)
        #expect(events.map(\.text) == (5..<35).map(String.init))
        let last = try #require(events.last)
        #expect(try await store.events(of: record.id, after: last.serial).isEmpty)
        try await store.remove(record.id)
        #expect(try await store.events(of: record.id, after: 0).isEmpty)
        #expect(try await store.events(of: other.id, after: 0).count == 1)
    }

    @Test func aSessionThatIsNotThereCannotBeChanged() async throws {
        let scratch = try Scratch()
        let store = try Store(path: scratch.store)
        await #expect(throws: Fault.self) { try await store.update(try .sample()) }
        try await store.remove(try SessionRecord.sample().id)
    }

    /// The files as a power cut leaves them: copied while the store is open and was never closed.
    @Test func whatWasAnsweredSurvivesAKill() async throws {
        let scratch = try Scratch()
        let store = try Store(path: scratch.store)
        for number in 1...20 as ClosedRange<UInt64> { try await store.insert(try .sample(number, name: "n\(number)")) }
        let copy = try Scratch()
        for suffix in ["", "-wal"] {
            try Files.replace(copy.store + suffix, with: try Files.contents(ofFile: scratch.store + suffix))
        }
        #expect(try await Store(path: copy.store).sessions().count == 20)

        // Half of the last write reached the disk: everything before it is whole.
        let torn = try Scratch()
        try Files.replace(torn.store, with: try Files.contents(ofFile: scratch.store))
        let log = try Files.contents(ofFile: scratch.store + "-wal")
        try Files.replace(torn.store + "-wal", with: log.dropLast(1000))
        let found = try await Store(path: torn.store).sessions()
        #expect(found.count == 19 && found.allSatisfy { $0.command == ["sh", "-c", "x"] })
    }
}

struct MigrationTests {
    @Test func anEmptyFileBecomesTheLastVersionAndStaysIt() throws {
        let scratch = try Scratch()
        for _ in 0..<2 {
            let database = try Database(path: scratch.store)
            try Migrations.apply(to: database)
            let version = try database.query("PRAGMA user_version") { (row) throws(Fault) in row.integer(0) }
            #expect(version == [Int64(Migrations.steps.count)])
        }
    }

    @Test func aNewerDatabaseIsLeftAlone() async throws {
        let scratch = try Scratch()
        try Database(path: scratch.store).run("CREATE TABLE future (x); PRAGMA user_version = 99")
        let fault = #expect(throws: Fault.self) { try Store(path: scratch.store) }
        #expect(fault?.code == .unsupported)
        let tables = try Database(path: scratch.store).query("SELECT name FROM sqlite_master") { (row) throws(Fault) in
            row.text(0)
        }
        #expect(tables == ["future"])
    }

    @Test func aFailedStepChangesNothing() throws {
        let scratch = try Scratch()
        // The second table of the first step is in the way.
        try Database(path: scratch.store).run("CREATE TABLE events (x)")
        let database = try Database(path: scratch.store)
        #expect(throws: Fault.self) { try Migrations.apply(to: database) }
        let tables = try database.query("SELECT name FROM sqlite_master") { (row) throws(Fault) in row.text(0) }
        #expect(tables == ["events"])
    }

    @Test func aDamagedFileIsSaidToBe() throws {
        let scratch = try Scratch()
        try Files.replace(scratch.store, with: [UInt8](repeating: 0x55, count: 8192))
        let fault = #expect(throws: Fault.self) { try Store(path: scratch.store) }
        #expect(fault?.message.contains("damaged") == true && fault?.hint != nil)
    }

    @Test func aLinkInItsPlaceIsRefused() throws {
        let scratch = try Scratch()
        try Files.replace(scratch.path + "/elsewhere", with: [])
        try systemCall("symlink") { symlink(scratch.path + "/elsewhere", scratch.store) }
        #expect(throws: Fault.self) { try Store(path: scratch.store) }
    }
}
