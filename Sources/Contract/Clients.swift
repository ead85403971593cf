package import Core

/// Who calls, as the kernel recorded it when the connection was made.
package struct Caller: Sendable, Hashable {
    package let uid: UInt32
    package let pid: Int32

    package init(uid: UInt32, pid: Int32) {
        self.uid = uid
        self.pid = pid
    }
}

/// The connection of a program that calls the daemon. It carries one call at a time; while one is answered its task is
/// cancelled when the client goes away.
package protocol ClientConnection: Sendable {
    var caller: Caller { get }
    /// Sends one message; answers once the kernel has all of it, however long the client takes to read.
    func send(_ message: [UInt8]) async throws(Fault)
    /// Sends one message unless an earlier one still waits: for progress that a slow reader may miss.
    func offer(_ message: [UInt8]) async
    /// The connection itself, to be handed to another process: all that was sent has left, nothing more is read here.
    func lend() async throws(Fault) -> any PassedDescriptor
    /// Closes it once the call is answered. A process it was lent to keeps it.
    func closeAfterCall() async
}
