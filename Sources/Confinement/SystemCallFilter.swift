internal import CLinux
internal import CSeccomp
internal import Glibc
internal import System

package enum ConfinementError: Error, Sendable, Equatable {
    /// This machine's kernel interface has no such call.
    case unknownCall(String)
    /// A rule that says what the list says anyway, or that the library refuses.
    case badRule(call: String, errno: Int32)
    case kernel(call: String, errno: Int32)
}

/// A list as the kernel takes it: a classic BPF program. Calls of another architecture end the process.
package struct SystemCallFilter: Sendable, Equatable {
    package let bytes: [UInt8]

    package init(_ list: SystemCallList) throws(ConfinementError) {
        guard let context = seccomp_init(list.otherwise.action) else {
            throw .kernel(call: "seccomp_init", errno: ENOMEM)
        }
        defer { seccomp_release(context) }
        let kill = SystemCallList.Verdict.endProcess.action
        guard seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, kill) == 0,
            seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0
        else { throw .kernel(call: "seccomp_attr_set", errno: EINVAL) }

        for rule in list.rules {
            // The library would take such a rule for a mistake of its own kind; here it is a list that contradicts itself.
            guard rule.verdict != list.otherwise else { throw .badRule(call: rule.call, errno: EEXIST) }
            let number = seccomp_syscall_resolve_name(rule.call)
            guard number != Self.unknown else { throw .unknownCall(rule.call) }
            var conditions: [scmp_arg_cmp] = []
            for condition in rule.conditions {
                guard (0...5).contains(condition.argument) else { throw .badRule(call: rule.call, errno: EINVAL) }
                conditions.append(condition.comparison(mask: condition.mask))
            }
            let result = seccomp_rule_add_array(
                context, rule.verdict.action, number, UInt32(conditions.count), conditions)
            guard result == 0 else { throw .badRule(call: rule.call, errno: -result) }
        }
        bytes = try Self.export(context)
    }

    /// Confines this process, all its threads, for good. Forbids new privileges by exec first.
    package func install() throws(ConfinementError) {
        guard bytes.withUnsafeBytes({ cl_install_filter($0.baseAddress, $0.count) }) == 0 else {
            throw .kernel(call: "seccomp", errno: errno)
        }
    }

    private static let unknown: Int32 = -1  // __NR_SCMP_ERROR

    private static func export(_ context: scmp_filter_ctx) throws(ConfinementError) -> [UInt8] {
        let raw = cl_memfd_create("filter", 0)
        guard raw >= 0 else { throw .kernel(call: "memfd_create", errno: errno) }
        let file = FileDescriptor(owning: raw)
        let result = seccomp_export_bpf(context, file.raw)
        guard result == 0 else { throw .kernel(call: "seccomp_export_bpf", errno: -result) }
        guard lseek(file.raw, 0, SEEK_SET) == 0 else { throw .kernel(call: "lseek", errno: errno) }
        do throws(SystemError) {
            return try Files.contents(of: file, limit: 1 << 20)
        } catch { throw .kernel(call: error.call, errno: error.code) }
    }
}

extension SystemCallList.Verdict {
    // SCMP_ACT_…: function-like macros that the importer leaves out.
    fileprivate var action: UInt32 {
        switch self {
        case .allow: 0x7FFF_0000
        case .fail(let errno): 0x0005_0000 | UInt32(truncatingIfNeeded: errno & 0xFFFF)
        case .endProcess: 0x8000_0000
        }
    }
}

extension ArgumentCondition {
    fileprivate func comparison(mask: UInt64?) -> scmp_arg_cmp {
        if let mask {
            return scmp_arg_cmp(arg: UInt32(argument), op: SCMP_CMP_MASKED_EQ, datum_a: mask, datum_b: value)
        }
        let operation =
            switch comparison {
            case .notEqual: SCMP_CMP_NE
            case .less: SCMP_CMP_LT
            case .lessOrEqual: SCMP_CMP_LE
            case .equal: SCMP_CMP_EQ
            case .greaterOrEqual: SCMP_CMP_GE
            case .greater: SCMP_CMP_GT
            }
        return scmp_arg_cmp(arg: UInt32(argument), op: operation, datum_a: value, datum_b: 0)
    }
}
