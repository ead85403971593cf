import Glibc
import GuestCore
import System
import Wire

/// A guest's server at one end of a socket pair and a host at the other, both on one loop that the test turns.
///
/// It belongs to one thread: use it inside `onItsOwnThread`.
final class HostSide: ControlChannelOwner {
    let loop: EventLoop
    let machine: RecordingMachine
    /// A directory of this host's own, gone with it.
    let directory: String
    private let server: GuestServer
    private let channel: ControlChannel
    private let hostEnd: Int32
    private(set) var frames: [Frame] = []
    private var output: [UInt32: [UInt8: [UInt8]]] = [:]
    private(set) var endedBecause: String?
    /// Gives back what was received at once.
    var grants = true

    init() throws {
        CurrentProcess.ignoreBrokenPipes()
        directory = try Self.makeDirectory()
        let passwd = directory + "/passwd"
        try Files.replace(passwd, with: "me:x:\(getuid()):\(getgid())::/tmp:/bin/sh\n".utf8)
        loop = try EventLoop()
        let pair = try UnixSocket.pair().split()
        machine = RecordingMachine()
        let guestEnd = ControlChannel(loop: loop, descriptor: FileDescriptor(owning: dup(pair.first.raw)))
        server = GuestServer(
            loop: loop, channel: guestEnd, launcher: ProcessLauncher(standing: .ordinary, passwd: passwd),
            machine: machine)
        hostEnd = dup(pair.second.raw)
        channel = ControlChannel(loop: loop, descriptor: FileDescriptor(owning: hostEnd))
        channel.owner = self
        try channel.start()
        try server.start(version: "test")
    }

    deinit { try? Files.removeTree(directory) }

    private static func makeDirectory() throws -> String {
        var name = Array("/tmp/cowork-guest-test-XXXXXX\0".utf8CString)
        try systemCall("mkdtemp") { mkdtemp(&name) == nil ? -1 : 0 }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func received(_ frame: Frame) {
        guard frame.kind == .data else {
            frames.append(frame)
            return
        }
        output[frame.stream, default: [:]][frame.channel, default: []].append(contentsOf: frame.payload)
        if grants { grant(UInt32(frame.payload.count), stream: frame.stream, channel: frame.channel) }
    }

    func channelHasRoom() {}
    func channelEnded(because reason: String) { endedBecause = reason }

    // What the host does ----------------------------------------------------------------------------------------------

    func send(_ kind: FrameKind, stream: UInt32 = 0, channel number: UInt8 = 0, payload: [UInt8] = []) {
        channel.send(Frame(kind, stream: stream, channel: number, payload: payload))
    }

    func open(_ stream: UInt32 = 1, _ arguments: String..., change: (inout ProcessSpecification) -> Void = { _ in }) {
        var wanted = ProcessSpecification(arguments: arguments, user: "me")
        change(&wanted)
        send(.open, stream: stream, payload: wanted.encoded)
    }

    func input(_ text: String, stream: UInt32 = 1) { send(.data, stream: stream, payload: Array(text.utf8)) }
    func grant(_ bytes: UInt32, stream: UInt32 = 1, channel number: UInt8 = 1) {
        send(.credit, stream: stream, channel: number, payload: Credit(bytes: bytes).encoded)
    }
    func endSoon() { server.refuseProcesses() }
    func closeConnection() { shutdown(hostEnd, Int32(SHUT_RDWR)) }

    // What the host sees ----------------------------------------------------------------------------------------------

    func bytes(_ stream: UInt32 = 1, _ channel: Channel = .output) -> [UInt8] {
        output[stream]?[channel.rawValue] ?? []
    }
    func text(_ stream: UInt32 = 1, _ channel: Channel = .output) -> String {
        String(decoding: bytes(stream, channel), as: UTF8.self)
    }
    func first(_ kind: FrameKind, _ stream: UInt32 = 1) -> Frame? {
        frames.first { $0.kind == kind && $0.stream == stream }
    }
    func exited(_ stream: UInt32 = 1) -> Exited? { first(.exited, stream).flatMap { try? Exited(payload: $0.payload) } }
    func refused(_ stream: UInt32 = 1) -> Refusal? {
        first(.refused, stream).flatMap { try? Refusal(payload: $0.payload) }
    }
    func pid(_ stream: UInt32 = 1) -> Int32? {
        first(.opened, stream).flatMap { try? Opened(payload: $0.payload) }.map { Int32(clamping: $0.pid) }
    }
    /// Ends the process of a stream, if it has one, whatever became of the connection. By descriptor: unlike a number it
    /// can mean nobody else, nor everybody.
    func endProcess(_ stream: UInt32 = 1) {
        if let pid = pid(stream) { _ = Self.endProcess(pid) }
    }
    /// False when there is no such process.
    static func endProcess(_ pid: Int32) -> Bool { (try? Child.adopt(pid: pid))?.signal(SIGKILL) ?? false }
    var credit: Int {
        frames.filter { $0.kind == .credit }.compactMap { try? Credit(payload: $0.payload) }.reduce(0) {
            $0 + Int($1.bytes)
        }
    }

    /// Turns the loop until the condition holds; throws when it does not for too long.
    func run(_ what: String = #function, limit: Duration = .seconds(20), until condition: () -> Bool) throws {
        let end = MonotonicClock.nanoseconds() &+ limit.wholeNanoseconds
        while !condition() {
            guard MonotonicClock.nanoseconds() < end else { throw TooLong(what: what, frames: frames.map(\.kind)) }
            try loop.turn(limit: .milliseconds(200))
        }
    }

    /// Until nothing happens for a moment.
    func runUntilQuiet() throws {
        var quiet = false
        var timer = loop.after(.milliseconds(150)) { quiet = true }
        while !quiet {
            let before = (frames.count, output.values.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.count } })
            try loop.turn(limit: .milliseconds(50))
            if before != (frames.count, output.values.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.count } }) {
                loop.cancel(timer)
                timer = loop.after(.milliseconds(150)) { quiet = true }
            }
        }
    }

    struct TooLong: Error {
        let what: String
        let frames: [FrameKind]
    }
}

/// Remembers what it was asked.
final class RecordingMachine: GuestMachine {
    private(set) var hostnames: [String] = []
    private(set) var mounts: [Mount] = []
    private(set) var graces: [Duration] = []
    private var answers: [(Refused?) -> Void] = []

    func configure(_ configuration: Configure) { hostnames.append(configuration.hostname) }
    func mount(_ mount: Mount, answer: @escaping (Refused?) -> Void) {
        mounts.append(mount)
        answers.append(answer)
    }
    func answer(_ refused: Refused?) { answers.removeFirst()(refused) }
    func unmount(_ unmount: Unmount) throws(Refused) {
        guard mounts.contains(where: { $0.path == unmount.path }) else { throw Refused(.notFound, "not mounted") }
    }
    func status() -> GuestStatus {
        GuestStatus(
            memoryTotal: 7, memoryAvailable: 6, diskTotal: 5, diskAvailable: 4, agentResident: 3, uptimeMilliseconds: 2,
            processes: 1)
    }
    func powerOff(grace: Duration, because reason: String) { graces.append(grace) }
}

/// Runs a body that waits on a thread of its own, so that no test blocks the pool all of them share.
func onItsOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        do {
            try NamedThread.start("guest-test") { continuation.resume(with: Result(catching: body)) }
        } catch { continuation.resume(throwing: error) }
    }
}
