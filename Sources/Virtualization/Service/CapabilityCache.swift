package import Core
internal import Glibc
internal import System

/// What libvirt finds out about QEMU, which takes seconds, found out at installation.
package enum CapabilityCache {
    /// Whom root becomes for it, when it is told nobody else.
    private static let spareUser: UInt32 = 61184

    /// What libvirt knows differs with KVM and without, and the one is no good for the other.
    static func name(withKVM: Bool) -> String { withKVM ? "kvm" : "tcg" }

    /// Fills `directory` anew, by further runs of this program, each in a state directory of its own.
    package static func make(at directory: String) throws(Fault) {
        do {
            let temporary = directory + ".new-\(getpid())"
            defer { try? Files.removeTree(temporary) }
            try Directories.makeAll(temporary)
            try learn(into: temporary + "/" + name(withKVM: false), ["--accelerator", "tcg"])
            if geteuid() == 0 ? Files.exists("/dev/kvm") : access("/dev/kvm", R_OK | W_OK) == 0 {
                try learn(into: temporary + "/" + name(withKVM: true), [])
            }
            try Files.removeTree(directory)
            try systemCall("rename", directory) { rename(temporary, directory) }
        } catch let error as Fault {
            throw error
        } catch let error as SpawnError {
            throw Fault(.hostFailed, "a further run could not be started: \(error.reason)")
        } catch {
            throw Fault(.hostFailed, "the cache could not be made: \(error)")
        }
    }

    private static func learn(into directory: String, _ arguments: [String]) throws {
        let state = directory + ".state"
        let isRoot = geteuid() == 0
        try systemCall("mkdir", state) { mkdir(state, 0o711) }
        defer { try? Files.removeTree(state) }
        let child = try Child.spawn(
            ChildSpecification(
                program: try CurrentProcess.executable(),
                arguments: [
                    "--learn", "--daemon-uid", "\(geteuid())", "--state", state, "--runtime", state,
                    "--uid", "\(isRoot ? spareUser : geteuid())", "--gid", "\(isRoot ? spareUser : getegid())",
                ] + arguments, environment: CurrentProcess.environment, descriptors: [2: 2]))
        guard child.waitForEnd(limit: .seconds(120)) else {
            child.end()
            throw Fault(.deadline, "libvirt did not get to know QEMU within 120 s")
        }
        guard child.poll() == .code(0) else { throw Fault(.hostFailed, "libvirt did not get to know QEMU") }
        try EmbeddedRoot.copyTree(
            state + "/hypervisor/libvirt/cache", to: directory, directoryMode: 0o755, fileMode: 0o644)
    }

    /// Such a run: isolated as for service, then the seconds of asking.
    package static func learn(_ options: HypervisorOptions) throws(Fault) {
        let connection = try Driver.open(options.library, try Isolation.enter(options))
        do throws(LibvirtError) { _ = try connection.emulatorVersion() } catch {
            throw error.fault("libvirt did not get to know QEMU")
        }
    }
}

/// Opening the configured libvirt driver, with all it needs in place.
package enum Driver {
    package static func open(
        _ address: LibvirtAddress, _ isolated: Isolation.Result
    ) throws(Fault) -> LibvirtConnection {
        let root = EmbeddedRoot(path: isolated.places.libvirt)
        if address == .embedded {
            let seed = isolated.places.seed.map {
                $0 + "/" + CapabilityCache.name(withKVM: isolated.kvm == .usable)
            }
            do throws(SystemError) { try root.prepare(seed: seed) } catch {
                throw Fault(.hostFailed, "libvirt's directory cannot be prepared: \(error)")
            }
        }
        do throws(LibvirtError) { return try LibvirtConnection(uri: address.uri(root: root.path)) } catch {
            throw error.fault(
                "libvirt cannot be used",
                hint: error.isOfTheSystem
                    ? "does another cowork-hypervisor use this state directory?"
                    : "install the packages libvirt-daemon-driver-qemu and qemu-system-x86")
        }
    }
}
