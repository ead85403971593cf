import Core
import Glibc
import System
import Testing

@testable import Virtualization

@Suite struct MachineFilesTests {
    let scratch: Scratch
    let files: MachineFiles

    init() throws {
        scratch = try Scratch()
        files = MachineFiles(machines: scratch.path, session: .new())
    }

    @Test func `a disk is an empty file system that takes almost no space`() throws {
        try files.make(diskBytes: 8 << 30, secret: [1, 2, 3])
        let disk = try Files.status(files.disk)
        #expect(disk.size == 8 << 30)
        #expect(disk.allocated < 8 << 20)
        let superblock = try Files.open(files.disk, 0)
        var bytes = [UInt8](repeating: 0, count: 2048)
        #expect(read(superblock.raw, &bytes, bytes.count) == bytes.count)
        #expect(bytes[1024 + 0x38] == 0x53 && bytes[1024 + 0x39] == 0xEF, "ext4's magic number")
        #expect(String(decoding: bytes[(1024 + 0x78)..<(1024 + 0x78 + 6)], as: UTF8.self) == "cowork")
    }

    @Test func `nobody else reads a machine's files`() throws {
        try files.make(diskBytes: 64 << 20, secret: [1, 2, 3])
        #expect(try Files.status(files.directory).permissions == 0o700)
        #expect(try Files.status(files.secret).permissions == 0o600)
        #expect(try Files.contents(ofFile: files.secret) == [1, 2, 3])
    }

    @Test func `without space nothing is made`() throws {
        let available = try Files.space(at: scratch.path).available
        let fault = #expect(throws: Fault.self) {
            try files.make(diskBytes: 1 << 30, secret: [], leastFree: available + (1 << 40))
        }
        #expect(fault?.code == .noSpace)
        #expect(!Files.exists(files.directory))
        try files.make(diskBytes: 1 << 30, secret: [], leastFree: 1 << 20)
        #expect(Files.exists(files.disk))
    }

    @Test func `a machine's files are never overwritten`() throws {
        try files.make(diskBytes: 64 << 20, secret: [1])
        let before = try Files.status(files.disk)
        let fault = #expect(throws: Fault.self) { try files.make(diskBytes: 128 << 20, secret: [2]) }
        #expect(fault?.code == .badState)
        #expect(try Files.status(files.disk) == before)
        try files.remove()
        #expect(!Files.exists(files.directory))
    }
}
