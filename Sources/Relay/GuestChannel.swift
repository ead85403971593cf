internal import System
internal import Vsock
internal import Wire

/// The one control connection of a guest: its handshake, its frames, and what is on its way to it.
final class GuestChannel {
    enum State: Equatable {
        /// No connection yet.
        case waiting
        /// Connected; it has not proved itself.
        case greeting
        /// It proved itself and mounts its root.
        case proven
        case ready
        /// Nothing more comes of it.
        case over
    }

    /// What the guest must show, and what it is shown.
    struct Secret {
        let guest, host: [UInt8]
    }

    /// More waiting than this stops the clients.
    private static let high = 1 << 20
    private static let low = 512 << 10
    /// More waiting than this means that the guest asks without reading the answers.
    private static let highest = 8 << 20

    private(set) var state = State.waiting
    var secret: Secret?
    private var connection: VsockConnection?
    private var decoder = FrameDecoder()

    /// Takes a connection from a port that only guest root can bind, once.
    func accepts(from guest: VsockAddress, to host: VsockAddress) -> Bool {
        state == .waiting && secret != nil && host.port == Wire.controlPort && guest.port < 1024
    }

    func open(_ connection: VsockConnection) {
        self.connection = connection
        state = .greeting
    }

    func isCurrent(_ connection: VsockConnection) -> Bool { self.connection === connection }

    /// Gives up the connection; whoever ends it does the rest.
    func close() -> VsockConnection? {
        state = .over
        defer { connection = nil }
        return connection
    }

    func send(_ frame: Frame) { connection?.send(frame.encoded) }

    var isFull: Bool { (connection?.waitingCount ?? 0) > Self.high }
    var hasRoomAgain: Bool { (connection?.waitingCount ?? 0) < Self.low }
    var isStuck: Bool { (connection?.waitingCount ?? 0) > Self.highest }

    /// Takes bytes; `next` then has the frames in them.
    func append(_ bytes: [UInt8]) { decoder.append(bytes) }
    func next() throws(WireError) -> Frame? { state == .over ? nil : try decoder.next() }

    /// Judges the first frame and answers it; what is wrong, if anything.
    func greet(_ frame: Frame) throws(WireError) -> String? {
        guard frame.kind == .hello, frame.stream == 0, let secret else { return "no hello" }
        let hello = try Hello(payload: frame.payload)
        guard Self.isSame(hello.secret, secret.guest) else { return "it did not prove itself" }
        guard (hello.lowestVersion...max(hello.lowestVersion, hello.highestVersion)).contains(Wire.version) else {
            return "it speaks versions \(hello.lowestVersion) to \(hello.highestVersion), we speak \(Wire.version)"
        }
        state = .proven
        send(Frame(.welcome, payload: Welcome(version: Wire.version, proof: secret.host).encoded))
        return nil
    }

    func becomeReady() { state = .ready }

    /// Takes as long whatever the bytes are.
    private static func isSame(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        var difference: UInt8 = 0
        for index in one.indices { difference |= one[index] ^ other[index] }
        return difference == 0
    }
}
