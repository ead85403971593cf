import Contract
import Core
import Testing

@testable import Virtualization

@Suite struct OptionsTests {
    static let least = [
        "--daemon-uid", "0", "--state", "/var/lib/cowork", "--runtime", "/run/cowork", "--uid", "61184", "--gid",
        "61185",
    ]

    @Test func `the least and the most that can be given`() throws {
        let least = try HypervisorOptions.parse(Self.least)
        #expect(
            least
                == HypervisorOptions(
                    daemonUID: 0, state: "/var/lib/cowork", runtime: "/run/cowork", uid: 61184, gid: 61185))
        let most = try HypervisorOptions.parse(
            Self.least + [
                "--images", "/a/", "--images", "/b", "--uri", "test:///default", "--accelerator", "tcg",
            ])
        #expect(most.images == ["/a", "/b"])
        #expect(most.library == .pretended("test:///default"))
        #expect(most.forcedAccelerator == .tcg)
    }

    @Test(arguments: [
        ["--daemon-uid", "0"], least + ["--accelerator", "xen"], least + ["--bogus", "1"], least + ["--images"],
        least + ["--images", "relative"], least + ["--uid", "1"], least + ["--uri", "qemu:///system"],
        least + ["--uri", "qemu:///embedded"],
        ["--daemon-uid", "-1", "--state", "/a", "--runtime", "/b", "--uid", "1", "--gid", "1"],
        ["--daemon-uid", "4294967295", "--state", "/a", "--runtime", "/b", "--uid", "1", "--gid", "1"],
    ])
    func `anything else is refused`(arguments: [String]) {
        #expect(throws: Fault.self) { try HypervisorOptions.parse(arguments) }
    }

    @Test func `the automatic accelerator is no choice`() throws {
        #expect(try HypervisorOptions.parse(Self.least + ["--accelerator", "auto"]).forcedAccelerator == nil)
    }

    @Test func `only our own directory becomes the embedded driver's root`() throws {
        let address = try LibvirtAddress("qemu:///embed?root=/elsewhere")
        #expect(address.uri(root: "/run/cowork/libvirt") == "qemu:///embed?root=/run/cowork/libvirt")
    }
}

@Suite struct PlacesTests {
    let places = Places.isolated(images: [["/home/u/images", "/data/images"], ["/usr/share/images"]], hasSeed: false)

    @Test func `image paths are translated by either name of their directory`() {
        #expect(places.image("/home/u/images/base-1/vmlinux") == "/run/cowork/i/0/base-1/vmlinux")
        #expect(places.image("/data/images/base-1/vmlinux") == "/run/cowork/i/0/base-1/vmlinux")
        #expect(places.image("/usr/share/images/x") == "/run/cowork/i/1/x")
    }

    @Test(arguments: [
        "/etc/passwd", "/home/u/images", "/home/u/images-other/x", "/home/u/images/../secret", "relative", "",
    ])
    func `what lies elsewhere has no path in here`(path: String) {
        #expect(places.image(path) == nil)
    }

    @Test func `every socket's path fits`() {
        let longest = places.sessions + "/0123456789abcdef/" + SocketName.share(String(repeating: "a", count: 36))
        #expect(longest.utf8.count < 108)
    }
}

@Suite struct EventTests {
    @Test func `a reset is told from a shutdown`() {
        #expect(LibvirtEvents.isReset(#"{"guest":true,"reason":"guest-reset"}"#))
        #expect(LibvirtEvents.isReset(#"{"guest": true, "reason": "guest-panic"}"#))
        #expect(!LibvirtEvents.isReset(#"{"guest":true,"reason":"guest-shutdown"}"#))
        #expect(!LibvirtEvents.isReset(#"{"guest":false,"reason":"host-signal"}"#))
    }
}
