import Core
import Glibc
import System

/// The one right to change a store, held while this value lives. The kernel takes it back when its holder dies.
struct StoreLock: ~Copyable {
    private let file: FileDescriptor

    init(root: String) throws(Fault) {
        let path = root + "/.lock"
        let opened = try hosted("cannot write to the image store \(root)") { () throws(SystemError) -> FileDescriptor in
            try Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW)
        }
        guard flock(opened.raw, LOCK_EX | LOCK_NB) == 0 else {
            throw Fault(
                .badState, "the image store \(root) is in use by another build or prune", hint: "wait for it to end")
        }
        file = opened
    }

    /// Keeps the lock until the end of the scope that defers this.
    borrowing func hold() {}
}
