import Contract
import Core
import Glibc
import System
import Testing

@testable import Virtualization

/// The real program, isolated for real, with libvirt's test driver: no guest. As root it becomes another user.
private final class Program: @unchecked Sendable {
    let scratch: Scratch
    let child: Child
    let socket: String
    let uid: UInt32
    let readiness: [UInt8]

    init(arguments: [String] = [], prepare: (Scratch) throws -> Void = { _ in }) throws {
        scratch = try Scratch()
        uid = geteuid() == 0 ? 61184 : geteuid()
        let gid = geteuid() == 0 ? 61184 : getegid()
        let state = try scratch.directory("state")
        let runtime = try scratch.directory("runtime")
        try Directories.makePrivate(runtime + "/h", owner: geteuid())
        _ = try scratch.image()
        try prepare(scratch)
        socket = runtime + "/h/hypervisor.sock"
        let listener = try UnixSocket.listen(at: socket)
        let (reader, writer) = try UnixSocket.pair().split()
        let executable = try CurrentProcess.executable()
        let directory = executable[..<(executable.lastIndex(of: "/") ?? executable.startIndex)]
        var request = ChildSpecification(
            program: directory + "/cowork-hypervisor",
            arguments: [
                "--daemon-uid", "\(geteuid())", "--state", state, "--runtime", runtime, "--uid", "\(uid)", "--gid",
                "\(gid)", "--images", scratch.path + "/images", "--uri", "test:///default",
            ] + arguments, environment: CurrentProcess.environment,
            descriptors: [2: 2, 3: listener.raw, 4: writer.raw])
        request.newSession = true
        child = try Child.spawn(request)
        try awaitReadable(reader.raw)
        readiness = try UnixSocket.receive(from: reader.raw)?.bytes ?? []
    }

    deinit { child.end(grace: .zero) }

    func connect() throws -> HypervisorClient { try HypervisorClient(path: socket) }
    func image() throws -> ImageParts { try scratch.image(named: scratch.path + "/images") }
    func path(_ inside: String) -> String { "/proc/\(child.pid)/root" + inside }
}

