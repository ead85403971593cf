internal import Contract
package import Core

/// A machine as libvirt is told about it. Paths are as the hypervisor half and QEMU see them.
package struct DomainDescription: Sendable, Equatable {
    package enum Kind: String, Sendable, Equatable {
        case kvm
        /// QEMU without hardware help; on x86 it runs each virtual processor in a thread of its own by itself.
        case emulated = "qemu"
        /// libvirt's test driver, which runs nothing.
        case pretended = "test"
    }

    package struct Share: Sendable, Equatable {
        /// At most 36 bytes: what the guest mounts.
        package let tag: String
        package let socket: String
        package init(tag: String, socket: String) {
            self.tag = tag
            self.socket = socket
        }
    }

    package var session: SessionID
    package var kind: Kind
    package var emulator: String?
    package var processors: Int
    package var memoryBytes: UInt64
    package var kernel: String
    package var initramfs: String
    package var commandLine: String
    package var rootDisk: String
    package var overlayDisk: String
    package var console: String
    /// The socket of the vsock device. Nil: a machine that nobody controls.
    package var vsock: String?
    package var secret: String
    package var shares: [Share]

    package init(
        session: SessionID, kind: Kind, emulator: String?, processors: Int, memoryBytes: UInt64, kernel: String,
        initramfs: String, commandLine: String, rootDisk: String, overlayDisk: String, console: String,
        vsock: String?, secret: String, shares: [Share]
    ) {
        self.session = session
        self.kind = kind
        self.emulator = emulator
        self.processors = processors
        self.memoryBytes = memoryBytes
        self.kernel = kernel
        self.initramfs = initramfs
        self.commandLine = commandLine
        self.rootDisk = rootDisk
        self.overlayDisk = overlayDisk
        self.console = console
        self.vsock = vsock
        self.secret = secret
        self.shares = shares
    }

    /// `console=ttyS0`: the console's last lines explain a failed boot. `panic=-1`: a panic ends the machine at once.
    /// `cryptomgr.notests`: the kernel tests its ciphers, which nothing here uses, for a quarter of a second a boot.
    package static let commandLine = "quiet loglevel=3 console=ttyS0 panic=-1 reboot=t cryptomgr.notests=1"
}

/// A machine's names, made from its session's alone so that a later process knows them again.
package enum DomainName {
    private static let prefix = "cowork-"

    package static func of(_ session: SessionID) -> String { prefix + session.text }

    /// Nil for a machine that is not ours.
    package static func session(of domain: String) -> SessionID? {
        domain.hasPrefix(prefix) ? SessionID(String(domain.dropFirst(prefix.count))) : nil
    }

    /// A UUID of version 8 that holds the session's 16 digits: `dddddddd-dddd-8ddd-a00d-636f776f726b`.
    package static func uuid(of session: SessionID) -> String {
        let digits = Array(session.text)
        let first = String(digits[0..<8])
        return "\(first)-\(String(digits[8..<12]))-8\(String(digits[12..<15]))-a00\(digits[15])-636f776f726b"
    }
}
