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

/// What a driver put into a ring, in words for a person.
package enum RingFault: String, Error, Sendable {
    case availableIndexTooFarAhead = "the available index ran ahead of the ring"
    case headOutsideRing = "a chain begins outside the ring"
    case chainTooLong = "a chain is endless or too long"
    case nextOutsideTable = "a chain leads outside its table"
    case unknownFlags = "a descriptor has unknown flags"
    case emptyBuffer = "a buffer is empty"
    case bufferOutsideMemory = "a buffer lies outside the guest's memory"
    case readableAfterWritable = "a readable buffer follows a writable one"
    case indirectTableSize = "an indirect table has an impossible size"
    case indirectTableOutsideMemory = "an indirect table lies outside the guest's memory"
    case indirectTableNested = "an indirect table is in another one"
    case indirectTableHasNext = "a chain goes on after an indirect table"
    case indirectNotNegotiated = "an indirect table was not agreed on"
    case wrongDirection = "a buffer is lent in the wrong direction"
    case bufferTooSmall = "a buffer is too small for what it holds"
}

extension VhostUserFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .disconnected: "the machine's process ended"
        case .message(let fault): "the hypervisor broke the vhost-user protocol: \(fault)"
        case .ring(let fault): "the guest's driver broke its ring: \(fault.rawValue)"
        case .device(let reason): reason
        case .system(let error): "\(error)"
        }
    }
}
