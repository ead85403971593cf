import GuestImage
import Testing

/// Not a hash, but it tells contents apart; the real one is tested with the store.
private func weakHash(_ bytes: [UInt8]) -> Digest {
    var state: UInt64 = 14_695_981_039_346_656_037
    for byte in bytes { state = (state ^ UInt64(byte)) &* 1_099_511_628_211 }
    let eight = (0..<8).map { UInt8(truncatingIfNeeded: state >> (8 * $0)) }
    return Digest(bytes: eight + eight + eight + eight) ?? emptyDigest
}

private let emptyDigest: Digest = {
    guard let digest = Digest(hex: String(repeating: "0", count: 64)) else { fatalError("64 zeros are a digest") }
    return digest
}()

@Suite struct ManifestTests {
    private func sample() throws -> ImageManifest {
        ImageManifest(
            name: try #require(PlainName("base")), kernel: "6.1.0-1-cloud-amd64",
            guest: .init(version: "0.1", sha256: emptyDigest), recipe: emptyDigest,
            packages: [
                .init(name: "zlib1g", version: "1:1.2.13", architecture: "amd64"),
                .init(name: "bash", version: "5.2.15-2+b7", architecture: "amd64"),
            ],
            parts: [
                .init(role: .root, file: try #require(PlainName("root.erofs")), sha256: emptyDigest, bytes: 10),
                .init(role: .kernel, file: try #require(PlainName("vmlinux")), sha256: emptyDigest, bytes: 20),
            ], hash: weakHash)
    }

    private func text(_ manifest: ImageManifest) -> String { String(decoding: manifest.fileBytes, as: UTF8.self) }

    /// Decodes a changed manifest under an id that fits it, so that only its content can be what is refused.
    private func decode(replacing old: String, with new: String) throws -> ImageManifest {
        let original = try #require(try sample().id)
        let changed = text(try sample()).replacing(old, with: new)
        #expect(changed != text(try sample()))
        return try ImageManifest.decode(Array(changed.utf8), hash: { _ in original })
    }

    @Test func canonicalFormIsFixed() throws {
        let zeros = String(repeating: "0", count: 64)
        let expected =
            #"{"format":1,"guest":{"sha256":"\#(zeros)","version":"0.1"},"kernel":"6.1.0-1-cloud-amd64","name":"base","#
            + #""packages":[{"architecture":"amd64","name":"bash","version":"5.2.15-2+b7"},"#
            + #"{"architecture":"amd64","name":"zlib1g","version":"1:1.2.13"}],"#
            + #""parts":[{"bytes":20,"file":"vmlinux","role":"kernel","sha256":"\#(zeros)"},"#
            + #"{"bytes":10,"file":"root.erofs","role":"root","sha256":"\#(zeros)"}],"recipe":"\#(zeros)"}"#
        #expect(String(decoding: try sample().canonicalBytes, as: UTF8.self) == expected)
    }

    @Test func survivesWritingAndReading() throws {
        let manifest = try sample()
        #expect(try ImageManifest.decode(manifest.fileBytes, hash: weakHash) == manifest)
        #expect(manifest.directory == "base-\(try #require(manifest.id).short)")
    }

    @Test func everythingItSaysIsInItsIdentity() throws {
        let changed = text(try sample()).replacing("5.2.15-2+b7", with: "5.2.15-2+b8")
        #expect(throws: ImageManifest.Failure.identity) {
            try ImageManifest.decode(Array(changed.utf8), hash: weakHash)
        }
    }

    @Test(arguments: [
        ("\"root.erofs\"", "\"../root.erofs\""), ("\"root.erofs\"", "\"/etc/shadow\""), ("\"root.erofs\"", "\"..\""),
        ("\"root.erofs\"", "\".root\""), ("\"root.erofs\"", "\"\""), ("\"root.erofs\"", "\"a\\u0000b\""),
        ("\"base\"", "\"../base\""), ("\"base\"", "\"b/ase\""), ("\"root\"", "\"boot\""),
        ("\"bytes\" : 10", "\"bytes\" : -1"), ("\"bytes\" : 10", "\"bytes\" : 1.5"),
        ("\"bytes\" : 10", "\"bytes\" : 99999999999999999999"),
    ])
    func refusesNamesAndNumbersThatCannotBe(old: String, new: String) {
        #expect(throws: ImageManifest.Failure.malformed) { try decode(replacing: old, with: new) }
    }

    @Test(arguments: [
        ("\"bytes\" : 10", "\"bytes\" : 0"), ("\"bytes\" : 10", "\"bytes\" : 18446744073709551615"),
        ("\"root.erofs\"", "\"vmlinux\""), ("\"role\" : \"root\"", "\"role\" : \"kernel\""),
        ("5.2.15", "5.2.15\\u001b[2J"), ("6.1.0", "6.1.0 "), ("\"bash\"", "\"\""),
    ])
    func refusesContentThatMakesNoSense(old: String, new: String) {
        #expect {
            try decode(replacing: old, with: new)
        } throws: {
            guard case ImageManifest.Failure.content = $0 else { return false }
            return true
        }
    }

