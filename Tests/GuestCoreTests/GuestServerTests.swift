import Glibc
import System
import Testing
import Wire

@testable import GuestCore

@Suite struct GuestServerTests {
    @Test func saysThatItIsReadyFirst() async throws {
        let ready = try await onItsOwnThread {
            let host = try HostSide()
            try host.run { !host.frames.isEmpty }
            return try Ready(payload: host.frames[0].payload)
        }
        #expect(ready.agentVersion == "test")
        #expect(ready.uptimeMilliseconds > 0)
    }

    @Test func answersRequestsOnTheirStream() async throws {
        let (hostnames, status, kinds) = try await onItsOwnThread {
            let host = try HostSide()
            host.send(
                .configure, payload: Configure(hostname: "heron", realtimeNanoseconds: 1, entropy: [1]).encoded)
            host.send(.mount, stream: 5, payload: Mount(tag: "f0", path: "/a", readOnly: true).encoded)
            host.send(.mount, stream: 6, payload: Mount(tag: "f1", path: "/b", readOnly: true).encoded)
            host.send(.unmount, stream: 7, payload: Unmount(path: "/a").encoded)
            host.send(.unmount, stream: 8, payload: Unmount(path: "/c").encoded)
            host.send(.status, stream: 9)
            host.send(.ping, payload: [1, 2])
            try host.run { host.first(.pong, 0) != nil }
            // A mount may be answered later than what was asked after it.
            host.machine.answer(nil)
            host.machine.answer(Refused(.notFound, "no tag"))
            try host.run { host.refused(6) != nil }
            let status = try GuestStatus(payload: host.first(.statusReport, 9)?.payload ?? [])
            return (host.machine.hostnames, status, host.frames.map { "\($0.kind) \($0.stream)" })
        }
        #expect(hostnames == ["heron"])
        #expect(status.memoryTotal == 7)
        #expect(kinds == ["ready 0", "done 7", "refused 8", "statusReport 9", "pong 0", "done 5", "refused 6"])
    }

    @Test func answersAPingOfAProcessThatRuns() async throws {
        let payload = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "cat")
            host.send(.ping, stream: 1, payload: [7])
            try host.run { host.first(.pong) != nil }
            host.send(.end, stream: 1)
            try host.run { host.exited() != nil }
            return host.first(.pong)?.payload
        }
        #expect(payload == [7])
    }

    @Test func powersOffWhenAskedAndWhenTheHostIsGone() async throws {
        let (asked, gone) = try await onItsOwnThread {
            let host = try HostSide()
            host.send(.powerOff, payload: PowerOff(graceMilliseconds: 1500).encoded)
            try host.run { !host.machine.graces.isEmpty }
            let asked = host.machine.graces
            let other = try HostSide()
            other.closeConnection()
            try other.run { !other.machine.graces.isEmpty }
            return (asked, other.machine.graces)
        }
        #expect(asked == [.milliseconds(1500)])
        #expect(gone == [.zero])
    }

    @Test(arguments: [
        FrameKind.hello, .welcome, .ready, .failed, .statusReport, .done, .refused, .opened, .exited, .lost,
    ])
    func framesThatAreNotTheHostsToSendEndTheConnection(_ kind: FrameKind) async throws {
        let graces = try await onItsOwnThread {
            let host = try HostSide()
            host.send(kind, stream: 1)
            try host.run { !host.machine.graces.isEmpty }
            return host.machine.graces
        }
        #expect(graces == [.zero])
    }

    @Test func malformedPayloadsEndTheConnection() async throws {
        let graces = try await onItsOwnThread {
            let frames: [(FrameKind, UInt32, UInt8, [UInt8])] = [
                (.open, 1, 0, [1, 2, 3]), (.open, 0, 0, ProcessSpecification(arguments: ["true"]).encoded),
                (.configure, 0, 0, []), (.credit, 1, 1, [1]), (.signal, 1, 0, [0]), (.data, 1, 2, [1]),
                (.mount, 1, 0, [9]), (.end, 1, 1, []),
            ]
            return try frames.map { kind, stream, channel, payload in
                let host = try HostSide()
                if stream == 1, kind != .open {
                    host.open(1, "sleep", "60")
                    try host.run { host.first(.opened) != nil }
                }
                host.send(kind, stream: stream, channel: channel, payload: payload)
                try host.run("\(kind)") { !host.machine.graces.isEmpty }
                host.endProcess()
                return host.machine.graces
            }
        }
        #expect(graces == Array(repeating: [.zero], count: 8))
    }

    @Test func aNumberInUseCannotBeOpenedAgain() async throws {
        let graces = try await onItsOwnThread {
            let host = try HostSide()
            host.open(2, "sleep", "60")
            try host.run { host.pid(2) != nil }
            host.open(2, "true")
            try host.run { !host.machine.graces.isEmpty }
            host.endProcess(2)
            return host.machine.graces
        }
        #expect(graces == [.zero])
    }

    /// What crosses a process's end on the way must not hurt.
    @Test func framesForAnEndedStreamAreDropped() async throws {
        let graces = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "true")
            try host.run { host.exited() != nil }
            host.input("late")
            host.grant(1000)
            host.send(.end, stream: 1)
            host.send(.resize, stream: 1, payload: Resize(rows: 1, columns: 1).encoded)
            host.send(.signal, stream: 1, payload: Signal(number: 15).encoded)
            host.send(.ping, stream: 1)
            host.send(.ping)
            try host.run { host.first(.pong, 0) != nil }
            return host.first(.pong, 1) == nil ? host.machine.graces : [.zero]
        }
        #expect(graces == [])
    }
}
