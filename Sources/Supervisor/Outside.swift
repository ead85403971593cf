package import Contract
package import Core

/// The world as the supervisor sees it: one implementation of each port.
package struct Outside: Sendable {
    package let machines: any MachineHost
    package let relays: any RelayHost
    package let shares: any ShareHost
    package let images: any ImageSource
    package let store: any SessionStore
    package let files: any SessionFiles
    package let processes: any ProcessTable
    package let host: any HostInspection
    package let clock: any WallClock
    package let timers: any Timers
    package let log: EventLog
    /// From a generator fit for secrets.
    package let randomBytes: @Sendable (Int) -> [UInt8]

    package init(
        machines: any MachineHost, relays: any RelayHost, shares: any ShareHost, images: any ImageSource,
        store: any SessionStore, files: any SessionFiles, processes: any ProcessTable, host: any HostInspection,
        clock: any WallClock, timers: any Timers, log: EventLog, randomBytes: @escaping @Sendable (Int) -> [UInt8]
    ) {
        self.machines = machines
        self.relays = relays
        self.shares = shares
        self.images = images
        self.store = store
        self.files = files
        self.processes = processes
        self.host = host
        self.clock = clock
        self.timers = timers
        self.log = log
        self.randomBytes = randomBytes
    }
}

/// What the daemon was told by its configuration and its start.
package struct Settings: Sendable {
    package enum Accelerator: Sendable, Equatable {
        case automatic
        case fixed(AcceleratorKind)
    }

    package var accelerator = Accelerator.automatic
    package var resources = Resources(processors: 2, memoryBytes: 1 << 30, diskBytes: 8 << 30)
    package var image = "base"
    package var bootSilence = Duration.seconds(60)
    package var idleExit = Duration.seconds(60)
    /// It was started by a program that needed it, and ends when nobody does.
    package var endsWhenIdle = false
    package var powerOffGrace = Duration.seconds(5)
    package var processors = 64
    package let version: String
    package let pid: Int32
    package let socket: String

    package init(version: String, pid: Int32, socket: String) {
        self.version = version
        self.pid = pid
        self.socket = socket
    }
}
