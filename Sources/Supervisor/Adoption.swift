internal import Contract
internal import Core

/// What a new daemon makes of a session that an earlier one left, from what is still there.
enum Adoption: Sendable, Equatable {
    /// It goes on.
    case resume
    /// Its end was under way and is completed.
    case stop
    /// It was over, but for taking things down.
    case conclude(Lifecycle.Ending)

    static func decide(state: SessionState, machineRuns: Bool, relayLives: Bool) -> Adoption {
        switch state {
        case .starting:
            failed("the daemon was stopped while the session was starting", hint: "start it again")
        case .running where machineRuns && relayLives: .resume
        case .running where machineRuns:
            failed("its relay, cowork-vsock, ended while no daemon ran", hint: "start it again")
        case .running:
            failed(
                "its virtual machine ended while no daemon ran",
                hint: "perhaps this machine was restarted; start it again")
        case .stopping: machineRuns && relayLives ? .stop : .conclude(.stopped(because: nil))
        case .stopped, .failed: .conclude(.stopped(because: nil))
        }
    }

    private static func failed(_ message: String, hint: String) -> Adoption {
        .conclude(.failed(Fault(.hostFailed, message, hint: hint)))
    }
}
