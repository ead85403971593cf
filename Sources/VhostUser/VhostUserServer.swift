internal import Glibc
package import System

/// The device's end of a vhost-user connection: answers the hypervisor, maps the guest's memory, and runs the rings of
/// one device.
///
/// Belongs to the loop's thread. The first thing that is not as the protocol says ends it: the connection is closed, the
/// rings are left alone, and the device is told why.
package final class VhostUserServer {
    static let eventIndex: UInt64 = 1 << 29
    static let indirectDescriptors: UInt64 = 1 << 28
    static let protocolFeatures: UInt64 = 1 << 30
    static let versionOne: UInt64 = 1 << 32
    private static let replyAcknowledgement: UInt64 = 1 << 3
    private static let configurationSpace: UInt64 = 1 << 9
    // Offering more makes QEMU ask for more.
    private static let offeredProtocol = replyAcknowledgement | configurationSpace

    let loop: EventLoop
    /// Nil once it is closed.
    private var connection: SharedDescriptor?
    let rings: [Ring]
    weak var device: (any VhostUserDevice)?
    var memory: GuestMemory?
    var features: UInt64 = 0
    private var acknowledged: UInt64 = 0
    private var header: [UInt8] = []
    private var payload: [UInt8] = []
    private var received: [SharedDescriptor] = []
    package private(set) var isStopped = false

    /// Serves `device`, which owns this object, on a non-blocking connection.
    package init(
        loop: EventLoop, connection: consuming FileDescriptor, device: any VhostUserDevice
    ) throws(SystemError) {
        self.loop = loop
        let connection = SharedDescriptor(connection)
        self.connection = connection
        self.device = device
        rings = (0..<device.queueCount).map { _ in Ring() }
        try loop.watch(connection.raw, .readable) { [weak self] _ in self?.receive() }
    }

    deinit { close() }

    /// Ends the connection because the device cannot go on.
    package func stop(_ fault: VhostUserFault) {
        guard !isStopped else { return }
        close()
        device?.stopped(fault)
    }

    private func close() {
        guard !isStopped else { return }
        isStopped = true
        if let connection { loop.unwatch(connection.raw) }
        connection = nil
        for ring in rings {
            if let kick = ring.kick { loop.unwatch(kick.raw) }
            ring.kick = nil
            ring.call = nil
            ring.queue = nil
        }
        memory = nil
    }

    // MARK: Messages

    private func receive() {
        do throws(VhostUserFault) {
            // One message a turn: the loop comes back while there is more.
            if header.count < MessageHeader.length {
                guard let bytes = try take(MessageHeader.length - header.count) else { return }
                header += bytes
                if header.count < MessageHeader.length { return }
            }
            let parsed: MessageHeader
            do throws(MessageFault) { parsed = try MessageHeader(header) } catch { throw .message(error) }
            if payload.count < parsed.payloadLength {
                guard let bytes = try take(parsed.payloadLength - payload.count) else { return }
                payload += bytes
                if payload.count < parsed.payloadLength { return }
            }
            let body = payload
            let descriptors = received
            header = []
            payload = []
            received = []
            try handle(parsed, body, descriptors)
        } catch { stop(error) }
    }

    private func take(_ count: Int) throws(VhostUserFault) -> [UInt8]? {
        guard let connection else { throw .disconnected }
        let message: UnixSocket.Message?
        do throws(SystemError) {
            message = try UnixSocket.receive(
                from: connection.raw, limit: count, mostDescriptors: GuestMemory.mostRegions)
        } catch {
            throw error.code == ECONNRESET ? .disconnected : .system(error)
        }
        guard let message else { return nil }
        guard !message.bytes.isEmpty else { throw .disconnected }
        received += message.descriptors
        guard received.count <= GuestMemory.mostRegions else { throw .message(.badHeader) }
        return message.bytes
    }

    private func handle(
        _ header: MessageHeader, _ body: [UInt8], _ descriptors: [SharedDescriptor]
    ) throws(VhostUserFault) {
        guard let request = Request(rawValue: header.request) else {
            throw .message(.unknownRequest(header.request))
        }
        guard request.lengths.contains(body.count) else { throw .message(.badLength(request: header.request)) }
        guard request.descriptorCounts.contains(descriptors.count) else {
            throw .message(.badDescriptorCount(request: header.request))
        }
        var fields = Fields(body)
        let reply: [UInt8]?
        do throws(MessageFault) {
            reply = try answer(request, &fields, descriptors)
        } catch { throw .message(error) }
        if request == .setMemoryTable { try setMemory(&fields, descriptors) }
        if let reply {
            try send(MessageHeader.reply(to: request, reply))
        } else if header.wantsReply && acknowledged & Self.replyAcknowledgement != 0 {
            try send(MessageHeader.reply(to: request, Fields.bytes(of: UInt64(0))))
        }
    }

    private func send(_ bytes: [UInt8]) throws(VhostUserFault) {
        guard let connection else { return }
        do throws(SystemError) {
            guard try UnixSocket.send(bytes, to: connection.raw) == bytes.count else {
                throw SystemError("send", code: EAGAIN)
            }
        } catch {
            switch error.code {
            case EPIPE, ECONNRESET: throw .disconnected
            case EAGAIN: throw .message(.replyNotTaken)
            default: throw .system(error)
            }
        }
    }

    /// The payload of the reply, for requests that have one.
    private func answer(
        _ request: Request, _ fields: inout Fields, _ descriptors: [SharedDescriptor]
    ) throws(MessageFault) -> [UInt8]? {
        switch request {
        case .getFeatures: return Fields.bytes(of: offeredFeatures)
        case .setFeatures: try setFeatures(fields.next() ?? 0)
        case .getProtocolFeatures: return Fields.bytes(of: Self.offeredProtocol)
        case .setProtocolFeatures:
            let wanted: UInt64 = fields.next() ?? 0
            guard wanted & ~Self.offeredProtocol == 0 else { throw .featuresNotOffered }
            acknowledged = wanted
        case .getQueueCount: return Fields.bytes(of: UInt64(rings.count))
        case .setOwner: break
        case .resetOwner: for index in rings.indices { stopRing(index) }
        case .setMemoryTable: break
        case .getConfiguration: return try readConfiguration(&fields)
        case .setConfiguration: break
        case .setRingSize, .setRingBase, .getRingBase, .setRingEnable:
            let index: UInt32 = fields.next() ?? .max
            let value: UInt32 = fields.next() ?? 0
            guard Int(index) < rings.count else { throw .ringIndex }
            return try setRing(request, Int(index), value)
        case .setRingAddress:
            let index: UInt32 = fields.next() ?? .max
            guard Int(index) < rings.count else { throw .ringIndex }
            try setAddress(rings[Int(index)], &fields)
        case .setRingKick, .setRingCall, .setRingError:
            let value: UInt64 = fields.next() ?? .max
            let index = Int(value & 0xFF)
            guard index < rings.count, value >> 9 == 0 else { throw .ringIndex }
            guard (value & 0x100 != 0) == descriptors.isEmpty else {
                throw .badDescriptorCount(request: request.rawValue)
            }
            try setDescriptor(request, index, descriptors.first)
        }
        return nil
    }

    private var offeredFeatures: UInt64 {
        Self.versionOne | Self.protocolFeatures | Self.indirectDescriptors | Self.eventIndex | (device?.features ?? 0)
    }

    private func setFeatures(_ wanted: UInt64) throws(MessageFault) {
        guard wanted & ~offeredFeatures == 0 else { throw .featuresNotOffered }
        guard !rings.contains(where: { $0.queue != nil }) || wanted == features else { throw .ringWhileRunning }
        features = wanted
    }

    private func readConfiguration(_ fields: inout Fields) throws(MessageFault) -> [UInt8] {
        let space = device?.configuration ?? []
        let offset: UInt32 = fields.next() ?? .max
        let size: UInt32 = fields.next() ?? .max
        let flags: UInt32 = fields.next() ?? 0
        guard Int(size) == fields.rest.count, Int(offset) <= space.count, Int(size) <= space.count - Int(offset) else {
            throw .configurationBounds
        }
        return Fields.bytes(of: offset) + Fields.bytes(of: size) + Fields.bytes(of: flags)
            + space[Int(offset)..<Int(offset) + Int(size)]
    }

    private func setMemory(_ fields: inout Fields, _ descriptors: [SharedDescriptor]) throws(VhostUserFault) {
        let count: UInt32 = fields.next() ?? 0
        _ = fields.next(UInt32.self)
        guard Int(count) == descriptors.count, fields.rest.count == 32 * Int(count) else {
            throw .message(.regionCount)
        }
        var regions: [GuestMemory.Region] = []
        while let guestAddress = fields.next(UInt64.self), let size = fields.next(UInt64.self),
            let hypervisorAddress = fields.next(UInt64.self), let offset = fields.next(UInt64.self)
        {
            regions.append(
                GuestMemory.Region(
                    guestAddress: guestAddress, size: size, hypervisorAddress: hypervisorAddress, offset: offset))
        }
        let memory = try GuestMemory(regions, from: descriptors)
        do throws(MessageFault) {
            for ring in rings { try ring.queue?.move(to: memory) }
        } catch { throw .message(error) }
        self.memory = memory
    }
}
