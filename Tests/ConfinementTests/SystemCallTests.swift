import Glibc
import System
import Testing

@testable import Confinement

/// Filters are tried for real, on programs of the system: each refusal has a twin that goes through.
@Suite struct SystemCallTests {
    private func run(_ program: String, _ arguments: [String], _ list: SystemCallList?) throws -> ChildExit? {
        var specification = ChildSpecification(program: program, arguments: arguments)
        specification.noNewPrivileges = true
        if let list { specification.sandbox.filter = try SystemCallFilter(list).bytes }
        return try Child.spawn(specification).wait()
    }

    private func python(_ source: String, _ list: SystemCallList?) throws -> ChildExit? {
        try run("/usr/bin/python3", ["-c", source], list)
    }

    @Test func aRefusedCallFailsWithItsErrno() throws {
        var list = SystemCallList.allButWhatIsRefused
        list.fail("getpriority", with: EXDEV, because: "a test")
        let source = """
            import errno, os
            try: os.getpriority(os.PRIO_PROCESS, 0)
            except OSError as error: raise SystemExit(0 if error.errno == errno.EXDEV else 2)
            raise SystemExit(3)
            """
        #expect(try python(source, list) == .code(0))
        #expect(try python(source, nil) == .code(3))
    }

    @Test func whatIsNotAllowedEndsTheProcess() throws {
        var list = SystemCallList.onlyWhatIsAllowed
        let needed = [
            "access", "arch_prctl", "brk", "close", "execve", "exit_group", "fstat", "getrandom", "mmap", "mprotect",
            "munmap", "newfstatat", "openat", "pread64", "prlimit64", "read", "rseq", "set_robust_list",
            "set_tid_address", "write",
        ]
        for call in needed where call != "exit_group" { list.allow(call, because: "starting a program") }
        #expect(try run("/bin/true", [], list) == .signal(SIGSYS))
        list.allow("exit_group", because: "ending it")
        #expect(try run("/bin/true", [], list) == .code(0))
    }

    @Test func zeroMakesACallAppearToSucceed() throws {
        let source = "import os; os.nice(5); os.setpriority(os.PRIO_PROCESS, 0, 12); print(os.nice(0))"
        var list = SystemCallList.allButWhatIsRefused
        list.fail("setpriority", with: 0, because: "a test")
        #expect(try python(source + "; raise SystemExit(os.nice(0))", list) == .code(0))
        #expect(try python(source + "; raise SystemExit(os.nice(0))", nil) == .code(12))
    }

    @Test func conditionsLookAtArguments() throws {
        var list = SystemCallList.allButWhatIsRefused
        // umask shows the argument it was given at the next call.
        list.fail("umask", with: EPERM, where: [.has(0, 0o4)], because: "a test")
        list.fail("lseek", with: EPERM, where: [.equal(2, 2), .compare(1, .greater, 99)], because: "a test")
        let mask = "import os, ctypes; c = ctypes.CDLL(None, use_errno=True); raise SystemExit(c.umask(%) == -1)"
        #expect(try python(mask.replacing("%", with: "0o7"), list) == .code(1))
        #expect(try python(mask.replacing("%", with: "0o2"), list) == .code(0))
        let seek = "import os\ntry: os.lseek(os.open('/bin/sh', 0), %)\nexcept PermissionError: raise SystemExit(9)"
        #expect(try python(seek.replacing("%", with: "100, 2"), list) == .code(9))
        #expect(try python(seek.replacing("%", with: "99, 2"), list) == .code(0))
        #expect(try python(seek.replacing("%", with: "100, 0"), list) == .code(0))
    }

    @Test(arguments: [
        (UInt32(1000), false), (.max, false), (0, true), (999, true), (1001, true), (1023, true), (1024, true),
        (65_534, true), (0x8000_0000, true), (0xFFFF_FFFE, true),
    ])
    func anArgumentMayBeOneOfAFew(value: UInt32, isRefused: Bool) throws {
        var list = SystemCallList.allButWhatIsRefused
        list.fail("getpgid", with: EXDEV, unless: 0, isOneOf: [1000, .max], because: "a test")
        let source = """
            import ctypes, errno
            c = ctypes.CDLL(None, use_errno=True)
            # The upper half of the register is no part of such a number.
            c.syscall(121, ctypes.c_long(\(value) | 1 << 40))
            raise SystemExit(ctypes.get_errno() == errno.EXDEV)
            """
        #expect(try python(source, list) == .code(isRefused ? 1 : 0))
        #expect(try python(source, nil) == .code(0))
    }

    @Test func blocksHoldEveryNumberButThose() {
        #expect(AlignedBlock.covering(allBut: []) == [AlignedBlock(base: 0, mask: 0)])
        for excluded: Set<UInt32> in [[0], [.max], [1000], [1000, .max], [0, 1, 2, 3], [5, 6, 0x8000_0000]] {
            let blocks = AlignedBlock.covering(allBut: excluded)
            func count(_ value: UInt32) -> Int { blocks.count { value & $0.mask == $0.base } }
            for value in excluded {
                #expect(count(value) == 0)
                for near in [value &- 1, value &+ 1] where !excluded.contains(near) { #expect(count(near) == 1) }
            }
            for shift in 0..<32 where !excluded.contains(1 << shift) { #expect(count(1 << shift) == 1) }
            #expect(blocks.reduce(0) { $0 + UInt64(~$1.mask) + 1 } == 1 << 32 - UInt64(excluded.count))
        }
    }

    @Test func aListThatCannotBeMeantIsRefused() {
        var unknown = SystemCallList.allButWhatIsRefused
        unknown.fail("no_such_call", with: EPERM, because: "a test")
        #expect(throws: ConfinementError.unknownCall("no_such_call")) { try SystemCallFilter(unknown) }
        var idle = SystemCallList.allButWhatIsRefused
        idle.allow("read", because: "a test")
        #expect(throws: ConfinementError.badRule(call: "read", errno: EEXIST)) { try SystemCallFilter(idle) }
        var beyond = SystemCallList.onlyWhatIsAllowed
        beyond.allow("read", where: [.equal(6, 0)], because: "a test")
        #expect(throws: ConfinementError.badRule(call: "read", errno: EINVAL)) { try SystemCallFilter(beyond) }
    }
}
