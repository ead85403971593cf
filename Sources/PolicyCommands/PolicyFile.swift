internal import Glibc
internal import PolicyLanguage

/// Whole files in and out.
enum PolicyFile {
    static func read(_ name: String) -> Result<[UInt8], PolicyCommand.Problem> {
        let descriptor = open(name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return .failure(.init(message: String(cString: strerror(errno)))) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        // One byte more than may be, so that too much is seen as too much.
        while bytes.count <= SourceText.limit {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return .failure(.init(message: String(cString: strerror(errno))))
            }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return .success(bytes)
    }

    /// Replaces the file in one step.
    static func write(_ name: String, _ bytes: [UInt8]) -> String? {
        let temporary = name + ".new"
        var status = stat()
        let mode = stat(name, &status) == 0 ? status.st_mode & 0o777 : 0o644
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                buffer.baseAddress.map { Glibc.write(descriptor, $0 + written, bytes.count - written) } ?? 0
            }
            if count < 0 {
                if errno == EINTR { continue }
                let problem = String(cString: strerror(errno))
                close(descriptor)
                unlink(temporary)
                return problem
            }
            written += count
        }
        _ = fsync(descriptor)
        close(descriptor)
        guard rename(temporary, name) == 0 else {
            let problem = String(cString: strerror(errno))
            unlink(temporary)
            return problem
        }
        return nil
    }

    static func exists(_ name: String) -> Bool { access(name, R_OK) == 0 }
}
