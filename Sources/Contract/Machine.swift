/// The parts of a guest image, as absolute paths on the host.
package struct ImageParts: Sendable, Codable, Equatable {
    package let id: String
    package let kernel: String
    package let initramfs: String
    package let root: String

    package init(id: String, kernel: String, initramfs: String, root: String) {
        self.id = id
        self.kernel = kernel
        self.initramfs = initramfs
        self.root = root
    }
}

/// A machine to be made by the hypervisor half. Sockets lie in the session's socket directory.
package struct MachineSpecification: Sendable, Codable, Equatable {
    package let session: String
    package let accelerator: AcceleratorKind
    package let resources: Resources
    package let image: ImageParts
    package let shares: [Share]
    /// 64 bytes, base64: what the guest proves (32) and what we prove to it (32), given to it by fw_cfg.
    package let secret: String

    package struct Share: Sendable, Codable, Equatable {
        /// At most 36 bytes; names the share in the guest and its socket `<tag>.sock`.
        package let tag: String
        package init(tag: String) { self.tag = tag }
    }

    package init(
        session: String, accelerator: AcceleratorKind, resources: Resources, image: ImageParts, shares: [Share],
        secret: String
    ) {
        self.session = session
        self.accelerator = accelerator
        self.resources = resources
        self.image = image
        self.shares = shares
        self.secret = secret
    }
}

/// Names inside a session's socket directory `<runtime>/s/<session id>/`.
package enum SocketName {
    /// The vhost-user vsock device: QEMU connects.
    package static let vsock = "vsock.sock"
    /// The guest's console: QEMU connects.
    package static let console = "console.sock"
    /// The relay's commands: the daemon connects.
    package static let control = "control.sock"
    package static func share(_ tag: String) -> String { tag + ".sock" }
}

package struct MachineReport: Sendable, Codable, Equatable {
    package let session: String
    package let isRunning: Bool
    package let pid: Int32?
    package init(session: String, isRunning: Bool, pid: Int32?) {
        self.session = session
        self.isRunning = isRunning
        self.pid = pid
    }
}

package enum MachineEnd: String, Sendable, Codable {
    /// The guest powered itself off.
    case shutdown
    /// We ended it.
    case destroyed
    /// QEMU died: killed, or of itself.
    case crashed
    /// The guest's kernel panicked.
    case panicked
}

package struct MachineEvent: Sendable, Codable, Equatable {
    package let session: String
    package let end: MachineEnd
    package init(session: String, end: MachineEnd) {
        self.session = session
        self.end = end
    }
}

package struct AcceleratorReport: Sendable, Codable, Equatable {
    package let kind: AcceleratorKind
    package let because: String
    package init(kind: AcceleratorKind, because: String) {
        self.kind = kind
        self.because = because
    }
}

package struct HypervisorReport: Sendable, Codable, Equatable {
    package let pid: Int32
    package let uid: UInt32
    package let libvirtVersion: String
    package let emulatorVersion: String
    package let uri: String
    package init(pid: Int32, uid: UInt32, libvirtVersion: String, emulatorVersion: String, uri: String) {
        self.pid = pid
        self.uid = uid
        self.libvirtVersion = libvirtVersion
        self.emulatorVersion = emulatorVersion
        self.uri = uri
    }
}
