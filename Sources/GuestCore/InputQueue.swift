internal import CLinux
internal import Glibc
internal import Wire

/// What the host has sent for a process and the process has not taken yet: never more than one window of it.
struct InputQueue {
    enum End {
        /// The pipe is closed.
        case closing
        /// The terminal's end-of-input character is typed, if it is reading lines.
        case character
    }

    enum State {
        case open
        /// Everything is written and nothing more comes, or nobody reads it any more.
        case ended
    }

    private static let mostWrittenKept = 64 << 10

    private enum Phase { case open, endWanted, endTyped, ended }

    private let endsBy: End
    private var phase = Phase.open
    private var bytes: [UInt8] = []
    private var written = 0
    /// What the host may still send.
    private var room = Int(Wire.initialWindow)
    /// Taken by the process and not yet granted again.
    private var taken = 0
    private var lastByte = UInt8(ascii: "\n")

    init(endsBy: End) { self.endsBy = endsBy }

    /// Bytes held, for the process or not.
    var heldCount: Int { bytes.count }

    /// Are there bytes that wait for the process?
    var isWaiting: Bool { written < bytes.count }

    /// False when these are more than was granted.
    mutating func receive(_ more: [UInt8]) -> Bool {
        guard more.count <= room else { return false }
        room -= more.count
        if phase == .open {
            bytes.append(contentsOf: more)
        } else {
            taken += more.count
        }
        return true
    }

    mutating func end() {
        if phase == .open { phase = .endWanted }
    }

    /// Nobody will read it.
    mutating func discard() {
        taken += bytes.count - written
        bytes = []
        written = 0
        phase = .ended
    }

    /// Writes what the process takes now.
    mutating func write(to raw: Int32) -> State {
        guard phase != .ended, writeWaiting(to: raw) else { return endNow() }
        if phase == .endWanted, !isWaiting {
            if endsBy == .closing { return endNow() }
            phase = .endTyped
            typeEnd(raw)
            guard writeWaiting(to: raw) else { return endNow() }
        }
        return phase == .endTyped && !isWaiting ? endNow() : .open
    }

    private mutating func endNow() -> State {
        discard()
        return .ended
    }

    /// False when nobody can read it any more.
    private mutating func writeWaiting(to raw: Int32) -> Bool {
        while isWaiting {
            let count = bytes.withUnsafeBytes { bytes in
                bytes.baseAddress.map { Glibc.write(raw, $0 + written, bytes.count - written) } ?? 0
            }
            if count < 0 {
                if errno == EINTR { continue }
                guard errno == EAGAIN else { return false }
                forgetWritten()
                return true
            }
            lastByte = bytes[written + count - 1]
            written += count
            taken += count
        }
        bytes.removeAll(keepingCapacity: true)
        written = 0
        return true
    }

    /// A process that never catches up must not keep what it has read already.
    private mutating func forgetWritten() {
        guard written >= Self.mostWrittenKept else { return }
        bytes.removeSubrange(..<written)
        written = 0
    }

    /// In the middle of a line the first such character only hands over the line.
    private mutating func typeEnd(_ raw: Int32) {
        let character = cl_end_of_input_character(raw)
        guard character > 0 else { return }
        bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: character), count: lastByte == UInt8(ascii: "\n") ? 1 : 2)
        // They are ours, not the host's: nothing is granted for them.
        taken -= bytes.count
    }

    /// What to grant the host now; grants are saved up until they are worth a frame.
    mutating func takeGrant() -> UInt32 {
        guard taken >= Int(Wire.initialWindow) / 4 else { return 0 }
        defer { taken = 0 }
        room += taken
        return UInt32(clamping: taken)
    }
}
