import Contract
import Core
import Testing

@testable import Supervisor

/// Every phase against everything that can happen.
struct LifecycleTests {
    typealias Phase = Lifecycle.Phase
    typealias Happening = Lifecycle.Happening
    typealias Action = Lifecycle.Action

    static let fault = Fault(.failed, "f")
    static let failing: [Happening] = [
        .machineEnded(.crashed), .machineEnded(.panicked), .machineEnded(.destroyed), .relayEnded, .shareEnded("/a"),
    ]
    static let everything: [Happening] =
        failing + [
            .booted, .bootFailed(fault), .clientLost, .stopRequested(force: false), .stopRequested(force: true),
            .commandEnded, .commandLost("lost"), .commandRefused(fault), .machineEnded(.shutdown), .guestLost("g"),
            .guestStayedAway, .takenDown,
        ]

    private func step(_ phase: Phase, _ happening: Happening, endsWithCommand: Bool = false) -> (Phase, Action) {
        let result = Lifecycle.step(phase, happening, endsWithCommand: endsWithCommand)
        return (result.phase, result.action)
    }

    @Test func starting() {
        #expect(step(.starting, .booted) == (.running, .nothing))
        #expect(step(.starting, .bootFailed(Self.fault)) == (.stopping(.failed(Self.fault)), .takeDown))
        for force in [true, false] {
            #expect(
                step(.starting, .stopRequested(force: force))
                    == (.stopping(.stopped(because: "it was stopped while it was starting")), .takeDown))
        }
        for happening in Self.failing + [.clientLost, .machineEnded(.shutdown)] {
            #expect(
                step(.starting, happening) == (.stopping(.failed(Lifecycle.fault(for: happening))), .takeDown))
        }
        #expect(step(.starting, .guestLost("g")).1 == .awaitMachineEnd)
    }

    @Test func running() {
        #expect(step(.running, .stopRequested(force: false)) == (.stopping(.stopped(because: nil)), .powerOff))
        #expect(step(.running, .stopRequested(force: true)) == (.stopping(.stopped(because: nil)), .takeDown))
        // A folder's server ends with QEMU and may be seen first: what QEMU died of is the better reason.
        #expect(
            step(.running, .shareEnded("/a"))
                == (.doubtful(Lifecycle.fault(for: .shareEnded("/a"))), .awaitMachineEnd))
        for happening in Self.failing where happening != .shareEnded("/a") {
            #expect(step(.running, happening) == (.stopping(.failed(Lifecycle.fault(for: happening))), .takeDown))
        }
        #expect(
            step(.running, .machineEnded(.shutdown))
                == (.stopping(.stopped(because: "the guest powered itself off")), .takeDown))
        for happening in [.booted, .bootFailed(Self.fault), .clientLost, .takenDown, .guestStayedAway] as [Happening] {
            #expect(step(.running, happening) == (.running, .nothing))
        }
    }

    @Test func theCommandEndsOnlyASessionThatEndsWithIt() {
        #expect(step(.running, .commandEnded) == (.running, .nothing))
        #expect(step(.running, .commandLost("x")) == (.running, .nothing))
        #expect(
            step(.running, .commandEnded, endsWithCommand: true) == (.stopping(.stopped(because: nil)), .powerOff))
        #expect(
            step(.running, .commandLost("x"), endsWithCommand: true) == (.stopping(.stopped(because: "x")), .powerOff)
        )
        #expect(step(.running, .commandRefused(Self.fault)) == (.stopping(.failed(Self.fault)), .powerOff))
    }

    @Test func aSilentGuestIsJudgedByItsMachine() {
        let (doubtful, action) = step(.running, .guestLost("broke the protocol"))
        #expect(action == .awaitMachineEnd)
        #expect(step(doubtful, .machineEnded(.shutdown)).0.ending == .stopped(because: "the guest powered itself off"))
        #expect(
            step(doubtful, .machineEnded(.panicked)).0.ending
                == .failed(Lifecycle.fault(for: .machineEnded(.panicked))))
        guard case .failed(let fault) = step(doubtful, .guestStayedAway).0.ending else {
            Issue.record("a guest that stays away fails its session")
            return
        }
        #expect(fault.message == "broke the protocol" && fault.code == .guestFailed)
    }

    /// An end that is under way is not changed by what its own steps cause.
    @Test func stoppingKeepsItsReason() {
        for ending in [Lifecycle.Ending.stopped(because: nil), .failed(Self.fault)] {
            for happening in Self.everything where happening != .takenDown {
                #expect(step(.stopping(ending), happening).0 == .stopping(ending))
            }
            #expect(step(.stopping(ending), .takenDown) == (.ended(ending), .nothing))
            #expect(step(.stopping(ending), .stopRequested(force: true)).1 == .hurry)
            #expect(step(.stopping(ending), .stopRequested(force: false)).1 == .nothing)
        }
    }

    @Test func nothingHappensToWhatIsOver() {
        for ending in [Lifecycle.Ending.stopped(because: nil), .failed(Self.fault)] {
            for happening in Self.everything { #expect(step(.ended(ending), happening) == (.ended(ending), .nothing)) }
        }
    }

    @Test func everyFailureHasANameAndAHint() {
        var messages: Set<String> = []
        for happening in Self.failing + [.clientLost, .guestLost("lost")] {
            let fault = Lifecycle.fault(for: happening)
            #expect(fault.hint != nil && !fault.message.isEmpty)
            messages.insert(fault.message)
        }
        #expect(messages.count == Self.failing.count + 2)
    }

    @Test func adoption() {
        for runs in [true, false] {
            for lives in [true, false] {
                guard
                    case .conclude(.failed(let fault)) =
                        Adoption.decide(state: .starting, machineRuns: runs, relayLives: lives)
                else {
                    Issue.record("a start does not survive its daemon")
                    return
                }
                #expect(fault.message.contains("while the session was starting"))
                let both = runs && lives
                #expect(
                    Adoption.decide(state: .stopping, machineRuns: runs, relayLives: lives)
                        == (both ? .stop : .conclude(.stopped(because: nil))))
                #expect((Adoption.decide(state: .running, machineRuns: runs, relayLives: lives) == .resume) == both)
            }
        }
        guard
            case .conclude(.failed(let gone)) =
                Adoption.decide(state: .running, machineRuns: false, relayLives: true),
            case .conclude(.failed(let mute)) = Adoption.decide(state: .running, machineRuns: true, relayLives: false)
        else {
            Issue.record("half a session is none")
            return
        }
        #expect(gone.message.contains("machine") && mute.message.contains("relay"))
    }
}
