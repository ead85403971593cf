internal import CLibvirt

/// One reference to a domain, given back with the last of its owners. The domain itself lives on.
final class LibvirtDomain {
    private let pointer: OpaquePointer

    /// Takes over a reference that libvirt handed out.
    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    deinit { virDomainFree(pointer) }

    var name: String { virDomainGetName(pointer).map { String(cString: $0) } ?? "" }

    /// Ends it without asking the guest, and waits until its process is gone.
    func destroy() throws(LibvirtError) {
        try Libvirt.call { virDomainDestroy(pointer) == 0 ? () : nil }
    }
}
