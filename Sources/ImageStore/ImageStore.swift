package import Core
package import GuestImage
import Glibc
import System

/// A directory of images: each in `NAME-ID`, which never changes once it is there, and for each name a link `NAME` to the
/// current one. Everything that changes the store happens under its lock and by rename, so that a reader sees whole
/// images only. Entries that start with a dot are the store's own: work in progress and the cache of built parts.
package struct ImageStore: Sendable {
    /// Absolute, because recipes work in other directories.
    package let root: String

    package init(root: String) {
        self.root = root.hasPrefix("/") ? root : (try? Files.resolved(".")).map { $0 + "/" + root } ?? root
    }

    package struct Listed: Sendable, Equatable {
        package let name: String
        /// Whether the name's link leads here.
        package let isCurrent: Bool
        package let path: String
        /// A damaged image is listed too, with its reason.
        package let state: State

        package enum State: Sendable, Equatable {
            case good(Details)
            case damaged(String)
        }
    }

    package struct Details: Sendable, Equatable {
        package let id: Digest
        package let kernel: String?
        package let guestVersion: String?
        package let packages: Int
        /// The lengths of the files, and the disk space they take. Images made from the same parts share that space.
        package let apparentBytes, realBytes: UInt64
    }

    /// All images, by name and id. Their bytes are not read.
    package func list() throws(Fault) -> [Listed] {
        guard Files.exists(root) else { return [] }
        let current = try currentDirectories()
        var listed: [Listed] = []
        for directory in try imageDirectories() {
            let path = root + "/" + directory
            let isCurrent = current.values.contains(directory)
            let name = String(directory.dropLast(13))
            do throws(Fault) {
                let image = try StoredImage(path: path)
                let state = Listed.State.good(try details(of: image))
                listed.append(Listed(name: name, isCurrent: isCurrent, path: path, state: state))
            } catch {
                listed.append(Listed(name: name, isCurrent: isCurrent, path: path, state: .damaged(error.message)))
            }
        }
        return listed
    }

    /// The current image of this name, or the one with this name and id (`base-0123456789ab`). Its bytes are not read.
    package func find(_ name: String) throws(Fault) -> StoredImage {
        guard let plain = PlainName(name) else {
            throw Fault(.usage, "'\(Display.escaped(name))' is not the name of an image")
        }
        return try StoredImage(path: root + "/" + plain.text)
    }

    /// Reads every byte of an image.
    package func verify(_ name: String) throws(Fault) -> StoredImage {
        let image = try find(name)
        try image.verify()
        return image
    }

    /// An image fit to be started. Its bytes are read when one of its files is not the very one that was last found
    /// right, as the stamp in `stampDirectory` remembers; that directory must be nobody else's.
    package func check(_ name: String, stampDirectory: String) throws(Fault) -> StoredImage {
        let image = try find(name)
        let stampPath = stampDirectory + "/" + image.manifest.directory + ".json"
        let before = try stamp(of: image)
        if CheckStamp.read(stampPath) == before { return image }
        try image.verify()
        // A file that changed while it was read is not remembered.
        if try stamp(of: image) == before {
            // Without a stamp the next check reads again, and is right as well.
            try? Directories.makePrivate(stampDirectory, owner: geteuid())
            try? before.write(stampPath)
        }
        return image
    }

    package struct Removed: Sendable, Equatable {
        package let directory: String
        package let apparentBytes: UInt64
    }

    /// Removes what is neither current nor in `keepingIDs`, and cached parts that no remaining image was made from.
    package func prune(keepingIDs: Set<String>) throws(Fault) -> [Removed] {
        guard Files.exists(root) else { return [] }
        let lock = try StoreLock(root: root)
        defer { lock.hold() }
        try reapLeftovers()
        let current = Set(try currentDirectories().values)
        var keptRecipes: Set<String> = []
        var removed: [Removed] = []
        for directory in try imageDirectories() {
            let image = try? StoredImage(path: root + "/" + directory)
            if current.contains(directory) || keepingIDs.contains(where: { $0.hasPrefix(directory.suffix(12)) }) {
                if let image {
                    keptRecipes.insert(PartsCache.directory(for: image.manifest.name, image.manifest.recipe))
                }
            } else {
                removed.append(try remove(directory))
            }
        }
        for name in try entries() where name.hasPrefix(PartsCache.prefix) && !keptRecipes.contains(name) {
            removed.append(try remove(name))
        }
        return removed
    }

    // MARK: For building

    static let workPrefix = ".work-"

    /// Takes away what killed builds and prunes left. Only under the lock: then nobody is at work.
    func reapLeftovers() throws(Fault) {
        for name in try entries() where name.hasPrefix(Self.workPrefix) {
            try hosted("cannot clean up in \(root)") { () throws(SystemError) in
                try Files.removeTree(root + "/" + name, on: root)
            }
        }
    }

    /// Removes in two steps, so that being killed in between leaves no half image.
    func remove(_ name: String) throws(Fault) -> Removed {
        let from = root + "/" + name
        let aside = root + "/" + Self.workPrefix + "removed-\(name.drop { $0 == "." })"
        let bytes = Files.treeBytes(from)
        try hosted("cannot remove \(from)") { () throws(SystemError) in
            try systemCall("rename", from) { rename(from, aside) }
            try Files.removeTree(aside, on: root)
        }
        return Removed(directory: name, apparentBytes: bytes)
    }

    /// Makes `NAME` lead to `directory` from one moment to the next.
    func makeCurrent(_ name: PlainName, _ directory: String) throws(Fault) {
        let link = root + "/" + name.text
        let prepared = root + "/" + Self.workPrefix + "link"
        try hosted("cannot make \(directory) current") { () throws(SystemError) in
            unlink(prepared)
            try systemCall("symlink", prepared) { symlink(directory, prepared) }
            try systemCall("rename", link) { rename(prepared, link) }
            try Files.synchronizeDirectory(root)
        }
    }

    private func currentDirectories() throws(Fault) -> [String: String] {
        var found: [String: String] = [:]
        for name in try entries() where PlainName(name) != nil {
            if let target = try? Files.readLink(root + "/" + name) { found[name] = target }
        }
        return found
    }

    /// Names of the form `NAME-` and twelve hex digits that are directories.
    private func imageDirectories() throws(Fault) -> [String] {
        try entries().filter { name in
            let suffix = name.utf8.suffix(13)
            guard PlainName(name) != nil, name.utf8.count > 13, suffix.first == 45,
                suffix.dropFirst().allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
            else { return false }
            return (try? Files.status(root + "/" + name, followLinks: false))?.kind == .directory
        }.sorted()
    }

    private func entries() throws(Fault) -> [String] {
        let root = root
        return try hosted("cannot read the image store \(root)") { () throws(SystemError) in try Files.entries(root) }
    }

    private func details(of image: StoredImage) throws(Fault) -> Details {
        var apparent: UInt64 = 0
        var real: UInt64 = 0
        for part in image.manifest.parts {
            let status = try image.status(of: part)
            if status.size != part.bytes { throw StoredImage.damaged(image.name, "\(part.file) has the wrong size") }
            apparent += status.size
            real += status.allocated
        }
        return Details(
            id: image.id, kernel: image.manifest.kernel, guestVersion: image.manifest.guest?.version,
            packages: image.manifest.packages.count, apparentBytes: apparent, realBytes: real)
    }

    private func stamp(of image: StoredImage) throws(Fault) -> CheckStamp {
        var parts: [CheckStamp.Part] = []
        for part in image.manifest.parts {
            parts.append(CheckStamp.Part(file: part.file.text, status: try image.status(of: part)))
        }
        return CheckStamp(id: image.id, parts: parts)
    }
}
