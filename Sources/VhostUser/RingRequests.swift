internal import Glibc
internal import System

/// The requests about rings: gathering what the hypervisor says of each, starting and stopping them.
extension VhostUserServer {
    func setRing(_ request: Request, _ index: Int, _ value: UInt32) throws(MessageFault) -> [UInt8]? {
        let ring = rings[index]
        switch request {
        case .setRingSize:
            guard ring.queue == nil else { throw .ringWhileRunning }
            guard value.nonzeroBitCount == 1, Int(value) <= Virtqueue.largestSize else { throw .ringSize }
            ring.size = UInt16(value)
        case .setRingBase:
            guard ring.queue == nil else { throw .ringWhileRunning }
            guard value <= UInt32(UInt16.max) else { throw .ringSize }
            ring.base = UInt16(value)
            // A guest that only paused goes on where it was.
            if let stoppedAt = ring.stoppedAt, stoppedAt != ring.base {
                for ring in rings { ring.stoppedAt = nil }
                device?.guestWasReset()
            }
        case .getRingBase:
            stopRing(index)
            return Fields.bytes(of: UInt32(index)) + Fields.bytes(of: UInt32(ring.base))
        default:
            ring.isEnabled = value != 0
            try update(index)
        }
        return nil
    }

    func setAddress(_ ring: Ring, _ fields: inout Fields) throws(MessageFault) {
        guard ring.queue == nil else { throw .ringWhileRunning }
        _ = fields.next(UInt32.self)
        let descriptors: UInt64 = fields.next() ?? 0
        let used: UInt64 = fields.next() ?? 0
        let available: UInt64 = fields.next() ?? 0
        ring.addresses = Virtqueue.Addresses(descriptors: descriptors, available: available, used: used)
    }

    func setDescriptor(
        _ request: Request, _ index: Int, _ descriptor: SharedDescriptor?
    ) throws(MessageFault) {
        let ring = rings[index]
        // An ordinary descriptor would block us, or a reader of ours, for ever.
        if let descriptor { _ = fcntl(descriptor.raw, F_SETFL, fcntl(descriptor.raw, F_GETFL) | O_NONBLOCK) }
        switch request {
        case .setRingCall: ring.call = descriptor
        case .setRingKick:
            guard let descriptor else { throw .noKickDescriptor }
            if let old = ring.kick { loop.unwatch(old.raw) }
            ring.kick = descriptor
            try start(index)
        default: break
        }
    }

    func start(_ index: Int) throws(MessageFault) {
        let ring = rings[index]
        guard let kick = ring.kick else { return }
        if ring.queue == nil {
            guard let memory else { throw .noMemory }
            guard let addresses = ring.addresses else { throw .ringAddress }
            guard features & Self.versionOne != 0 else { throw .driverTooOld }
            let options = Virtqueue.Options(
                indirect: features & Self.indirectDescriptors != 0, eventIndex: features & Self.eventIndex != 0)
            ring.queue = try Virtqueue(
                size: ring.size, at: addresses, base: ring.base, options: options, memory: memory,
                interrupt: { [weak ring] in ring?.interrupt() })
        }
        do throws(SystemError) {
            try loop.watch(kick.raw, .readable) { [weak self] _ in self?.kicked(index) }
        } catch { throw .noKickDescriptor }
        try update(index)
    }

    /// Tells the device when a ring starts or stops to be served.
    func update(_ index: Int) throws(MessageFault) {
        let ring = rings[index]
        // Without protocol features a ring is enabled from the start.
        let isEnabled = ring.isEnabled || features & Self.protocolFeatures == 0
        if let queue = ring.queue, isEnabled, !ring.isRunning {
            ring.isRunning = true
            device?.queueStarted(index, queue)
        } else if ring.isRunning, !isEnabled {
            ring.isRunning = false
            device?.queueStopped(index)
        }
    }

    func stopRing(_ index: Int) {
        let ring = rings[index]
        if ring.isRunning {
            ring.isRunning = false
            device?.queueStopped(index)
        }
        if let queue = ring.queue {
            ring.base = queue.nextAvailable
            ring.stoppedAt = ring.base
        }
        ring.queue = nil
        if let kick = ring.kick { loop.unwatch(kick.raw) }
        ring.kick = nil
        ring.call = nil
    }

    func kicked(_ index: Int) {
        guard let kick = rings[index].kick else { return }
        do throws(SystemError) {
            guard try EventCounter.take(kick.raw) else { return }
        } catch { return stop(.system(error)) }
        if rings[index].isRunning { device?.queueKicked(index) }
    }
}
