internal import System
internal import Wire

/// What a process's stream sends to, and asks of, the relay.
protocol ProcessStreamOwner: AnyObject {
    func send(_ frame: Frame)
    /// Sends to the guest what was queued.
    func flushToGuest()
    /// The client is gone, or has taken everything after the process's end.
    func clientEnded(of stream: ProcessStream)
}

/// One process of the guest and its client: who may send how much, and what may still be sent.
final class ProcessStream {
    /// Relay-made grants are not smaller, so that they cost little.
    private static let grantStep = 64 << 10
    private static let hangup: UInt8 = 1
    private static let kill: UInt8 = 9

    private enum Phase { case opening, running, over }

    private struct Output {
        /// How much the guest may still send.
        var room = UInt64(Wire.initialWindow)
        var hasEnded = false
    }

    let number: UInt32
    let isMain: Bool
    private let loop: EventLoop
    private unowned let owner: any ProcessStreamOwner
    private(set) var client: (any ProcessClient)?
    private let log: OutputLog?
    private let hangupLimit: Duration
    private var phase = Phase.opening
    private var output = Output()
    private var error = Output()
    /// How much input the guest still has room for.
    private var inputRoom = UInt64(Wire.initialWindow)
    private var inputHasEnded = false
    /// Input that the relay feeds itself.
    private var prepared: ArraySlice<UInt8>?
    private var pings = 0
    private(set) var exit: Exited?

    /// `input` is everything the process will read; nil when a frames client brings it.
    init(
        number: UInt32, isMain: Bool, input: [UInt8]?, log: OutputLog?, hangupLimit: Duration,
        loop: EventLoop, owner: any ProcessStreamOwner
    ) {
        self.number = number
        self.isMain = isMain
        prepared = input?[...]
        self.log = log
        self.hangupLimit = hangupLimit
        self.loop = loop
        self.owner = owner
    }

    func attach(_ client: any ProcessClient) { self.client = client }

    var isOpening: Bool { phase == .opening }
    /// The process has ended, or is lost, and the client has nothing to wait for.
    var isFinished: Bool { phase == .over && client == nil }

    // MARK: From the guest

    func opened() {
        phase = .running
        client?.started()
        feed()
    }

    /// Takes a frame of the guest's; what is wrong with it, if anything.
    func receive(_ frame: Frame) throws(WireError) -> String? {
        guard phase == .running else { return "a \(frame.kind) frame before its time" }
        switch frame.kind {
        case .data:
            guard let channel = outputChannel(frame) else { return "data on channel \(frame.channel)" }
            return takeOutput(frame.payload, channel)
        case .end:
            guard let channel = outputChannel(frame), frame.payload.isEmpty else { return "a wrong end" }
            guard !self[channel].hasEnded else { return "a second end" }
            self[channel].hasEnded = true
            client?.ended(channel)
        case .credit:
            let bytes = try Credit(payload: frame.payload).bytes
            guard frame.channel == Channel.input.rawValue else { return "credit on channel \(frame.channel)" }
            inputRoom += UInt64(bytes)
            guard inputRoom <= UInt64(Wire.largestWindow) else { return "too much credit" }
            client?.granted(bytes)
            feed()
        case .pong:
            guard pings > 0, frame.payload.count <= Wire.largestPing else { return "a pong without a ping" }
            pings -= 1
            client?.pong(frame.payload)
        case .exited: end(try Exited(payload: frame.payload))
        default: return "a \(frame.kind) frame on a process's stream"
        }
        return nil
    }

    private func takeOutput(_ bytes: [UInt8], _ channel: Channel) -> String? {
        guard !bytes.isEmpty, !self[channel].hasEnded else { return "data after the end" }
        guard UInt64(bytes.count) <= self[channel].room else { return "more output than there was room for" }
        self[channel].room -= UInt64(bytes.count)
        log?.append(bytes)
        client?.output(bytes, channel)
        grant()
        return nil
    }

    private func end(_ exited: Exited) {
        phase = .over
        exit = exited
        if let client { client.exited(exited) } else { owner.clientEnded(of: self) }
    }

