import Glibc
import System
import Testing
import Wire

@testable import GuestCore

/// Real processes, spoken to in frames.
@Suite struct ProcessStreamTests {
    @Test func outputAndErrorsComeApartAndBeforeTheEnd() async throws {
        let (out, err, exited, kinds) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "echo out; echo err >&2; exit 7")
            try host.run { host.exited() != nil }
            return (host.text(), host.text(1, .error), host.exited(), host.frames.map(\.kind))
        }
        #expect(out == "out\n")
        #expect(err == "err\n")
        #expect(exited == Exited(signalled: false, value: 7))
        #expect(kinds == [.ready, .opened, .end, .end, .exited])
    }

    @Test func inputReachesTheProcessAndEnds() async throws {
        let (out, status) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "cat")
            host.input("one\n")
            host.input("two\n")
            host.send(.end, stream: 1)
            try host.run { host.exited() != nil }
            return (host.text(), host.exited()?.status)
        }
        #expect(out == "one\ntwo\n")
        #expect(status == 0)
    }

    @Test func theEnvironmentIsTheUsersAndWhatWasGiven() async throws {
        let out = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "echo $USER:$LOGNAME:$HOME:$SHELL:$LANG:$EXTRA:$TERM; pwd; umask; env | wc -l") {
                $0.environment = ["EXTRA=a=b", "LANG=other"]
            }
            try host.run { host.exited() != nil }
            return host.text()
        }
        #expect(out.hasPrefix("me:me:/tmp:/bin/sh:other:a=b:\n/tmp\n0022\n"))
    }

    @Test func theDirectoryAndPathAreTheOnesAskedFor() async throws {
        let out = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "ls", "-d", "bin") {
                $0.directory = "/usr"
                $0.environment = ["PATH=/nowhere:/bin"]
            }
            try host.run { host.exited() != nil }
            return host.text()
        }
        #expect(out == "bin\n")
    }

    @Test func moreOutputThanTheWindowWaitsForCredit() async throws {
        let size = 5_000_000
        let (before, exitedBefore, after, status) = try await onItsOwnThread {
            let host = try HostSide()
            host.grants = false
            host.open(1, "sh", "-c", "head -c \(size) /dev/zero")
            try host.run { host.bytes().count >= Int(Wire.initialWindow) }
            try host.runUntilQuiet()
            let before = host.bytes().count
            let exitedBefore = host.exited() != nil
            host.grants = true
            host.grant(4096)
            try host.run { host.exited() != nil }
            return (before, exitedBefore, host.bytes().count, host.exited()?.status)
        }
        #expect(before == Int(Wire.initialWindow))
        #expect(!exitedBefore)
        #expect(after == size)
        #expect(status == 0)
    }

    /// The process ends while most of a full pipe still waits for credit.
    @Test func whatIsInThePipeAtTheEndStillComes() async throws {
        let (before, after) = try await onItsOwnThread {
            let host = try HostSide()
            host.grants = false
            host.open(1, "sh", "-c", "head -c 300000 /dev/zero")
            // Reaped: its number means nobody any more.
            try host.run {
                guard let pid = host.pid(), host.bytes().count >= Int(Wire.initialWindow) else { return false }
                return (try? Child.adopt(pid: pid)) == nil
            }
            let before = (host.bytes().count, host.exited() == nil)
            for _ in 0..<11 {
                host.grant(4096)
                try host.runUntilQuiet()
            }
            try host.run { host.exited() != nil }
            return (before.0 == Int(Wire.initialWindow) && before.1, host.bytes().count)
        }
        #expect(before)
        #expect(after == 300_000)
    }

    @Test func inputIsTakenOnlyAsTheProcessTakesIt() async throws {
        let (stalled, out, granted, status) = try await onItsOwnThread {
            let host = try HostSide()
            let flag = host.directory + "/flag"
            mkfifo(flag, 0o600)
            host.open(1, "sh", "-c", "read x < \(flag); wc -c")
            let chunk = [UInt8](repeating: 1, count: Wire.largestData)
            for _ in 0..<(Int(Wire.initialWindow) / chunk.count) { host.send(.data, stream: 1, payload: chunk) }
            try host.runUntilQuiet()
            // A pipe's worth was taken, less than would be granted back but for it.
            let stalled = host.credit
            let opened = try Files.open(flag, O_WRONLY)
            try Files.writeAll("go\n".utf8, to: opened.raw)
            try host.run { host.credit >= Int(Wire.initialWindow) / 2 }
            host.send(.end, stream: 1)
            try host.run { host.exited() != nil }
            return (stalled, host.text(), host.credit, host.exited()?.status)
        }
        #expect(stalled <= 64 << 10)
        #expect(out == "\(Wire.initialWindow)\n")
        #expect(granted <= Int(Wire.initialWindow))
        #expect(status == 0)
    }

    @Test func inputNobodyReadsIsTakenAllTheSame() async throws {
        let (granted, status) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "exec <&-; echo closed; read x </dev/fd/2; sleep 60")
            try host.run { host.text() == "closed\n" }
            let chunk = [UInt8](repeating: 1, count: Wire.largestData)
            for _ in 0..<(Int(Wire.initialWindow) / chunk.count) { host.send(.data, stream: 1, payload: chunk) }
            try host.run { host.credit >= Int(Wire.initialWindow) / 2 }
            host.send(.signal, stream: 1, payload: Signal(number: 9).encoded)
            try host.run { host.exited() != nil }
            return (host.credit, host.exited()?.status)
        }
        #expect(granted >= Int(Wire.initialWindow) / 2)
        #expect(status == 137)
    }

    @Test func moreInputThanWasGrantedEndsTheConnection() async throws {
        let (graces, reason) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sleep", "60")
            try host.run { host.pid() != nil }
            let chunk = [UInt8](repeating: 1, count: Wire.largestData)
            for _ in 0...(Int(Wire.initialWindow) / chunk.count * 2) { host.send(.data, stream: 1, payload: chunk) }
            try host.run { !host.machine.graces.isEmpty }
            host.endProcess()
            return (host.machine.graces, host.endedBecause)
        }
        #expect(graces == [.zero])
        #expect(reason == nil)
    }

    @Test func signalsReachTheWholeGroup() async throws {
        let (out, exited) = try await onItsOwnThread {
            let host = try HostSide()
            // The shell waits for its child, which says that it was signalled too.
            host.open(
                1, "sh", "-c",
                "trap 'exit 3' INT; (trap 'echo child; exit' INT; echo up; while :; do sleep 0.05; done) & wait; wait")
            try host.run { host.text().contains("up\n") }
            host.send(.signal, stream: 1, payload: Signal(number: UInt8(SIGINT)).encoded)
            try host.run { host.exited() != nil }
            return (host.text(), host.exited())
        }
        #expect(out.contains("up\n"))
        #expect(exited == Exited(signalled: false, value: 3))
    }

    @Test func aProcessEndedByASignalSaysWhich() async throws {
        let exited = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "kill -SEGV $$")
            try host.run { host.exited() != nil }
            return host.exited()
        }
        #expect(exited == Exited(signalled: true, value: UInt8(SIGSEGV)))
    }

    @Test func aDeadlineEndsTheProcessAndItsGroup() async throws {
        let (exited, quick) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "sleep 60; true") { $0.deadlineMilliseconds = 100 }
            host.open(2, "sh", "-c", "exit 0") { $0.deadlineMilliseconds = 60_000 }
            try host.run { host.exited() != nil && host.exited(2) != nil }
            return (host.exited(), host.exited(2))
        }
        #expect(exited == Exited(signalled: true, value: UInt8(SIGTERM), expired: true))
        #expect(exited?.status == 124)
        #expect(quick == Exited(signalled: false, value: 0))
    }

    @Test func aDeadlineIsEnforcedAgainstTheDeaf() async throws {
        let exited = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done") { $0.deadlineMilliseconds = 100 }
            try host.run { host.exited() != nil }
            return host.exited()
        }
        #expect(exited == Exited(signalled: true, value: UInt8(SIGKILL), expired: true))
    }

    @Test func aBackgroundChildHoldsNobodyUp() async throws {
        let (out, exited, background) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "sleep 60 & echo $!; exit 4")
            try host.run(limit: .seconds(10)) { host.exited() != nil }
            let pid = Int32(host.text().dropLast()) ?? 0
            return (host.text(), host.exited(), HostSide.endProcess(pid))
        }
        #expect(!out.isEmpty)
        #expect(exited == Exited(signalled: false, value: 4))
        #expect(background)
    }

    @Test func aDescendantMayWriteAMomentLater() async throws {
        let (out, kinds) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "(sleep 0.3; echo late) & exit 0")
            try host.run { host.exited() != nil }
            return (host.text(), host.frames.map(\.kind))
        }
        #expect(out == "late\n")
        #expect(kinds.last == .exited)
    }

    @Test func aBackgroundChildThatNeverStopsWritingHoldsNobodyUp() async throws {
        let exited = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "yes & exit 5")
            try host.run(limit: .seconds(10)) { host.exited() != nil }
            return host.exited()
        }
        #expect(exited == Exited(signalled: false, value: 5))
    }

    @Test func manyProcessesAreServedAtOnce() async throws {
        let outs = try await onItsOwnThread {
            let host = try HostSide()
            for number in 1...20 as ClosedRange<UInt32> {
                host.open(number, "sh", "-c", "read x; echo $x; head -c 100000 /dev/zero >&2")
                host.input("number \(number)\n", stream: number)
            }
            try host.run { (1...20).allSatisfy { host.exited($0) != nil } }
            return (1...20).map { host.text($0) + "\(host.bytes($0, .error).count)" }
        }
        #expect(outs == (1...20).map { "number \($0)\n100000" })
    }

    @Test func limitsApply() async throws {
        let (out, refused) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "ulimit -n") {
                $0.limits = [.init(resource: UInt8(RLIMIT_NOFILE.rawValue), soft: 33, hard: 33)]
            }
            host.open(2, "true") { $0.limits = [.init(resource: 99, soft: 1, hard: 1)] }
            try host.run { host.exited() != nil && host.refused(2) != nil }
            return (host.text(), host.refused(2)?.reason)
        }
        #expect(out == "33\n")
        #expect(refused == .badRequest)
    }
}
