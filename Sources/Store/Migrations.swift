internal import Core

/// The database's shape, version after version. A version that was released never changes; a new one is appended.
enum Migrations {
    static let steps: [String] = [
        // 1: sessions and their events
        """
        CREATE TABLE sessions (
          id TEXT PRIMARY KEY,
          name TEXT NOT NULL,
          owner INTEGER NOT NULL,
          state TEXT NOT NULL,
          because TEXT,
          hint TEXT,
          grants TEXT NOT NULL,
          processors INTEGER NOT NULL,
          memory INTEGER NOT NULL,
          disk INTEGER NOT NULL,
          image TEXT NOT NULL,
          created INTEGER NOT NULL,
          started INTEGER,
          ended INTEGER,
          command TEXT NOT NULL,
          ends_with_command INTEGER NOT NULL,
          accelerator TEXT,
          exit_status INTEGER,
          processes TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX session_names ON sessions (owner, name);
        CREATE TABLE events (
          serial INTEGER PRIMARY KEY AUTOINCREMENT,
          session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
          at INTEGER NOT NULL,
          kind TEXT NOT NULL,
          text TEXT NOT NULL
        ) STRICT;
        CREATE INDEX session_events ON events (session, serial);
        """
    ]

    /// Brings a database of any earlier version, or an empty one, to the last.
    static func apply(to database: borrowing Database) throws(Fault) {
        let found = try database.query("PRAGMA user_version") { (row) throws(Fault) in row.integer(0) ?? 0 }.first ?? 0
        guard found <= steps.count else {
            throw Fault(
                .unsupported, "the database is of version \(found), made by a newer Cowork",
                hint: "use that version, or move store.db away to begin anew")
        }
        for version in Int(max(found, 0))..<steps.count {
            try database.run("BEGIN IMMEDIATE")
            do throws(Fault) {
                try database.run(steps[version])
                try database.run("PRAGMA user_version = \(version + 1)")
                try database.run("COMMIT")
            } catch {
                try? database.run("ROLLBACK")
                throw error
            }
        }
    }
}
