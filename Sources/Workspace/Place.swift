internal import Glibc
internal import System

/// A directory by everything that names it, so that neither links nor bind mounts hide that two are one, or that one
/// holds the other.
struct Place {
    struct Identity: Hashable {
        let device, inode: UInt64
    }

    /// Canonical; for a directory that does not exist yet, below the nearest one that does.
    let path: String
    /// Nil when it does not exist yet.
    let identity: Identity?
    /// Of itself if it exists, and of every directory above it.
    let lineage: Set<Identity>
    let location: Location?

    /// An open directory.
    init(ofRaw raw: Int32, path: String, in table: MountTable) throws(SystemError) {
        self.path = path
        var found = try Files.status(ofRaw: raw)
        let own = Identity(device: found.device, inode: found.inode)
        identity = own
        var lineage: Set<Identity> = [own]
        var above = try Files.openDirectory("/proc/self/fd/\(raw)/..")
        while true {
            found = try Files.status(of: above)
            // The root's parent is the root.
            guard lineage.insert(Identity(device: found.device, inode: found.inode)).inserted else { break }
            above = try Files.openDirectory("/proc/self/fd/\(above.raw)/..")
        }
        self.lineage = lineage
        location = try table.mount(ofRaw: raw).flatMap { table.location(of: path, on: $0) }
    }

    /// A directory of ours, which may not exist yet.
    init(of path: String, in table: MountTable) throws(SystemError) {
        var existing = path
        var rest = ""
        while true {
            do throws(SystemError) {
                let directory = try Files.openDirectory(existing)
                let above = try Place(
                    ofRaw: directory.raw, path: Files.path(ofRaw: directory.raw), in: table)
                self.path = above.path.appendingPath(rest)
                identity = rest.isEmpty ? above.identity : nil
                lineage = above.lineage
                location = above.location?.appending(rest)
                return
            } catch {
                guard error.code == ENOENT || error.code == ENOTDIR, existing != "/",
                    let slash = existing.lastIndex(of: "/")
                else { throw error }
                rest = existing[slash...] + rest
                existing = slash == existing.startIndex ? "/" : String(existing[..<slash])
            }
        }
    }

    enum Relation { case same, inside, around }

    /// How this place relates to `other`; nil when they have nothing to do with each other.
    func relation(to other: Place) -> Relation? {
        if path == other.path || (identity != nil && identity == other.identity) { return .same }
        if path.isPath(orBeneath: other.path) || other.identity.map(lineage.contains) == true { return .inside }
        if other.path.isPath(orBeneath: path) || identity.map(other.lineage.contains) == true { return .around }
        guard let location, let otherLocation = other.location, location.overlaps(otherLocation) else { return nil }
        return location.path.isPath(orBeneath: otherLocation.path) ? .inside : .around
    }
}
