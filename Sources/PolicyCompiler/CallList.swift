package import PolicyLanguage

/// A system call that a policy denies to programs in the guest, perhaps only with certain arguments. A guard-rail, not a
/// wall: root in the guest can take it away.
package struct DeniedCall: Sendable, Hashable {
    package struct Condition: Sendable, Hashable {
        package let argument: Int
        package let mask: UInt64
        package let value: UInt64
        package let words: String
    }
    package let name: String
    package let condition: Condition?
    /// What the call returns instead: an errno.
    package let error: Int32

    init(_ name: String, _ condition: Condition? = nil, error: Int32 = 1) {
        self.name = name
        self.condition = condition
        self.error = error
    }
}

package enum CallList {
    package static func calls(for policy: Policy) -> [DeniedCall] {
        var found: [DeniedCall] = []
        for rule in policy.programs where rule.effect == .deny {
            for call in calls(for: rule.activity) where !found.contains(call) { found.append(call) }
        }
        return found
    }

    package static func calls(for activity: ProgramActivity) -> [DeniedCall] {
        switch activity {
        case .trace:
            return ["ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "perf_event_open"].map {
                DeniedCall($0)
            }
        case .rawSockets:
            return [
                DeniedCall("socket", .init(argument: 0, mask: .max, value: 17, words: "the family is AF_PACKET")),
                DeniedCall("socket", .init(argument: 1, mask: 0xF, value: 3, words: "the type is SOCK_RAW")),
                DeniedCall("socket", .init(argument: 1, mask: 0xF, value: 10, words: "the type is SOCK_PACKET")),
            ]
        case .userNamespaces:
            let flag = DeniedCall.Condition(
                argument: 0, mask: 0x1000_0000, value: 0x1000_0000, words: "CLONE_NEWUSER is set")
            return [
                DeniedCall("unshare", flag), DeniedCall("clone", flag),
                // Its flags lie in memory: programs fall back to clone when it is missing.
                DeniedCall("clone3", nil, error: 38),
                DeniedCall(
                    "setns", .init(argument: 1, mask: 0x1000_0000, value: 0x1000_0000, words: "CLONE_NEWUSER is set")),
            ]
        case .kernelModules:
            return ["init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"].map {
                DeniedCall($0)
            }
        case .mounts:
            return [
                "mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig", "fspick",
                "mount_setattr",
            ].map { DeniedCall($0) }
        case .kernelPrograms: return [DeniedCall("bpf")]
        case .asynchronousRings:
            return ["io_uring_setup", "io_uring_enter", "io_uring_register"].map { DeniedCall($0) }
        case .clock:
            return ["settimeofday", "clock_settime", "clock_settime64", "adjtimex", "clock_adjtime", "stime"].map {
                DeniedCall($0)
            }
        case .reboot: return [DeniedCall("reboot")]
        case .keyrings: return ["keyctl", "add_key", "request_key"].map { DeniedCall($0) }
        }
    }
}
