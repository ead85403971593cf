internal import System

/// One of our ends of a process's streams, in the loop only while something is wanted of it: a hang-up is reported
/// whether asked for or not, again and again.
final class Port {
    private let loop: EventLoop
    private let descriptor: SharedDescriptor
    private let handler: (EventLoop.Readiness) -> Void
    private var wanted: EventLoop.Readiness = []

    init(
        loop: EventLoop, descriptor: SharedDescriptor, handler: @escaping (EventLoop.Readiness) -> Void
    ) {
        self.loop = loop
        self.descriptor = descriptor
        self.handler = handler
    }

    deinit { want([]) }

    var raw: Int32 { descriptor.raw }

    func want(_ readiness: EventLoop.Readiness) {
        guard readiness != wanted else { return }
        if readiness.isEmpty {
            loop.unwatch(raw)
        } else if wanted.isEmpty {
            guard (try? loop.watch(raw, readiness, handler)) != nil else { return }
        } else {
            guard (try? loop.change(raw, readiness)) != nil else { return }
        }
        wanted = readiness
    }
}
