internal import Synchronization

/// The open ends of streams that are told something at the same time.
final class Listeners: Sendable {
    private struct State {
        var open: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var next: UInt64 = 0
    }
    private let state = Mutex(State())

    func add(_ continuation: AsyncStream<Void>.Continuation) -> UInt64 {
        state.withLock { state in
            state.next += 1
            state.open[state.next] = continuation
            return state.next
        }
    }

    func remove(_ ticket: UInt64) { state.withLock { _ = $0.open.removeValue(forKey: ticket) } }

    func forEach(_ body: (AsyncStream<Void>.Continuation) -> Void) {
        for continuation in state.withLock({ Array($0.open.values) }) { body(continuation) }
    }
}
