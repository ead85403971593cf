internal import Contract
internal import Core
internal import Varlink

extension Dispatcher {
    /// Whether a session could start, and what to do when it could not. Works without an image and without libvirt.
    func doctor(_ parameters: DaemonAPI.Doctor.Parameters) async -> DaemonAPI.Doctor.Reply {
        var checks = await outside.host.checks()
        let image: ImageParts?
        do throws(Fault) {
            let found = try await outside.images.resolve(settings.image)
            checks.append(HostCheck("image", .ok, "image \(settings.image) is \(found.id)"))
            image = found
        } catch {
            checks.append(
                HostCheck(
                    "image", .fail, error.message,
                    remedy: error.hint ?? "make image, or `cowork image build`, makes it"))
            image = nil
        }
        let isUsable = await checkHypervisor(&checks)
        let accelerator = await accelerator(image: isUsable ? image : nil, again: parameters.probe ?? false, &checks)
        return DaemonAPI.Doctor.Reply(
            checks: checks.map(Views.check), accelerator: accelerator,
            daemon: DaemonAPI.Doctor.Daemon(
                pid: Int(settings.pid), version: settings.version, socket: settings.socket))
    }

    private func checkHypervisor(_ checks: inout [HostCheck]) async -> Bool {
        do throws(Fault) {
            let report = try await outside.machines.report()
            checks.append(
                HostCheck(
                    "libvirt", .ok,
                    "libvirt \(report.libvirtVersion), QEMU \(report.emulatorVersion), \(report.uri), as uid \(report.uid)"
                ))
            return true
        } catch {
            checks.append(
                HostCheck(
                    "libvirt", .fail, error.message, remedy: error.hint ?? "see daemon.log in the state directory"))
            return false
        }
    }

    private func accelerator(
        image: ImageParts?, again: Bool, _ checks: inout [HostCheck]
    ) async -> DaemonAPI.Doctor.Accelerator {
        if case .fixed(let kind) = settings.accelerator {
            checks.append(HostCheck("accelerator", .ok, "\(kind.rawValue), by configuration"))
            return DaemonAPI.Doctor.Accelerator(kind: kind.rawValue, because: "it is configured")
        }
        guard let image else {
            let because = "not tried: that takes an image and a working hypervisor"
            checks.append(HostCheck("accelerator", .warn, because, remedy: "mend what fails first"))
            return DaemonAPI.Doctor.Accelerator(kind: AcceleratorKind.tcg.rawValue, because: because)
        }
        do throws(Fault) {
            let report = try await outside.machines.probe(image: image, again: again)
            let isFast = report.kind == .kvm
            checks.append(
                HostCheck(
                    "accelerator", isFast ? .ok : .warn, "\(report.kind.rawValue): \(report.because)",
                    remedy: isFast ? nil : "machines are emulated and slower; give this user a working /dev/kvm"))
            return DaemonAPI.Doctor.Accelerator(kind: report.kind.rawValue, because: report.because)
        } catch {
            checks.append(HostCheck("accelerator", .fail, error.message, remedy: error.hint ?? "see daemon.log"))
            return DaemonAPI.Doctor.Accelerator(kind: AcceleratorKind.tcg.rawValue, because: error.message)
        }
    }
}
