internal import System

/// One stream between the guest and the host, as the device keeps it. Belongs to the device's loop.
///
/// What the guest sends is consumed at once, so its window is always open; whoever uses the stream bounds what comes by
/// rules of its own. What goes to the guest waits here until the guest has room.
package final class VsockConnection {
    package enum End: Sendable, Equatable {
        /// The guest closed it or reset it.
        case byGuest
        /// The guest broke the transport's rules; the text says how.
        case violation(String)
        /// The guest was restarted.
        case guestReset
        /// The device is gone.
        case deviceStopped
    }

    /// Room the guest is told it has for what it sends.
    static let window: UInt32 = 256 << 10
    /// Packets the guest has not acknowledged. Newer kernels reset a stream on which many small ones queue; 64 full
    /// ones fill the usual window, so bulk data never waits for this.
    static let mostUnacknowledged = 128

    package let guest: VsockAddress
    package let host: VsockAddress
    package private(set) var isOpen = true

    private var outgoing = ByteQueue()
    private var sent: UInt32 = 0
    private var guestAllocation: UInt32 = 0
    private var guestForwarded: UInt32 = 0
    /// Where each unacknowledged packet ends, as a count of bytes sent.
    private var unacknowledged: [UInt32] = []
    private var received: UInt32 = 0
    private var advertised: UInt32 = 0
    private var isUpdateQueued = false
    /// The guest was asked for a credit update and has not answered.
    var hasAskedForCredit = false

    init(guest: VsockAddress, host: VsockAddress) {
        self.guest = guest
        self.host = host
    }

    /// Bytes that wait for the guest.
    package var waitingCount: Int { outgoing.count }

    /// Queues bytes; the device's `flush` sends what the guest has room for.
    package func send(_ bytes: [UInt8]) {
        if isOpen { outgoing.append(bytes) }
    }

    func close() {
        isOpen = false
        outgoing.removeAll()
    }

    // MARK: To the guest

    private var inFlight: UInt32 { sent &- guestForwarded }

    /// How many bytes could go now.
    var sendable: Int {
        guard isOpen, unacknowledged.count < Self.mostUnacknowledged else { return 0 }
        let room = max(0, Int(guestAllocation) - Int(inFlight))
        return min(room, outgoing.count)
    }

    /// It waits for an acknowledgement of small packets, which the guest sends only when it is asked.
    var needsAcknowledgement: Bool {
        isOpen && !outgoing.isEmpty && unacknowledged.count >= Self.mostUnacknowledged
    }

    /// The next bytes, which `body` copies; how many it took.
    func sendPrefix(_ limit: Int, _ body: (UnsafeRawBufferPointer) -> Bool) -> Int? {
        let count = min(limit, sendable)
        guard outgoing.withPrefix(count, body) else { return nil }
        outgoing.removeFirst(count)
        sent &+= UInt32(truncatingIfNeeded: count)
        unacknowledged.append(sent)
        return count
    }

    /// A header to the guest; `stamp` completes it when it leaves.
    func header(_ operation: PacketHeader.Operation) -> PacketHeader {
        if operation == .creditUpdate { isUpdateQueued = true }
        return PacketHeader(from: host, to: guest, operation)
    }

    /// Tells the guest how much room it has, as of now.
    func stamp(_ header: inout PacketHeader) {
        header.bufferAllocation = Self.window
        header.forwardedCount = received
        advertised = received
        isUpdateQueued = false
    }

    // MARK: From the guest

    /// Takes the counters that every packet carries. False when they cannot be true.
    func update(_ header: PacketHeader) -> Bool {
        guestAllocation = header.bufferAllocation
        let progress = header.forwardedCount &- guestForwarded
        if progress <= inFlight {
            guestForwarded = header.forwardedCount
            if progress > 0 {
                let left = inFlight
                unacknowledged.removeAll { sent &- $0 >= left }
                hasAskedForCredit = false
            }
            return true
        }
        // A packet that was made before another and sent after it says less than we know; more than was sent is a lie.
        return progress > UInt32.max / 2
    }

    /// False when the guest sent more than it was given room for.
    func accept(_ count: Int) -> Bool {
        received &+= UInt32(truncatingIfNeeded: count)
        return received &- advertised <= Self.window
    }

    /// The guest has used so much of its window that it should hear that it is open again.
    var shouldAdvertise: Bool { !isUpdateQueued && received &- advertised >= Self.window / 2 }
}
