import Glibc
import Testing

@testable import System

@Suite struct ChildTests {
    private func run(_ specification: ChildSpecification) throws -> (output: String, exit: ChildExit?) {
        var fds: [Int32] = [-1, -1]
        guard pipe(&fds) == 0 else { throw SystemError("pipe") }
        let reading = FileDescriptor(owning: fds[0])
        var specification = specification
        specification.descriptors[1] = fds[1]
        let child: Child
        do {
            defer { close(fds[1]) }
            child = try Child.spawn(specification)
        }
        return (String(decoding: try Files.contents(of: reading), as: UTF8.self), child.wait())
    }

    @Test func exactlyTheGivenEnvironmentAndDescriptors() throws {
        let leaked = try Files.open("/dev/null", O_RDONLY)
        _ = fcntl(leaked.raw, F_SETFD, 0)
        let result = try run(
            ChildSpecification(
                program: "/bin/sh", arguments: ["-c", "echo $ONLY; env | grep -vc -e ^PWD -e ^_; ls /proc/$$/fd"],
                environment: ["ONLY": "this"]))
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines.first == "this")
        #expect(Set(lines.dropFirst(2)).isSubset(of: ["0", "1", "2", "10"]))
        #expect(result.exit == .code(0))
        _ = consume leaked
    }

    @Test func exitsAndSignalsAreTold() throws {
        #expect(try run(ChildSpecification(program: "/bin/sh", arguments: ["-c", "exit 7"])).exit == .code(7))
        #expect(try run(ChildSpecification(program: "/bin/sh", arguments: ["-c", "kill -9 $$"])).exit == .signal(9))
    }

    @Test func aFailureSaysWhere() throws {
        #expect(throws: SpawnError(stage: .execution, code: ENOENT)) {
            try Child.spawn(ChildSpecification(program: "/no/such/program", arguments: []))
        }
        var elsewhere = ChildSpecification(program: "/bin/true", arguments: [])
        elsewhere.workingDirectory = "/no/such/directory"
        #expect(throws: SpawnError(stage: .workingDirectory, code: ENOENT)) { try Child.spawn(elsewhere) }
        var searched = ChildSpecification(program: "passwd", arguments: [])
        searched.searchPath = "/nowhere:/etc"
        #expect(throws: SpawnError(stage: .execution, code: EACCES)) { try Child.spawn(searched) }
    }

    @Test func aProgramIsFoundOnItsPath() throws {
        var specification = ChildSpecification(program: "sh", arguments: ["-c", "echo found"])
        specification.searchPath = "/nowhere:/bin"
        #expect(try run(specification).output == "found\n")
    }

    @Test func endingTakesAStubbornProcess() throws {
        var specification = ChildSpecification(
            program: "/bin/sh",
            arguments: ["-c", "trap '' TERM; echo deaf; while :; do read x < /dev/zero; done"])
        var fds: [Int32] = [-1, -1]
        try #require(pipe(&fds) == 0)
        let reading = FileDescriptor(owning: fds[0])
        specification.descriptors[1] = fds[1]
        let child = try Child.spawn(specification)
        close(fds[1])
        var heard: UInt8 = 0
        try #require(read(reading.raw, &heard, 1) == 1)
        #expect(child.end(grace: .milliseconds(50)) == .signal(SIGKILL))
    }

    @Test func namespacesMapOnlyTheChildsOwnIds() throws {
        var specification = ChildSpecification(program: "/bin/cat", arguments: ["/proc/self/uid_map"])
        specification.identity = .init(uid: 4321, gid: 4321)
        specification.sandbox.userNamespace = .init(uid: 1000, gid: 1000)
        if geteuid() != 0 { specification.identity = nil }
        let map = try run(specification).output.split(separator: " ").map(String.init)
        #expect(map.count == 3)
        #expect(map.first == "1000")
    }
}
