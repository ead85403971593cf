import Core
import Glibc
import GuestImage
@testable import ImageStore
import System
import Testing

/// A store and a recipe of a few bytes in a directory of their own. Its recipe counts how often it ran.
private final class Workshop: Sendable {
    let path: String
    var store: ImageStore { ImageStore(root: path + "/images") }
    var recipe: String { path + "/base" }
    var guest: String { path + "/guest" }
    var stamps: String { path + "/stamps" }

    init() throws {
        var template = Array("/tmp/cowork-image-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
        try #require(mkdir(recipe, 0o755) == 0)
        try write("base/size", "1")
        try setRecipe(
            """
            echo run >> "$(dirname "$0")/../runs"
            mkdir "$1/modules"
            echo 'early one.ko' > "$1/modules/order"
            echo module > "$1/modules/one.ko"
            echo kernel > "$1/vmlinux"
            printf '%s\\n' 6.1.0-test > "$1/kernel"
            echo 'bash 5.2 amd64' > "$1/packages"
            cat "$(dirname "$0")/size" > "$1/root.erofs"
            """)
        try setGuest(1)
    }

    deinit { try? Files.removeTree(path) }

    func write(_ name: String, _ text: String, mode: mode_t = 0o644) throws {
        try Files.replace(path + "/" + name, with: text.utf8, mode: mode)
    }

    func setRecipe(_ body: String) throws { try write("base/build", "#!/bin/sh\nset -eu\n\(body)\n", mode: 0o755) }

    func setGuest(_ variant: UInt8) throws {
        var bytes = [UInt8](repeating: 0, count: 65)
        bytes.replaceSubrange(0..<6, with: [0x7f, 0x45, 0x4c, 0x46, 2, 1])
        bytes[16] = 2
        bytes[18] = 62
        bytes[64] = variant
        try Files.replace(guest, with: bytes)
    }

    @discardableResult
    func build(refresh: Bool = false, limit: Duration = .seconds(60)) throws -> BuildResult {
        var request = BuildRequest(
            recipe: recipe, guest: guest, guestVersion: "1", environment: CurrentProcess.environment)
        request.refresh = refresh
        request.limit = limit
        return try store.build(request) { _ in }
    }

    var runs: Int { ((try? Files.text(ofFile: path + "/runs")) ?? "").split(separator: "\n").count }

    var entries: [String] { ((try? Files.entries(store.root)) ?? []).sorted() }

    /// Changes one byte and puts the times back.
    func flip(_ name: String) throws {
        let path = store.root + "/base/" + name
        let file = try Files.open(path, O_RDWR)
        var found = stat()
        try #require(fstat(file.raw, &found) == 0)
        var byte: UInt8 = 0
        try #require(pread(file.raw, &byte, 1, 0) == 1)
        byte ^= 1
        try #require(pwrite(file.raw, &byte, 1, 0) == 1)
        let times = [found.st_atim, found.st_mtim]
        try #require(futimens(file.raw, times) == 0)
    }
}

private func code(of body: () throws -> Void) -> FaultCode? {
    do {
        try body()
        return nil
    } catch { return (error as? Fault)?.code }
}

@Suite struct BuildTests {
    @Test func makesWhatTheManifestSays() throws {
        let workshop = try Workshop()
        let result = try workshop.build()
        #expect(!result.wasCurrent)
        let manifest = result.image.manifest
        #expect(manifest.kernel == "6.1.0-test" && manifest.packages.map(\.name) == ["bash"])
        #expect(Set(manifest.parts.map(\.role)) == [.kernel, .initramfs, .root])
        let files = try Files.entries(workshop.store.root + "/base/").sorted()
        #expect(files == ["initramfs.cpio", "manifest.json", "recipe.json", "root.erofs", "vmlinux"])
        #expect(try Files.readLink(workshop.store.root + "/base") == manifest.directory)
        #expect(try workshop.store.verify("base").id == result.image.id)
        #expect(try workshop.store.verify(manifest.directory).id == result.image.id)
        let listed = try workshop.store.list()
        #expect(listed.count == 1 && listed.allSatisfy(\.isCurrent))
    }

    @Test func doesNothingWhenNothingChanged() throws {
        let workshop = try Workshop()
        let first = try workshop.build()
        let second = try workshop.build()
        #expect(second.wasCurrent && second.image.id == first.image.id && workshop.runs == 1)
    }

    @Test func theSameInputsGiveTheSameImageElsewhere() throws {
        #expect(try Workshop().build().image.id == Workshop().build().image.id)
    }

    @Test func aNewGuestDoesNotRunTheRecipe() throws {
        let workshop = try Workshop()
        let first = try workshop.build()
        try workshop.setGuest(2)
        let second = try workshop.build()
        #expect(first.image.id != second.image.id && workshop.runs == 1)
        #expect(first.image.manifest.part(.root) == second.image.manifest.part(.root))
        #expect(first.image.manifest.part(.initramfs) != second.image.manifest.part(.initramfs))
    }

