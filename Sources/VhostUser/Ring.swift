internal import System

/// What the hypervisor has said about one queue, until it is enough to run it.
final class Ring {
    var size: UInt16 = 0
    var base: UInt16 = 0
    var addresses: Virtqueue.Addresses?
    var isEnabled = false
    var kick: SharedDescriptor?
    var call: SharedDescriptor?
    /// Where the ring stood when the hypervisor last stopped it.
    var stoppedAt: UInt16?
    var queue: Virtqueue?
    /// The device knows that it runs.
    var isRunning = false

    func interrupt() {
        if let call { EventCounter.signal(call.raw) }
    }
}
