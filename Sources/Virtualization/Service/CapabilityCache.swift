package import Core
internal import Glibc
internal import System

/// What libvirt finds out about QEMU, which takes seconds, found out at installation.
package enum CapabilityCache {
    /// Whom root becomes for it, when it is told nobody else.
    private static let spareUser: UInt32 = 61184

    /// Fills `directory` anew, by a second run of this program in a state directory of its own.
    package static func make(at directory: String, arguments: [String]) throws(Fault) {
        let state = directory + ".state-\(getpid())"
        do {
            let isRoot = geteuid() == 0
            try Directories.makeAll(state)
            defer { try? Files.removeTree(state) }
            try systemCall("chmod", state) { chmod(state, 0o711) }
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
            let temporary = directory + ".new-\(getpid())"
            defer { try? Files.removeTree(temporary) }
            try Files.removeTree(temporary)
            try EmbeddedRoot.copyTree(
                state + "/hypervisor/libvirt/cache", to: temporary, directoryMode: 0o755, fileMode: 0o644)
            try Files.removeTree(directory)
            try systemCall("rename", directory) { rename(temporary, directory) }
        } catch let error as Fault {
            throw error
        } catch let error as SpawnError {
            throw Fault(.hostFailed, "the second run could not be started: \(error.reason)")
        } catch {
            throw Fault(.hostFailed, "the cache could not be made: \(error)")
        }
    }

    /// The second run: isolated as for service, then the seconds.
    package static func learn(_ options: HypervisorOptions) throws(Fault) {
        let places = try Isolation.enter(options).places
        let connection = try Driver.open(options.library, places)
        do throws(LibvirtError) { _ = try connection.emulatorVersion() } catch {
            throw error.fault("libvirt did not get to know QEMU")
        }
    }
}

/// Opening the configured libvirt driver, with all it needs in place.
package enum Driver {
    package static func open(_ address: LibvirtAddress, _ places: Places) throws(Fault) -> LibvirtConnection {
        let root = EmbeddedRoot(path: places.libvirt)
        if address == .embedded {
            do throws(SystemError) { try root.prepare(seed: places.seed) } catch {
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
