/// The guest's own users and groups, read from the text of its files: a static program has no name service.
///
/// The files belong to the guest: a line that makes no sense is passed over.
package struct AccountDirectory: Sendable {
    package struct User: Sendable, Equatable {
        package let name: String
        package let uid, gid: UInt32
        package let home, shell: String
    }

    private struct Group {
        let name: Substring
        let gid: UInt32
        let members: [Substring]
    }

    private let users: [User]
    private let groups: [Group]

    package init(passwd: String, group: String) {
        users = Self.lines(passwd).compactMap { fields in
            guard fields.count >= 7, !fields[0].isEmpty, let uid = UInt32(fields[2]), let gid = UInt32(fields[3])
            else { return nil }
            return User(
                name: String(fields[0]), uid: uid, gid: gid, home: fields[5].isEmpty ? "/" : String(fields[5]),
                shell: fields[6].isEmpty ? "/bin/sh" : String(fields[6]))
        }
        groups = Self.lines(group).compactMap { fields in
            guard fields.count >= 4, !fields[0].isEmpty, let gid = UInt32(fields[2]) else { return nil }
            return Group(name: fields[0], gid: gid, members: fields[3].split(separator: ","))
        }
    }

    /// A user by name, else by decimal uid. Root exists even where no file says so.
    package func user(_ wanted: String) -> User? {
        if let named = users.first(where: { $0.name == wanted }) { return named }
        let uid = UInt32(wanted)
        if let uid, let numbered = users.first(where: { $0.uid == uid }) { return numbered }
        guard users.isEmpty, wanted == "root" || uid == 0 else { return nil }
        return User(name: "root", uid: 0, gid: 0, home: "/", shell: "/bin/sh")
    }

    /// The user's own group and every group that lists them.
    package func groups(of user: User) -> [UInt32] {
        var found = [user.gid]
        for group in groups where group.members.contains(where: { $0 == user.name }) && !found.contains(group.gid) {
            found.append(group.gid)
        }
        return found
    }

    package func group(_ name: String) -> UInt32? { groups.first { $0.name == name }?.gid }

    private static func lines(_ text: String) -> [[Substring]] {
        text.split(separator: "\n").map { $0.split(separator: ":", omittingEmptySubsequences: false) }
    }
}
