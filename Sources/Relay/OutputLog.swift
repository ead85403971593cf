internal import Glibc
package import System

/// The file that keeps the output of a session's own command, at most 4 MiB of it.
///
/// When it is full it becomes: one line that says how much was left out since the beginning, then its last 1 MiB; and it
/// grows again from there. It is rewritten in place, because only its descriptor is known here; a reader that sees it
/// shrink starts from the beginning.
package final class OutputLog {
    package static let largest = 4 << 20
    package static let kept = 1 << 20

    private let descriptor: SharedDescriptor
    private var size: Int
    private var leftOut: UInt64 = 0
    /// How many bytes at the beginning are the line about what was left out.
    private var markerLength = 0

    package init(_ descriptor: SharedDescriptor) {
        self.descriptor = descriptor
        size = (try? Files.status(ofRaw: descriptor.raw)).map { Int(clamping: $0.size) } ?? 0
    }

    /// Appends; a full disk or a lost file loses output from the log, never the command's progress.
    package func append(_ bytes: [UInt8]) {
        if size + bytes.count > Self.largest { rotate() }
        let written = write(bytes[...], at: size)
        size += written
        leftOut &+= UInt64(bytes.count - written)
    }

    private func rotate() {
        let start = max(markerLength, size - Self.kept)
        var tail = [UInt8](repeating: 0, count: size - start)
        let raw = descriptor.raw
        let count = tail.withUnsafeMutableBytes { pread(raw, $0.baseAddress, $0.count, off_t(start)) }
        tail.removeSubrange(max(0, count)...)
        leftOut &+= UInt64(max(0, size - markerLength - tail.count))
        let marker = Array("[cowork: \(leftOut) bytes were left out here]\n".utf8)
        markerLength = marker.count
        size = write((marker + tail)[...], at: 0)
        _ = ftruncate(raw, off_t(size))
    }

    private func write(_ bytes: ArraySlice<UInt8>, at offset: Int) -> Int {
        let raw = descriptor.raw
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                bytes.baseAddress.map { pwrite(raw, $0 + done, bytes.count - done, off_t(offset + done)) } ?? 0
            }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            done += count
        }
        return done
    }
}