    /// The guest is gone.
    func lose(_ text: String) {
        guard phase != .over else { return }
        let hadStarted = phase == .running
        phase = .over
        if hadStarted { client?.lost(text) } else { client?.drop() }
        if client == nil { owner.clientEnded(of: self) }
    }

    private func outputChannel(_ frame: Frame) -> Channel? {
        guard let channel = Channel(rawValue: frame.channel), channel != .input else { return nil }
        return channel
    }

    private subscript(channel: Channel) -> Output {
        get { channel == .error ? error : output }
        set { if channel == .error { error = newValue } else { output = newValue } }
    }

    // MARK: From the client

    /// Takes a frame of the client's; false when it may not send it.
    func receiveFromClient(_ frame: Frame) -> Bool {
        // It cannot know yet that the process has ended.
        if phase == .over { return true }
        do throws(WireError) { return try pass(frame) } catch { return false }
    }

    private func pass(_ frame: Frame) throws(WireError) -> Bool {
        switch frame.kind {
        case .data:
            guard frame.channel == Channel.input.rawValue, !inputHasEnded, !frame.payload.isEmpty,
                UInt64(frame.payload.count) <= inputRoom
            else { return false }
            inputRoom -= UInt64(frame.payload.count)
        case .end:
            guard frame.channel == Channel.input.rawValue, !inputHasEnded, frame.payload.isEmpty else { return false }
            inputHasEnded = true
        case .credit:
            guard let channel = outputChannel(frame) else { return false }
            let room = self[channel].room + UInt64(try Credit(payload: frame.payload).bytes)
            guard room + UInt64(client?.waitingCount ?? 0) <= UInt64(Wire.largestWindow) else { return false }
            self[channel].room = room
        case .resize: _ = try Resize(payload: frame.payload)
        case .signal: _ = try Signal(payload: frame.payload)
        case .ping:
            guard pings < Wire.mostPings, frame.payload.count <= Wire.largestPing else { return false }
            pings += 1
        default: return false
        }
        owner.send(Frame(frame.kind, stream: number, channel: frame.channel, payload: frame.payload))
        return true
    }

    /// The client's connection is over. A process that still runs is told as a terminal's hang-up tells it.
    func clientIsGone() {
        client = nil
        if phase == .running {
            if !inputHasEnded {
                inputHasEnded = true
                owner.send(Frame(.end, stream: number, channel: Channel.input.rawValue))
            }
            send(signal: Self.hangup)
            grant()
            loop.after(hangupLimit) { [weak self] in
                guard let self, phase == .running else { return }
                send(signal: Self.kill)
                owner.flushToGuest()
            }
            owner.flushToGuest()
        }
        owner.clientEnded(of: self)
    }

    private func send(signal: UInt8) {
        owner.send(Frame(.signal, stream: number, payload: Signal(number: signal).encoded))
    }

    // MARK: The relay as an end of the stream

    /// Grants the guest what was taken, where no client does that.
    func grant() {
        guard phase == .running, client?.grantsItself != true else { return }
        for channel in [Channel.output, .error] where !self[channel].hasEnded {
            let open = self[channel].room + UInt64(client?.waitingCount ?? 0)
            let window = UInt64(Wire.initialWindow)
            guard open + UInt64(Self.grantStep) <= window else { continue }
            let bytes = window - open
            self[channel].room += bytes
            owner.send(
                Frame(
                    .credit, stream: number, channel: channel.rawValue,
                    payload: Credit(bytes: UInt32(clamping: bytes)).encoded))
        }
    }

    /// Sends prepared input as far as there is room, and its end.
    private func feed() {
        guard phase == .running, var rest = prepared, !inputHasEnded else { return }
        while !rest.isEmpty && inputRoom > 0 {
            let piece = rest.prefix(min(Wire.largestData, Int(clamping: inputRoom)))
            owner.send(
                Frame(.data, stream: number, channel: Channel.input.rawValue, payload: Array(piece)))
            inputRoom -= UInt64(piece.count)
            rest = rest.dropFirst(piece.count)
        }
        prepared = rest
        if rest.isEmpty {
            inputHasEnded = true
            owner.send(Frame(.end, stream: number, channel: Channel.input.rawValue))
        }
    }
}
