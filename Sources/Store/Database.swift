internal import CSQLite
internal import Core

/// One connection to an SQLite file. Not for several threads.
struct Database: ~Copyable {
    private let handle: OpaquePointer

    /// A value of a column or a parameter.
    enum Value: Equatable {
        case null
        case integer(Int64)
        case text(String)

        init(_ text: String?) { self = text.map { .text($0) } ?? .null }
        init(_ number: Int64?) { self = number.map { .integer($0) } ?? .null }
    }

    init(path: String) throws(Fault) {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX
        let result = sqlite3_open_v2(path, &opened, flags, nil)
        guard result == SQLITE_OK, let opened else {
            let because = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(opened)
            throw Fault(
                .hostFailed, "the database \(path) cannot be opened: \(because)",
                hint: "check the owner and the free space of its directory")
        }
        handle = opened
        sqlite3_busy_timeout(opened, 5000)
        sqlite3_extended_result_codes(opened, 1)
    }

    deinit { sqlite3_close_v2(handle) }

    /// Runs several statements without parameters or results.
    func run(_ script: String) throws(Fault) {
        guard sqlite3_exec(handle, script, nil, nil, nil) == SQLITE_OK else { throw failure() }
    }

    /// Runs one statement and reads its rows, each by `read`.
    @discardableResult
    func query<Row>(
        _ text: String, _ parameters: [Value] = [], _ read: (borrowing Statement) throws(Fault) -> Row
    ) throws(Fault) -> [Row] {
        let statement = try Statement(self.handle, text)
        for (index, value) in parameters.enumerated() {
            guard statement.bind(value, at: Int32(index + 1)) else { throw failure() }
        }
        var rows: [Row] = []
        while true {
            switch sqlite3_step(statement.pointer) {
            case SQLITE_ROW: rows.append(try read(statement))
            case SQLITE_DONE: return rows
            default: throw failure()
            }
        }
    }

    func change(_ text: String, _ parameters: [Value] = []) throws(Fault) {
        try query(text, parameters) { (_) throws(Fault) in }
    }

    /// All of `body` happens, or nothing of it.
    func transaction(_ body: () throws(Fault) -> Void) throws(Fault) {
        try run("BEGIN IMMEDIATE")
        do throws(Fault) {
            try body()
            try run("COMMIT")
        } catch {
            try? run("ROLLBACK")
            throw error
        }
    }

    var changedRows: Int { Int(sqlite3_changes(handle)) }

    private func failure() -> Fault { Self.failure(of: handle) }

    fileprivate static func failure(of handle: OpaquePointer) -> Fault {
        let text = String(cString: sqlite3_errmsg(handle))
        switch sqlite3_errcode(handle) & 0xFF {
        case SQLITE_FULL, SQLITE_IOERR:
            return Fault(
                .noSpace, "the database cannot be written: \(text)", hint: "make room in the state directory")
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            return Fault(
                .hostFailed, "the database store.db is damaged: \(text)",
                hint: "move it away to begin anew: sessions that run are then ended")
        default: return Fault(.hostFailed, "the database cannot be used: \(text)", hint: "see daemon.log")
        }
    }
}

/// A prepared statement, for one execution.
struct Statement: ~Copyable {
    fileprivate let pointer: OpaquePointer
    /// SQLite copies what it is given.
    private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    fileprivate init(_ handle: OpaquePointer, _ text: String) throws(Fault) {
        var prepared: OpaquePointer?
        guard sqlite3_prepare_v2(handle, text, -1, &prepared, nil) == SQLITE_OK, let prepared else {
            throw Database.failure(of: handle)
        }
        pointer = prepared
    }

    deinit { sqlite3_finalize(pointer) }

    fileprivate func bind(_ value: Database.Value, at index: Int32) -> Bool {
        switch value {
        case .null: sqlite3_bind_null(pointer, index) == SQLITE_OK
        case .integer(let number): sqlite3_bind_int64(pointer, index, number) == SQLITE_OK
        case .text(let text):
            // By length, so that a NUL inside is kept.
            Array(text.utf8).withUnsafeBytes {
                // An empty buffer has no address, and no address would mean NULL.
                let start = $0.baseAddress?.assumingMemoryBound(to: CChar.self)
                return start == nil
                    ? sqlite3_bind_text(pointer, index, "", 0, Self.copied)
                    : sqlite3_bind_text(pointer, index, start, Int32(clamping: $0.count), Self.copied)
            } == SQLITE_OK
        }
    }

    func text(_ column: Int32) -> String? {
        guard let bytes = sqlite3_column_text(pointer, column) else { return nil }
        let count = Int(sqlite3_column_bytes(pointer, column))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    func integer(_ column: Int32) -> Int64? {
        sqlite3_column_type(pointer, column) == SQLITE_NULL ? nil : sqlite3_column_int64(pointer, column)
    }
}
