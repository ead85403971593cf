internal import Core
internal import Glibc
package import System

/// Which folders may be granted, judged by what an open directory is and not by what it was called.
package struct FolderRules: Sendable {
    /// A directory of ours that no guest may see, and what a person calls it.
    private struct Kept: Sendable {
        let what: String
        let path: String
    }

    private let kept: [Kept]

    package init(directories: Directories, images: [String]) {
        kept =
            [
                Kept(what: "Cowork's state", path: directories.state),
                Kept(what: "Cowork's sockets", path: directories.runtime),
                Kept(what: "Cowork's configuration", path: directories.configuration),
                Kept(what: "the administrator's configuration of Cowork", path: "/etc/cowork"),
                Kept(what: "Cowork's data", path: directories.data),
            ] + images.map { Kept(what: "Cowork's images", path: $0) }
    }

    /// The path of an open directory, if it may be granted. `asked` is what the user called it.
    func judge(_ directory: SharedDescriptor, asked: String) throws(Fault) -> String {
        let path = try Self.reading(asked) { () throws(SystemError) in try Files.path(ofRaw: directory.raw) }
        try Self.checkName(path, of: directory, asked: asked)
        switch SystemPaths.objection(to: path) {
        case nil: break
        case .isRoot:
            throw Refusal.of(asked, "it is the root of this machine", hint: "share the folder you want worked on")
        case .hides(let own):
            throw Refusal.of(
                asked, "in the guest it would take the place of the guest's own \(own)",
                hint: own == path ? "share a folder inside it" : "copy or bind the folder to a place under your home")
        }
        let table = try Self.reading(asked) { () throws(SystemError) in try MountTable.current() }
        let place = try Self.reading(asked) { () throws(SystemError) in
            try Place(ofRaw: directory.raw, path: path, in: table)
        }
        let beneath = table.mounts(beneath: path)
        let own = try Self.reading(asked) { () throws(SystemError) in try table.mount(ofRaw: directory.raw) }
        try Self.checkTypes(own, beneath, path: path, asked: asked)
        try checkKept(place, beneath, table, asked: asked)
        return path
    }

    /// The name must be one that can be shown, and must lead back to this very directory.
    private static func checkName(_ path: String, of directory: SharedDescriptor, asked: String) throws(Fault) {
        if path.unicodeScalars.contains(where: isTreacherous) {
            throw Refusal.of(
                asked, "its name has characters that do not show or that reorder text: \(Display.escaped(path))",
                hint: "rename the folder")
        }
        let (again, now) = try reading(asked) { () throws(SystemError) in
            (try? Files.status(path, followLinks: false), try Files.status(ofRaw: directory.raw))
        }
        if let again, again.device == now.device, again.inode == now.inode { return }
        if path.unicodeScalars.contains("\u{FFFD}") {
            throw Refusal.of(asked, "its name is not UTF-8", hint: "rename the folder")
        }
        throw Refusal.changed(asked)
    }

    /// Controls, line separators, and what overrides the direction of text. Joiners and the like belong to real names.
    private static func isTreacherous(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        default: (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
        }
    }

    private static func checkTypes(
        _ own: MountTable.Mount?, _ beneath: [MountTable.Mount], path: String, asked: String
    ) throws(Fault) {
        if let own, SystemPaths.isKernelInterface(own.type) {
            throw Refusal.of(
                asked, "it is no folder of files but a part of the kernel (\(own.type))",
                hint: "share a folder of files")
        }
        if let found = beneath.first(where: { SystemPaths.isKernelInterface($0.type) }) {
            throw Refusal.of(
                asked, "a part of the kernel (\(found.type)) is mounted in it, at \(Display.escaped(found.point))",
                hint: "unmount that, or share a folder without it")
        }
    }

    private func checkKept(
        _ place: Place, _ beneath: [MountTable.Mount], _ table: MountTable, asked: String
    ) throws(Fault) {
        for kept in kept {
            let ours = try Self.reading(asked) { () throws(SystemError) in try Place(of: kept.path, in: table) }
            let what = "\(kept.what) (\(Display.escaped(kept.path)))"
            switch place.relation(to: ours) {
            case .same: throw Refusal.of(asked, "it is \(what)", hint: Self.elsewhere)
            case .inside: throw Refusal.of(asked, "it lies in \(what)", hint: Self.elsewhere)
            case .around: throw Refusal.of(asked, "\(what) lies in it", hint: "share the folders you need one by one")
            case nil: break
            }
            guard let location = ours.location else { continue }
            if let found = beneath.first(where: { $0.location.overlaps(location) }) {
                throw Refusal.of(
                    asked, "\(what) can be reached in it, by the mount at \(Display.escaped(found.point))",
                    hint: "unmount that, or share a folder without it")
            }
        }
    }

    private static let elsewhere = "share a folder that is not Cowork's own"

    private static func reading<Value>(
        _ asked: String, _ body: () throws(SystemError) -> Value
    ) throws(Fault) -> Value {
        do throws(SystemError) { return try body() } catch {
            throw Refusal.of(
                asked, "\(error)", hint: "check that the folder, and every folder above it, can be entered")
        }
    }
}

/// How a refused folder is spoken of.
enum Refusal {
    static func of(_ path: String, _ why: String, hint: String) -> Fault {
        Fault(.badFolder, "cannot share \(Display.escaped(path)): \(why)", hint: hint)
    }

    static func changed(_ path: String) -> Fault {
        of(path, "it was moved or replaced meanwhile", hint: "share it again where it is now")
    }
}
