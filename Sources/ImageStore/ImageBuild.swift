package import Core
import Glibc
import GuestImage
import System

package enum BuildProgress: Sendable, Equatable, CustomStringConvertible {
    /// The recipe runs: this takes a minute or two.
    case running(recipe: String)
    /// A line the recipe printed, safe to show.
    case output(String)
    /// The parts of an earlier run of the same recipe are used.
    case reusing
    case packing

    package var description: String {
        switch self {
        case .running(let recipe): "running recipe \(recipe)"
        case .output(let line): line
        case .reusing: "reusing what this recipe made before"
        case .packing: "packing the image"
        }
    }
}

package struct BuildResult: Sendable {
    package let image: StoredImage
    /// Nothing had to be done: the current image is the one that would be made, and it was read and found right.
    package let wasCurrent: Bool
}

/// What to build, and with what.
package struct BuildRequest: Sendable {
    /// A recipe's directory; its last component names the image.
    package var recipe: String
    /// The program that becomes PID 1, a static executable; needed when the recipe makes a kernel.
    package var guest: String?
    package var guestVersion: String
    /// Run the recipe although its parts are there, to take in newer packages.
    package var refresh = false
    package var environment: [String: String]
    /// How long the recipe may run.
    package var limit: Duration = .seconds(3600)

    package init(recipe: String, guest: String?, guestVersion: String, environment: [String: String]) {
        self.recipe = recipe
        self.guest = guest
        self.guestVersion = guestVersion
        self.environment = environment
    }
}

extension ImageStore {
    /// Makes an image and makes it the current one of its name. Blocks until done; call it on a thread that outlives it,
    /// because the recipe's programs end when that thread does.
    ///
    /// A build that is killed leaves a directory that the next build takes away, and the current image as it was.
    package func build(
        _ request: BuildRequest, progress: (BuildProgress) -> Void
    ) throws(Fault) -> BuildResult {
        let programs = RecipePrograms(environment: request.environment)
        let recipe = try Recipe(directory: request.recipe, programs: programs)
        let guest = try request.guest.map { (path) throws(Fault) in
            try GuestProgram(path, version: request.guestVersion)
        }
        if !request.refresh, let image = currentIfMade(from: recipe, guest: guest) {
            return BuildResult(image: image, wasCurrent: true)
        }

        // Others may read it: the program that runs guests does so under another identity.
        try hosted("cannot make the image store \(root)") { () throws(SystemError) in try Files.makeDirectories(root) }
        let lock = try StoreLock(root: root)
        defer { lock.hold() }
        try reapLeftovers()
        let work = root + "/" + Self.workPrefix + "build-\(getpid())"
        try hosted("cannot write to \(root)") { () throws(SystemError) in try Files.makeDirectory(work) }
        do {
            let parts = try obtainParts(recipe, request: request, work: work, progress: progress)
            progress(.packing)
            let image = try assemble(recipe, parts: parts, guest: guest, work: work)
            try? Files.removeTree(work, on: root)
            return BuildResult(image: image, wasCurrent: false)
        } catch {
            try? Files.removeTree(work, on: root)
            throw error
        }
    }

    private func currentIfMade(from recipe: Recipe, guest: GuestProgram?) -> StoredImage? {
        guard let image = try? find(recipe.record.name.text), image.manifest.recipe == recipe.digest,
            image.manifest.kernel == nil || image.manifest.guest == guest?.description,
            (try? image.verify()) != nil
        else { return nil }
        return image
    }

    private func obtainParts(
        _ recipe: Recipe, request: BuildRequest, work: String, progress: (BuildProgress) -> Void
    ) throws(Fault) -> PartsCache {
        let name = PartsCache.directory(for: recipe.record.name, recipe.digest)
        let path = root + "/" + name
        if !request.refresh, let cached = PartsCache(verifying: path, recipe: recipe.digest) {
            progress(.reusing)
            return cached
        }
        progress(.running(recipe: recipe.record.name.text))
        let made = work + "/parts"
        // Root's temporary files are then taken away with the rest of a killed build. An ordinary user's recipe works
        // under ids that could not enter this directory.
        let scratch = geteuid() == 0 ? work + "/scratch" : nil
        try hosted("cannot write to \(root)") { () throws(SystemError) in
            try Files.makeDirectory(made)
            if let scratch { try Files.makeDirectory(scratch) }
        }
        let programs = RecipePrograms(environment: request.environment, scratch: scratch)
        try programs.run(recipe.directory + "/build", [made], limit: request.limit) { progress(.output($0)) }
        try PartsCache.seal(made, recipe: recipe)
        if Files.exists(path) { _ = try remove(name) }
        let root = root
        try hosted("cannot keep what the recipe made") { () throws(SystemError) in
            try systemCall("rename", path) { rename(made, path) }
            try Files.synchronizeDirectory(root)
        }
        guard let parts = PartsCache(verifying: path, recipe: recipe.digest) else {
            throw Fault(.hostFailed, "what the recipe made changed while it was written", hint: "check this disk")
        }
        return parts
    }

