import Glibc
import MachineDouble
import Relay
import System
import Testing
import Wire

/// A relay with everybody around it in one thread: hypervisor and guest, a daemon, clients. Waiting turns its loop.
final class RelayBench {
    static let secret = [UInt8](1...32)
    static let proof = [UInt8](101...132)

    let loop: EventLoop
    let relay: Relay
    let directory: String
    let hypervisor: DoubleHypervisor
    let driver: DoubleVsockDriver
    private var daemon: SharedDescriptor?
    private(set) var events: [RelayEvent] = []
    private var decoder = FrameDecoder()
    private var decoded = 0
    private(set) var frames: [Frame] = []
    private var lastRequest: UInt32 = 0

    init(daemonUID: UInt32 = getuid(), setUp: Bool = true, limits: Relay.Limits = Relay.Limits()) throws {
        var template = Array("/tmp/relay-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        loop = try EventLoop()
        relay = try Relay(
            loop: loop,
            sockets: Relay.Sockets(
                vsock: UnixSocket.listen(at: directory + "/vsock"),
                console: UnixSocket.listen(at: directory + "/console"),
                control: UnixSocket.listen(at: directory + "/control", kind: .packets)),
            daemonUID: daemonUID, limits: limits, log: { _ in })
        let machine = SharedDescriptor(try UnixSocket.connect(to: directory + "/vsock"))
        hypervisor = try DoubleHypervisor(connection: machine, loop: loop)
        driver = try DoubleVsockDriver(hypervisor: hypervisor, memory: DoubleMemory())
        try connectDaemon()
        if setUp {
            try command { .setUp(request: $0, secret: Self.secret, proof: Self.proof) }
            try expectDone()
        }
    }

    deinit { try? Files.removeTree(directory) }

    // MARK: The daemon

    func connectDaemon() throws {
        daemon = SharedDescriptor(try UnixSocket.connect(to: directory + "/control", kind: .packets))
    }

    func disconnectDaemon() { daemon = nil }

    /// Sends a command; its number.
    @discardableResult
    func command(_ descriptors: [Int32] = [], _ make: (UInt32) -> RelayCommand) throws -> UInt32 {
        lastRequest += 1
        try sendToRelay(make(lastRequest).encoded, descriptors)
        return lastRequest
    }

    func sendToRelay(_ bytes: [UInt8], _ descriptors: [Int32] = []) throws {
        let daemon = try #require(self.daemon)
        _ = try UnixSocket.send(bytes, descriptors: descriptors, to: daemon.raw)
    }

    /// The daemon is still connected.
    func daemonIsConnected() throws -> Bool {
        for _ in 0..<10 { try turn() }
        return daemon != nil
    }

    private func takeEvents() throws {
        while let raw = daemon?.raw, let message = try UnixSocket.receive(from: raw) {
            if message.bytes.isEmpty { daemon = nil } else { events.append(try RelayEvent(message.bytes)) }
        }
    }

    func expectDone(_ location: SourceLocation = #_sourceLocation) throws {
        let request = lastRequest
        #expect(try waitFor { $0.events.contains(.done(request: request)) }, sourceLocation: location)
    }

    func phases() -> [RelayEvent.Phase] {
        events.compactMap { if case .phase(let phase, _, _) = $0 { phase } else { nil } }
    }

    /// Why the session failed, once it has.
    func failure() throws -> String? {
        _ = try waitFor { $0.phases().last == .failed }
        if case .phase(.failed, _, let text) = events.last(where: { if case .phase = $0 { true } else { false } }) {
            return text
        }
        return nil
    }

    // MARK: The guest

    func send(_ frame: Frame) throws { try driver.write(frame.encoded) }

    private func takeFrames() throws {
        driver.pump()
        if driver.received.count > decoded {
            decoder.append(driver.received[decoded...])
            decoded = driver.received.count
        }
        while let frame = try decoder.next() { frames.append(frame) }
    }

    /// Waits for the next frame to the guest that fits, and takes it and those before it.
    func frame(_ kind: FrameKind, _ location: SourceLocation = #_sourceLocation) throws -> Frame {
        #expect(try waitFor { $0.frames.contains { $0.kind == kind } }, "no \(kind) came", sourceLocation: location)
        let index = try #require(frames.firstIndex { $0.kind == kind }, sourceLocation: location)
        defer { frames.removeSubrange(...index) }
        return frames[index]
    }

    func takeAllFrames() -> [Frame] {
        defer { frames = [] }
        return frames
    }

    func greet(secret: [UInt8] = RelayBench.secret) throws {
        #expect(try driver.connect())
        decoded = 0
        decoder = FrameDecoder()
        try send(Frame(.hello, payload: Hello(lowestVersion: 1, highestVersion: 1, secret: secret).encoded))
    }

    func becomeReady() throws {
        try greet()
        _ = try frame(.welcome)
        try send(Frame(.ready, payload: Ready(uptimeMilliseconds: 1500, agentVersion: "1").encoded))
        #expect(try waitFor { $0.phases().last == .ready })
    }

    /// Lets a process start; its number.
    func open(
        _ client: RelayCommand.Run.Client, main: Bool = false, logged: Bool = false, hasInput: Bool = false,
        reply: String = "{}", _ descriptors: [Int32] = []
    ) throws -> UInt32 {
        let request = try command(descriptors) {
            .run(
                request: $0,
                RelayCommand.Run(
                    client: client, main: main, logged: logged, hasInput: hasInput, reply: reply,
                    process: ProcessSpecification(arguments: ["true"])))
        }
        let number = try frame(.open).stream
        try send(Frame(.opened, stream: number, payload: Opened(pid: 42).encoded))
        #expect(try waitFor { $0.events.contains(.started(request: request, pid: 42)) })
        return number
    }

    // MARK: Waiting

    func turn() throws {
        try loop.turn(limit: .zero)
        try takeFrames()
        try takeEvents()
    }

    func waitFor(_ condition: (RelayBench) throws -> Bool) throws -> Bool {
        for _ in 0..<5000 {
            if try condition(self) { return true }
            try loop.turn(limit: .milliseconds(1))
            try takeFrames()
            try takeEvents()
        }
        return false
    }
}

/// A client's end of its connection.
final class DoubleClient {
    let mine: SharedDescriptor
    private var theirs: SharedDescriptor?
    private(set) var bytes: [UInt8] = []
    private var decoder = FrameDecoder()
    private(set) var frames: [Frame] = []
    private(set) var isClosed = false
    private var hasReply = false

