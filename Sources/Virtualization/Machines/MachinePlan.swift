package import Contract
package import Core
internal import FoundationEssentials
internal import Glibc

extension Machines {
    static let smallestMemory: UInt64 = 128 << 20
    static let mostProcessors = 255
    static let mostShares = 64

    /// What the emulator gives the guest: 32 bytes that the guest proves, 32 that we prove to it.
    static func decode(_ secret: String) throws(Fault) -> [UInt8] {
        guard let bytes = Data(base64Encoded: secret), bytes.count == 64 else {
            throw Fault(.usage, "the machine's secret is not 64 bytes")
        }
        return [UInt8](bytes)
    }

    /// Checks a specification, and translates its paths into those of the private mount namespace.
    package static func describe(
        _ specification: MachineSpecification, _ session: SessionID, kind: DomainDescription.Kind, emulator: String?,
        places: Places
    ) throws(Fault) -> DomainDescription {
        let resources = specification.resources
        guard (1...mostProcessors).contains(resources.processors) else {
            throw Fault(.usage, "a machine cannot have \(resources.processors) processors", hint: "1 to 255")
        }
        guard resources.memoryBytes >= smallestMemory else {
            throw Fault(
                .usage, "a machine cannot have \(ByteSize(bytes: resources.memoryBytes)) of memory",
                hint: "at least 128 MiB")
        }
        let host = UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) &* UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
        guard resources.memoryBytes < host else {
            throw Fault(
                .usage, "a machine cannot have \(ByteSize(bytes: resources.memoryBytes)) of memory",
                hint: "this host has \(ByteSize(bytes: host))")
        }
        guard specification.shares.count <= mostShares else {
            throw Fault(.usage, "a machine cannot have more than \(mostShares) folders at its start")
        }
        let sockets = places.sessions + "/" + session.text + "/"
        let shares = try specification.shares.map { share throws(Fault) in
            guard isPlain(share.tag) else { throw Fault(.usage, "'\(Display.escaped(share.tag))' is no share's tag") }
            return DomainDescription.Share(tag: share.tag, socket: sockets + SocketName.share(share.tag))
        }
        let files = MachineFiles(machines: places.machines, session: session)
        return DomainDescription(
            session: session, kind: kind, emulator: emulator, processors: resources.processors,
            // libvirt counts memory in KiB.
            memoryBytes: resources.memoryBytes & ~1023, kernel: try part(specification.image.kernel, places),
            initramfs: try part(specification.image.initramfs, places), commandLine: DomainDescription.commandLine,
            rootDisk: try part(specification.image.root, places), overlayDisk: files.disk,
            console: sockets + SocketName.console, vsock: sockets + SocketName.vsock, secret: files.secret,
            shares: shares)
    }

    /// Where a part of an image is in here. It must lie in an image directory and be readable.
    static func part(_ path: String, _ places: Places) throws(Fault) -> String {
        guard let inside = places.image(path) else {
            throw Fault(
                .imageMissing, "'\(Display.escaped(path))' lies in no image directory that existed at the start",
                hint: "name its directory in the configuration (images = …), then end the daemon and try again")
        }
        guard access(inside, R_OK) == 0 else {
            let reason = String(cString: strerror(errno))
            throw Fault(
                .imageMissing, "'\(Display.escaped(path))' cannot be read: \(reason)",
                hint: "make the image with: cowork image build")
        }
        return inside
    }

    private static func isPlain(_ tag: String) -> Bool {
        (1...36).contains(tag.utf8.count)
            && tag.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) || $0 == 45 }
    }
}