    @Test func aChangedRecipeOrARefreshRunsIt() throws {
        let workshop = try Workshop()
        let first = try workshop.build()
        try workshop.write("base/size", "2")
        #expect(try workshop.build().image.id != first.image.id)
        #expect(workshop.runs == 2)
        let second = try workshop.build(refresh: true)
        #expect(workshop.runs == 3 && !second.wasCurrent)
        try second.image.verify()
    }

    @Test func aFailedRecipeLeavesEverythingAsItWas() throws {
        let workshop = try Workshop()
        let first = try workshop.build()
        let before = workshop.entries
        for body in ["echo broken; exit 3", "echo x > \"$1/root.erofs\"; echo x > \"$1/vmlinux\"", "true"] {
            try workshop.setRecipe(body)
            #expect(code { try workshop.build() } == .failed)
            #expect(workshop.entries == before)
        }
        #expect(try workshop.store.verify("base").id == first.image.id)
    }

    @Test func aRecipeThatHangsIsEnded() throws {
        let workshop = try Workshop()
        try workshop.setRecipe("exec sleep 60")
        #expect(code { try workshop.build(limit: .zero) } == .deadline)
    }

    @Test func theNextBuildTakesAwayWhatAKilledOneLeft() throws {
        let workshop = try Workshop()
        try workshop.build()
        let left = workshop.store.root + "/.work-build-1"
        try #require(mkdir(left, 0o755) == 0 && mkdir(left + "/image", 0o755) == 0)
        try workshop.setGuest(2)
        try workshop.build()
        #expect(!Files.exists(left))
        #expect(workshop.entries.filter { $0.hasPrefix(".work") }.isEmpty)
    }

    /// A build killed as root may leave the running system's own file systems mounted in what it left.
    @Test func cleaningUpNeverEntersAnotherFileSystem() throws {
        let workshop = try Workshop()
        let elsewhere = "/dev/shm/cowork-image-\(getpid())"
        try #require(mkdir(elsewhere, 0o700) == 0)
        defer { try? Files.removeTree(elsewhere) }
        try Files.replace(elsewhere + "/precious", with: [1])
        #expect(throws: SystemError("remove", code: EXDEV, subject: elsewhere)) {
            try Files.removeTree(elsewhere, on: workshop.path)
        }
        #expect(Files.exists(elsewhere + "/precious"))
        try Files.removeTree(elsewhere, on: "/dev/shm")
        #expect(!Files.exists(elsewhere))
    }

    @Test func makesItsStoreWithWhatIsMissingAboveIt() throws {
        let workshop = try Workshop()
        let store = ImageStore(root: workshop.path + "/share/cowork/images")
        let request = BuildRequest(
            recipe: workshop.recipe, guest: workshop.guest, guestVersion: "1", environment: [:])
        _ = try store.build(request) { _ in }
        for directory in ["share", "share/cowork", "share/cowork/images"] {
            #expect(try Files.status(workshop.path + "/" + directory).permissions & 0o777 == 0o755)
        }
        #expect(ImageStore(root: "images").root.hasPrefix("/"))
    }

    @Test func aLayerNeedsNoKernelAndNoGuest() throws {
        let workshop = try Workshop()
        try workshop.setRecipe("echo layer > \"$1/root.erofs\"")
        let request = BuildRequest(recipe: workshop.recipe, guest: nil, guestVersion: "1", environment: [:])
        let image = try workshop.store.build(request) { _ in }.image
        #expect(image.manifest.parts.map(\.role) == [.root] && image.manifest.guest == nil)
        #expect(code { _ = try image.path(of: .kernel) } == .imageDamaged)
        #expect(try workshop.store.build(request) { _ in }.wasCurrent)
    }

    @Test func refusesAGuestThatCannotRun() throws {
        let workshop = try Workshop()
        try workshop.write("guest", "#!/bin/sh\n")
        #expect(code { try workshop.build() } == .usage)
    }

    @Test func refusesARecipeWithSurprises() throws {
        let workshop = try Workshop()
        try #require(symlink("/etc/passwd", workshop.recipe + "/list") == 0)
        #expect(code { try workshop.build() } != nil)
        #expect(workshop.runs == 0)
    }

    @Test func oneBuildAtATime() throws {
        let workshop = try Workshop()
        try workshop.build()
        let lock = try Files.open(workshop.store.root + "/.lock", O_RDWR)
        try #require(flock(lock.raw, LOCK_EX | LOCK_NB) == 0)
        try workshop.setGuest(2)
        #expect(code { try workshop.build() } == .badState)
        #expect(code { _ = try workshop.store.prune(keepingIDs: []) } == .badState)
        try #require(flock(lock.raw, LOCK_UN) == 0)
        try workshop.build()
    }
}

