package import Contract
package import Core
internal import System

/// The daemon's memory: an SQLite file with a write-ahead log. What was answered is on disk, whole, also after a
/// kill -9 or a power cut.
package actor Store: SessionStore {
    private nonisolated let thread: StoreThread
    private let mostEvents: Int
    private let database: Database

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Opens the file, making it or bringing it to the present version. Blocks for a few milliseconds. Of one session
    /// at most `mostEvents` are kept; older ones make room.
    package init(path: String, mostEvents: Int = 2000) throws(Fault) {
        self.mostEvents = mostEvents
        do throws(SystemError) { thread = try StoreThread() } catch {
            throw Fault(.hostFailed, "the database's thread cannot be started: \(error)")
        }
        database = try Database(path: path)
        _ = try database.query("PRAGMA journal_mode = WAL") { (_) throws(Fault) in }
        try database.run("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 200")
        try Migrations.apply(to: database)
    }

    package func sessions() throws(Fault) -> [SessionRecord] {
        try database.query("SELECT \(SessionTable.list) FROM sessions ORDER BY created, id") { (row) throws(Fault) in
            try SessionTable.record(row)
        }
    }

    package func insert(_ record: SessionRecord) throws(Fault) {
        try database.change(SessionTable.insert, try SessionTable.values(record))
    }

    package func update(_ record: SessionRecord) throws(Fault) {
        try database.change(SessionTable.update, try SessionTable.values(record) + [.text(record.id.text)])
        guard database.changedRows == 1 else {
            throw Fault(.notFound, "session \(record.id) is not in the database")
        }
    }

    package func remove(_ id: SessionID) throws(Fault) {
        try database.change("DELETE FROM sessions WHERE id = ?", [.text(id.text)])
    }

    package func append(_ event: SessionEvent, to id: SessionID) throws(Fault) {
        try database.transaction { () throws(Fault) in
            try database.change(
                "INSERT INTO events (session, at, kind, text) VALUES (?, ?, ?, ?)",
                [.text(id.text), .integer(event.at.milliseconds), .text(event.kind), .text(event.text)])
            try database.change(
                """
                DELETE FROM events WHERE session = ?1 AND serial <=
                  (SELECT serial FROM events WHERE session = ?1 ORDER BY serial DESC LIMIT 1 OFFSET ?2)
                """, [.text(id.text), .integer(Int64(mostEvents))])
        }
    }

    package func events(of id: SessionID, after serial: Int64) throws(Fault) -> [SessionEvent] {
        try database.query(
            "SELECT serial, at, kind, text FROM events WHERE session = ? AND serial > ? ORDER BY serial",
            [.text(id.text), .integer(serial)]
        ) { (row) throws(Fault) in
            SessionEvent(
                serial: row.integer(0) ?? 0, at: Moment(milliseconds: row.integer(1) ?? 0), kind: row.text(2) ?? "",
                text: row.text(3) ?? "")
        }
    }
}
