import Contract
import Core
import FoundationEssentials
import Glibc
import System

@testable import Virtualization

/// A directory of one test, removed with it.
final class Scratch: Sendable {
    let path: String

    init() throws {
        var generator = SystemRandomNumberGenerator()
        path = "/tmp/cowork-virtualization-\(getpid())-\(SessionID(random: &generator).text)"
        try systemCall("mkdir", path) { mkdir(path, 0o755) }
    }

    deinit { try? Files.removeTree(path) }

    func directory(_ name: String) throws -> String {
        try Directories.makeAll(path + "/" + name)
        return path + "/" + name
    }

    func file(_ name: String, _ text: String = "x") throws -> String {
        try Files.replace(path + "/" + name, with: text.utf8, mode: 0o644)
        return path + "/" + name
    }

    /// Places on the host, for a driver that runs nothing.
    func places() throws -> Places {
        Places(
            own: try directory("hypervisor"), libvirt: try directory("hypervisor/libvirt"),
            machines: try directory("hypervisor/machines"), sessions: try directory("s"),
            images: [.init(names: ["/images"], inside: try directory("images"))], seed: nil)
    }

    /// An image's parts, as the daemon names them when `/images` is this scratch's directory of images.
    func image(named directory: String = "/images") throws -> ImageParts {
        _ = try self.directory("images/base")
        for part in ["vmlinux", "initramfs", "root.erofs"] { _ = try file("images/base/" + part) }
        return ImageParts(
            id: "sha256:1", kernel: directory + "/base/vmlinux", initramfs: directory + "/base/initramfs",
            root: directory + "/base/root.erofs")
    }
}

extension MachineSpecification {
    static func small(_ session: SessionID, _ image: ImageParts, diskBytes: UInt64 = 256 << 20) -> MachineSpecification
    {
        MachineSpecification(
            session: session.text, accelerator: .tcg,
            resources: Resources(processors: 1, memoryBytes: 256 << 20, diskBytes: diskBytes), image: image,
            shares: [Share(tag: "f0")], secret: Data([UInt8](0..<64)).base64EncodedString())
    }
}

extension SessionID {
    static func new() -> SessionID {
        var generator = SystemRandomNumberGenerator()
        return SessionID(random: &generator)
    }
}

/// Runs what blocks on a thread of its own, so that no test holds up another.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        do {
            try NamedThread.start("test") { continuation.resume(with: Result(catching: body)) }
        } catch {
            continuation.resume(throwing: error)
        }
    }
}
