internal import CLinux
package import Contract
package import Core
internal import FoundationEssentials
internal import Glibc
internal import System

/// Finds out whether guests run under KVM, by booting one: there are hosts where /dev/kvm opens and a kernel hangs.
package struct AcceleratorProbe: Sendable {
    package let places: Places
    package let kvm: KernelVirtualization
    package let forced: AcceleratorKind?
    /// What a boot's result is good for, beside the image: the host's boot and the emulator.
    package let emulatorVersion: String
    package let limit: Duration

    package init(
        places: Places, kvm: KernelVirtualization, forced: AcceleratorKind?, emulatorVersion: String,
        limit: Duration = .seconds(8)
    ) {
        self.places = places
        self.kvm = kvm
        self.forced = forced
        self.emulatorVersion = emulatorVersion
        self.limit = limit
    }

    private struct Memory: Codable {
        let boot: String
        let emulator: String
        let image: String
        let report: AcceleratorReport
    }

    private var memoryPath: String { places.own + "/accelerator.json" }
    /// The guest's first program prints it and powers off.
    static let sign = "cowork-probe-ok"

    /// Blocks for at most `limit`, and not at all when this was found out since the host booted.
    package func run(image: ImageParts, again: Bool) throws(Fault) -> AcceleratorReport {
        if let forced { return AcceleratorReport(kind: forced, because: "the configuration says so") }
        guard kvm == .usable else { return AcceleratorReport(kind: .tcg, because: kvm.because) }
        if !again, let report = remembered(image) { return report }
        guard let emulator = Programs.find(Programs.emulator) else {
            throw Fault(.hostFailed, "there is no \(Programs.emulator)", hint: "install the package qemu-system-x86")
        }
        let report = try boot(
            emulator, kernel: try Machines.part(image.kernel, places),
            initramfs: try Machines.part(image.initramfs, places))
        remember(image, report)
        return report
    }

    /// Boots a guest without disks: it works if its first program prints the sign in time.
    private func boot(_ emulator: String, kernel: String, initramfs: String) throws(Fault) -> AcceleratorReport {
        do {
            let (reader, writer) = try UnixSocket.pair().split()
            var request = ChildSpecification(
                program: emulator,
                arguments: [
                    "-M", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults", "-no-user-config",
                    "-display", "none", "-serial", "stdio", "-monitor", "none", "-sandbox", "on,spawn=deny",
                    "-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyS0 quiet panic=-1 cowork.probe",
                    "-no-reboot",
                ], environment: ["PATH": Programs.searchPath], descriptors: [1: writer.raw, 2: writer.raw])
            request.noNewPrivileges = true
            let child = try Child.spawn(request)
            defer { child.end(grace: .zero) }
            return try wait(for: child, printingTo: reader)
        } catch let error as SpawnError {
            throw Fault(.hostFailed, "\(Programs.emulator) cannot be started: \(error.reason)")
        } catch {
            throw Fault(.hostFailed, "a test guest cannot be started: \(error)")
        }
    }

    private func wait(for child: Child, printingTo output: SharedDescriptor) throws(SystemError) -> AcceleratorReport {
        let until = MonotonicClock.nanoseconds() &+ limit.wholeNanoseconds
        var seen: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let now = MonotonicClock.nanoseconds()
            guard now < until else {
                return AcceleratorReport(
                    kind: .tcg,
                    because: "a test guest did not start under KVM within \(limit.components.seconds) s")
            }
            var items = [
                pollfd(fd: output.raw, events: Int16(POLLIN), revents: 0),
                pollfd(fd: child.pidfd, events: Int16(POLLIN), revents: 0),
            ]
            try systemCall("poll") { poll(&items, 2, Int32(clamping: (until - now + 999_999) / 1_000_000)) }
            let count = read(output.raw, &chunk, chunk.count)
            if count > 0 {
                seen += chunk[0..<count]
                if seen.contains(Array(Self.sign.utf8)) {
                    return AcceleratorReport(kind: .kvm, because: "a test guest started under KVM")
                }
                if seen.count > 64 << 10 { seen.removeFirst(seen.count - Self.sign.utf8.count) }
            } else if items[1].revents != 0 {
                return AcceleratorReport(
                    kind: .tcg, because: "a test guest ended under KVM: " + Self.complaint(in: seen))
            }
        }
    }

    /// What the emulator says of itself, among what its guest printed.
    static func complaint(in output: [UInt8]) -> String {
        let lines = output.split { $0 == 10 || $0 == 13 }.map { String(decoding: $0, as: UTF8.self) }
        let own = lines.first { $0.hasPrefix(Programs.emulator + ": ") }
        return own.map { Display.escaped(String($0.dropFirst(Programs.emulator.count + 2)), limit: 200) }
            ?? "it gave no reason"
    }

    private func remembered(_ image: ImageParts) -> AcceleratorReport? {
        guard let bytes = try? Files.contents(ofFile: memoryPath, limit: 4096),
            let memory = try? JSONDecoder().decode(Memory.self, from: Data(bytes)),
            memory.boot == Self.bootIdentity, !memory.boot.isEmpty, memory.emulator == emulatorVersion,
            memory.image == image.id
        else { return nil }
        return memory.report
    }

    private func remember(_ image: ImageParts, _ report: AcceleratorReport) {
        let memory = Memory(
            boot: Self.bootIdentity, emulator: emulatorVersion, image: image.id, report: report)
        guard let bytes = try? JSONEncoder().encode(memory) else { return }
        do throws(SystemError) { try Files.replace(memoryPath, with: bytes) } catch {
            Log.write("the accelerator's probe could not be remembered: \(error)")
        }
    }

    private static var bootIdentity: String {
        let text = try? Files.text(ofFile: "/proc/sys/kernel/random/boot_id", limit: 64)
        return text.map { String($0.prefix { !$0.isNewline }) } ?? ""
    }
}
