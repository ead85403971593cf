package import Core
internal import FoundationEssentials
internal import Glibc
internal import System

/// Whom the parts of a daemon that was started by root become: the hypervisor half is one unprivileged user, relays are
/// another. Chosen once and written down, so that files keep their owners.
package struct ServiceUsers: Sendable, Codable, Equatable {
    package let hypervisor, hypervisorGroup, relay: UInt32

    /// Not used by any account that this machine knows.
    private static let spare: ClosedRange<UInt32> = 61184...65519

    /// Nil for an ordinary user's daemon, whose parts are all that user.
    package static func choose(state: String, uid: UInt32 = geteuid()) throws(Fault) -> ServiceUsers? {
        guard uid == 0 else { return nil }
        let path = state + "/uids.json"
        do {
            if let bytes = try? Files.contents(ofFile: path, limit: 4096),
                let known = try? JSONDecoder().decode(ServiceUsers.self, from: Data(bytes)), known.isUnprivileged
            {
                return known
            }
            let free = spare.lazy.filter { Accounts.find(uid: $0) == nil }.prefix(2).map { $0 }
            guard free.count == 2, let first = free.first, let last = free.last else {
                throw Fault(
                    .hostFailed, "no user number between 61184 and 65519 is free", hint: "make a system user `cowork`")
            }
            let account = Accounts.find(name: "cowork")
            let chosen = ServiceUsers(
                hypervisor: account?.uid ?? first, hypervisorGroup: account?.gid ?? first, relay: last)
            guard chosen.isUnprivileged else {
                throw Fault(.hostFailed, "the user `cowork` is root", hint: "give it a number of its own")
            }
            try Files.replace(path, with: [UInt8](try JSONEncoder().encode(chosen)))
            return chosen
        } catch let fault as Fault { throw fault } catch {
            throw Fault(.hostFailed, "\(path) cannot be written: \(error)", hint: "check the state directory")
        }
    }

    private var isUnprivileged: Bool { hypervisor != 0 && relay != 0 && hypervisor != relay }
}
