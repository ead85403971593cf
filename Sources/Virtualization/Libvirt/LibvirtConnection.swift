internal import CLibvirt
internal import Glibc

/// An open connection to a libvirt driver. Every call may block for seconds: callers are threads of our own.
///
/// Unchecked, because libvirt promises that one connection serves many threads.
package final class LibvirtConnection: @unchecked Sendable {
    private let pointer: OpaquePointer
    package let uri: String

    package init(uri: String) throws(LibvirtError) {
        try Libvirt.start()
        pointer = try Libvirt.call { virConnectOpen(uri) }
        self.uri = uri
    }

    deinit { virConnectClose(pointer) }

    /// Makes and starts a machine that is forgotten when it ends.
    package func create(_ document: String) throws(LibvirtError) {
        _ = LibvirtDomain(owning: try Libvirt.call { virDomainCreateXML(pointer, document, 0) })
    }

    /// Ends a machine and waits for its process. False when there is none of that name.
    package func destroy(_ name: String) throws(LibvirtError) -> Bool {
        // Looked for in the list, because libvirt logs every lookup by a name that it does not know.
        var isFound = false
        for domain in try domains() where domain.name == name {
            isFound = true
            do throws(LibvirtError) { try domain.destroy() } catch {
                if !error.isNoSuchDomain { throw error }
            }
        }
        return isFound
    }

    /// The names of all machines that run.
    package func running() throws(LibvirtError) -> [String] { try domains().map(\.name) }

    private func domains() throws(LibvirtError) -> [LibvirtDomain] {
        var list: UnsafeMutablePointer<OpaquePointer?>?
        let flags = UInt32(VIR_CONNECT_LIST_DOMAINS_ACTIVE.rawValue)
        let count = try Libvirt.call {
            let count = virConnectListAllDomains(pointer, &list, flags)
            return count >= 0 ? Int(count) : nil
        }
        defer { free(list) }
        return (0..<count).compactMap { index in (list?[index]).map { LibvirtDomain(owning: $0) } }
    }

    package func libraryVersion() throws(LibvirtError) -> String {
        var number: UInt = 0
        try Libvirt.call { virConnectGetLibVersion(pointer, &number) == 0 ? () : nil }
        return Libvirt.versionText(number)
    }

    /// The emulator's version. In a new root this is where libvirt gets to know QEMU, for seconds.
    package func emulatorVersion() throws(LibvirtError) -> String {
        var number: UInt = 0
        try Libvirt.call { virConnectGetVersion(pointer, &number) == 0 ? () : nil }
        return Libvirt.versionText(number)
    }

    /// Calls `handler` on libvirt's event thread, which must not be held up, until the connection closes.
    package func watch(_ handler: @escaping @Sendable (DomainNotice) -> Void) throws(LibvirtError) {
        try LibvirtEvents.register(on: pointer, isEmulator: uri.hasPrefix("qemu:"), handler)
    }
}
