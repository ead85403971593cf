// Between the daemon and `cowork-hypervisor`: varlink-framed JSON (NUL-terminated) on a unix socket that the hypervisor
// half listens on. Requests are answered in order of completion, by number; events carry no number.

package struct HypervisorRequest: Sendable, Codable {
    package let number: UInt64
    package let call: Call

    package enum Call: Sendable, Codable {
        case report
        /// Boots a tiny guest under KVM, answers what works. Cached by boot id and QEMU version unless `again`.
        case probe(image: ImageParts, again: Bool)
        /// Makes and starts a machine; answered when it runs.
        case start(MachineSpecification)
        /// Ends a machine at once; one that is not there is fine.
        case destroy(session: String)
        /// Removes what `start` made on disk; the machine must not run.
        case forget(session: String)
        case list
        /// The process ends; refused while machines run.
        case quit
    }

    package init(number: UInt64, call: Call) {
        self.number = number
        self.call = call
    }
}

package struct HypervisorReply: Sendable, Codable {
    /// Nil: an event.
    package let number: UInt64?
    package let result: Result

    package enum Result: Sendable, Codable {
        case done
        case report(HypervisorReport)
        case accelerator(AcceleratorReport)
        case machines([MachineReport])
        case fault(code: String, message: String, hint: String?)
        case event(MachineEvent)
    }

    package init(number: UInt64?, result: Result) {
        self.number = number
        self.result = result
    }
}
