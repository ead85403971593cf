import Glibc
import System
import Testing
import Wire

@testable import GuestCore

@Suite struct BootSequenceTests {
    @Test func comesUpInOrderWhenTheHostProvesItself() async throws {
        let (steps, cameUp, hello, rest) = try await onItsOwnThread {
            let steps = try FakeSteps()
            try steps.hostAnswers(Welcome(version: Wire.version, proof: FakeSteps.proof), then: Frame(.ping))
            guard let booted = BootSequence.run(steps) else { return (steps.done, false, Frame?.none, FrameKind?.none) }
            var decoder = booted.decoder
            return (steps.done, true, try steps.sentToHost().first, try decoder.next()?.kind)
        }
        #expect(cameUp)
        #expect(steps == ["prepare", "early", "secret", "connect", "root", "mount", "enter"])
        #expect(hello?.kind == .hello)
        #expect(try hello.map { try Hello(payload: $0.payload).secret } == FakeSteps.shown)
        // What the host sent behind its welcome is not lost.
        #expect(rest == .ping)
    }

    @Test(arguments: ["prepare", "early", "secret", "connect"])
    func aFailureBeforeTheConnectionIsOnTheConsole(_ step: String) async throws {
        let (cameUp, lines) = try await onItsOwnThread {
            let steps = try FakeSteps()
            steps.fails = step
            return (BootSequence.run(steps) != nil, steps.lines)
        }
        #expect(!cameUp)
        #expect(lines.count == 1)
        #expect(lines.first?.hasSuffix(": \(step) failed") == true)
    }

    @Test(arguments: ["root", "mount", "enter"])
    func aLaterFailureIsToldToTheHostToo(_ step: String) async throws {
        let (cameUp, lines, told) = try await onItsOwnThread {
            let steps = try FakeSteps()
            steps.fails = step
            try steps.hostAnswers(Welcome(version: Wire.version, proof: FakeSteps.proof))
            let cameUp = BootSequence.run(steps) != nil
            let last = try steps.sentToHost().last
            return (
                cameUp, steps.lines, last.flatMap { $0.kind == .failed ? try? Refusal(payload: $0.payload).text : nil }
            )
        }
        #expect(!cameUp)
        #expect(lines.count == 1)
        #expect(told == lines.first)
        #expect(told?.hasSuffix(": \(step) failed") == true)
    }

    @Test func aHostThatCannotProveItselfIsNotServed() async throws {
        let wrong = FakeSteps.proof.dropLast() + [0]
        let (cameUp, steps, lines) = try await onItsOwnThread {
            let steps = try FakeSteps()
            try steps.hostAnswers(Welcome(version: Wire.version, proof: Array(wrong)))
            return (BootSequence.run(steps) != nil, steps.done, steps.lines)
        }
        #expect(!cameUp)
        #expect(!steps.contains("enter"))
        #expect(lines == ["greeting the host: the host did not prove itself"])
    }

    @Test func anotherVersionIsRefused() async throws {
        let lines = try await onItsOwnThread {
            let steps = try FakeSteps()
            try steps.hostAnswers(Welcome(version: 9, proof: FakeSteps.proof))
            _ = BootSequence.run(steps) == nil
            return steps.lines
        }
        #expect(lines == ["greeting the host: the host speaks version 9"])
    }

    @Test func aHostThatHangsUpIsNoHost() async throws {
        let lines = try await onItsOwnThread {
            let steps = try FakeSteps()
            steps.hostHangsUp()
            _ = BootSequence.run(steps) == nil
            return steps.lines
        }
        #expect(lines.count == 1)
        #expect(lines.first?.hasPrefix("greeting the host: ") == true)
    }
}

/// Steps that only remember, with a host at the other end of a socket pair.
private final class FakeSteps: BootSteps {
    static let shown = [UInt8](repeating: 1, count: 32)
    static let proof = [UInt8](repeating: 2, count: 32)

    private let guest: SharedDescriptor
    private var host: SharedDescriptor?
    private(set) var done: [String] = []
    private(set) var lines: [String] = []
    var fails = ""

    init() throws {
        let pair = try UnixSocket.pair().split()
        guest = pair.first
        host = pair.second
    }

    func hostAnswers(_ welcome: Welcome, then more: Frame? = nil) throws {
        guard let host else { return }
        try Files.writeAll(
            Frame(.welcome, payload: welcome.encoded).encoded + (more?.encoded ?? []), to: host.raw)
    }

    func hostHangsUp() { host = nil }

    func sentToHost() throws -> [Frame] {
        guard let host else { return [] }
        var decoder = FrameDecoder()
        var room = [UInt8](repeating: 0, count: 4096)
        let count = read(host.raw, &room, room.count)
        decoder.append(room.prefix(max(0, count)))
        var frames: [Frame] = []
        while let frame = try decoder.next() { frames.append(frame) }
        return frames
    }

    func prepare() throws(StepFailure) { try step("prepare") }
    func loadModules(_ group: ModuleList.Group) throws(StepFailure) { try step(group.rawValue) }
    func readSecret() throws(StepFailure) -> BootSecret {
        try step("secret")
        guard let secret = BootSecret(Self.shown + Self.proof) else { throw StepFailure("secret") }
        return secret
    }
    func connect() throws(StepFailure) -> FileDescriptor {
        try step("connect")
        return FileDescriptor(owning: dup(guest.raw))
    }
    func mountRoot() throws(StepFailure) { try step("mount") }
    func enterRoot() throws(StepFailure) { try step("enter") }
    func log(_ line: String) { lines.append(line) }

    private func step(_ name: String) throws(StepFailure) {
        guard name != fails else { throw StepFailure("\(name) failed") }
        done.append(name)
    }
}
