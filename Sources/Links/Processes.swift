package import Contract
internal import Core
internal import Glibc
internal import Synchronization
package import System

/// The processes of this daemon and of those before it. Our own children are reaped as they end.
package final class Processes: ProcessTable {
    private let io: IOThread
    private let children = Mutex<[Int32: Promise<Void>]>([:])

    package init(io: IOThread) { self.io = io }

    /// Follows a child that was just started, and reaps it when it ends.
    package func add(_ child: Child) -> ProcessIdentity {
        let ended = Promise<Void>()
        children.withLock { $0[child.pid] = ended }
        io.remote.submit { loop in
            let finish = {
                loop.unwatch(child.pidfd)
                _ = child.poll()
                self.children.withLock { if $0[child.pid] === ended { $0[child.pid] = nil } }
                ended.resolve(.success(()))
            }
            do { try loop.watch(child.pidfd, .readable) { _ in finish() } } catch { finish() }
        }
        return ProcessIdentity(pid: child.pid, startTicks: RunningProcess.startTicks(of: child.pid) ?? 0)
    }

    package func waitForEnd(of identity: ProcessIdentity) async {
        guard let process = Self.find(identity) else { return }
        let ended = Promise<Void>()
        io.remote.submit { loop in
            do {
                try loop.watch(process.pidfd, .readable) { _ in
                    loop.unwatch(process.pidfd)
                    ended.resolve(.success(()))
                }
            } catch { ended.resolve(.success(())) }
        }
        if (try? await ended.value()) == nil {
            io.remote.submit { loop in
                loop.unwatch(process.pidfd)
                withExtendedLifetime(process) {}
            }
        }
    }

    package func end(_ identity: ProcessIdentity) async { await end(identity, grace: .seconds(2)) }

    /// TERM, then KILL after `grace`.
    package func end(_ identity: ProcessIdentity, grace: Duration) async {
        guard let process = Self.find(identity) else { return }
        process.signal(SIGTERM)
        let timers = RealTimers(io: io)
        let late = Fault(.deadline, "it did not end")
        let inTime: Void? = try? await timers.within(grace, else: late) { () async throws(Fault) in
            await self.waitForEnd(of: identity)
        }
        guard inTime == nil else { return }
        process.signal(SIGKILL)
        _ = try? await timers.within(.seconds(5), else: late) { () async throws(Fault) in
            await self.waitForEnd(of: identity)
        }
    }

    /// The very process, or nil when it has ended, whatever has its number now.
    private static func find(_ identity: ProcessIdentity) -> Child? {
        guard identity.pid > 0, let process = try? Child.adopt(pid: identity.pid),
            RunningProcess.startTicks(of: identity.pid) == identity.startTicks
        else { return nil }
        return process
    }
}
