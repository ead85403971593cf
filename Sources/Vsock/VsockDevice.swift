package import System
package import VhostUser

/// Who listens on the host's side of a guest's vsock. Called on the device's loop.
package protocol VsockHost: AnyObject {
    /// Whether a guest's connection is taken; otherwise it is reset.
    func accepts(from guest: VsockAddress, to host: VsockAddress) -> Bool
    func opened(_ connection: VsockConnection)
    func received(_ bytes: [UInt8], on connection: VsockConnection)
    /// Bytes left for the guest since the last time.
    func sent(on connection: VsockConnection)
    /// It is over; not called for connections that `reset` ended.
    func closed(_ connection: VsockConnection, _ end: VsockConnection.End)
    /// The device is gone, with why in words for a person; `VsockDevice.fault` has it for programs.
    func deviceStopped(because reason: String)
}

/// A virtio-vsock device for one guest, without a kernel's help. Guests connect to the host; the host connects nowhere.
///
/// Belongs to its loop's thread. A packet that is wrong in itself costs its connection; a ring that is wrong costs the
/// device.
package final class VsockDevice: VhostUserDevice {
    package static let hostCID: UInt64 = 2
    package static let guestCID: UInt64 = 3
    private static let toGuest = 0
    private static let fromGuest = 1
    private static let mostConnections = 16
    private static let largestPacket = 64 << 10
    /// Packets of the guest handled in one turn, so that other descriptors get theirs.
    private static let mostPacketsPerTurn = 256
    /// Answers that wait for a receive buffer; then the guest's packets wait too.
    private static let mostAnswers = 64
    private static let acknowledgementInterval = Duration.milliseconds(5)

    /// Why it stopped, once it has.
    package private(set) var fault: VhostUserFault?
    package let queueCount = 2
    package let features: UInt64 = 0
    package var configuration: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: Self.guestCID >> (UInt64($0) * 8)) }
    }

    private struct Answer {
        var header: PacketHeader
        /// Whose counters it carries.
        let connection: VsockConnection?
    }

    private let loop: EventLoop
    private weak var host: (any VsockHost)?
    private var server: VhostUserServer?
    private var receiveQueue: Virtqueue?
    private var transmitQueue: Virtqueue?
    private var connections: [VsockAddress: VsockConnection] = [:]
    /// Packets without payload, ahead of all data.
    private var answers: [Answer] = []
    private var isFlushing = false
    private var isResumeScheduled = false
    private var isAskScheduled = false

    /// Serves the hypervisor at the other end of `connection`; `host` is not kept alive.
    package init(
        loop: EventLoop, connection: consuming FileDescriptor, host: any VsockHost
    ) throws(SystemError) {
        self.loop = loop
        self.host = host
        server = try VhostUserServer(loop: loop, connection: connection, device: self)
    }

    /// Ends a connection at once; what waits for the guest is dropped.
    package func reset(_ connection: VsockConnection) {
        guard connection.isOpen else { return }
        answer(connection, .reset)
        forget(connection)
        flush()
    }

    /// Ends the device itself.
    package func stop(_ reason: String) { server?.stop(.device(reason)) }

    // MARK: VhostUserDevice

    package func queueStarted(_ index: Int, _ queue: Virtqueue) {
        if index == Self.toGuest { receiveQueue = queue } else { transmitQueue = queue }
        flush()
        takePackets()
    }

    package func queueStopped(_ index: Int) {
        if index == Self.toGuest { receiveQueue = nil } else { transmitQueue = nil }
    }

    package func queueKicked(_ index: Int) {
        if index == Self.toGuest { flush() }
        takePackets()
    }

    package func guestWasReset() {
        answers = []
        closeAll(.guestReset)
    }

    package func stopped(_ fault: VhostUserFault) {
        receiveQueue = nil
        transmitQueue = nil
        self.fault = fault
        closeAll(.deviceStopped)
        host?.deviceStopped(because: "\(fault)")
    }

    private func closeAll(_ end: VsockConnection.End) {
        for connection in Array(connections.values) { close(connection, end) }
    }

    private func close(_ connection: VsockConnection, _ end: VsockConnection.End) {
        guard connection.isOpen else { return }
        forget(connection)
        host?.closed(connection, end)
    }

    private func forget(_ connection: VsockConnection) {
        connection.close()
        if connections[connection.guest] === connection { connections.removeValue(forKey: connection.guest) }
    }

    // MARK: To the guest

    /// Moves what waits into the guest's receive buffers, as far as it has lent any.
    package func flush() {
        guard !isFlushing, let queue = receiveQueue else { return }
        var moved: [VsockConnection] = []
        do throws(RingFault) {
            isFlushing = true
            defer { isFlushing = false }
            repeat { try fillBuffers(of: queue, &moved) } while askForAcknowledgements()
            queue.publish()
        } catch {
            server?.stop(.ring(error))
            return
        }
        for connection in moved where connection.isOpen { host?.sent(on: connection) }
    }

    private func fillBuffers(of queue: Virtqueue, _ moved: inout [VsockConnection]) throws(RingFault) {
        while true {
            let connection = answers.isEmpty ? connections.values.first { $0.sendable > 0 } : nil
            if answers.isEmpty && connection == nil { return }
            guard let chain = try queue.next() else {
                if queue.askForKick() { continue }
                return
            }
            guard chain.readableCount == 0 else { throw .wrongDirection }
            guard chain.writableCount > PacketHeader.length else { throw .bufferTooSmall }
            if let connection {
                queue.complete(chain, written: try fill(chain, from: connection))
                if !moved.contains(where: { $0 === connection }) { moved.append(connection) }
            } else {
                var answer = answers.removeFirst()
                answer.connection?.stamp(&answer.header)
                let header = answer.header.encoded
                guard header.withUnsafeBytes({ chain.write($0, at: 0) }) else { throw .bufferTooSmall }
                queue.complete(chain, written: header.count)
            }
        }
    }

    private func fill(_ chain: DescriptorChain, from connection: VsockConnection) throws(RingFault) -> Int {
        let room = min(chain.writableCount - PacketHeader.length, Self.largestPacket)
        let count = connection.sendPrefix(room) { chain.write($0, at: PacketHeader.length) }
        guard let count else { throw .bufferTooSmall }
        var header = connection.header(.data)
        connection.stamp(&header)
        header.payloadLength = UInt32(clamping: count)
        guard header.encoded.withUnsafeBytes({ chain.write($0, at: 0) }) else { throw .bufferTooSmall }
        return PacketHeader.length + count
    }

    /// A guest acknowledges small packets only when it is asked, and only what its program has read by then: so it is
    /// asked again until it has. True when a question was queued.
    private func askForAcknowledgements() -> Bool {
        let stuck = connections.values.filter { $0.needsAcknowledgement }
        if stuck.isEmpty { return false }
        if !isAskScheduled {
            isAskScheduled = true
            loop.after(Self.acknowledgementInterval) { [weak self] in
                guard let self else { return }
                isAskScheduled = false
                for connection in connections.values { connection.hasAskedForCredit = false }
                flush()
            }
        }
        var asked = false
        for connection in stuck where !connection.hasAskedForCredit && answers.count < Self.mostAnswers {
            connection.hasAskedForCredit = true
            answer(connection, .creditRequest)
            asked = true
        }
        return asked
    }

    // MARK: From the guest

    private func takePackets() {
        guard let queue = transmitQueue else { return }
        var count = 0
        do throws(RingFault) {
            queue.ignoreKicks()
            while transmitQueue === queue {
                // A guest that sends but never lends receive buffers waits here until it does.
                if answers.count >= Self.mostAnswers { break }
                if count == Self.mostPacketsPerTurn {
                    resumeLater()
                    break
                }
                guard let chain = try queue.next() else {
                    if queue.askForKick() { continue }
                    break
                }
                count += 1
                guard chain.writableCount == 0 else { throw .wrongDirection }
                guard let bytes = chain.read(at: 0, count: PacketHeader.length), let header = PacketHeader(bytes),
                    Int(header.payloadLength) <= chain.readableCount - PacketHeader.length
                else { throw .bufferTooSmall }
                let isSmall = Int(header.payloadLength) <= Self.largestPacket
                let payload = isSmall ? chain.read(at: PacketHeader.length, count: Int(header.payloadLength)) : nil
                queue.complete(chain, written: 0)
                handle(header, payload)
            }
            if transmitQueue === queue { queue.publish() }
        } catch {
            server?.stop(.ring(error))
            return
        }
        flush()
    }

    private func resumeLater() {
        guard !isResumeScheduled else { return }
        isResumeScheduled = true
        loop.after(.zero) { [weak self] in
            guard let self else { return }
            isResumeScheduled = false
            takePackets()
        }
    }

    /// `payload` is nil when it is larger than a packet may be.
    private func handle(_ header: PacketHeader, _ payload: [UInt8]?) {
        guard header.sourceCID == Self.guestCID, header.destinationCID == Self.hostCID else { return }
        let operation = PacketHeader.Operation(rawValue: header.operation)
        let guest = VsockAddress(cid: header.sourceCID, port: header.sourcePort)
        let destination = VsockAddress(cid: header.destinationCID, port: header.destinationPort)
        guard header.type == PacketHeader.stream else { return refuse(header) }
        guard let connection = connections[guest], connection.host == destination else {
            if operation == .request { request(header, guest, destination) } else { refuse(header) }
            return
        }
        guard connection.update(header) else { return punish(connection, "acknowledged more than was sent") }
        guard let payload else { return punish(connection, "a packet of more than 64 KiB") }
        switch operation {
        case .data:
            guard connection.accept(payload.count) else { return punish(connection, "sent more than it had room for") }
            if connection.shouldAdvertise { answer(connection, .creditUpdate) }
            if !payload.isEmpty { host?.received(payload, on: connection) }
        case .creditUpdate: break
        case .creditRequest: answer(connection, .creditUpdate)
        case .reset: close(connection, .byGuest)
        case .shutdown:
            answer(connection, .reset)
            close(connection, .byGuest)
        case .request: punish(connection, "a second request for an open connection")
        case .response, nil: punish(connection, "operation \(header.operation)")
        }
    }

    private func request(_ header: PacketHeader, _ guest: VsockAddress, _ destination: VsockAddress) {
        guard connections[guest] == nil, connections.count < Self.mostConnections, let host,
            host.accepts(from: guest, to: destination)
        else { return refuse(header) }
        let connection = VsockConnection(guest: guest, host: destination)
        guard connection.update(header) else { return refuse(header) }
        connections[guest] = connection
        answer(connection, .response)
        host.opened(connection)
    }

    private func answer(_ connection: VsockConnection, _ operation: PacketHeader.Operation) {
        answers.append(Answer(header: connection.header(operation), connection: connection))
    }

    private func punish(_ connection: VsockConnection, _ what: String) {
        answer(connection, .reset)
        close(connection, .violation(what))
    }

    /// Answers a packet of no connection of ours; a reset is never answered.
    private func refuse(_ header: PacketHeader) {
        guard header.operation != PacketHeader.Operation.reset.rawValue else { return }
        var reset = PacketHeader(
            from: VsockAddress(cid: Self.hostCID, port: header.destinationPort),
            to: VsockAddress(cid: Self.guestCID, port: header.sourcePort), .reset)
        reset.type = header.type
        answers.append(Answer(header: reset, connection: nil))
    }
}
