internal import Synchronization
internal import System

/// Threads of our own for calls that block: at most `limit` at a time, each living while there is work.
package final class Workers: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var threads = 0
    }

    private let name: String
    private let limit: Int
    private let state = Mutex(State())

    package init(name: String, limit: Int) {
        self.name = name
        self.limit = limit
    }

    package func submit(_ work: @escaping @Sendable () -> Void) {
        let isNew = state.withLock { state in
            state.waiting.append(work)
            guard state.threads < limit else { return false }
            state.threads += 1
            return true
        }
        guard isNew else { return }
        do {
            try NamedThread.start(name) { [self] in drain() }
        } catch {
            // No thread to be had: the caller's does the work, late rather than never.
            drain()
        }
    }

    private func drain() {
        while let work = next() { work() }
    }

    private func next() -> (@Sendable () -> Void)? {
        state.withLock { state in
            if state.waiting.isEmpty {
                state.threads -= 1
                return nil
            }
            return state.waiting.removeFirst()
        }
    }
}
