/// What a person or a program is told when something did not work: one shape at every edge.
///
/// `message` reads after "cowork: "; `hint` says what to do next. Text that came from a guest, a peer or a file name is
/// put in only through `Display.escaped`.
package struct Fault: Error, Sendable, Equatable {
    package let code: FaultCode
    package let message: String
    package let hint: String?

    package init(_ code: FaultCode, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    package func adding(hint: String) -> Fault { Fault(code, message, hint: hint) }
}

extension Fault: CustomStringConvertible {
    package var description: String { hint.map { "\(message) (hint: \($0))" } ?? message }
}

/// Stable names, part of the public contract: a client matches on these and never on text.
package struct FaultCode: Sendable, Hashable, CustomStringConvertible {
    package let name: String
    package init(_ name: String) { self.name = name }
    package var description: String { name }

    package static let failed = FaultCode("failed")
    package static let usage = FaultCode("usage")
    package static let denied = FaultCode("denied")
    package static let notFound = FaultCode("not-found")
    package static let nameTaken = FaultCode("name-taken")
    package static let badFolder = FaultCode("bad-folder")
    package static let badState = FaultCode("bad-state")
    package static let noDaemon = FaultCode("no-daemon")
    package static let deadline = FaultCode("deadline")
    package static let hostFailed = FaultCode("host-failed")
    package static let guestFailed = FaultCode("guest-failed")
    package static let noSpace = FaultCode("no-space")
    package static let imageMissing = FaultCode("image-missing")
    package static let imageDamaged = FaultCode("image-damaged")
    package static let notExecutable = FaultCode("not-executable")
    package static let commandNotFound = FaultCode("command-not-found")
    package static let protocolViolation = FaultCode("protocol-violation")
    package static let tooLarge = FaultCode("too-large")
    package static let unsupported = FaultCode("unsupported")

    /// The exit status `cowork` ends with for this fault.
    package var exitStatus: Int32 {
        switch self {
        case .usage: 2
        case .denied: 3
        case .notFound: 4
        case .noDaemon: 5
        case .deadline: 124
        case .hostFailed, .guestFailed, .noSpace, .imageMissing, .imageDamaged: 125
        case .notExecutable: 126
        case .commandNotFound: 127
        default: 1
        }
    }
}
