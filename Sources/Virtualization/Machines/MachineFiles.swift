internal import CLinux
package import Core
internal import Glibc
internal import System

/// What a machine has on disk: `<machines>/<session>/disk.raw`, and `secret` while it starts.
package struct MachineFiles: Sendable {
    package let directory: String
    package var disk: String { directory + "/disk.raw" }
    package var secret: String { directory + "/secret" }

    package init(machines: String, session: SessionID) { directory = machines + "/" + session.text }

    /// A disk is sparse, so it is checked against what a session needs at least, not against its size.
    package static let leastFree: UInt64 = 256 << 20
    package static let smallestDisk: UInt64 = 64 << 20

    /// Makes all of it. After a fault nothing is left.
    package func make(diskBytes: UInt64, secret bytes: [UInt8], leastFree: UInt64 = leastFree) throws(Fault) {
        guard diskBytes >= Self.smallestDisk, diskBytes <= UInt64(Int64.max) else {
            throw Fault(.usage, "a disk of \(ByteSize(bytes: diskBytes)) cannot be made", hint: "at least 64 MiB")
        }
        do throws(SystemError) {
            try systemCall("mkdir", directory) { mkdir(directory, 0o700) }
        } catch {
            if error.code == EEXIST {
                throw Fault(.badState, "the session's machine exists already", hint: "remove the session first")
            }
            throw Self.explain(error)
        }
        do throws(Fault) {
            try fill(diskBytes: diskBytes, secret: bytes, leastFree: leastFree)
        } catch {
            try? Files.removeTree(directory)
            throw error
        }
    }

    package func remove() throws(Fault) {
        do throws(SystemError) { try Files.removeTree(directory) } catch {
            throw Fault(.hostFailed, "a machine's files cannot be removed: \(error)")
        }
    }

    /// The emulator has read it once the machine runs; on disk it is no longer needed.
    package func removeSecret() { unlink(secret) }

    private func fill(diskBytes: UInt64, secret bytes: [UInt8], leastFree: UInt64) throws(Fault) {
        do throws(SystemError) {
            let space = try Files.space(at: directory)
            guard space.available >= leastFree else {
                throw SystemError("write", code: ENOSPC, subject: directory)
            }
            let file = try Files.open(disk, O_RDWR | O_CREAT | O_EXCL)
            let raw = file.raw
            try systemCall("ftruncate", disk) { ftruncate(raw, Int(diskBytes)) }
            let written = try Files.open(secret, O_WRONLY | O_CREAT | O_EXCL)
            try Files.writeAll(bytes, to: written.raw)
        } catch { throw Self.explain(error) }
        try format()
    }

    /// An empty ext4 in a file of zeros: 10 ms, 200 KiB written.
    private func format() throws(Fault) {
        let (output, input): (SharedDescriptor, SharedDescriptor)
        let child: Child
        do {
            var ends: [Int32] = [-1, -1]
            try systemCall("pipe") { cl_pipe2(&ends, 0) }
            output = SharedDescriptor(FileDescriptor(owning: ends[0]))
            input = SharedDescriptor(FileDescriptor(owning: ends[1]))
            var request = ChildSpecification(
                program: "mkfs.ext4",
                arguments: [
                    "-q", "-F", "-L", "cowork", "-m", "0", "-E", "assume_storage_prezeroed=1,nodiscard,root_owner=0:0",
                    disk,
                ], environment: ["PATH": Programs.searchPath], descriptors: [2: input.raw])
            request.searchPath = Programs.searchPath
            child = try Child.spawn(request)
        } catch let error as SpawnError {
            throw Fault(
                .hostFailed, "mkfs.ext4 cannot be started: \(error.reason)", hint: "install the package e2fsprogs")
        } catch {
            throw Fault(.hostFailed, "mkfs.ext4 cannot be started: \(error)")
        }
        guard child.waitForEnd(limit: .seconds(30)) else {
            child.end(grace: .zero)
            throw Fault(
                .deadline, "mkfs.ext4 did not end within 30 s", hint: "is the disk of the state directory slow?")
        }
        guard child.poll() == .code(0) else {
            var room = [UInt8](repeating: 0, count: 1024)
            let count = cl_set_nonblocking(output.raw, 1) == 0 ? read(output.raw, &room, room.count) : 0
            let said = Display.escaped(String(decoding: room.prefix(max(0, count)), as: UTF8.self), limit: 300)
            let isFull = (try? Files.space(at: directory)).map { $0.available < 1 << 20 } ?? false
            throw Fault(isFull ? .noSpace : .hostFailed, "mkfs.ext4 failed: \(said)")
        }
    }

    private static func explain(_ error: SystemError) -> Fault {
        switch error.code {
        case ENOSPC, EDQUOT:
            Fault(
                .noSpace, "there is not enough space for a machine's disk: \(ByteSize(bytes: leastFree)) are needed",
                hint: "free some on the file system of the state directory")
        case EFBIG:
            Fault(.usage, "the file system of the state directory cannot hold a file as large as the disk")
        default:
            Fault(.hostFailed, "a machine's files cannot be made: \(error)")
        }
    }
}

/// Programs of the system that this process runs.
enum Programs {
    static let searchPath = "/usr/sbin:/usr/bin:/sbin:/bin"
    static let emulator = "qemu-system-x86_64"

    /// Its path, wherever the system has it.
    static func find(_ name: String) -> String? {
        searchPath.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}