    private func assemble(
        _ recipe: Recipe, parts: PartsCache, guest: GuestProgram?, work: String
    ) throws(Fault) -> StoredImage {
        let made = work + "/image"
        try hosted("cannot write to \(root)") { () throws(SystemError) in
            try Files.makeDirectory(made)
            for part in parts.record.parts {
                try systemCall("link", part.file.text) {
                    link(parts.path + "/" + part.file.text, made + "/" + part.file.text)
                }
            }
        }
        var all = parts.record.parts
        if parts.record.kernel != nil {
            guard let guest else {
                throw Fault(
                    .usage, "recipe '\(recipe.record.name)' makes a kernel, which needs the guest's program",
                    hint: "give the path of cowork-guest")
            }
            all.append(try writeInitramfs(parts, guest: guest, in: made))
        }
        let manifest = ImageManifest(
            name: recipe.record.name, kernel: parts.record.kernel,
            guest: parts.record.kernel == nil ? nil : guest?.description, recipe: recipe.digest,
            packages: parts.record.packages, parts: all, hash: SHA256.digest)
        do { _ = try ImageManifest.decode(manifest.fileBytes, hash: SHA256.digest) } catch {
            throw Fault(.failed, "recipe '\(recipe.record.name)' made something that no manifest can say: \(error)")
        }
        try hosted("cannot write to \(root)") { () throws(SystemError) in
            try Files.create(made + "/recipe.json", recipe.record.fileBytes)
            try Files.create(made + "/manifest.json", manifest.fileBytes)
            try Files.synchronizeDirectory(made)
        }
        return try install(made, as: manifest)
    }

    private func writeInitramfs(
        _ parts: PartsCache, guest: GuestProgram, in directory: String
    ) throws(Fault) -> ImageManifest.Part {
        let bytes: [UInt8]
        do {
            bytes = try Initramfs.archive(guest: guest.bytes, order: parts.order, modules: parts.modules).bytes()
        } catch {
            throw Fault(.failed, "the initramfs cannot be made: \(error)")
        }
        guard let file = PlainName("initramfs.cpio") else { throw Fault(.failed, "the initramfs has no name") }
        try hosted("cannot write the initramfs") { () throws(SystemError) in
            try Files.create(directory + "/" + file.text, bytes)
        }
        return ImageManifest.Part(
            role: .initramfs, file: file, sha256: SHA256.digest(of: bytes), bytes: UInt64(bytes.count))
    }

    private func install(_ made: String, as manifest: ImageManifest) throws(Fault) -> StoredImage {
        let directory = manifest.directory
        let path = root + "/" + directory
        if Files.exists(path) {
            if let present = try? StoredImage(path: path), (try? present.verify()) != nil {
                try makeCurrent(manifest.name, directory)
                return present
            }
            // The same image, damaged: for a moment it is missing instead.
            _ = try remove(directory)
        }
        try hosted("cannot install image \(directory)") { () throws(SystemError) in
            try systemCall("rename", path) { rename(made, path) }
        }
        try makeCurrent(manifest.name, directory)
        return try StoredImage(path: path)
    }
}

/// The program that will be PID 1 of the guest.
private struct GuestProgram {
    let bytes: [UInt8]
    let description: ImageManifest.Guest

    init(_ path: String, version: String) throws(Fault) {
        let shown = Display.escaped(path)
        do {
            bytes = try Files.contents(ofFile: path, limit: 64 << 20)
        } catch {
            throw Fault(.notFound, "cannot read the guest's program \(shown): \(error.reason)")
        }
        do { try GuestBinary.check(bytes) } catch {
            throw Fault(.usage, "\(shown) cannot run in a guest: \(error)")
        }
        description = ImageManifest.Guest(version: version, sha256: SHA256.digest(of: bytes))
    }
}