@Suite struct TrustTests {
    @Test(arguments: ["vmlinux", "initramfs.cpio", "root.erofs"])
    func aFlippedByteIsFoundAndRepaired(part: String) throws {
        let workshop = try Workshop()
        let id = try workshop.build().image.id
        _ = try workshop.store.check("base", stampDirectory: workshop.stamps)
        _ = try workshop.store.check("base", stampDirectory: workshop.stamps)
        try workshop.flip(part)
        #expect(code { _ = try workshop.store.check("base", stampDirectory: workshop.stamps) } == .imageDamaged)
        #expect(code { _ = try workshop.store.verify("base") } == .imageDamaged)
        let repaired = try workshop.build()
        #expect(!repaired.wasCurrent && repaired.image.id == id)
        _ = try workshop.store.check("base", stampDirectory: workshop.stamps)
    }

    @Test func aStampSparesReadingAndAForeignOneDoesNot() throws {
        let workshop = try Workshop()
        let image = try workshop.build().image
        let stamp = workshop.stamps + "/" + image.manifest.directory + ".json"
        _ = try workshop.store.check("base", stampDirectory: workshop.stamps)
        let written = try Files.status(stamp)
        _ = try workshop.store.check("base", stampDirectory: workshop.stamps)
        #expect(try Files.status(stamp) == written)
        try Files.replace(stamp, with: "{}".utf8)
        _ = try workshop.store.check("base", stampDirectory: workshop.stamps)
        #expect(try Files.status(stamp).size == written.size)
    }

    @Test func partsThatAreNotPlainFilesAreRefused() throws {
        let workshop = try Workshop()
        try workshop.build()
        let root = workshop.store.root + "/base/root.erofs"
        try #require(rename(root, workshop.path + "/elsewhere") == 0)
        #expect(code { _ = try workshop.store.verify("base") } == .imageDamaged)
        try #require(symlink(workshop.path + "/elsewhere", root) == 0)
        #expect(code { _ = try workshop.store.verify("base") } == .imageDamaged)
        try #require(unlink(root) == 0 && mkfifo(root, 0o600) == 0)
        #expect(code { _ = try workshop.store.verify("base") } == .imageDamaged)
        try #require(unlink(root) == 0 && link(workshop.path + "/elsewhere", root) == 0)
        _ = try workshop.store.verify("base")
    }

    @Test func aManifestThatWasEditedIsRefusedAndListedAsDamaged() throws {
        let workshop = try Workshop()
        let image = try workshop.build().image
        let path = image.path + "/manifest.json"
        let text = try Files.text(ofFile: path)
        try Files.replace(path, with: text.replacing("5.2", with: "5.3").utf8)
        #expect(code { _ = try workshop.store.find("base") } == .imageDamaged)
        let listed = try workshop.store.list()
        #expect(listed.count == 1)
        guard case .damaged = listed.first?.state else {
            Issue.record("listed as good")
            return
        }
    }

    @Test func anImageUnderAnotherIdIsRefused() throws {
        let workshop = try Workshop()
        let image = try workshop.build().image
        try #require(rename(image.path, workshop.store.root + "/base-0123456789ab") == 0)
        #expect(code { _ = try workshop.store.find("base-0123456789ab") } == .imageDamaged)
    }

    @Test(arguments: ["../base", "", ".lock", "a/b", "/etc"])
    func refusesNamesThatLeadOutOfTheStore(name: String) throws {
        let workshop = try Workshop()
        try workshop.build()
        #expect(code { _ = try workshop.store.find(name) } == .usage)
    }

    @Test func saysWhatToDoWhenThereIsNone() throws {
        let workshop = try Workshop()
        #expect(code { _ = try workshop.store.find("base") } == .imageMissing)
        #expect(try workshop.store.list().isEmpty)
        #expect(try workshop.store.prune(keepingIDs: []).isEmpty)
    }

    @Test func hashesLikeEverybodyElse() {
        #expect(
            SHA256.digest(of: Array("abc".utf8)).hex
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}

@Suite struct PruneTests {
    @Test func keepsTheCurrentOneAndThoseInUse() throws {
        let workshop = try Workshop()
        var images: [StoredImage] = []
        for variant in 1...3 as ClosedRange<UInt8> {
            try workshop.setGuest(variant)
            images.append(try workshop.build().image)
        }
        let removed = try workshop.store.prune(keepingIDs: [images[0].id.hex])
        #expect(removed.map(\.directory) == [images[1].manifest.directory])
        try images[0].verify()
        #expect(try workshop.store.verify("base").id == images[2].id)
        // The parts of what is left are kept for the next guest.
        try workshop.setGuest(4)
        try workshop.build()
        #expect(workshop.runs == 1)
    }

    @Test func removesPartsOfRecipesThatAreGone() throws {
        let workshop = try Workshop()
        try workshop.build()
        try workshop.write("base/size", "2")
        try workshop.build()
        let removed = try workshop.store.prune(keepingIDs: [])
        #expect(removed.count == 2 && workshop.entries.filter { $0.hasPrefix(".parts") }.count == 1)
        #expect(try workshop.build().wasCurrent)
    }
}
