internal import Confinement
internal import Contract
internal import Core
internal import Glibc
internal import System

/// What a folder's server may do, whatever the guest makes of it.
enum ShareConfinement {
    /// What a dynamic program needs of the host to start; on most systems two of them are links.
    static let libraries = ["/usr/lib", "/usr/lib64", "/lib", "/lib64"]

    /// To enter its root, and to drop everything else from the set it could ever have: it does both, and then drops
    /// these, before it talks to the guest.
    static let capabilities = Capability.mask([.changeRoot, .setBoundingSet])

    /// What it would keep for itself by default. Without these the guest's root has no more rights than the owner.
    static let givenUp = "-chown:-dac_override:-fowner:-fsetid:-setgid:-setuid:-mknod:-setfcap"

    /// None where the kernel has no Landlock; the server's private root holds then alone.
    static func paths(mode: FolderMode) -> [ChildSpecification.PathRule] {
        guard PathRuleset.kernelVersion != nil else { return [] }
        var rules = PathRuleset()
        rules.allow(mode == .direct ? [.read, .write] : .read, beneath: ShareServer.place)
        for path in libraries { rules.allow([.read, .execute], beneath: path) }
        rules.allow(.read, beneath: "/proc/self", "/proc/sys")
        return rules.rules
    }

    /// The program brings a list of what it may call; this one corrects what its calls mean.
    static let list: SystemCallList = {
        let agent = ShareServer.agent
        let unchanged = UInt32.max
        let setUID: UInt64 = 0o4000
        var list = SystemCallList.allButWhatIsRefused
        list.fail(
            "setgroups", with: 0,
            because: "it insists on dropping its groups, which an ordinary user cannot; they are the owner's own")
        for call in ["setresuid", "setresgid"] {
            list.fail(
                call, with: EPERM, unless: 1, isOneOf: [agent],
                because: "it takes on whoever acts in the guest: others than the agent are told that they may not")
        }
        for argument in [2, 3] {
            list.fail(
                "fchownat", with: EPERM, unless: argument, isOneOf: [agent, unchanged],
                because: "nothing in the folder can belong to anybody but the owner")
        }
        list.fail(
            "fchmod", with: EPERM, where: [.has(1, setUID)],
            because: "a program that the guest wrote must not run as the owner for other users of the host")
        for call in ["fchmodat", "mknodat"] {
            list.fail(call, with: EPERM, where: [.has(2, setUID)], because: "as for fchmod")
        }
        list.fail(
            "openat", with: EPERM, where: [.has(2, UInt64(O_CREAT)), .has(3, setUID)], because: "as for fchmod")
        return list
    }()

    static func filter() throws(Fault) -> [UInt8] {
        do throws(ConfinementError) { return try compiled.get().bytes } catch {
            throw Fault(.hostFailed, "cannot confine the folder server: \(error)")
        }
    }

    private static let compiled: Result<SystemCallFilter, ConfinementError> = {
        do throws(ConfinementError) { return .success(try SystemCallFilter(list)) } catch { return .failure(error) }
    }()
}
