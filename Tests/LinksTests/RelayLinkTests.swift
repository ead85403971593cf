import Contract
import Core
import Glibc
import System
import Testing
import Wire

@testable import Links

/// The daemon's end of a relay, against a test that answers as one.
struct RelayLinkTests {
    private struct Ends {
        let link: RelayLink
        let relay: SharedDescriptor
    }

    private func ends() throws -> Ends {
        let io = try IOThread("test-io")
        let pair = try UnixSocket.pair(kind: .packets).split()
        let link = RelayLink(
            socket: pair.first, identity: ProcessIdentity(pid: 0, startTicks: 0), io: io,
            processes: Processes(io: io))
        link.open()
        return Ends(link: link, relay: pair.second)
    }

    private func receive(_ relay: SharedDescriptor) async throws -> (command: RelayCommand, descriptors: Int) {
        let message = try await blocking {
            _ = try Waiting.poll(relay.raw, Int16(POLLIN), limit: .seconds(60))
            return try #require(try UnixSocket.receive(from: relay.raw))
        }
        return (try RelayCommand(message.bytes), message.descriptors.count)
    }

    private func say(_ event: RelayEvent, _ relay: SharedDescriptor) throws {
        _ = try UnixSocket.send(event.encoded, to: relay.raw)
    }

    @Test func answersFindTheirQuestionsInAnyOrder() async throws {
        let ends = try ends()
        async let configured: Void = ends.link.configure(hostname: "h")
        let first = try await receive(ends.relay).command
        async let console = ends.link.console()
        let second = try await receive(ends.relay).command
        guard case .configure(let number, "h") = first, case .console(let other) = second else {
            Issue.record("\(first) \(second)")
            return
        }
        try say(.console(request: other, text: "text"), ends.relay)
        try say(.done(request: number), ends.relay)
        // An answer to nothing is ignored.
        try say(.done(request: 999), ends.relay)
        #expect(try await console == "text")
        try await configured
    }

    @Test func runPassesItsDescriptors() async throws {
        let ends = try ends()
        let pair = try UnixSocket.pair().split()
        let run = RelayCommand.Run(
            client: .frames, main: true, logged: true, reply: "{}", process: ProcessSpecification(arguments: ["x"]))
        async let pid = ends.link.run(run, descriptors: [Passed(pair.first), Passed(pair.second)])
        let (command, count) = try await receive(ends.relay)
        #expect(count == 2)
        guard case .run(let number, run) = command else {
            Issue.record("\(command)")
            return
        }
        try say(.started(request: number, pid: 42), ends.relay)
        #expect(try await pid == 42)
    }

    @Test(arguments: [
        (Refusal.Reason.notFound, FaultCode.commandNotFound), (.notExecutable, .notExecutable), (.denied, .denied),
        (.noSuchUser, .usage), (.failed, .guestFailed),
    ])
    func aRefusalIsAFaultWithItsTextEscaped(reason: Refusal.Reason, code: FaultCode) async throws {
        let ends = try ends()
        async let mounted = Result { try await ends.link.mount(Mount(tag: "f0", path: "/a", readOnly: true)) }
        guard case .mount(let number, _) = try await receive(ends.relay).command else { return }
        try say(.refused(request: number, Refusal(reason, text: "no\u{1B}[2J")), ends.relay)
        let result = await mounted
        let fault = #expect(throws: Fault.self) { try result.get() }
        #expect(fault?.code == code && fault?.message.contains("no\\u{1b}[2J") == true)
    }

    @Test func eventsComeInOrderAndEndWithTheRelay() async throws {
        let ends = try ends()
        try say(.phase(.waiting, uptimeMilliseconds: 0, text: ""), ends.relay)
        try say(.phase(.ready, uptimeMilliseconds: 5, text: "v"), ends.relay)
        try say(.mainEnded(Exited(signalled: false, value: 1)), ends.relay)
        async let waiting = Result { try await ends.link.status() }
        _ = try await receive(ends.relay)
        shutdown(ends.relay.raw, Int32(SHUT_RDWR))
        var heard: [RelayEvent] = []
        for await event in ends.link.events { heard.append(event) }
        #expect(
            heard == [
                .phase(.waiting, uptimeMilliseconds: 0, text: ""), .phase(.ready, uptimeMilliseconds: 5, text: "v"),
                .mainEnded(Exited(signalled: false, value: 1)),
            ])
        let result = await waiting
        #expect(throws: Fault.self) { try result.get() }
        await #expect(throws: Fault.self) { try await ends.link.console() }
    }

    @Test(arguments: [[255], [1], [], [1, 9, 0, 0]] as [[UInt8]])
    func aRelayThatTalksNonsenseIsGone(bytes: [UInt8]) async throws {
        let ends = try ends()
        _ = try UnixSocket.send(bytes, to: ends.relay.raw)
        for await _ in ends.link.events {}
        await #expect(throws: Fault.self) { try await ends.link.console() }
    }

    @Test func aCommandThatDoesNotFitIsRefusedHere() async throws {
        let ends = try ends()
        let run = RelayCommand.Run(
            client: .none, main: false, logged: false,
            process: ProcessSpecification(
                arguments: [String](repeating: String(repeating: "x", count: 1000), count: 200)))
        let fault = await #expect(throws: Fault.self) { try await ends.link.run(run, descriptors: []) }
        #expect(fault?.code == .tooLarge)
    }
}

