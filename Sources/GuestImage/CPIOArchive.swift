/// A cpio archive in the "newc" form, the one the kernel unpacks as its initramfs.
///
/// The same entries give the same bytes: sorted by path, owned by root, dated to the epoch.
package struct CPIOArchive: Sendable {
    package enum Entry: Sendable, Equatable {
        case directory(mode: UInt32)
        case file([UInt8], mode: UInt32)
        case characterDevice(major: UInt32, minor: UInt32, mode: UInt32)
    }

    package enum Failure: Error, Sendable, Equatable {
        /// A header has eight hex digits for a size.
        case tooLarge(path: String)
        case badPath(String)
        case duplicate(path: String)
        case noParent(path: String)
    }

    private var entries: [String: Entry] = [:]

    package init() {}

    /// Adds an entry at a relative path whose directory was added before it.
    package mutating func add(_ path: String, _ entry: Entry) throws(Failure) {
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        guard !path.isEmpty, !path.utf8.contains(0), !components.contains(where: { ["", ".", ".."].contains($0) })
        else {
            throw .badPath(path)
        }
        guard entries[path] == nil else { throw .duplicate(path: path) }
        if components.count > 1 {
            guard case .directory = entries[components.dropLast().joined(separator: "/")] else {
                throw .noParent(path: path)
            }
        }
        if case .file(let bytes, _) = entry, UInt64(bytes.count) > UInt64(UInt32.max) { throw .tooLarge(path: path) }
        entries[path] = entry
    }

    package func bytes() -> [UInt8] {
        var writer = Writer()
        // Byte order puts every directory before what is in it.
        let sorted = entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        for (path, entry) in sorted {
            switch entry {
            case .directory(let mode): writer.write(path, mode: 0o040000 | mode & 0o7777, content: [])
            case .file(let content, let mode): writer.write(path, mode: 0o100000 | mode & 0o7777, content: content)
            case .characterDevice(let major, let minor, let mode):
                writer.write(path, mode: 0o020000 | mode & 0o7777, content: [], device: (major, minor))
            }
        }
        writer.finish()
        return writer.bytes
    }

    private struct Writer {
        var bytes: [UInt8] = []
        private var inode: UInt32 = 0

        mutating func write(_ path: String, mode: UInt32, content: [UInt8], device: (UInt32, UInt32) = (0, 0)) {
            inode += 1
            header(path, inode: inode, mode: mode, size: UInt32(content.count), device: device)
            bytes += content
            pad()
        }

        mutating func finish() {
            header("TRAILER!!!", inode: 0, mode: 0, size: 0, device: (0, 0))
            // The kernel reads in blocks of 512.
            bytes += [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
        }

        private mutating func header(
            _ path: String, inode: UInt32, mode: UInt32, size: UInt32, device: (major: UInt32, minor: UInt32)
        ) {
            bytes += Array("070701".utf8)
            // inode, mode, uid, gid, links, time, size, device of the file (2), device it is (2), name's length, checksum
            let fields: [UInt32] = [
                inode, mode, 0, 0, 1, 0, size, 0, 0, device.major, device.minor, UInt32(path.utf8.count + 1), 0,
            ]
            for field in fields { bytes += hex(field) }
            bytes += Array(path.utf8)
            bytes.append(0)
            pad()
        }

        private func hex(_ value: UInt32) -> [UInt8] {
            let digits = Array("0123456789ABCDEF".utf8)
            return (0..<8).map { digits[Int(value >> (28 - 4 * UInt32($0)) & 15)] }
        }

        private mutating func pad() { bytes += [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4) }
    }
}
