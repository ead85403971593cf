import Glibc
import System

/// Mounts for tests, as root, by the system's own programs.
enum Mounts {
    static func bind(_ source: String, _ target: String) throws { try run("/bin/mount", ["--bind", source, target]) }
    static func unmount(_ target: String) throws { try run("/bin/umount", ["-l", target]) }

    private static func run(_ program: String, _ arguments: [String]) throws {
        let child = try Child.spawn(ChildSpecification(program: program, arguments: arguments))
        guard child.wait() == .code(0) else { throw SystemError(program, code: EIO, subject: arguments.last) }
    }
}
