internal import Contract
internal import Core
internal import FoundationEssentials

/// A session's row: which column holds what.
enum SessionTable {
    static let columns = [
        "id", "name", "owner", "state", "because", "hint", "grants", "processors", "memory", "disk", "image",
        "created", "started", "ended", "command", "ends_with_command", "accelerator", "exit_status", "processes",
    ]
    static let list = columns.joined(separator: ", ")
    static let insert =
        "INSERT INTO sessions (\(list)) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))"
    static let update =
        "UPDATE sessions SET \(columns.map { $0 + " = ?" }.joined(separator: ", ")) WHERE id = ?"

    static func values(_ record: SessionRecord) throws(Fault) -> [Database.Value] {
        [
            .text(record.id.text), .text(record.name.text), .integer(Int64(record.owner)),
            .text(record.state.rawValue), .init(record.because), .init(record.hint),
            .text(try encode(record.grants)), .integer(Int64(record.resources.processors)),
            .integer(Int64(clamping: record.resources.memoryBytes)),
            .integer(Int64(clamping: record.resources.diskBytes)), .text(record.imageID),
            .integer(record.created.milliseconds), .init(record.started?.milliseconds),
            .init(record.ended?.milliseconds), .text(try encode(record.command)),
            .integer(record.endsWithCommand ? 1 : 0), .init(record.accelerator?.rawValue),
            .init(record.exitStatus.map { Int64($0) }), .text(try encode(record.processes)),
        ]
    }

    static func record(_ row: borrowing Statement) throws(Fault) -> SessionRecord {
        guard let id = row.text(0).flatMap({ SessionID($0) }), let name = row.text(1).flatMap({ SessionName($0) }),
            let owner = row.integer(2).flatMap({ UInt32(exactly: $0) }),
            let state = row.text(3).flatMap({ SessionState(rawValue: $0) })
        else {
            throw Fault(
                .hostFailed, "the database has a session that is not understood",
                hint: "move store.db away to begin anew: sessions that run are then ended")
        }
        return SessionRecord(
            id: id, name: name, owner: owner, grants: try decode([Grant].self, row.text(6)),
            resources: Resources(
                processors: Int(row.integer(7) ?? 1), memoryBytes: UInt64(clamping: row.integer(8) ?? 0),
                diskBytes: UInt64(clamping: row.integer(9) ?? 0)),
            imageID: row.text(10) ?? "", created: Moment(milliseconds: row.integer(11) ?? 0),
            command: try decode([String].self, row.text(14)), endsWithCommand: row.integer(15) == 1, state: state,
            because: row.text(4), hint: row.text(5),
            accelerator: row.text(16).flatMap { AcceleratorKind(rawValue: $0) },
            started: row.integer(12).map { Moment(milliseconds: $0) },
            ended: row.integer(13).map { Moment(milliseconds: $0) },
            exitStatus: row.integer(17).map { Int32(clamping: $0) },
            processes: try decode([String: ProcessIdentity].self, row.text(18)))
    }

    private static func encode(_ value: some Encodable) throws(Fault) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return String(decoding: try encoder.encode(value), as: UTF8.self) } catch {
            throw Fault(.failed, "a session's values cannot be written as JSON")
        }
    }

    private static func decode<Value: Decodable>(_: Value.Type, _ text: String?) throws(Fault) -> Value {
        do { return try JSONDecoder().decode(Value.self, from: Data((text ?? "").utf8)) } catch {
            throw Fault(
                .hostFailed, "the database has values that are not understood",
                hint: "move store.db away to begin anew: sessions that run are then ended")
        }
    }
}