    init() throws {
        let ends = try UnixSocket.pair().split()
        mine = ends.first
        theirs = ends.second
    }

    /// The end to pass to the relay.
    var passed: Int32 { theirs?.raw ?? -1 }
    /// The daemon closes its copy.
    func handOver() { theirs = nil }

    func send(_ frame: Frame) throws { _ = try UnixSocket.send(frame.encoded, to: mine.raw) }
    func send(raw: [UInt8]) throws { _ = try UnixSocket.send(raw, to: mine.raw) }

    /// Reads what is there, at most so much.
    func read(limit: Int = 1 << 20) throws {
        var left = limit
        while left > 0, !isClosed, let message = try? UnixSocket.receive(from: mine.raw, limit: min(left, 64 << 10)) {
            if message.bytes.isEmpty { isClosed = true }
            bytes += message.bytes
            left -= message.bytes.count
        }
    }

    /// Reads frames after the reply.
    func readFrames() throws {
        try read()
        if !hasReply {
            guard let end = bytes.firstIndex(of: 0) else { return }
            hasReply = true
            decoder.append(bytes[(end + 1)...])
        } else {
            decoder.append(bytes)
        }
        bytes = []
        while let frame = try decoder.next() { frames.append(frame) }
    }

    func waitForFrames(_ bench: RelayBench, _ condition: (DoubleClient) -> Bool) throws -> Bool {
        try bench.waitFor { _ in
            try readFrames()
            return condition(self)
        }
    }

    var output: [UInt8] { frames.filter { $0.kind == .data && $0.channel == 1 }.flatMap(\.payload) }
}
