/// What a process may ask of the kernel, as data: each call with the reason it is in the list.
///
/// A list is compiled once, before the process it is for starts or confines itself; nothing in it is looked up later.
package struct SystemCallList: Sendable, Equatable {
    package enum Verdict: Sendable, Hashable {
        case allow
        /// The call fails with this errno; 0 makes it appear to succeed.
        case fail(Int32)
        /// The whole process ends, by SIGSYS.
        case endProcess
    }

    package struct Rule: Sendable, Equatable {
        package let call: String
        package let verdict: Verdict
        /// All must hold. Empty: the call, whatever its arguments.
        package let conditions: [ArgumentCondition]
        package let because: String
    }

    /// For calls that no rule names, and for those whose conditions do not hold.
    package let otherwise: Verdict
    package private(set) var rules: [Rule] = []

    /// Only what is added is allowed; anything else ends the process.
    package static var onlyWhatIsAllowed: SystemCallList { SystemCallList(otherwise: .endProcess) }
    /// Everything is allowed but what is added: for a program of others that brings a list of its own.
    package static var allButWhatIsRefused: SystemCallList { SystemCallList(otherwise: .allow) }

    package init(otherwise: Verdict) { self.otherwise = otherwise }

    package mutating func allow(_ calls: String..., where conditions: [ArgumentCondition] = [], because: String) {
        add(.allow, calls, conditions, because)
    }

    /// `errno` 0: the call does nothing and says it did.
    package mutating func fail(
        _ calls: String..., with errno: Int32, where conditions: [ArgumentCondition] = [], because: String
    ) {
        add(.fail(errno), calls, conditions, because)
    }

    /// `value`, the call's argument number `argument`, must be one of `permitted`, else the call fails with `errno`.
    /// Like the kernel does with ids and modes, this looks at the lower 32 bits alone.
    package mutating func fail(
        _ call: String, with errno: Int32, unless argument: Int, isOneOf permitted: Set<UInt32>, because: String
    ) {
        for block in AlignedBlock.covering(allBut: permitted) {
            add(.fail(errno), [call], [.masked(argument, UInt64(block.mask), equals: UInt64(block.base))], because)
        }
    }

    private mutating func add(
        _ verdict: Verdict, _ calls: [String], _ conditions: [ArgumentCondition], _ because: String
    ) {
        for call in calls {
            rules.append(Rule(call: call, verdict: verdict, conditions: conditions, because: because))
        }
    }
}

/// A comparison of one argument, 0 to 5, as an unsigned 64-bit number. Pointers are numbers here: what they point to
/// cannot be judged.
package struct ArgumentCondition: Sendable, Equatable {
    package enum Comparison: Sendable, Equatable { case notEqual, less, lessOrEqual, equal, greaterOrEqual, greater }

    package let argument: Int
    let comparison: Comparison
    let value: UInt64
    /// Not nil: only these bits are compared, for equality.
    let mask: UInt64?

    package static func compare(_ argument: Int, _ comparison: Comparison, _ value: UInt64) -> ArgumentCondition {
        ArgumentCondition(argument: argument, comparison: comparison, value: value, mask: nil)
    }

    package static func equal(_ argument: Int, _ value: UInt64) -> ArgumentCondition {
        compare(argument, .equal, value)
    }

    package static func masked(_ argument: Int, _ mask: UInt64, equals value: UInt64) -> ArgumentCondition {
        ArgumentCondition(argument: argument, comparison: .equal, value: value, mask: mask)
    }

    /// Every bit of `bits` is set.
    package static func has(_ argument: Int, _ bits: UInt64) -> ArgumentCondition {
        masked(argument, bits, equals: bits)
    }

    /// No bit of `bits` is set.
    package static func lacks(_ argument: Int, _ bits: UInt64) -> ArgumentCondition {
        masked(argument, bits, equals: 0)
    }
}

/// All 32-bit numbers that share their leading bits: what one masked comparison can name.
struct AlignedBlock: Equatable {
    let base: UInt32
    let mask: UInt32

    /// The fewest blocks that together hold every number but `excluded`.
    static func covering(allBut excluded: Set<UInt32>) -> [AlignedBlock] {
        var blocks: [AlignedBlock] = []
        var start: UInt64 = 0
        for end in excluded.sorted().map(UInt64.init) + [1 << 32] {
            while start < end {
                var size: UInt64 = start == 0 ? 1 << 32 : start & (~start &+ 1)
                while start + size > end { size >>= 1 }
                blocks.append(
                    AlignedBlock(
                        base: UInt32(truncatingIfNeeded: start), mask: ~UInt32(truncatingIfNeeded: size &- 1)))
                start += size
            }
            start = end + 1
        }
        return blocks
    }
}