extension Result where Failure == any Error {
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

struct ProcessesTests {
    private func spawn(_ arguments: [String]) throws -> Child {
        try Child.spawn(ChildSpecification(program: "/bin/sh", arguments: arguments))
    }

    @Test func anEndIsHeardOfAndReaped() async throws {
        let processes = Processes(io: try IOThread("test-io"))
        let child = try spawn(["-c", "read x"])
        // Its standard input is empty, so it ends by itself.
        let identity = processes.add(child)
        await processes.waitForEnd(of: identity)
        await processes.waitForEnd(of: identity)
    }

    @Test func whatIgnoresTheFirstSignalIsKilled() async throws {
        let processes = Processes(io: try IOThread("test-io"))
        let identity = processes.add(try spawn(["-c", "trap '' TERM; while :; do sleep 1000; done"]))
        await processes.end(identity, grace: .milliseconds(50))
        await processes.waitForEnd(of: identity)
    }

    @Test func aLaterProcessWithTheNumberIsLeftAlone() async throws {
        let processes = Processes(io: try IOThread("test-io"))
        let identity = processes.add(try spawn(["-c", "exec sleep 1000"]))
        let other = ProcessIdentity(pid: identity.pid, startTicks: identity.startTicks + 1)
        await processes.end(other)
        #expect(RunningProcess.startTicks(of: identity.pid) == identity.startTicks)
        await processes.end(identity)
        await processes.waitForEnd(of: identity)
    }
}

struct TimerTests {
    @Test func aSleepEndsInTimeOrWithItsTask() async throws {
        let timers = RealTimers(io: try IOThread("test-io"))
        await timers.sleep(.milliseconds(1))
        let long = Task { await timers.sleep(.seconds(1000)) }
        long.cancel()
        await long.value
        let late = Fault(.deadline, "late")
        await #expect(throws: late) {
            try await timers.within(.milliseconds(1), else: late) { () async throws(Fault) in
                await timers.sleep(.seconds(1000))
            }
        }
        let answer = try await timers.within(.seconds(1000), else: late) { () async throws(Fault) in 7 }
        #expect(answer == 7)
    }
}

struct RelayLauncherTests {
    /// A relay that an earlier daemon started and did not write down: it speaks first, and must still read its end.
    @Test func whatStillListensIsToldToEnd() async throws {
        let scratch = try Scratch()
        let session = try #require(SessionID("00000000000000aa"))
        let directory = scratch.directories.runtime + "/s/" + session.text
        try Directories.makePrivate(directory, owner: geteuid())
        let control = SharedListener(try UnixSocket.listen(at: directory + "/control.sock", kind: .packets))
        let share = SharedListener(try UnixSocket.listen(at: directory + "/f0.sock"))
        let io = try IOThread("test-io")
        let launcher = RelayLauncher(
            program: "/none", runtime: scratch.directories.runtime, users: nil, io: io, processes: Processes(io: io))
        async let forgotten: Void = launcher.forget(session: session)
        let heard = try await blocking {
            let daemon = try control.accept()
            let phase = RelayEvent.phase(.waiting, uptimeMilliseconds: 0, text: "")
            #expect(try UnixSocket.send(phase.encoded, to: daemon.raw) != nil)
            _ = try Waiting.poll(daemon.raw, Int16(POLLIN), limit: .seconds(60))
            return try RelayCommand(try #require(try UnixSocket.receive(from: daemon.raw)).bytes)
        }
        guard case .quit = heard else {
            Issue.record("\(heard)")
            return
        }
        await forgotten
        // A folder's server without its machine ends when its only client leaves: it has had one.
        _ = try await blocking { try share.accept() }
        #expect(!Files.exists(directory))
    }
}

private final class SharedListener: Sendable {
    private let listener: FileDescriptor
    init(_ listener: consuming FileDescriptor) { self.listener = listener }

    func accept() throws -> SharedDescriptor {
        _ = try Waiting.poll(listener.raw, Int16(POLLIN), limit: .seconds(60))
        guard let taken = try UnixSocket.accept(listener) else { throw SystemError("accept", code: EAGAIN) }
        return SharedDescriptor(taken)
    }
}
