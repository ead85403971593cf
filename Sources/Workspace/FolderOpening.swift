internal import Contract
internal import Core
internal import Glibc
internal import System

/// Opening a folder with its owner's rights. Runs on a thread of the owner's (`Owner.onThread`).
enum FolderOpening {
    /// What `path` leads to, links followed, if the owner may use it that way.
    static func follow(_ path: String, mode: FolderMode) throws(Fault) -> SharedDescriptor {
        guard path.hasPrefix("/") else {
            throw Refusal.of(path, "the path does not start with /", hint: "name the folder by its full path")
        }
        guard !path.utf8.contains(0), path.utf8.count < Int(PATH_MAX) else {
            throw Refusal.of(path, "no path looks like that", hint: "check the spelling")
        }
        let directory: FileDescriptor
        do throws(SystemError) { directory = try Files.openDirectory(path) } catch { throw fault(path, error) }
        return try tried(directory, path, mode)
    }

    /// A folder that was granted earlier, by the very path of the grant: a link anywhere in it now means that something
    /// else stands there.
    static func again(_ grant: Grant) throws(Fault) -> SharedDescriptor {
        let directory: FileDescriptor
        do throws(SystemError) {
            let root = try Files.openDirectory("/")
            directory = try Files.openDirectory(String(grant.path.drop(while: { $0 == "/" })), beneath: root)
        } catch {
            throw error.code == ELOOP ? Refusal.changed(grant.path) : fault(grant.path, error)
        }
        return try tried(directory, grant.path, grant.mode)
    }

    private static func tried(
        _ directory: consuming FileDescriptor, _ path: String, _ mode: FolderMode
    ) throws(Fault) -> SharedDescriptor {
        let shared = SharedDescriptor(directory)
        let raw = shared.raw
        do throws(SystemError) {
            // Entering is needed to look up the dot, reading to open it.
            _ = FileDescriptor(
                owning: try systemCall("open") { openat(raw, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) })
        } catch {
            throw Refusal.of(
                path, "you may not list and enter it (\(error.reason))",
                hint: "give yourself access to it, or share another folder")
        }
        guard mode == .direct else { return shared }
        do throws(SystemError) {
            try systemCall("faccessat") { faccessat(raw, ".", W_OK, AT_EACCESS) }
        } catch {
            throw Refusal.of(
                path, "you may not write to it (\(error.reason))",
                hint: "share it with --mode read-only")
        }
        return shared
    }

    private static func fault(_ path: String, _ error: SystemError) -> Fault {
        switch error.code {
        case ENOENT: Refusal.of(path, "there is no such folder", hint: "check the spelling, or make the folder first")
        case ENOTDIR: Refusal.of(path, "it is not a folder", hint: "share the folder it lies in")
        case EACCES: Refusal.of(path, "it may not be entered", hint: "give yourself access to it and to those above it")
        case ELOOP: Refusal.of(path, "its links lead in a circle", hint: "mend the link, or name the folder itself")
        default: Refusal.of(path, error.reason, hint: "check that the folder can be opened")
        }
    }
}
