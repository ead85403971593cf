internal import CLinux
package import Contract
internal import Core
internal import FoundationEssentials
internal import Glibc
package import System

/// Serves the daemon on the control socket. Daemons come one after the other: the latest connection is the one that
/// counts. Everything here runs on the event loop's thread; what blocks runs in `calls`, on workers.
package final class HypervisorServer {
    private final class Connection {
        let descriptor: FileDescriptor
        let serial: UInt64
        var input: [UInt8] = []
        var output: [UInt8] = []
        init(_ descriptor: consuming FileDescriptor, serial: UInt64) {
            self.descriptor = descriptor
            self.serial = serial
        }
    }

    /// A request names paths and a few numbers; an answer is read as fast as it is written.
    private static let largestRequest = 1 << 20
    private static let mostUnsent = 4 << 20
    /// With no daemon and no machine there is nothing to wait for.
    package static let idleLimit = Duration.seconds(60)

    private let loop: EventLoop
    private let listener: FileDescriptor
    private let expectedUID: UInt32
    private let calls: HypervisorCalls
    private let idleLimit: Duration
    private let workers = Workers(name: "libvirt-call", limit: 8)
    private var connection: Connection?
    private var nextSerial: UInt64 = 1
    private var idleTimer: EventLoop.Timer?

    package init(
        loop: EventLoop, listener: consuming FileDescriptor, daemonUID: UInt32, calls: HypervisorCalls,
        idleLimit: Duration = HypervisorServer.idleLimit
    ) throws(SystemError) {
        self.loop = loop
        self.listener = listener
        expectedUID = try PeerIdentity.asSeenHere(daemonUID)
        self.calls = calls
        self.idleLimit = idleLimit
        let raw = self.listener.raw
        try systemCall("fcntl") { cl_set_nonblocking(raw, 1) }
        try loop.watch(raw, .readable) { [unowned self] _ in acceptAll() }
        waitForIdle()
    }

    /// Tells what became of the machines of an earlier process, once libvirt knows; and lets libvirt get to know QEMU,
    /// so that the first start need not wait for it.
    package func takeStock() {
        let (calls, remote) = (calls, remote)
        workers.submit {
            for event in calls.perform(.list).afterwards?() ?? [] { remote.tell(event) }
            _ = calls.perform(.report)
        }
    }

    /// How any thread reaches this server.
    package var remote: Remote { Remote(server: self, loop: loop.remote) }

    /// Carries the server's name, not its use, to other threads: it is only followed on the loop's.
    package struct Remote: @unchecked Sendable {
        fileprivate unowned let server: HypervisorServer
        fileprivate let loop: EventLoop.Remote

        package func tell(_ event: MachineEvent) {
            loop.submit { _ in
                server.send(HypervisorReply(number: nil, result: .event(event)), to: server.connection?.serial)
                server.waitForIdle()
            }
        }

        fileprivate func answer(_ number: UInt64, _ result: HypervisorReply.Result, to serial: UInt64, ends: Bool) {
            loop.submit { _ in
                server.send(HypervisorReply(number: number, result: result), to: serial)
                if ends { server.loop.stop() }
            }
        }
    }

    private func acceptAll() {
        do throws(SystemError) {
            while let descriptor = try UnixSocket.accept(listener) {
                let peer = try UnixSocket.peer(ofRaw: descriptor.raw)
                guard peer.uid == expectedUID else {
                    Log.write("a connection of user \(peer.uid) was refused")
                    continue
                }
                try adopt(descriptor)
            }
        } catch { Log.write("a connection could not be accepted: \(error)") }
    }

    private func adopt(_ descriptor: consuming FileDescriptor) throws(SystemError) {
        close()
        let new = Connection(descriptor, serial: nextSerial)
        nextSerial += 1
        connection = new
        try loop.watch(new.descriptor.raw, [.readable, .peerClosed]) { [unowned self] readiness in
            guard connection === new else { return }
            if readiness.contains(.writable) { flush(new) }
            if connection === new, readiness != .writable { read(new) }
        }
    }

    private func close() {
        guard let old = connection else { return }
        loop.unwatch(old.descriptor.raw)
        connection = nil
        waitForIdle()
    }

    private func read(_ connection: Connection) {
        do throws(SystemError) {
            guard let message = try UnixSocket.receive(from: connection.descriptor.raw, mostDescriptors: 0) else {
                return
            }
            guard !message.bytes.isEmpty else { return close() }
            connection.input += message.bytes
        } catch {
            Log.write("the daemon's connection broke: \(error)")
            return close()
        }
        while let end = connection.input.firstIndex(of: 0) {
            let request = Array(connection.input[..<end])
            connection.input.removeFirst(end + 1)
            guard handle(request, from: connection) else { return close() }
        }
        if connection.input.count > Self.largestRequest { close() }
    }

    private func handle(_ bytes: [UInt8], from connection: Connection) -> Bool {
        guard let request = try? JSONDecoder().decode(HypervisorRequest.self, from: Data(bytes)) else {
            Log.write("the daemon sent a request that is not understood")
            return false
        }
        let (calls, remote, serial) = (calls, remote, connection.serial)
        workers.submit {
            let outcome = calls.perform(request.call)
            remote.answer(request.number, outcome.result, to: serial, ends: outcome.ends)
            for event in outcome.afterwards?() ?? [] { remote.tell(event) }
        }
        return true
    }

    private func send(_ reply: HypervisorReply, to serial: UInt64?) {
        guard let connection, connection.serial == serial, let bytes = try? JSONEncoder().encode(reply) else { return }
        connection.output += bytes + [0]
        flush(connection)
    }

    private func flush(_ connection: Connection) {
        do throws(SystemError) {
            while !connection.output.isEmpty {
                guard let sent = try UnixSocket.send(connection.output, to: connection.descriptor.raw) else { break }
                connection.output.removeFirst(sent)
            }
            if connection.output.count > Self.mostUnsent { return close() }
            try loop.change(
                connection.descriptor.raw,
                connection.output.isEmpty ? [.readable, .peerClosed] : [.readable, .peerClosed, .writable])
        } catch { close() }
    }

    /// Looks again after a while whether anybody is here or anything runs.
    private func waitForIdle() {
        if let idleTimer { loop.cancel(idleTimer) }
        idleTimer = loop.after(idleLimit) { [unowned self] in
            idleTimer = nil
            if connection == nil && calls.machineCount == 0 { loop.stop() }
        }
    }
}

/// How the kernel names a user to a process in a user namespace.
enum PeerIdentity {
    /// Our own namespace maps our own user only. Every other user, root too, appears as the overflow user: then it is
    /// the socket's directory, which only the daemon's user can enter, that keeps the rest out, and this check keeps out
    /// QEMU, which runs as our own user.
    static func asSeenHere(_ uid: UInt32) throws(SystemError) -> UInt32 {
        guard uid != geteuid() else { return uid }
        let map = try Files.text(ofFile: "/proc/self/uid_map", limit: 4096)
        for line in map.split(separator: "\n") {
            let numbers = line.split(separator: " ").compactMap { UInt64($0) }
            // The whole range: no user namespace of our own, as in a test.
            if numbers.count == 3, numbers[0] == 0, numbers[1] == 0, UInt64(uid) < numbers[2] { return uid }
        }
        return UInt32(try Files.text(ofFile: "/proc/sys/kernel/overflowuid", limit: 32).prefix { $0.isNumber }) ?? 65534
    }
}
