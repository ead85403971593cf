import Contract
import Core
import Glibc
import System
import Testing

@testable import Workspace

/// What a server could do if a guest had made it run code of its own: another program in its place, in the same
/// confinement but for the program's own files, tries it.
@Suite struct TakenOverTests {
    private let here: TemporaryFolder

    init() throws {
        here = try TemporaryFolder()
        try here.make("granted")
        try here.write("granted/file", "hello")
        try here.make("sibling")
        try here.write("sibling/secret", "not for the guest")
    }

    /// What `source` prints.
    private func run(
        _ source: String, mode: FolderMode = .direct, change: (inout ChildSpecification) -> Void = { _ in }
    ) throws -> [String] {
        let server = ShareServer(
            grant: Grant(path: here.path + "/granted", mode: mode), tag: "f0",
            session: try #require(SessionID("0123456789abcdef")), owner: try Owner(uid: geteuid()),
            setting: .init(runtime: here.directories.runtime, hypervisor: geteuid()) { _ in })
        let directory = SharedDescriptor(try Files.openDirectory(here.path + "/granted"))
        let (reading, writing) = try UnixSocket.pair().split()
        var child = server.specification(
            directory: directory, listener: writing.raw, log: writing.raw, filter: try ShareConfinement.filter())
        let root = try #require(child.sandbox.root)
        child.program = "/usr/bin/python3"
        child.arguments = ["-IS", "-c", Self.prelude + source]
        child.descriptors[1] = writing.raw
        child.sandbox.root = .init(
            folder: root.folder, at: root.at, isReadOnly: root.isReadOnly, hostPaths: root.hostPaths + ["/usr/bin"])
        child.sandbox.pathRules.append(.init(path: "/usr/bin", rights: child.sandbox.pathRules[1].rights))
        // The program to be replaced enters its root and drops these itself.
        child.sandbox.capabilities = 0
        change(&child)
        let process = try Child.spawn(child)
        #expect(process.wait() == .code(0))
        let said = try UnixSocket.receive(from: reading.raw)
        return String(decoding: said?.bytes ?? [], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private static let prelude = """
        import errno, os, signal, socket, ctypes
        said = []
        def attempt(do):
            try: said.append(str(do() or "done"))
            except OSError as error: said.append(errno.errorcode[error.errno])
        def finish(): os.write(1, "\\n".join(said).encode())
        def text(path):
            with open(path) as file: return file.read().strip("\\0\\n")
        c = ctypes.CDLL(None, use_errno=True)
        def call(result):
            if result < 0: raise OSError(ctypes.get_errno(), "")

        """

    @Test func ofTheMachineItSeesItsFolderAlone() throws {
        let source = """
            attempt(lambda: " ".join(sorted(os.listdir("/")))); attempt(lambda: text("/shared/file"))
            attempt(lambda: text("\(here.path)/sibling/secret")); attempt(lambda: text("/shared/../sibling/secret"))
            attempt(lambda: text("/proc/self/root\(here.path)/sibling/secret")); attempt(lambda: text("/etc/passwd"))
            finish()
            """
        #expect(try run(source) == ["EACCES", "hello", "ENOENT", "ENOENT", "ENOENT", "ENOENT"])
        // Without Landlock there is still nothing else to see.
        let seen = try run(source) { $0.sandbox.pathRules = [] }
        let root = seen.first?.split(separator: " ").map(String.init) ?? ["nothing"]
        #expect(Set(root).isSubset(of: ["lib", "lib64", "proc", "shared", "usr"]))
        #expect(Array(seen.dropFirst()) == ["hello", "ENOENT", "ENOENT", "ENOENT", "ENOENT"])
    }

    @Test func itCannotLookAtOtherProcesses() throws {
        let source = """
            attempt(lambda: text("/proc/\(getpid())/comm") and "read"); attempt(lambda: os.listdir("/proc/\(getpid())/fd"))
            attempt(lambda: os.kill(\(getpid()), 0)); attempt(lambda: os.kill(os.getpid(), 0)); finish()
            """
        let said = try run(source)
        #expect(said.first == "EACCES")
        #expect(["EACCES", "EPERM"].contains(said.dropFirst().first ?? ""))
        #expect(Array(said.dropFirst(2)) == ["EPERM", "done"])
        let free = try run(source) { $0.sandbox.pathRules = [] }
        #expect(free.first == "read")
    }

    @Test func itHasNoNetwork() async throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 4) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        try #require(bound)
        let source = """
            attempt(lambda: socket.create_connection(("127.0.0.1", \(UInt16(bigEndian: address.sin_port))), 5) and "connected")
            finish()
            """
        #expect(try run(source) != ["connected"])
        let open = try run(source) {
            $0.sandbox.networkNamespace = false
            $0.sandbox.pathRules = []
        }
        #expect(open == ["connected"])
    }

    @Test func itCannotChangeItsConfinement() throws {
        let source = """
            attempt(lambda: call(c.mount(None, b"/shared", None, 32 | 4096, None)))
            attempt(lambda: call(c.umount2(b"/shared", 2))); attempt(lambda: os.chroot("/shared"))
            attempt(lambda: os.setuid(0)); attempt(lambda: os.mknod("/shared/device", 0o20600, os.makedev(1, 3)))
            attempt(lambda: os.link("/shared/file", "/shared/again")); finish()
            """
        #expect(try run(source) == ["EPERM", "EPERM", "EPERM", "EINVAL", "EACCES", "done"])
    }

    @Test func aReadOnlyFolderStaysSo() throws {
        let source = """
            attempt(lambda: open("/shared/file", "w") and "opened"); attempt(lambda: os.unlink("/shared/file"))
            attempt(lambda: os.chmod("/shared/file", 0o777)); attempt(lambda: os.mkdir("/shared/new")); finish()
            """
        #expect(try run(source, mode: .readOnly) == Array(repeating: "EROFS", count: 4))
        // Either wall holds without the other.
        let direct = try run(source) { child in
            child.sandbox.pathRules = ShareConfinement.paths(mode: .readOnly) + child.sandbox.pathRules.suffix(1)
        }
        #expect(direct == ["EACCES", "EACCES", "done", "EACCES"])
        try here.write("granted/file", "hello")
        #expect(try run(source) == ["opened", "done", "ENOENT", "done"])
    }
}
