internal import System
internal import Wire

/// What the guest knows about itself, from the text of its kernel's files.
enum MachineStatus {
    static func read() -> GuestStatus {
        let memory = (try? Files.text(ofFile: "/proc/meminfo")) ?? ""
        let space = try? Files.space(at: "/")
        return GuestStatus(
            memoryTotal: bytes("MemTotal", in: memory), memoryAvailable: bytes("MemAvailable", in: memory),
            diskTotal: space?.total ?? 0, diskAvailable: space?.available ?? 0,
            agentResident: CurrentProcess.residentBytes,
            uptimeMilliseconds: MonotonicClock.nanoseconds() / 1_000_000, processes: processes())
    }

    /// A line such as `MemTotal:  1024 kB`.
    static func bytes(_ name: String, in text: String) -> UInt64 {
        for line in text.split(separator: "\n") where line.hasPrefix(name + ":") {
            let words = line.dropFirst(name.count + 1).split(separator: " ")
            guard let count = words.first.flatMap({ UInt64($0) }) else { return 0 }
            return count.multipliedReportingOverflow(by: 1024).partialValue
        }
        return 0
    }

    /// From the text of /proc/PID/stat: the flags are the seventh field behind the name, which may hold anything.
    static func isKernelThread(_ stat: String) -> Bool {
        guard let end = stat.lastIndex(of: ")") else { return false }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 6, let flags = UInt64(fields[6]) else { return false }
        return flags & 0x0020_0000 != 0
    }

    /// User processes, this one included.
    private static func processes() -> UInt32 {
        let names = (try? Files.entries("/proc")) ?? []
        var count: UInt32 = 0
        for name in names where UInt32(name) != nil {
            if let stat = try? Files.text(ofFile: "/proc/\(name)/stat", limit: 4096), !isKernelThread(stat) {
                count += 1
            }
        }
        return count
    }
}
