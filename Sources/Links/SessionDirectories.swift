package import Contract
package import Core
internal import Glibc
package import System

/// `<state>/sessions/<id>/output.log`, which the session's relay writes through a descriptor it is given, and the
/// sessions' directories of sockets.
package struct SessionDirectories: SessionFiles {
    private static let piece = 192 << 10
    private static let beginning = 64
    private let directory: String
    private let sockets: String
    private let io: IOThread

    package init(_ directories: Directories, io: IOThread) {
        directory = directories.state + "/sessions"
        sockets = directories.runtime + "/s"
        self.io = io
    }

    private func path(_ session: SessionID) -> String { directory + "/" + session.text }

    package func openOutput(of session: SessionID) async throws(Fault) -> any PassedDescriptor {
        try await Blocking.run("output") { () throws(Fault) in
            do throws(SystemError) {
                try Directories.makePrivate(self.path(session), owner: geteuid())
                let path = self.path(session) + "/output.log"
                return Passed(SharedDescriptor(try Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW)))
            } catch {
                throw Fault(
                    error.code == ENOSPC ? .noSpace : .hostFailed, "the command's output cannot be kept: \(error)",
                    hint: "check the space and the owner of the state directory")
            }
        }
    }

    package func anonymous(_ bytes: [UInt8]) async throws(Fault) -> any PassedDescriptor {
        do throws(SystemError) {
            let memory = try SharedMemory.create("stdin", size: bytes.count)
            let raw = memory.raw
            var done = 0
            while done < bytes.count {
                done += try systemCall("pwrite") {
                    bytes.withUnsafeBytes {
                        pwrite(raw, $0.baseAddress.map { $0 + done }, $0.count - done, off_t(done))
                    }
                }
            }
            return Passed(SharedDescriptor(memory))
        } catch { throw Fault(.hostFailed, "standard input cannot be kept: \(error)", hint: "free some memory") }
    }

    package func output(of session: SessionID, after place: OutputPlace) async -> OutputPiece? {
        let path = self.path(session) + "/output.log"
        return try? await Blocking.run("output") { () throws(Fault) in
            do throws(SystemError) {
                guard let piece = try Self.read(path, after: place) else { throw SystemError("read", code: ENODATA) }
                return piece
            } catch { throw Fault(.notFound, "\(error)") }
        }
    }

    private static func read(_ path: String, after place: OutputPlace) throws(SystemError) -> OutputPiece? {
        let file = try Files.open(path, O_RDONLY | O_NOFOLLOW)
        let head = try bytes(of: file, at: 0, limit: beginning)
        // Output that only grew still begins as it did.
        let isSame = head.starts(with: place.beginning)
        let size = try Files.status(of: file).size
        let start = isSame && size >= place.offset ? place.offset : 0
        let bytes = try bytes(of: file, at: start, limit: piece)
        guard !bytes.isEmpty else { return nil }
        return OutputPiece(
            bytes: bytes, place: OutputPlace(offset: start + UInt64(bytes.count), beginning: head))
    }

    private static func bytes(
        of file: borrowing FileDescriptor, at offset: UInt64, limit: Int
    ) throws(SystemError) -> [UInt8] {
        let raw = file.raw
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = try systemCall("pread") { pread(raw, &bytes, limit, off_t(clamping: offset)) }
        return Array(bytes.prefix(count))
    }

    package func outputChanges(of session: SessionID) -> AsyncStream<Void> {
        let io = self.io
        return AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            guard let notices = self.notices(session) else { return }
            io.remote.submit { loop in
                try? loop.watch(notices.raw, .readable) { _ in
                    var room = [UInt8](repeating: 0, count: 4096)
                    while Glibc.read(notices.raw, &room, room.count) > 0 {}
                    continuation.yield()
                }
            }
            continuation.onTermination = { _ in io.remote.submit { $0.unwatch(notices.raw) } }
        }
    }

    /// The kernel's word on changes in the session's directory, which is made so that the file's beginning is seen too.
    private func notices(_ session: SessionID) -> SharedDescriptor? {
        guard (try? Directories.makePrivate(path(session), owner: geteuid())) != nil else { return nil }
        let raw = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard raw >= 0 else { return nil }
        let notices = SharedDescriptor(FileDescriptor(owning: raw))
        guard inotify_add_watch(raw, path(session), UInt32(IN_MODIFY | IN_CREATE)) >= 0 else { return nil }
        return notices
    }

    package func remove(_ session: SessionID) async {
        let path = self.path(session)
        _ = try? await Blocking.run("remove") { () throws(Fault) in try? Files.removeTree(path) }
    }

    package func found() async -> [SessionID] {
        let places = [directory, sockets]
        let names = try? await Blocking.run("found") { () throws(Fault) in
            places.flatMap { (try? Files.entries($0)) ?? [] }
        }
        return Set(names ?? []).compactMap { SessionID($0) }.sorted { $0.text < $1.text }
    }
}