@Suite(.timeLimit(.minutes(1))) struct HypervisorProgramTests {
    @Test func `it leaves the host`() async throws {
        try await onThread {
            let program = try Program()
            #expect(program.readiness == [0])
            for name in ["user", "net", "mnt", "ipc"] {
                let ours = try Files.readLink("/proc/self/ns/" + name)
                #expect(try Files.readLink("/proc/\(program.child.pid)/ns/" + name) != ours, "\(name) is shared")
            }
            let status = try Files.text(ofFile: "/proc/\(program.child.pid)/status")
            #expect(status.contains("\nUid:\t\(program.uid)\t\(program.uid)\t\(program.uid)\t\(program.uid)\n"))
            #expect(program.uid != 0)
            #expect(status.contains("\nNoNewPrivs:\t1\n"))
            let interfaces = try Files.text(ofFile: "/proc/\(program.child.pid)/net/dev").split(separator: "\n")
            #expect(interfaces.dropFirst(2).map { $0.prefix { $0 != ":" }.filter { $0 != " " } } == ["lo"])
        }
    }

    @Test func `it sees the system's programs and our own files only`() async throws {
        try await onThread {
            let program = try Program()
            let system: Set = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "proc", "sys"]
            let root = Set(try Files.entries(program.path("/")))
            #expect(root.subtracting(system) == ["dev", "tmp", "run"])
            #expect(!Files.exists(program.path(program.scratch.path)))
            #expect(try Files.entries(program.path("/tmp")).isEmpty)
            #expect(try Files.entries(program.path("/run")) == ["cowork"])
            #expect(Files.exists(program.path("/run/cowork/i/0/base/vmlinux")), "an image directory is there")
            let devices: Set = ["null", "zero", "full", "random", "urandom", "kvm"]
            #expect(Set(try Files.entries(program.path("/dev"))).isSubset(of: devices))
            #expect(Files.exists(program.scratch.path + "/state/hypervisor/machines"))
        }
    }

    @Test func `it serves the daemon until it is told to quit`() async throws {
        try await onThread {
            let program = try Program()
            let client = try program.connect()
            guard case .report(let report) = try client.call(.report) else {
                throw HypervisorClient.Failure(text: "no report")
            }
            #expect(report.uid == program.uid)
            #expect(report.pid == program.child.pid)
            #expect(report.uri == "test:///default")

            let session = SessionID.new()
            try #require(try client.call(.start(.small(session, program.image()))).isDone)
            guard case .machines(let machines) = try client.call(.list) else {
                throw HypervisorClient.Failure(text: "no list")
            }
            #expect(machines == [MachineReport(session: session.text, isRunning: true, pid: nil)])
            #expect(try client.call(.quit).faultCode == "bad-state")
            #expect(try client.call(.forget(session: session.text)).faultCode == "bad-state")
            #expect(try client.call(.destroy(session: session.text)).isDone)
            #expect(try client.event() == MachineEvent(session: session.text, end: .destroyed))
            #expect(try client.call(.forget(session: session.text)).isDone)
            #expect(try Files.entries(program.scratch.path + "/state/hypervisor/machines").isEmpty)
            #expect(try client.call(.quit).isDone)
            #expect(program.child.waitForEnd(limit: .seconds(20)))
            #expect(program.child.poll() == .code(0))
        }
    }

    @Test func `the latest daemon is the one that counts`() async throws {
        try await onThread {
            let program = try Program()
            let first = try program.connect()
            #expect(try first.call(.destroy(session: SessionID.new().text)).isDone)
            let second = try program.connect()
            #expect(try second.call(.destroy(session: SessionID.new().text)).isDone)
            #expect(try first.receive() == nil)
        }
    }

    @Test func `nonsense ends the connection and nothing else`() async throws {
        try await onThread {
            let program = try Program()
            let broken = try program.connect()
            try broken.send(bytes: Array("{\"number\":1,\"call\":{\"explode\":{}}}\0".utf8))
            #expect(try broken.receive() == nil)
            let next = try program.connect()
            #expect(try next.call(.start(.small(.new(), try program.scratch.image()))).faultCode == "image-missing")
            #expect(try next.call(.quit).isDone)
        }
    }

    @Test func `it says why it cannot start`() async throws {
        try await onThread {
            let program = try Program { scratch in _ = try scratch.file("state/hypervisor") }
            let reason = String(decoding: program.readiness, as: UTF8.self)
            #expect(reason.contains("Not a directory"))
            #expect(program.child.waitForEnd(limit: .seconds(20)))
            #expect(program.child.poll() == .code(1))
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct HypervisorServerTests {
    @Test func `without a daemon and a machine it ends`() async throws {
        try await onThread {
            let scratch = try Scratch()
            let loop = try EventLoop()
            let places = try scratch.places()
            let machines = Machines(connection: try LibvirtConnection(uri: "test:///default"), places: places)
            let calls = HypervisorCalls(machines: machines, places: places, kvm: .missing, forcedAccelerator: nil)
            let server = try HypervisorServer(
                loop: loop, listener: try UnixSocket.listen(at: scratch.path + "/socket"), daemonUID: geteuid(),
                calls: calls, idleLimit: .milliseconds(1))
            try loop.run()
            withExtendedLifetime(server) {}
        }
    }

    @Test func `our own user is known by number, also in a namespace of its own`() throws {
        #expect(try PeerIdentity.asSeenHere(geteuid()) == geteuid())
    }
}

extension HypervisorReply.Result {
    fileprivate var isDone: Bool { if case .done = self { true } else { false } }
    fileprivate var faultCode: String? { if case .fault(let code, _, _) = self { code } else { nil } }
}
