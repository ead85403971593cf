internal import Contract
package import Core
internal import Glibc
package import System

/// A thread that waits for sockets and processes, for the actors. What it runs never blocks.
package final class IOThread: Sendable {
    package let remote: EventLoop.Remote

    package init(_ name: String) throws(SystemError) {
        let loop = Box(try EventLoop())
        remote = loop.value.remote
        try NamedThread.start(name) {
            // The loop's own calls fail only when the kernel is out of descriptors or memory for it.
            while (try? loop.value.run()) == nil {}
        }
    }

    /// Carries the loop to its thread, which alone uses it from then on.
    private final class Box: @unchecked Sendable {
        let value: EventLoop
        init(_ value: EventLoop) { self.value = value }
    }
}

/// Calls that block, on a thread of their own.
package enum Blocking {
    package static func run<Value: Sendable>(
        _ name: String, _ work: @escaping @Sendable () throws(Fault) -> Value
    ) async throws(Fault) -> Value {
        let promise = Promise<Value>()
        do throws(SystemError) {
            try NamedThread.start(name) {
                do throws(Fault) { promise.resolve(.success(try work())) } catch { promise.resolve(.failure(error)) }
            }
        } catch { throw Fault(.hostFailed, "a thread cannot be started: \(error.reason)") }
        return try await promise.value()
    }
}

/// Time as it passes. One that is not waited for any more is forgotten at once, which the language's own sleep does not
/// do: it would wake this process later for nothing.
package struct RealTimers: Timers {
    private let io: IOThread

    package init(io: IOThread) { self.io = io }

    package func sleep(_ duration: Duration) async {
        let (done, armed) = (Promise<Void>(), Armed())
        io.remote.submit { loop in
            armed.timer = loop.after(duration) { done.resolve(.success(())) }
        }
        if (try? await done.value()) == nil {
            io.remote.submit { loop in if let timer = armed.timer { loop.cancel(timer) } }
        }
    }

    /// Used on the I/O thread only.
    private final class Armed: @unchecked Sendable {
        var timer: EventLoop.Timer?
    }
}

package struct RealClock: WallClock {
    package init() {}
    package func now() -> Moment { Moment(milliseconds: RealTimeClock.milliseconds()) }
}

/// A descriptor on its way to another process.
package struct Passed: PassedDescriptor {
    private let descriptor: SharedDescriptor
    package var raw: Int32 { descriptor.raw }
    package init(_ descriptor: SharedDescriptor) { self.descriptor = descriptor }
}
