package import Core
package import GuestImage
import Glibc
import System

/// An image in a store, its manifest read and checked, its directory held open. Its parts are opened beneath that
/// directory, never by a path that could have changed meanwhile.
package final class StoredImage: Sendable {
    package let manifest: ImageManifest
    package let id: Digest
    /// Absolute, links resolved.
    package let path: String
    private let directory: FileDescriptor

    /// Opens the directory at `path`, which may be a link to it.
    init(path: String) throws(Fault) {
        let name = Display.escaped(path.split(separator: "/").last.map(String.init) ?? path)
        do {
            directory = try Files.open(path, O_RDONLY | O_DIRECTORY)
            self.path = try Files.path(ofRaw: directory.raw)
        } catch {
            throw error.code == ENOENT || error.code == ENOTDIR
                ? Fault(.imageMissing, "there is no image '\(name)'", hint: "make it with: cowork image build")
                : Fault(.hostFailed, "cannot open image '\(name)': \(error.reason)")
        }
        let bytes: [UInt8]
        do {
            let file = try Self.openRegular("manifest.json", beneath: directory)
            bytes = try Files.contents(of: file, limit: ImageManifest.largest)
        } catch {
            throw Self.damaged(name, "its manifest cannot be read: \(error.reason)")
        }
        do {
            manifest = try ImageManifest.decode(bytes, hash: SHA256.digest)
        } catch {
            throw Self.damaged(name, "its manifest is no good: \(error)")
        }
        guard let id = manifest.id else { throw Self.damaged(name, "its manifest has no id") }
        self.id = id
        guard self.path.hasSuffix("/" + manifest.directory) else {
            throw Self.damaged(name, "its directory does not carry its id \(id.short)")
        }
    }

    package var name: String { manifest.name.text }

    package func path(of role: ImageManifest.Role) throws(Fault) -> String {
        guard let part = manifest.part(role) else {
            throw Fault(.imageDamaged, "image '\(name)' has no \(role.rawValue)")
        }
        return path + "/" + part.file.text
    }

    func open(_ part: ImageManifest.Part) throws(Fault) -> FileDescriptor {
        do {
            return try Self.openRegular(part.file.text, beneath: directory)
        } catch {
            throw Self.damaged(name, "\(part.file) cannot be opened: \(error.reason)")
        }
    }

    func status(of part: ImageManifest.Part) throws(Fault) -> FileStatus {
        let file = try open(part)
        do {
            return try Files.status(of: file)
        } catch {
            throw Self.damaged(name, "\(part.file) cannot be read: \(error.reason)")
        }
    }

    /// Reads every byte of every part.
    package func verify() throws(Fault) {
        var wrong: [String] = []
        for part in manifest.parts {
            let file = try open(part)
            do {
                let found = try SHA256.digest(of: file)
                if found.bytes != part.bytes {
                    wrong.append("\(part.file) has \(found.bytes) bytes instead of \(part.bytes)")
                } else if found.digest != part.sha256 {
                    wrong.append("\(part.file) is not what was built")
                }
            } catch {
                wrong.append("\(part.file) cannot be read: \(error.reason)")
            }
        }
        if !wrong.isEmpty { throw Self.damaged(name, wrong.joined(separator: "; ")) }
    }

    static func damaged(_ name: String, _ reason: String) -> Fault {
        Fault(
            .imageDamaged, "image '\(name)' is damaged: \(reason)",
            hint: "look closer with: cowork image verify; make it again with: cowork image build")
    }

    // Opened without blocking, so that a pipe put in a part's place cannot hold us up before it is refused.
    private static func openRegular(
        _ name: String, beneath directory: borrowing FileDescriptor
    ) throws(SystemError) -> FileDescriptor {
        let file = try Files.open(name, beneath: directory, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        guard try Files.status(of: file).kind == .regular else {
            throw SystemError("open", code: EINVAL, subject: name)
        }
        return file
    }
}
