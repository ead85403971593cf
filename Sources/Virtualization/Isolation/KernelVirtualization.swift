internal import CLinux
internal import Glibc
internal import System

/// Whether this process may use KVM at all. Only a boot tells whether KVM works.
package enum KernelVirtualization: Sendable, Equatable {
    case usable
    case missing
    /// The node is closed to us; the group that may open it.
    case forbidden(group: String?)
    case broken(String)

    package var because: String {
        switch self {
        case .usable: "/dev/kvm can be opened"
        case .missing: "/dev/kvm does not exist"
        case .forbidden(let group?): "no permission on /dev/kvm (group \(group) has it)"
        case .forbidden(nil): "no permission on /dev/kvm"
        case .broken(let reason): "/dev/kvm does not work: \(reason)"
        }
    }

    /// The host's node as it was before the namespaces, where its group still has a number.
    struct Node {
        let exists: Bool
        /// Has it by the node's mode.
        let group: UInt32?
        let groupName: String?

        static func find() -> Node {
            guard let found = try? Files.status("/dev/kvm") else {
                return Node(exists: false, group: nil, groupName: nil)
            }
            guard found.permissions & 0o060 == 0o060, found.gid != 0 else {
                return Node(exists: true, group: nil, groupName: nil)
            }
            return Node(exists: true, group: found.gid, groupName: Accounts.groupName(found.gid) ?? "\(found.gid)")
        }

        func asSeenFromHere() -> KernelVirtualization {
            guard exists else { return .missing }
            do throws(SystemError) {
                let node = try Files.open("/dev/kvm", O_RDWR)
                let raw = node.raw
                let version = try systemCall("KVM_GET_API_VERSION") { cl_kvm_version(raw) }
                return version == 12 ? .usable : .broken("it speaks version \(version)")
            } catch {
                switch error.code {
                // A node that is closed to us is left out of the private root.
                case EACCES, EPERM, ENOENT: return .forbidden(group: groupName)
                default: return .broken(error.reason)
                }
            }
        }
    }
}
