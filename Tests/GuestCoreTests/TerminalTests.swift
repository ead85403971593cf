import Glibc
import Testing
import Wire

@testable import GuestCore

/// Processes on a terminal.
@Suite struct TerminalTests {
    @Test func itIsATerminalOfItsSize() async throws {
        let (out, status) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "tty; stty size; echo $TERM; echo err >&2; ps -o tpgid= -p $$ | grep -q -v -- -1")
            {
                $0.terminal = true
                $0.rows = 33
                $0.columns = 111
            }
            try host.run { host.exited() != nil }
            return (host.text(), host.exited()?.status)
        }
        #expect(out.hasPrefix("/dev/pts/"))
        #expect(out.contains("33 111\r\nxterm-256color\r\nerr\r\n"))
        #expect(status == 0)
    }

    @Test func aResizeIsSignalled() async throws {
        let out = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "trap 'stty size; exit' WINCH; echo up; while :; do sleep 0.05; done") {
                $0.terminal = true
            }
            try host.run { host.text().contains("up") }
            host.send(.resize, stream: 1, payload: Resize(rows: 50, columns: 132).encoded)
            try host.run { host.exited() != nil }
            return host.text()
        }
        #expect(out.contains("50 132"))
    }

    @Test func theEndOfInputIsTyped() async throws {
        let (line, partial) = try await onItsOwnThread {
            let host = try HostSide()
            for number in [1, 2] as [UInt32] {
                host.open(number, "sh", "-c", "stty -echo; echo up; cat; echo done") { $0.terminal = true }
            }
            try host.run { host.text(1).contains("up") && host.text(2).contains("up") }
            host.input("whole line\n", stream: 1)
            host.input("part", stream: 2)
            host.send(.end, stream: 1)
            host.send(.end, stream: 2)
            try host.run { host.exited(1) != nil && host.exited(2) != nil }
            return (host.text(1), host.text(2))
        }
        #expect(line == "up\r\nwhole line\r\ndone\r\n")
        #expect(partial == "up\r\npartdone\r\n")
    }

    /// Without a shell, which would take a signal for itself between two commands.
    @Test func controlCharactersSignal() async throws {
        let exited = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "cat") { $0.terminal = true }
            host.input("x\n")
            // Echoed by the terminal, then written by the program.
            try host.run { host.text() == "x\r\nx\r\n" }
            host.input("\u{3}")
            try host.run { host.exited() != nil }
            return host.exited()
        }
        #expect(exited == Exited(signalled: true, value: UInt8(SIGINT)))
    }

    /// A job in the foreground has a group of its own; the shell that started it is not to be ended with it.
    @Test func signalsGoToTheForeground() async throws {
        let (out, exited) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "set -m; sh -c 'echo up; exec sleep 60'; echo shell lives $?") {
                $0.terminal = true
            }
            try host.run { host.text().contains("up") }
            host.send(.signal, stream: 1, payload: Signal(number: UInt8(SIGUSR1)).encoded)
            try host.run { host.exited() != nil }
            return (host.text(), host.exited()?.status)
        }
        #expect(out.contains("shell lives 138"))
        #expect(exited == 0)
    }

    @Test func aHangUpEndsTheShellAndItsJob() async throws {
        let exited = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "set -m; sh -c 'echo up; exec sleep 60'; echo shell lives") { $0.terminal = true }
            try host.run { host.text().contains("up") }
            host.send(.signal, stream: 1, payload: Signal(number: UInt8(SIGHUP)).encoded)
            try host.run { host.exited() != nil }
            return host.exited()
        }
        #expect(exited == Exited(signalled: true, value: UInt8(SIGHUP)))
    }

    @Test func allOfItsOutputComesBeforeItsEnd() async throws {
        let (lines, last) = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "seq", "200000") { $0.terminal = true }
            try host.run { host.exited() != nil }
            let text = host.text()
            return (text.split(separator: "\r\n").count, String(text.suffix(7)))
        }
        #expect(lines == 200_000)
        #expect(last == "200000\r\n")
    }

    @Test func aLotOfRawInputArrivesWhole() async throws {
        let size = 1_000_000
        let out = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "stty raw -echo; echo up; head -c \(size) | sha256sum") { $0.terminal = true }
            try host.run { host.text().contains("up") }
            var sent = 0
            let chunk = [UInt8](repeating: 65, count: 10_000)
            while sent < size {
                try host.run { host.credit + Int(Wire.initialWindow) - sent >= chunk.count }
                host.send(.data, stream: 1, payload: chunk)
                sent += chunk.count
            }
            try host.run { host.exited() != nil }
            return host.text()
        }
        // Of a million letters A.
        #expect(out.contains("e23c0cda5bcdecddec446b54439995c7260c8cdcf2953eec9f5cdb6948e5898d"))
    }

    @Test func aBackgroundChildHoldsNobodyUp() async throws {
        let exited = try await onItsOwnThread {
            let host = try HostSide()
            host.open(1, "sh", "-c", "sleep 60 & exit 6") { $0.terminal = true }
            try host.run(limit: .seconds(10)) { host.exited() != nil }
            return host.exited()
        }
        #expect(exited == Exited(signalled: false, value: 6))
    }
}