    @Test func refusesAnotherFormatByName() {
        #expect(throws: ImageManifest.Failure.format(2)) {
            try decode(replacing: "\"format\" : 1", with: "\"format\" : 2")
        }
    }

    @Test(arguments: ["", "{", "[]", "null", "{\"format\":1}", String(repeating: "[", count: 100_000)])
    func refusesWhatIsNoManifest(text: String) {
        #expect(throws: ImageManifest.Failure.malformed) {
            try ImageManifest.decode(Array(text.utf8), hash: weakHash)
        }
    }

    @Test func refusesAHugeOne() {
        #expect(throws: ImageManifest.Failure.malformed) {
            try ImageManifest.decode([UInt8](repeating: 32, count: ImageManifest.largest + 1), hash: weakHash)
        }
    }
}

@Suite struct ListTests {
    @Test func readsAnOrder() throws {
        let order = try ModuleOrder("early virtio.ko\n\nroot virtio_blk.ko\ndemand fuse.ko\n")
        #expect(order.modules.map(\.group) == [.early, .root, .demand])
        #expect(order.text == "early virtio.ko\nroot virtio_blk.ko\ndemand fuse.ko\n")
    }

    @Test(arguments: [
        "early", "early a.ko b.ko", "late a.ko", "early ../a.ko", "early a", "early  a.ko", "early a.ko\nroot a.ko",
    ])
    func refusesAnOrderItDoesNotUnderstand(text: String) {
        #expect(throws: ModuleOrder.Failure.self) { try ModuleOrder(text) }
    }

    @Test func readsPackages() throws {
        #expect(
            try PackageList.parse("bash 5.2 amd64\n") == [.init(name: "bash", version: "5.2", architecture: "amd64")])
        #expect(throws: PackageList.Failure.self) { try PackageList.parse("bash 5.2 amd64\nbash 5.2\n") }
    }
}

@Suite struct GuestBinaryTests {
    /// A 64-bit x86 header with one program header of this kind behind it.
    private func program(kind: UInt8, machine: UInt8 = 62, headers: UInt8 = 1) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64 + 56)
        bytes.replaceSubrange(0..<6, with: [0x7f, 0x45, 0x4c, 0x46, 2, 1])
        bytes[16] = 2
        bytes[18] = machine
        bytes[32] = 64
        bytes[54] = 56
        bytes[56] = headers
        bytes[64] = kind
        return bytes
    }

    @Test func acceptsAStaticProgram() throws { try GuestBinary.check(program(kind: 1)) }

    @Test func refusesWhatCannotRun() {
        #expect(throws: GuestBinary.Failure.dynamic) { try GuestBinary.check(program(kind: 3)) }
        #expect(throws: GuestBinary.Failure.wrongMachine) { try GuestBinary.check(program(kind: 1, machine: 183)) }
        #expect(throws: GuestBinary.Failure.notAProgram) { try GuestBinary.check(program(kind: 1, headers: 9)) }
        #expect(throws: GuestBinary.Failure.notAProgram) { try GuestBinary.check(Array("#!/bin/sh\n".utf8)) }
        var far = program(kind: 1)
        for index in 32..<40 { far[index] = 0xff }
        #expect(throws: GuestBinary.Failure.notAProgram) { try GuestBinary.check(far) }
    }
}
