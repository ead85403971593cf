internal import Glibc
internal import System

/// Standard input that came as a file, at most 1 MiB of it.
enum PreparedInput {
    private static let largest = 1 << 20

    /// Read by offset, so that whoever else holds the file does not matter; nil when it cannot be read or is larger.
    static func read(_ file: SharedDescriptor) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: largest + 1)
        var count = 0
        while count < bytes.count {
            let more = bytes.withUnsafeMutableBytes { room in
                room.baseAddress.map { pread(file.raw, $0 + count, room.count - count, off_t(count)) } ?? -1
            }
            if more < 0 && errno == EINTR { continue }
            guard more >= 0 else { return nil }
            if more == 0 { break }
            count += more
        }
        return count <= largest ? Array(bytes[..<count]) : nil
    }
}
