import Core
import FoundationEssentials
import Glibc
import GuestImage
import System

/// What a recipe made, kept under the recipe's hash, so that a new guest program does not cost a new root file system.
/// An image's files are further names of the ones here: the space is used once, and a part is hashed again before reuse.
struct PartsCache {
    static let prefix = ".parts-"

    struct Module: Codable {
        let file: PlainName
        let sha256: Digest
    }

    /// `parts.json`, written last.
    struct Record: Codable {
        let recipe: Digest
        let kernel: String?
        let packages: [ImageManifest.Package]
        let parts: [ImageManifest.Part]
        let order: String
        let modules: [Module]
    }

    let path: String
    let record: Record
    let order: ModuleOrder
    let modules: [PlainName: [UInt8]]

    static func directory(for name: PlainName, _ recipe: Digest) -> String { "\(prefix)\(name)-\(recipe.short)" }

    /// The parts at `path`, or nil unless they are exactly what the recipe made.
    init?(verifying path: String, recipe: Digest) {
        guard let bytes = try? Files.contents(ofFile: path + "/parts.json", limit: ImageManifest.largest),
            let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)), record.recipe == recipe,
            let order = try? ModuleOrder(record.order)
        else { return nil }
        for part in record.parts {
            guard let file = try? Files.open(path + "/" + part.file.text, O_RDONLY | O_NOFOLLOW),
                let found = try? SHA256.digest(of: file), found.digest == part.sha256, found.bytes == part.bytes
            else { return nil }
        }
        var modules: [PlainName: [UInt8]] = [:]
        for module in record.modules {
            guard let bytes = try? Files.contents(ofFile: path + "/modules/" + module.file.text),
                SHA256.digest(of: bytes) == module.sha256
            else { return nil }
            modules[module.file] = bytes
        }
        self.path = path
        self.record = record
        self.order = order
        self.modules = modules
    }

    /// Describes what a recipe just left in `path`, and puts all of it on the disk.
    static func seal(_ path: String, recipe: Recipe) throws(Fault) {
        func refuse(_ reason: String) -> Fault { Fault(.failed, "recipe '\(recipe.record.name)' \(reason)") }
        func text(_ name: String) throws(Fault) -> String? {
            guard Files.exists(path + "/" + name) else { return nil }
            return try hosted("cannot read \(name)") { () throws(SystemError) in
                try Files.text(ofFile: path + "/" + name)
            }
        }
        var parts: [ImageManifest.Part] = []
        for (role, file) in [(ImageManifest.Role.kernel, "vmlinux"), (.root, "root.erofs")] {
            if let part = try part(role, file, in: path) { parts.append(part) }
        }
        guard parts.contains(where: { $0.role == .root }) else { throw refuse("made no root.erofs") }
        let kernel = try text("kernel").map { $0.trimming("\n") }
        guard parts.contains(where: { $0.role == .kernel }) == (kernel != nil) else {
            throw refuse("must make both vmlinux and kernel, or neither")
        }
        let packages: [ImageManifest.Package]
        do {
            packages = try PackageList.parse(try text("packages") ?? "")
        } catch let error as PackageList.Failure {
            throw refuse("made a list of packages whose line \(error.line) makes no sense")
        } catch let error as Fault { throw error } catch { throw refuse("made no list of packages") }
        let orderText = try text("modules/order") ?? ""
        let order: ModuleOrder
        do { order = try ModuleOrder(orderText) } catch {
            throw refuse("made an order of modules whose line \(error.line) makes no sense: \(error.reason)")
        }
        var modules: [Module] = []
        for module in order.modules {
            let file = path + "/modules/" + module.file.text
            modules.append(
                try hosted("cannot use module \(module.file)") { () throws(SystemError) in
                    let digest = SHA256.digest(of: try Files.contents(ofFile: file))
                    try Files.synchronizeFile(file)
                    return Module(file: module.file, sha256: digest)
                })
        }
        let record = Record(
            recipe: recipe.digest, kernel: kernel, packages: packages, parts: parts, order: orderText, modules: modules)
        guard let bytes = try? JSONEncoder().encode(record) else { throw refuse("cannot be described") }
        try hosted("cannot write \(path)") { () throws(SystemError) in
            try Files.create(path + "/parts.json", Array(bytes))
            if Files.exists(path + "/modules") { try Files.synchronizeDirectory(path + "/modules") }
            try Files.synchronizeDirectory(path)
        }
    }

    private static func part(
        _ role: ImageManifest.Role, _ name: String, in path: String
    ) throws(Fault) -> ImageManifest.Part? {
        let full = path + "/" + name
        guard Files.exists(full), let file = PlainName(name) else { return nil }
        return try hosted("cannot use \(name)") { () throws(SystemError) in
            let descriptor = try Files.open(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
            guard try Files.status(of: descriptor).kind == .regular else {
                throw SystemError("open", code: EINVAL, subject: name)
            }
            let raw = descriptor.raw
            try systemCall("chmod", name) { fchmod(raw, 0o644) }
            let found = try SHA256.digest(of: descriptor)
            try systemCall("fsync", name) { fsync(raw) }
            return ImageManifest.Part(role: role, file: file, sha256: found.digest, bytes: found.bytes)
        }
    }
}

extension String {
    fileprivate func trimming(_ end: Character) -> String { last == end ? String(dropLast()) : self }
}
