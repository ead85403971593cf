package import Core
internal import Synchronization

/// A value that comes once: the first result stands. Any number of tasks may wait for it.
package final class Promise<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, Fault>?
        var waiting: [UInt64: CheckedContinuation<Result<Value, Fault>, Never>] = [:]
        var next: UInt64 = 0
    }
    private let state = Mutex(State())

    package init() {}

    package var isResolved: Bool { state.withLock { $0.result != nil } }

    package func resolve(_ result: Result<Value, Fault>) {
        let waiting = state.withLock { state -> [CheckedContinuation<Result<Value, Fault>, Never>] in
            guard state.result == nil else { return [] }
            state.result = result
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume(returning: result) }
    }

    /// Waits for the value; a cancelled task stops waiting.
    package func value() async throws(Fault) -> Value {
        let ticket = state.withLock { state in
            state.next += 1
            return state.next
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now = state.withLock { state -> Result<Value, Fault>? in
                    if let result = state.result { return result }
                    if Task.isCancelled { return .failure(.cancelled) }
                    state.waiting[ticket] = continuation
                    return nil
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: ticket) }?.resume(returning: .failure(.cancelled))
        }
        return try result.get()
    }
}

extension Fault {
    /// Nobody waits for the answer any more.
    package static let cancelled = Fault(.failed, "nobody waits for this any more")
}

extension Timers {
    /// The result of `work`, or `fault` when `limit` passes first. Work that does not end by being cancelled is left
    /// behind: what it waits for has a deadline of its own.
    package func within<Value: Sendable>(
        _ limit: Duration, else fault: Fault, _ work: @escaping @Sendable () async throws(Fault) -> Value
    ) async throws(Fault) -> Value {
        let promise = Promise<Value>()
        let worker = Task {
            do throws(Fault) { promise.resolve(.success(try await work())) } catch { promise.resolve(.failure(error)) }
        }
        let timer = Task {
            await self.sleep(limit)
            if !Task.isCancelled { promise.resolve(.failure(fault)) }
        }
        defer {
            worker.cancel()
            timer.cancel()
        }
        return try await promise.value()
    }
}
