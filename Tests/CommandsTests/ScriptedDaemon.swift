import Core
import Glibc
import System
import Varlink

@testable import Commands

/// A daemon that answers as a test tells it, on a real socket, for one user with directories of his own.
final class ScriptedDaemon: Sendable {
    /// Answers one call; what it returns is written, and then frames may follow on the connection.
    typealias Script = @Sendable (Call, Peer) throws -> Void

    let directories: Directories
    private let base: String
    private let listener: SharedDescriptor

    init(_ script: @escaping Script) throws {
        base = "/tmp/cowork-commands-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        directories = Directories(
            state: base + "/state", runtime: base + "/run", configuration: base + "/config", data: base + "/data")
        try directories.prepare()
        listener = SharedDescriptor(try UnixSocket.listen(at: directories.socket))
        let listener = listener
        try NamedThread.start("daemon") {
            while true {
                var item = pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0)
                guard poll(&item, 1, 30_000) == 1, item.revents & Int16(POLLIN) != 0 else { return }
                let raw = accept(listener.raw, nil, nil)
                if raw < 0 { return }
                let connection = SharedDescriptor(FileDescriptor(owning: raw))
                try? NamedThread.start("connection") { Self.serve(connection, script) }
            }
        }
    }

    deinit {
        shutdown(listener.raw, Int32(SHUT_RDWR))
        try? Files.removeTree(base)
    }

    private static func serve(_ connection: SharedDescriptor, _ script: Script) {
        let peer = Peer(connection)
        do {
            while let message = try peer.message() {
                let call = try Call(message)
                if call.method == DaemonAPI.Version.name {
                    try peer.reply(DaemonAPI.Version.Reply(version: "9.9", protocol: DaemonAPI.protocolNumber))
                } else {
                    try script(call, peer)
                    // After an upgrade the connection carries frames and the script has said everything.
                    if call.upgrade { return }
                }
            }
        } catch {}
    }

    struct Ended: Sendable {
        let status: Int32
        let output, error: String
    }

    /// Runs `cowork` with these arguments as this daemon's user would.
    func run(_ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]) async throws -> Ended {
        let directories = directories
        return try await onThread {
            CurrentProcess.ignoreBrokenPipes()
            let files = try (0..<3).map { _ in try temporaryFile() }
            try Files.writeAll(input, to: files[0].raw)
            lseek(files[0].raw, 0, SEEK_SET)
            let console = Console(
                input: files[0].raw, output: files[1].raw, error: files[2].raw, environment: environment)
            let caller = Caller(
                environment: environment, directories: directories, console: console, workingDirectory: "/tmp")
            let status = Program(caller: caller).run(arguments)
            lseek(files[1].raw, 0, SEEK_SET)
            lseek(files[2].raw, 0, SEEK_SET)
            return Ended(
                status: status, output: String(decoding: try readAll(files[1].raw), as: UTF8.self),
                error: String(decoding: try readAll(files[2].raw), as: UTF8.self))
        }
    }
}

func temporaryFile() throws -> SharedDescriptor {
    // O_TMPFILE, which Glibc lacks: a file without a name.
    SharedDescriptor(try Files.open("/tmp", O_RDWR | 0o20000000 | O_DIRECTORY))
}

extension Peer {
    /// The next varlink message; nil at the end.
    func message() throws -> [UInt8]? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            let count = read(raw, &byte, 1)
            if count == 0 { return nil }
            if count < 0 { throw PeerFailure(description: "read: \(errno)") }
            if byte == 0 { return bytes }
            bytes.append(byte)
        }
    }

    func reply(_ parameters: some Encodable, continues: Bool = false) throws {
        try send(bytes: try Reply.encode(parameters, continues: continues) + [0])
    }

    func refuse(_ fault: Fault) throws { try send(bytes: try Reply.encode(.fault(fault)) + [0]) }
}

func session(_ name: String, state: String = "running", folders: [String] = ["/tmp/a"]) -> DaemonAPI.Session {
    DaemonAPI.Session(
        name: name, id: "0123456789abcdef", state: state,
        folders: folders.map { DaemonAPI.Folder(path: $0, mode: "read-only") },
        created: "2026-11-21T04:05:06.789Z", accelerator: "tcg", image: "abcdef", cpus: 2, memory: 1 << 30,
        disk: 8 << 30)
}
