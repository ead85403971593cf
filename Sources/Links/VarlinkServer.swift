package import Contract
internal import Core
internal import Glibc
package import System

/// Listens for varlink clients and hands each whole message to one function, a call at a time for each connection.
///
/// Everything it keeps belongs to the I/O thread. A client costs at most one message's bytes; whoever sends half a
/// message and waits, or opens too many connections, is cut off.
package final class VarlinkServer: Sendable {
    package struct Limits: Sendable {
        package var connections = 256
        package var connectionsPerUser = 64
        /// For the rest of a message whose first byte has come.
        package var patience = Duration.seconds(30)
        package init() {}
    }

    package struct Handlers: Sendable {
        let admits: @Sendable (PeerCredentials) -> Bool
        let serve: @Sendable ([UInt8], any ClientConnection) async -> Void
        let came: @Sendable () async -> Void
        let left: @Sendable () async -> Void
        let log: @Sendable (String) -> Void

        package init(
            admits: @escaping @Sendable (PeerCredentials) -> Bool,
            serve: @escaping @Sendable ([UInt8], any ClientConnection) async -> Void,
            came: @escaping @Sendable () async -> Void, left: @escaping @Sendable () async -> Void,
            log: @escaping @Sendable (String) -> Void
        ) {
            self.admits = admits
            self.serve = serve
            self.came = came
            self.left = left
            self.log = log
        }
    }

    private let io: IOThread
    private let state: State

    package init(io: IOThread, listener: consuming FileDescriptor, limits: Limits = Limits(), handlers: Handlers) {
        self.io = io
        let state = State(listener: listener, limits: limits, handlers: handlers, io: io)
        self.state = state
        io.remote.submit { state.listen($0) }
    }

    /// Accepts nobody any more and lets go of everybody.
    package func close() async {
        let state = self.state
        let done = Promise<Void>()
        io.remote.submit { loop in
            state.close(loop)
            done.resolve(.success(()))
        }
        try? await done.value()
    }

    deinit {
        let state = self.state
        io.remote.submit { state.close($0) }
    }

    /// Used on the I/O thread only, which keeps it until it is closed.
    private final class State: @unchecked Sendable {
        let listener: FileDescriptor
        let limits: Limits
        let handlers: Handlers
        let io: IOThread
        var connections: [ObjectIdentifier: VarlinkConnection] = [:]
        var isClosed = false

        init(listener: consuming FileDescriptor, limits: Limits, handlers: Handlers, io: IOThread) {
            self.listener = listener
            self.limits = limits
            self.handlers = handlers
            self.io = io
        }

        func listen(_ loop: EventLoop) {
            guard !isClosed else { return }
            do {
                try loop.watch(listener.raw, .readable) { [self, unowned loop] _ in acceptAll(loop) }
            } catch { handlers.log("cannot listen: \(error)") }
        }

        func close(_ loop: EventLoop) {
            isClosed = true
            loop.unwatch(listener.raw)
            for connection in connections.values { connection.close(loop) }
        }

        private func acceptAll(_ loop: EventLoop) {
            do throws(SystemError) {
                while let descriptor = try UnixSocket.accept(listener) {
                    let socket = SharedDescriptor(descriptor)
                    admit(socket, try UnixSocket.peer(ofRaw: socket.raw), loop)
                }
            } catch {
                // Out of descriptors: a listener left readable would spin.
                handlers.log("cannot accept: \(error)")
                loop.unwatch(listener.raw)
                loop.after(.seconds(1)) { [self, unowned loop] in listen(loop) }
            }
        }

        private func admit(_ socket: SharedDescriptor, _ peer: PeerCredentials, _ loop: EventLoop) {
            guard handlers.admits(peer) else {
                handlers.log("refused a connection of user \(peer.uid)")
                return
            }
            let ofUser = connections.values.reduce(0) { $0 + ($1.caller.uid == peer.uid ? 1 : 0) }
            guard connections.count < limits.connections, ofUser < limits.connectionsPerUser else {
                handlers.log("refused a connection of user \(peer.uid): \(ofUser) are open")
                VarlinkConnection.refuse(socket)
                return
            }
            let connection = VarlinkConnection(
                socket: socket, caller: Caller(uid: peer.uid, pid: peer.pid), io: io, patience: limits.patience,
                serve: handlers.serve)
            let id = ObjectIdentifier(connection)
            connections[id] = connection
            let handlers = self.handlers
            Task { await handlers.came() }
            connection.open(loop) { [self] in
                if connections.removeValue(forKey: id) != nil { Task { await handlers.left() } }
            }
        }
    }
}
