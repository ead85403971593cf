import FoundationEssentials
import GuestImage
import System

/// What the parts of an image looked like to the file system when their bytes were last found right. While all of it is
/// unchanged the bytes are not read again: `ctime` moves with every write and cannot be set back.
struct CheckStamp: Codable, Equatable {
    struct Part: Codable, Equatable {
        let file: String
        let device, inode, size: UInt64
        let modified, changed: Int64

        init(file: String, status: FileStatus) {
            self.file = file
            device = status.device
            inode = status.inode
            size = status.size
            modified = status.modifiedNanoseconds
            changed = status.changedNanoseconds
        }
    }

    let id: Digest
    let parts: [Part]

    init(id: Digest, parts: [Part]) {
        self.id = id
        self.parts = parts
    }

    /// Nil when there is none or it makes no sense: then the bytes are read.
    static func read(_ path: String) -> CheckStamp? {
        guard let bytes = try? Files.contents(ofFile: path, limit: 64 << 10) else { return nil }
        return try? JSONDecoder().decode(CheckStamp.self, from: Data(bytes))
    }

    func write(_ path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try Files.replace(path, with: Array(try encoder.encode(self)))
    }
}
