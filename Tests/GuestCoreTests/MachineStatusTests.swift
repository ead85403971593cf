import Testing
import Wire

@testable import GuestCore

@Suite struct MachineStatusTests {
    @Test func readsALineOfMemory() {
        let text = "MemTotal:         497412 kB\nMemFree:          1 kB\nMemAvailable:     421004 kB\n"
        #expect(MachineStatus.bytes("MemTotal", in: text) == 497_412 * 1024)
        #expect(MachineStatus.bytes("MemAvailable", in: text) == 421_004 * 1024)
        #expect(MachineStatus.bytes("Mem", in: text) == 0)
        #expect(MachineStatus.bytes("Swap", in: text) == 0)
    }

    @Test func tellsKernelThreadsFromProcesses() {
        #expect(MachineStatus.isKernelThread("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0"))
        #expect(!MachineStatus.isKernelThread("71 (cat) S 1 71 71 0 -1 4194304 0 0"))
        #expect(!MachineStatus.isKernelThread("71 (a ) S 0 0 0 0 -1 2129984) S 1 71 71 0 -1 4194304 0 0"))
        #expect(!MachineStatus.isKernelThread("71 (cut"))
    }

    @Test func thisMachineHasMemoryAndProcesses() {
        let status = MachineStatus.read()
        #expect(status.memoryTotal > status.memoryAvailable)
        #expect(status.memoryAvailable > 0)
        #expect(status.diskTotal > 0)
        #expect(status.agentResident > 0)
        #expect(status.uptimeMilliseconds > 0)
        #expect(status.processes > 0)
    }
}
