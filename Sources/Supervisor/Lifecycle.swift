internal import Contract
internal import Core

/// How a session lives and ends, as a pure function: what happens to it in each phase, and what is to be done about it.
/// `Session` does it.
enum Lifecycle {
    enum Phase: Sendable, Equatable {
        case starting
        case running
        /// The guest stopped speaking; the machine's own end is awaited, because it says why.
        case doubtful(Fault)
        case stopping(Ending)
        case ended(Ending)

        var name: String {
            switch self {
            case .starting: "starting"
            case .running: "running"
            case .doubtful: "doubtful"
            case .stopping(.stopped): "stopping"
            case .stopping(.failed): "failing"
            case .ended(.stopped): "stopped"
            case .ended(.failed): "failed"
            }
        }
        var isOver: Bool { if case .ended = self { true } else { false } }
        var ending: Ending? {
            switch self {
            case .stopping(let ending), .ended(let ending): ending
            default: nil
            }
        }
    }

    enum Ending: Sendable, Equatable {
        case stopped(because: String?)
        case failed(Fault)
    }

    enum Happening: Sendable, Equatable {
        case booted
        case bootFailed(Fault)
        /// The program that waits for the start went away.
        case clientLost
        case stopRequested(force: Bool)
        /// The command given to `start` ended, or cannot be followed any more.
        case commandEnded
        case commandLost(String)
        case commandRefused(Fault)
        case machineEnded(MachineEnd)
        case relayEnded
        /// The guest is gone or broke the protocol, as the relay tells it.
        case guestLost(String)
        case guestStayedAway
        case shareEnded(String)
        case takenDown
    }

    enum Action: Sendable, Equatable {
        case nothing
        case awaitMachineEnd
        /// Asks the guest to end itself, then takes everything down.
        case powerOff
        /// Takes everything down without asking; a start that is still under way is called off first.
        case takeDown
        /// A graceful end that is under way no longer waits.
        case hurry
    }

    static func step(
        _ phase: Phase, _ happening: Happening, endsWithCommand: Bool
    ) -> (phase: Phase, action: Action) {
        switch phase {
        case .starting: starting(happening)
        case .running: running(happening, endsWithCommand: endsWithCommand)
        case .doubtful(let fault): doubtful(fault, happening)
        case .stopping(let ending): stopping(ending, happening)
        case .ended: (phase, .nothing)
        }
    }

    private static func starting(_ happening: Happening) -> (Phase, Action) {
        switch happening {
        case .booted: (.running, .nothing)
        case .bootFailed(let fault): (.stopping(.failed(fault)), .takeDown)
        case .stopRequested: (.stopping(.stopped(because: "it was stopped while it was starting")), .takeDown)
        case .guestLost: (.doubtful(fault(for: happening)), .awaitMachineEnd)
        case .guestStayedAway, .takenDown: (.starting, .nothing)
        default: (.stopping(.failed(fault(for: happening))), .takeDown)
        }
    }

    private static func running(_ happening: Happening, endsWithCommand: Bool) -> (Phase, Action) {
        switch happening {
        case .booted, .bootFailed, .clientLost, .takenDown, .guestStayedAway: (.running, .nothing)
        case .stopRequested(let force): (.stopping(.stopped(because: nil)), force ? .takeDown : .powerOff)
        case .commandEnded: endsWithCommand ? (.stopping(.stopped(because: nil)), .powerOff) : (.running, .nothing)
        case .commandLost(let text):
            endsWithCommand ? (.stopping(.stopped(because: text)), .powerOff) : (.running, .nothing)
        case .commandRefused(let fault): (.stopping(.failed(fault)), .powerOff)
        case .machineEnded(.shutdown): (.stopping(.stopped(because: "the guest powered itself off")), .takeDown)
        // A folder's server ends with QEMU, and may be seen first.
        case .guestLost, .shareEnded: (.doubtful(fault(for: happening)), .awaitMachineEnd)
        case .machineEnded, .relayEnded: (.stopping(.failed(fault(for: happening))), .takeDown)
        }
    }

    private static func doubtful(_ known: Fault, _ happening: Happening) -> (Phase, Action) {
        switch happening {
        case .machineEnded(.shutdown): (.stopping(.stopped(because: "the guest powered itself off")), .takeDown)
        case .machineEnded: (.stopping(.failed(fault(for: happening))), .takeDown)
        case .guestStayedAway, .stopRequested: (.stopping(.failed(known)), .takeDown)
        default: (.doubtful(known), .nothing)
        }
    }

    private static func stopping(_ ending: Ending, _ happening: Happening) -> (Phase, Action) {
        switch happening {
        case .takenDown: (.ended(ending), .nothing)
        case .stopRequested(force: true), .machineEnded, .relayEnded: (.stopping(ending), .hurry)
        default: (.stopping(ending), .nothing)
        }
    }

    /// What a person is told when this ends a session. Console lines are added by `Session`.
    static func fault(for happening: Happening) -> Fault {
        switch happening {
        case .bootFailed(let fault), .commandRefused(let fault): fault
        case .clientLost:
            Fault(.failed, "the program that started it went away", hint: "use --detach to start without waiting")
        case .machineEnded(.crashed):
            Fault(
                .hostFailed, "its virtual machine died: QEMU was killed or crashed",
                hint: "look for QEMU or out-of-memory messages in the host's log, then start it again")
        case .machineEnded(.panicked):
            Fault(
                .guestFailed, "the guest's kernel panicked",
                hint: "`cowork logs` has its last words; more --memory often helps")
        case .machineEnded(.destroyed):
            Fault(.hostFailed, "its virtual machine was destroyed by somebody else", hint: "start it again")
        case .machineEnded(.shutdown):
            Fault(.guestFailed, "the guest powered itself off", hint: "start it again")
        case .relayEnded:
            Fault(
                .hostFailed, "its relay, cowork-vsock, ended unexpectedly",
                hint: "see daemon.log in the state directory, then start it again")
        case .guestLost(let text):
            Fault(.guestFailed, text.isEmpty ? "the guest is gone" : text, hint: "start it again")
        case .shareEnded(let path):
            Fault(
                .hostFailed, "the server of folder \(Display.escaped(path)) ended unexpectedly",
                hint: "the folder cannot be reached any more: start the session again")
        default: Fault(.failed, "it was ended", hint: "start it again")
        }
    }
}
