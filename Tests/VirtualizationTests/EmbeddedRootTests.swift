import System
import Testing

@testable import Virtualization

@Suite struct EmbeddedRootTests {
    let scratch: Scratch
    let root: EmbeddedRoot

    init() throws {
        scratch = try Scratch()
        root = EmbeddedRoot(path: try scratch.directory("libvirt"))
        _ = try scratch.directory("seed/qemu")
        _ = try scratch.file("seed/qemu/known.xml", "from the seed")
    }

    @Test func `a new root takes over what came with the installation`() throws {
        try root.prepare(seed: scratch.path + "/seed")
        #expect(try Files.text(ofFile: root.path + "/cache/qemu/known.xml") == "from the seed")
        #expect(try Files.text(ofFile: root.path + "/etc/qemu.conf").contains("stdio_handler = \"file\"\n"))
    }

    @Test func `what a root knows already stays`() throws {
        _ = try scratch.directory("libvirt/cache/qemu")
        _ = try scratch.file("libvirt/cache/qemu/known.xml", "its own")
        try root.prepare(seed: scratch.path + "/seed")
        #expect(try Files.text(ofFile: root.path + "/cache/qemu/known.xml") == "its own")
    }

    @Test func `a missing seed costs time, not the start`() throws {
        try root.prepare(seed: scratch.path + "/none")
        try root.prepare(seed: nil)
        #expect(!Files.exists(root.path + "/cache"))
    }

    @Test func `the emulator's number is read from where libvirt leaves it`() throws {
        _ = try scratch.directory("libvirt/run/qemu")
        _ = try scratch.file("libvirt/run/qemu/a.pid", "4711\n")
        #expect(root.pid(of: "a") == 4711)
        #expect(root.pid(of: "b") == nil)
    }
}
