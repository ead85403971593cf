package import System

/// Why a device stopped. Each is the other side's doing, or a call of ours that failed; none can be continued from.
package enum VhostUserFault: Error, Sendable, Equatable {
    /// The hypervisor closed the connection: its process ended, or it removed the device.
    case disconnected
    /// The hypervisor sent what the protocol or this device does not allow.
    case message(MessageFault)
    /// The guest's driver put something into a ring that a driver must not.
    case ring(RingFault)
    /// The device found something in a request that it cannot go on from.
    case device(String)
    case system(SystemError)
}

package enum MessageFault: Error, Sendable, Equatable {
    case badHeader
    case unknownRequest(UInt32)
    case badLength(request: UInt32)
    case badDescriptorCount(request: UInt32)
    case featuresNotOffered
    case driverTooOld
    case regionCount
    case regionBounds
    case regionsOverlap
    case regionLargerThanFile
    case memoryMayShrink
    case noMemory
    case ringIndex
    case ringSize
    case ringAddress
    case ringWhileRunning
    case noKickDescriptor
    case configurationBounds
    case replyNotTaken
}

package enum RingFault: Error, Sendable, Equatable {
    case availableIndexTooFarAhead
    case headOutsideRing
    case chainTooLong
    case nextOutsideTable
    case unknownFlags
    case emptyBuffer
    case bufferOutsideMemory
    case readableAfterWritable
    case indirectTableSize
    case indirectTableOutsideMemory
    case indirectTableNested
    case indirectTableHasNext
    case indirectNotNegotiated
    case wrongDirection
    case bufferTooSmall
}

extension VhostUserFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .disconnected: "the machine's process ended"
        case .message(let fault): "the hypervisor broke the vhost-user protocol: \(fault)"
        case .ring(let fault): "the guest's driver broke its ring: \(fault)"
        case .device(let reason): reason
        case .system(let error): "\(error)"
        }
    }
}
