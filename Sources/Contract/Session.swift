package import Core

/// Where a session stands. `because` comes with `failed` and may come with `stopped`.
package enum SessionState: String, Sendable, Codable, CaseIterable {
    case starting, running, stopping, stopped, failed

    package var isEnded: Bool { self == .stopped || self == .failed }
}

package enum FolderMode: String, Sendable, Codable, CaseIterable {
    case readOnly = "read-only"
    case direct
}

/// A folder the user approved, as it was resolved when it was approved.
package struct Grant: Sendable, Codable, Equatable {
    package let path: String
    package let mode: FolderMode

    package init(path: String, mode: FolderMode) {
        self.path = path
        self.mode = mode
    }
}

package enum AcceleratorKind: String, Sendable, Codable { case kvm, tcg }

/// What a machine is made of.
package struct Resources: Sendable, Codable, Equatable {
    package var processors: Int
    package var memoryBytes: UInt64
    package var diskBytes: UInt64

    package init(processors: Int, memoryBytes: UInt64, diskBytes: UInt64) {
        self.processors = processors
        self.memoryBytes = memoryBytes
        self.diskBytes = diskBytes
    }
}

/// A session as the store keeps it.
package struct SessionRecord: Sendable, Equatable {
    package let id: SessionID
    package let name: SessionName
    package let owner: UInt32
    package let grants: [Grant]
    package let resources: Resources
    package let imageID: String
    package let created: Moment
    /// The command given to `start`; empty when there was none.
    package let command: [String]
    /// It ends with its command.
    package let endsWithCommand: Bool
    package var state: SessionState
    package var because: String?
    package var hint: String?
    package var accelerator: AcceleratorKind?
    package var started: Moment?
    package var ended: Moment?
    /// The command's exit status once it ended.
    package var exitStatus: Int32?
    /// Processes that serve this session, so that a new daemon finds them: role to pid and start time.
    package var processes: [String: ProcessIdentity]

    package init(
        id: SessionID, name: SessionName, owner: UInt32, grants: [Grant], resources: Resources, imageID: String,
        created: Moment, command: [String], endsWithCommand: Bool, state: SessionState = .starting,
        because: String? = nil, hint: String? = nil, accelerator: AcceleratorKind? = nil, started: Moment? = nil,
        ended: Moment? = nil, exitStatus: Int32? = nil, processes: [String: ProcessIdentity] = [:]
    ) {
        self.id = id
        self.name = name
        self.owner = owner
        self.grants = grants
        self.resources = resources
        self.imageID = imageID
        self.created = created
        self.command = command
        self.endsWithCommand = endsWithCommand
        self.state = state
        self.because = because
        self.hint = hint
        self.accelerator = accelerator
        self.started = started
        self.ended = ended
        self.exitStatus = exitStatus
        self.processes = processes
    }
}

/// A process named so that a later one with its number is not mistaken for it.
package struct ProcessIdentity: Sendable, Codable, Equatable {
    package let pid: Int32
    /// Field 22 of `/proc/PID/stat`.
    package let startTicks: UInt64

    package init(pid: Int32, startTicks: UInt64) {
        self.pid = pid
        self.startTicks = startTicks
    }
}

/// Something that happened to a session, in order, for `logs` and later the audit.
package struct SessionEvent: Sendable, Equatable {
    package let serial: Int64
    package let at: Moment
    package let kind: String
    package let text: String

    package init(serial: Int64, at: Moment, kind: String, text: String) {
        self.serial = serial
        self.at = at
        self.kind = kind
        self.text = text
    }
}
