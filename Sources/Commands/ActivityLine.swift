internal import CommandLineKit
internal import Glibc
internal import Synchronization
internal import System

/// The progress line on standard error while something takes its time. A thread of its own counts the seconds; off a
/// terminal, or where JSON is wanted, there is neither line nor thread.
final class ActivityLine: Sendable {
    private let console: Console
    private let isEnabled: Bool
    private let state: Mutex<State>
    private let stopping: SharedDescriptor?

    private struct State {
        var line: ProgressLine
        var stage: String
        let began: UInt64
        var isOver = false
    }

    init(_ stage: String, caller: Caller, wanted: Bool) {
        console = caller.console
        isEnabled = wanted && console.errorIsTerminal && caller.environment["TERM"] != "dumb"
        let line = ProgressLine(isEnabled: isEnabled, width: console.width)
        state = Mutex(State(line: line, stage: stage, began: MonotonicClock.nanoseconds()))
        guard isEnabled, let pair = try? UnixSocket.pair().split() else {
            stopping = nil
            return
        }
        stopping = pair.first
        let waiting = pair.second
        redraw()
        // The line goes on without its seconds if no thread can be had.
        try? NamedThread.start("progress") { [weak self] in
            while true {
                var item = pollfd(fd: waiting.raw, events: Int16(POLLIN), revents: 0)
                guard poll(&item, 1, 1000) == 0, let self else { return }
                self.redraw()
            }
        }
    }

    func show(_ stage: String) {
        state.withLock { $0.stage = stage }
        redraw()
    }

    /// Takes the line away for good.
    func end() {
        let text = state.withLock { state in
            state.isOver = true
            return state.line.clear()
        }
        console.tell(raw: text)
        if let stopping { shutdown(stopping.raw, Int32(SHUT_RDWR)) }
    }

    // Written under the lock, so that a late second never comes after the line was taken away.
    private func redraw() {
        state.withLock { state in
            guard isEnabled, !state.isOver else { return }
            let seconds = Int(clamping: (MonotonicClock.nanoseconds() &- state.began) / 1_000_000_000)
            console.tell(raw: state.line.show(stage: state.stage, seconds: seconds))
        }
    }
}
