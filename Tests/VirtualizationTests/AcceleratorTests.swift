import Contract
import Core
import Testing

@testable import Virtualization

@Suite struct AcceleratorTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    private func probe(_ kvm: KernelVirtualization, forced: AcceleratorKind? = nil) throws -> AcceleratorProbe {
        AcceleratorProbe(places: try scratch.places(), kvm: kvm, forced: forced, emulatorVersion: "7.2.0")
    }

    @Test func `the configuration decides`() throws {
        let report = try probe(.missing, forced: .kvm).run(image: scratch.image(), again: true)
        #expect(report == AcceleratorReport(kind: .kvm, because: "the configuration says so"))
    }

    @Test(arguments: [
        (KernelVirtualization.missing, "/dev/kvm does not exist"),
        (.forbidden(group: "kvm"), "no permission on /dev/kvm (group kvm has it)"),
        (.forbidden(group: nil), "no permission on /dev/kvm"),
    ])
    func `without the device nothing is booted`(kvm: KernelVirtualization, because: String) throws {
        let report = try probe(kvm).run(image: scratch.image(), again: false)
        #expect(report == AcceleratorReport(kind: .tcg, because: because))
    }

    @Test func `the emulator's own complaint is found among what a guest prints`() {
        let output = "[ 0.1] booting\r\nqemu-system-x86_64: error: no \u{1B}[2J luck\nqemu-system-x86_64: later\n"
        #expect(AcceleratorProbe.complaint(in: Array(output.utf8)) == "error: no \\u{1b}[2J luck")
        #expect(AcceleratorProbe.complaint(in: Array("guest\n".utf8)) == "it gave no reason")
    }
}
