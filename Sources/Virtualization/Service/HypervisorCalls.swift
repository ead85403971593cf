package import Contract
internal import Core
internal import Glibc
internal import System

/// What the daemon can ask for. Every call may block.
package final class HypervisorCalls: Sendable {
    package struct Outcome: Sendable {
        let result: HypervisorReply.Result
        /// The process is to end once this is answered.
        var ends = false
        /// To be asked once the answer is on its way: ends that are to be told after it.
        var afterwards: (@Sendable () -> [MachineEvent])?
    }

    private let machines: Machines
    private let places: Places
    private let kvm: KernelVirtualization
    private let forcedAccelerator: AcceleratorKind?

    package init(
        machines: Machines, places: Places, kvm: KernelVirtualization, forcedAccelerator: AcceleratorKind?
    ) {
        self.machines = machines
        self.places = places
        self.kvm = kvm
        self.forcedAccelerator = forcedAccelerator
    }

    package var machineCount: Int { machines.count }

    package func perform(_ call: HypervisorRequest.Call) -> Outcome {
        do throws(Fault) {
            return try attempt(call)
        } catch {
            return Outcome(result: .fault(code: error.code.name, message: error.message, hint: error.hint))
        }
    }

    private func attempt(_ call: HypervisorRequest.Call) throws(Fault) -> Outcome {
        switch call {
        case .report: return Outcome(result: .report(try report()))
        case .probe(let image, let again):
            let probe = AcceleratorProbe(
                places: places, kvm: kvm, forced: forcedAccelerator, emulatorVersion: try emulatorVersion())
            return Outcome(result: .accelerator(try probe.run(image: image, again: again)))
        case .start(let specification):
            try machines.start(specification)
            let (machines, session) = (machines, try identify(specification.session))
            return Outcome(result: .done, afterwards: { machines.announce(session).map { [$0] } ?? [] })
        case .destroy(let session): try machines.destroy(try identify(session))
        case .forget(let session): try machines.forget(try identify(session))
        case .list:
            let (reports, lost) = try machines.list()
            return Outcome(result: .machines(reports), afterwards: { lost })
        case .quit:
            guard machines.count == 0 else { throw Fault(.badState, "machines run") }
            return Outcome(result: .done, ends: true)
        }
        return Outcome(result: .done)
    }

    private func identify(_ session: String) throws(Fault) -> SessionID {
        guard let session = SessionID(session) else { throw Fault(.usage, "that is no session id") }
        return session
    }

    private func report() throws(Fault) -> HypervisorReport {
        let library: String
        do throws(LibvirtError) { library = try machines.connection.libraryVersion() } catch {
            throw error.fault("libvirt does not answer")
        }
        return HypervisorReport(
            pid: getpid(), uid: geteuid(), libvirtVersion: library, emulatorVersion: try emulatorVersion(),
            uri: machines.connection.uri)
    }

    private func emulatorVersion() throws(Fault) -> String {
        do throws(LibvirtError) { return try machines.connection.emulatorVersion() } catch {
            throw error.fault(
                "QEMU cannot be used", hint: "install the packages qemu-system-x86 and libvirt-daemon-driver-qemu")
        }
    }
}
