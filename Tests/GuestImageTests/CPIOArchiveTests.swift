import GuestImage
import Testing

@Suite struct CPIOArchiveTests {
    @Test func writesTheFormTheKernelReads() throws {
        var archive = CPIOArchive()
        try archive.add("dev", .directory(mode: 0o755))
        try archive.add("dev/console", .characterDevice(major: 5, minor: 1, mode: 0o600))
        try archive.add("init", .file(Array("hello".utf8), mode: 0o755))

        let header = { (fields: String) in fields.replacing(" ", with: "") }
        var expected = header("070701 00000001 000041ED 00000000 00000000 00000001 00000000 00000000")
        expected += header("00000000 00000000 00000000 00000000 00000004 00000000") + "dev\0" + "\0\0"
        expected += header("070701 00000002 00002180 00000000 00000000 00000001 00000000 00000000")
        expected += header("00000000 00000000 00000005 00000001 0000000C 00000000") + "dev/console\0" + "\0\0"
        expected += header("070701 00000003 000081ED 00000000 00000000 00000001 00000000 00000005")
        expected += header("00000000 00000000 00000000 00000000 00000005 00000000") + "init\0" + "\0"
        expected += "hello\0\0\0"
        expected += header("070701 00000000 00000000 00000000 00000000 00000001 00000000 00000000")
        expected += header("00000000 00000000 00000000 00000000 0000000B 00000000") + "TRAILER!!!\0" + "\0\0\0"
        let bytes = archive.bytes()
        #expect(bytes.starts(with: expected.utf8))
        #expect(bytes.count == 512 && bytes.dropFirst(expected.utf8.count).allSatisfy { $0 == 0 })
    }

    @Test func doesNotDependOnTheOrderOfAdding() throws {
        var first = CPIOArchive()
        try first.add("a", .file([1], mode: 0o644))
        try first.add("b", .file([2], mode: 0o644))
        var second = CPIOArchive()
        try second.add("b", .file([2], mode: 0o644))
        try second.add("a", .file([1], mode: 0o644))
        #expect(first.bytes() == second.bytes())
    }

    @Test(arguments: ["", "/init", "a//b", "../x", "a/./b", "a\0b", "a/"])
    func refusesPathsThatLeadElsewhere(path: String) {
        var archive = CPIOArchive()
        #expect(throws: CPIOArchive.Failure.badPath(path)) { try archive.add(path, .directory(mode: 0o755)) }
    }

    @Test func refusesDuplicatesAndOrphans() throws {
        var archive = CPIOArchive()
        try archive.add("a", .file([], mode: 0o644))
        #expect(throws: CPIOArchive.Failure.duplicate(path: "a")) { try archive.add("a", .directory(mode: 0o755)) }
        #expect(throws: CPIOArchive.Failure.noParent(path: "a/b")) { try archive.add("a/b", .directory(mode: 0o755)) }
        #expect(throws: CPIOArchive.Failure.noParent(path: "c/d")) { try archive.add("c/d", .directory(mode: 0o755)) }
    }

    @Test func initramfsHoldsWhatTheGuestNeeds() throws {
        let order = try ModuleOrder("early virtio.ko\nroot erofs.ko\n")
        let name = try #require(PlainName("virtio.ko"))
        let other = try #require(PlainName("erofs.ko"))
        let bytes = try Initramfs.archive(guest: [7], order: order, modules: [name: [1], other: [2]]).bytes()
        let text = String(decoding: bytes, as: UTF8.self)
        for path in ["dev", "dev/console", "init", "modules/order", "modules/virtio.ko", "modules/erofs.ko", "newroot"]
        {
            #expect(text.contains("\(path)\0"))
        }
        #expect(text.contains("early virtio.ko\nroot erofs.ko\n"))
        #expect(throws: CPIOArchive.Failure.badPath("modules/erofs.ko")) {
            try Initramfs.archive(guest: [7], order: order, modules: [name: [1]])
        }
    }
}
