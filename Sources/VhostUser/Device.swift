/// A virtio device whose rings are served here, behind a hypervisor's vhost-user connection. Everything is called on the
/// server's loop.
package protocol VhostUserDevice: AnyObject {
    var queueCount: Int { get }
    /// The device's configuration space, read by the driver.
    var configuration: [UInt8] { get }
    /// Device-specific feature bits, beside the ring's own.
    var features: UInt64 { get }
    /// The queue runs; it may hold requests already.
    func queueStarted(_ index: Int, _ queue: Virtqueue)
    /// The queue must not be touched any more, until it is started again with its state as it is.
    func queueStopped(_ index: Int)
    func queueKicked(_ index: Int)
    /// The guest started anew: whatever it held open is gone.
    func guestWasReset()
    /// The connection is closed. Called once; nothing is called after it.
    func stopped(_ fault: VhostUserFault)
}
