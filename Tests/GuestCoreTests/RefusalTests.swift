import Glibc
import System
import Testing
import Wire

@testable import GuestCore

/// Why a process did not start, each with the one that does.
@Suite struct RefusalTests {
    private func refusal(
        _ arguments: [String], change: @escaping @Sendable (inout ProcessSpecification) -> Void = { _ in }
    ) async throws -> Refusal.Reason? {
        try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "true") {
                $0.arguments = arguments
                change(&$0)
            }
            try host.run { host.exited() != nil || host.refused() != nil }
            return host.refused()?.reason
        }
    }

    @Test func programs() async throws {
        #expect(try await refusal(["true"]) == nil)
        #expect(try await refusal(["no-such-program"]) == .notFound)
        #expect(try await refusal(["/bin/no-such-program"]) == .notFound)
        #expect(try await refusal(["/etc/passwd"]) == .notExecutable)
        #expect(try await refusal(["/tmp"]) == .notExecutable)
    }

    @Test func anExecutableThatIsNoProgram() async throws {
        let path = "/tmp/cowork-guest-test-\(getpid())-program"
        defer { unlink(path) }
        try Files.replace(path, with: "just text\n".utf8, mode: 0o755)
        #expect(try await refusal([path]) == .notExecutable)
        try Files.replace(path, with: "#!/bin/sh\nexit 0\n".utf8, mode: 0o755)
        #expect(try await refusal([path]) == nil)
    }

    @Test func users() async throws {
        let number = "\(getuid())"
        #expect(try await refusal(["true"]) { $0.user = number } == nil)
        #expect(try await refusal(["true"]) { $0.user = "stranger" } == .noSuchUser)
        #expect(try await refusal(["true"]) { $0.user = "" } == .noSuchUser)
    }

    @Test func directories() async throws {
        #expect(try await refusal(["true"]) { $0.directory = "/usr" } == nil)
        #expect(try await refusal(["true"]) { $0.directory = "/no/such" } == .noSuchDirectory)
        #expect(try await refusal(["true"]) { $0.directory = "/etc/passwd" } == .noSuchDirectory)
    }

    @Test func environments() async throws {
        #expect(try await refusal(["true"]) { $0.environment = ["KEY="] } == nil)
        #expect(try await refusal(["true"]) { $0.environment = ["KEY"] } == .badRequest)
        #expect(try await refusal(["true"]) { $0.environment = ["=value"] } == .badRequest)
    }

    @Test func nothingNewIsRunWhileTheGuestEnds() async throws {
        let (before, after) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "true")
            try host.run { host.exited(1) != nil }
            host.endSoon()
            host.open(2, "true")
            try host.run { host.refused(2) != nil }
            return (host.exited(1)?.status, host.refused(2)?.reason)
        }
        #expect(before == 0)
        #expect(after == .failed)
    }
}
