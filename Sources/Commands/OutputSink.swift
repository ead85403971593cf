internal import Core
internal import Glibc
package import System

/// One of our outputs, written without ever blocking on its reader, and without making the descriptor non-blocking for
/// the processes we share it with.
package final class OutputSink {
    package let raw: Int32
    private let way: Way
    private var waiting: [UInt8] = []
    private var start = 0

    private enum Way {
        /// Writing never waits for anybody.
        case file
        /// A pipe or terminal that was opened a second time, for us alone.
        case own
        case socket
        /// Anything else: what fits in a pipe that poll calls writable.
        case pieces
    }
    private let reopened: SharedDescriptor?
    private static let piece = 4096

    /// `raw` must stay open.
    package init(_ raw: Int32) {
        let kind = (try? Files.status(ofRaw: raw))?.kind
        let name = (try? Files.path(ofRaw: raw)) ?? ""
        var reopened: SharedDescriptor?
        if kind == .other && (name.hasPrefix("pipe:") || name.hasPrefix("/dev/pts/") || name.hasPrefix("/dev/tty")) {
            // Not allowed to after a change of user, and impossible once a pipe has no reader: then in pieces.
            let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY
            do { reopened = SharedDescriptor(try Files.open("/proc/self/fd/\(raw)", flags)) } catch {}
        }
        self.reopened = reopened
        self.raw = reopened?.raw ?? raw
        way = reopened != nil ? .own : kind == .socket ? .socket : kind == .regular ? .file : .pieces
    }

    /// How many bytes wait.
    package var waitingCount: Int { waiting.count - start }

    package func append(_ bytes: [UInt8]) {
        if start == waiting.count {
            waiting = bytes
            start = 0
        } else {
            waiting += bytes
        }
    }

    /// Writes what can be written now, and says how much that was. `isReady`: poll said so.
    package func flush(isReady: Bool) throws(SystemError) -> Int {
        guard isReady || way != .pieces else { return 0 }
        var written = 0
        while waitingCount > 0 {
            let count = way == .pieces ? min(Self.piece, waitingCount) : waitingCount
            guard let some = try writeSome(count) else { break }
            start += some
            written += some
            if way == .pieces { break }
        }
        if start == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 256 << 10 {
            waiting.removeSubrange(0..<start)
            start = 0
        }
        return written
    }

    private func writeSome(_ count: Int) throws(SystemError) -> Int? {
        let raw = self.raw
        let start = self.start
        let isSocket = way == .socket
        do throws(SystemError) {
            return try systemCall("write") {
                waiting.withUnsafeBytes { bytes in
                    let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
                    return isSocket
                        ? send(raw, piece.baseAddress, count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                        : write(raw, piece.baseAddress, count)
                }
            }
        } catch {
            if error.code == EAGAIN { return nil }
            throw error
        }
    }
}
