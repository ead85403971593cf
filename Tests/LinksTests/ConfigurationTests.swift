import Contract
import Core
import Glibc
import System
import Testing

@testable import Links

struct ConfigurationTests {
    @Test func readsWhatItMaySay() throws {
        var configuration = Configuration()
        try configuration.read(
            """
            # a comment
            cpus = 3
            memory=512M   # another
              disk = 2G
            accelerator = tcg
            libvirt-uri = qemu:///embed
            image = other
            images = /a b
            images = /c
            boot-silence-seconds = 7
            idle-exit-seconds = 8

            """, from: "x")
        #expect(configuration.processors == 3 && configuration.memory.bytes == 512 << 20)
        #expect(configuration.disk.bytes == 2 << 30 && configuration.accelerator == .tcg)
        #expect(configuration.libvirtURI == "qemu:///embed" && configuration.image == "other")
        #expect(configuration.images == ["/a b", "/c"])
        #expect(configuration.bootSilence == .seconds(7) && configuration.idleExit == .seconds(8))
        try configuration.read("accelerator = auto", from: "y")
        #expect(configuration.accelerator == nil && configuration.processors == 3)
    }

    @Test func tellsAllMistakesAtOnce() {
        var configuration = Configuration()
        let fault = #expect(throws: Fault.self) {
            try configuration.read("cpus = many\nnonsense\n\ncolour = red\nimages = here\nmemory = 1", from: "/etc/x")
        }
        let message = fault?.message ?? ""
        for part in ["/etc/x", "line 1", "line 2", "line 4", "\"colour\"", "line 5", "line 6"] {
            #expect(message.contains(part))
        }
        #expect(fault?.hint != nil)
    }

    @Test func theUsersFileComesOverNothing() throws {
        let scratch = try Scratch()
        #expect(try Configuration.load(scratch.directories).image == "base")
        try Files.replace(scratch.directories.configuration + "/cowork.conf", with: Array("image = mine".utf8))
        #expect(try Configuration.load(scratch.directories).image == "mine")
    }

    @Test func imagesAreLookedForInOrder() throws {
        var configuration = Configuration()
        configuration.images = ["/first"]
        let directories = Directories(state: "/s", runtime: "/r", configuration: "/c", data: "/d")
        #expect(
            configuration.imageDirectories(directories, executable: "/opt/bin/coworkd") == [
                "/first", "/d/images", "/opt/bin/../share/cowork/images", "/opt/bin/../../share/cowork/images",
                "/var/lib/cowork/images",
                "/usr/share/cowork/images",
            ])
    }

    @Test func helpersAreBesideTheProgramOrInLibexec() throws {
        let scratch = try Scratch()
        let place = scratch.path + "/bin"
        try Directories.makePrivate(place, owner: geteuid())
        try Directories.makePrivate(scratch.path + "/libexec/cowork", owner: geteuid())
        let missing = #expect(throws: Fault.self) { try HelperPrograms.find("h", beside: place + "/cowork") }
        #expect(missing?.code == .hostFailed && missing?.hint != nil)
        try Files.replace(scratch.path + "/libexec/cowork/h", with: [], mode: 0o700)
        #expect(try HelperPrograms.find("h", beside: place + "/cowork") == place + "/../libexec/cowork/h")
        try Files.replace(place + "/h", with: [], mode: 0o700)
        #expect(try HelperPrograms.find("h", beside: place + "/cowork (deleted)") == place + "/h")
    }

    @Test func rootChoosesItsServantsOnce() throws {
        let scratch = try Scratch()
        #expect(try ServiceUsers.choose(state: scratch.path, uid: 1000) == nil)
        let chosen = try #require(try ServiceUsers.choose(state: scratch.path, uid: 0))
        #expect(chosen.hypervisor != 0 && chosen.relay != 0 && chosen.hypervisor != chosen.relay)
        #expect((61184...65519).contains(chosen.relay))
        #expect(try ServiceUsers.choose(state: scratch.path, uid: 0) == chosen)
        // A file that says root is not believed.
        try Files.replace(
            scratch.path + "/uids.json", with: Array(#"{"hypervisor":0,"hypervisorGroup":0,"relay":0}"#.utf8))
        #expect(try ServiceUsers.choose(state: scratch.path, uid: 0) == chosen)
    }
}

struct SessionDirectoriesTests {
    private let id = SessionID("00000000000000aa")

    @Test func outputIsReadAsItGrowsAndAgainWhenItWasCut() async throws {
        let scratch = try Scratch()
        let session = try #require(id)
        let files = SessionDirectories(scratch.directories, io: try IOThread("test-io"))
        #expect(await files.output(of: session, after: OutputPlace()) == nil)
        let output = try await files.openOutput(of: session)
        try Files.writeAll("first ".utf8, to: output.raw)
        let first = try #require(await files.output(of: session, after: OutputPlace()))
        #expect(first.bytes == Array("first ".utf8))
        #expect(await files.output(of: session, after: first.place) == nil)
        try Files.writeAll("second".utf8, to: output.raw)
        let second = try #require(await files.output(of: session, after: first.place))
        #expect(second.bytes == Array("second".utf8))
        // Cut, and already longer than it was.
        _ = ftruncate(output.raw, 0)
        _ = pwrite(output.raw, "[left out] and a lot of new text", 32, 0)
        let third = try #require(await files.output(of: session, after: second.place))
        #expect(third.bytes == Array("[left out] and a lot of new text".utf8))
        await files.remove(session)
        #expect(await files.output(of: session, after: OutputPlace()) == nil)
    }

    @Test func growthIsNoticed() async throws {
        let scratch = try Scratch()
        let session = try #require(id)
        let files = SessionDirectories(scratch.directories, io: try IOThread("test-io"))
        var changes = files.outputChanges(of: session).makeAsyncIterator()
        let output = try await files.openOutput(of: session)
        try Files.writeAll("x".utf8, to: output.raw)
        #expect(await changes.next() != nil)
    }

    @Test func whatIsLeftIsFound() async throws {
        let scratch = try Scratch()
        let files = SessionDirectories(scratch.directories, io: try IOThread("test-io"))
        #expect(await files.found().isEmpty)
        for path in [
            scratch.directories.state + "/sessions/00000000000000aa",
            scratch.directories.runtime + "/s/00000000000000bb",
            scratch.directories.runtime + "/s/00000000000000aa", scratch.directories.runtime + "/s/other",
        ] { try Directories.makePrivate(path, owner: geteuid()) }
        #expect(await files.found().map(\.text) == ["00000000000000aa", "00000000000000bb"])
    }

    @Test func anonymousFilesHoldWhatTheyWereGiven() async throws {
        let scratch = try Scratch()
        let files = SessionDirectories(scratch.directories, io: try IOThread("test-io"))
        for bytes in [[], [1, 2, 3], [UInt8](repeating: 9, count: 1 << 20)] as [[UInt8]] {
            let file = try await files.anonymous(bytes)
            #expect(try Files.status(ofRaw: file.raw).size == UInt64(bytes.count))
            var found = [UInt8](repeating: 0, count: bytes.count)
            #expect(pread(file.raw, &found, found.count, 0) == bytes.count)
            #expect(found == bytes)
        }
    }
}
