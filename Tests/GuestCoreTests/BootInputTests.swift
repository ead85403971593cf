import GuestCore
import Testing

/// What the boot reads before anything else: command line, module order, secret.
@Suite struct BootInputTests {
    @Test func commandLineWordsCountOnlyWhole() {
        #expect(KernelCommandLine("quiet cowork.probe panic=-1\n").isProbe)
        #expect(!KernelCommandLine("quiet cowork.probes xcowork.probe\n").isProbe)
        #expect(KernelCommandLine("cowork.initramfs-only").mayStayInInitramfs)
        #expect(!KernelCommandLine("").mayStayInInitramfs)
    }

    @Test func modulesComeInTheirGroupsAndOrder() throws {
        let list = try ModuleList(
            "early virtio.ko\nroot erofs.ko\nearly vsock.ko\n\ndemand fuse.ko\ndemand virtiofs.ko\n")
        #expect(list.files(.early) == ["virtio.ko", "vsock.ko"])
        #expect(list.files(.root) == ["erofs.ko"])
        #expect(list.files(for: "fuse.ko") == ["fuse.ko"])
        #expect(list.files(for: "virtiofs.ko") == ["fuse.ko", "virtiofs.ko"])
        #expect(list.files(for: "erofs.ko") == [])
    }

    @Test(arguments: ["later a.ko", "early", "early a.ko b.ko", "early ../a.ko", "early a.txt"])
    func malformedOrdersAreRefusedWithTheirLine(_ line: String) {
        #expect(throws: ModuleList.Malformed.self) { try ModuleList("early good.ko\n\(line)\n") }
    }

    @Test func theSecretAcceptsExactlyItsOtherHalf() throws {
        let bytes = (0..<64).map { UInt8($0) }
        let secret = try #require(BootSecret(bytes))
        #expect(secret.shown == Array(bytes[..<32]))
        #expect(secret.accepts(Array(bytes[32...])))
        #expect(!secret.accepts(Array(bytes[..<32])))
        #expect(!secret.accepts(Array(bytes[32..<63])))
        #expect(!secret.accepts(Array(bytes[32..<63]) + [0]))
        #expect(!secret.accepts([]))
        #expect(BootSecret(Array(bytes.dropLast())) == nil)
        #expect(BootSecret(bytes + [0]) == nil)
    }
}
