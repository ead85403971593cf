// The payloads of frames. Each has one encoding; a decoder accepts nothing else.

package protocol FramePayload: Sendable, Equatable {
    func encode(into writer: inout ByteWriter)
    init(from reader: inout ByteReader) throws(WireError)
}

extension FramePayload {
    package var encoded: [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer)
        return writer.bytes
    }

    package init(payload: [UInt8]) throws(WireError) {
        var reader = ByteReader(payload)
        self = try Self(from: &reader)
        try reader.finish()
    }
}

/// Guest to host, first frame: proves that it is this boot's PID 1 by the secret that only root in the guest can read.
package struct Hello: FramePayload {
    package let lowestVersion, highestVersion: UInt16
    package let secret: [UInt8]

    package init(lowestVersion: UInt16, highestVersion: UInt16, secret: [UInt8]) {
        self.lowestVersion = lowestVersion
        self.highestVersion = highestVersion
        self.secret = secret
    }
    package init(from reader: inout ByteReader) throws(WireError) {
        guard try reader.raw(Wire.magic.count) == Wire.magic else { throw .malformed("magic") }
        lowestVersion = try reader.integer()
        highestVersion = try reader.integer()
        secret = try reader.raw(Wire.secretLength)
    }
    package func encode(into writer: inout ByteWriter) {
        writer.append(raw: Wire.magic)
        writer.append(lowestVersion)
        writer.append(highestVersion)
        writer.append(raw: secret)
    }
}

/// Host to guest: the version both will speak, and the other half of the secret, which shows that the host is ours.
package struct Welcome: FramePayload {
    package let version: UInt16
    package let proof: [UInt8]

    package init(version: UInt16, proof: [UInt8]) {
        self.version = version
        self.proof = proof
    }
    package init(from reader: inout ByteReader) throws(WireError) {
        version = try reader.integer()
        proof = try reader.raw(Wire.secretLength)
    }
    package func encode(into writer: inout ByteWriter) {
        writer.append(version)
        writer.append(raw: proof)
    }
}

/// What a guest must be told at each start and each restore.
package struct Configure: FramePayload {
    package let hostname: String
    package let realtimeNanoseconds: Int64
    package let entropy: [UInt8]

    package init(hostname: String, realtimeNanoseconds: Int64, entropy: [UInt8]) {
        self.hostname = hostname
        self.realtimeNanoseconds = realtimeNanoseconds
        self.entropy = entropy
    }
    package init(from reader: inout ByteReader) throws(WireError) {
        hostname = try reader.text(limit: 64)
        realtimeNanoseconds = try reader.integer()
        entropy = try reader.field(limit: 256)
    }
    package func encode(into writer: inout ByteWriter) {
        writer.append(hostname)
        writer.append(realtimeNanoseconds)
        writer.append(field: entropy)
    }
}

/// The guest has its root and runs commands from now on.
package struct Ready: FramePayload {
    /// Since the guest's kernel started.
    package let uptimeMilliseconds: UInt64
    package let agentVersion: String

    package init(uptimeMilliseconds: UInt64, agentVersion: String) {
        self.uptimeMilliseconds = uptimeMilliseconds
        self.agentVersion = agentVersion
    }
    package init(from reader: inout ByteReader) throws(WireError) {
        uptimeMilliseconds = try reader.integer()
        agentVersion = try reader.text(limit: 64)
    }
    package func encode(into writer: inout ByteWriter) {
        writer.append(uptimeMilliseconds)
        writer.append(agentVersion)
    }
}

/// Something was not done. Also the payload of `failed`: the guest could not come up at all.
package struct Refusal: FramePayload {
    package enum Reason: UInt8, Sendable {
        case failed = 0, notFound, notExecutable, noSuchUser, noSuchDirectory, badRequest, tooMany, denied
    }
    package let reason: Reason
    package let errorNumber: UInt32
    /// In the guest's words when it comes from the guest: untrusted.
    package let text: String

    package init(_ reason: Reason, errorNumber: UInt32 = 0, text: String) {
        self.reason = reason
        self.errorNumber = errorNumber
        self.text = text
    }
    package init(from reader: inout ByteReader) throws(WireError) {
        reason = Reason(rawValue: try reader.integer()) ?? .failed
        errorNumber = try reader.integer()
        text = try reader.text(limit: 4096)
    }
    package func encode(into writer: inout ByteWriter) {
        writer.append(reason.rawValue)
        writer.append(errorNumber)
        writer.append(String(decoding: text.utf8.prefix(4000), as: UTF8.self))
    }
}

/// A virtio-fs tag to be mounted at an absolute path, which is made if it does not exist.
package struct Mount: FramePayload {
    package let tag: String
    package let path: String
    package let readOnly: Bool

    package init(tag: String, path: String, readOnly: Bool) {
        self.tag = tag
        self.path = path
        self.readOnly = readOnly
    }
    package init(from reader: inout ByteReader) throws(WireError) {
        tag = try reader.text(limit: 36)
        path = try reader.text(limit: 4096)
        readOnly = try reader.flag()
    }
    package func encode(into writer: inout ByteWriter) {
        writer.append(tag)
        writer.append(path)
        writer.append(readOnly)
    }
}

package struct Unmount: FramePayload {
    package let path: String
    package init(path: String) { self.path = path }
    package init(from reader: inout ByteReader) throws(WireError) { path = try reader.text(limit: 4096) }
    package func encode(into writer: inout ByteWriter) { writer.append(path) }
}

package struct GuestStatus: FramePayload {
    package let memoryTotal, memoryAvailable, diskTotal, diskAvailable, agentResident, uptimeMilliseconds: UInt64
    package let processes: UInt32

    package init(
        memoryTotal: UInt64, memoryAvailable: UInt64, diskTotal: UInt64, diskAvailable: UInt64, agentResident: UInt64,
        uptimeMilliseconds: UInt64, processes: UInt32
    ) {
        self.memoryTotal = memoryTotal
        self.memoryAvailable = memoryAvailable
        self.diskTotal = diskTotal
        self.diskAvailable = diskAvailable
        self.agentResident = agentResident
        self.uptimeMilliseconds = uptimeMilliseconds
        self.processes = processes
    }
    package init(from reader: inout ByteReader) throws(WireError) {
        memoryTotal = try reader.integer()
        memoryAvailable = try reader.integer()
        diskTotal = try reader.integer()
        diskAvailable = try reader.integer()
        agentResident = try reader.integer()
        uptimeMilliseconds = try reader.integer()
        processes = try reader.integer()
    }
    package func encode(into writer: inout ByteWriter) {
        writer.append(memoryTotal)
        writer.append(memoryAvailable)
        writer.append(diskTotal)
        writer.append(diskAvailable)
        writer.append(agentResident)
        writer.append(uptimeMilliseconds)
        writer.append(processes)
    }
}

/// Ends the guest: TERM to every process, then KILL after the grace, file systems flushed, power off.
package struct PowerOff: FramePayload {
    package let graceMilliseconds: UInt32
    package init(graceMilliseconds: UInt32) { self.graceMilliseconds = graceMilliseconds }
    package init(from reader: inout ByteReader) throws(WireError) { graceMilliseconds = try reader.integer() }
    package func encode(into writer: inout ByteWriter) { writer.append(graceMilliseconds) }
}

/// A program to run in the guest: the payload of `open`.
package struct ProcessSpecification: FramePayload {
    package struct Limit: Sendable, Equatable {
        package let resource: UInt8
        package let soft, hard: UInt64
        package init(resource: UInt8, soft: UInt64, hard: UInt64) {
            self.resource = resource
            self.soft = soft
            self.hard = hard
        }
    }

    /// Program and arguments; a program without a slash is looked up in the PATH of `environment`.
    package var arguments: [String]
    /// `KEY=value`, added to the user's own (HOME, USER, SHELL, PATH, and TERM on a terminal).
    package var environment: [String]
    /// Empty: the user's home.
    package var directory: String
    /// A name or a decimal uid of the guest.
    package var user: String
    package var terminal: Bool
    package var rows, columns: UInt16
    package var limits: [Limit]
    /// 0: none. When it passes: TERM, KILL two seconds later, and `exited` says `expired`.
    package var deadlineMilliseconds: UInt64

    package init(
        arguments: [String], environment: [String] = [], directory: String = "", user: String = "agent",
        terminal: Bool = false, rows: UInt16 = 24, columns: UInt16 = 80, limits: [Limit] = [],
        deadlineMilliseconds: UInt64 = 0
    ) {
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.user = user
        self.terminal = terminal
        self.rows = rows
        self.columns = columns
        self.limits = limits
        self.deadlineMilliseconds = deadlineMilliseconds
    }
    package init(from reader: inout ByteReader) throws(WireError) {
        arguments = try reader.list()
        environment = try reader.list()
        directory = try reader.text(limit: 4096)
        user = try reader.text(limit: 64)
        terminal = try reader.flag()
        rows = try reader.integer()
        columns = try reader.integer()
        let count = try reader.integer(UInt8.self)
        var limits: [Limit] = []
        for _ in 0..<count {
            limits.append(
                Limit(resource: try reader.integer(), soft: try reader.integer(), hard: try reader.integer()))
        }
        self.limits = limits
        deadlineMilliseconds = try reader.integer()
        guard let program = arguments.first, !program.isEmpty else { throw .malformed("no program") }
        for text in arguments + environment + [directory] where text.utf8.contains(0) { throw .malformed("NUL") }
    }
    package func encode(into writer: inout ByteWriter) {
        writer.append(arguments)
        writer.append(environment)
        writer.append(directory)
        writer.append(user)
        writer.append(terminal)
        writer.append(rows)
        writer.append(columns)
        writer.append(UInt8(clamping: limits.count))
        for limit in limits.prefix(255) {
            writer.append(limit.resource)
            writer.append(limit.soft)
            writer.append(limit.hard)
        }
        writer.append(deadlineMilliseconds)
    }
}

package struct Opened: FramePayload {
    package let pid: UInt32
    package init(pid: UInt32) { self.pid = pid }
    package init(from reader: inout ByteReader) throws(WireError) { pid = try reader.integer() }
    package func encode(into writer: inout ByteWriter) { writer.append(pid) }
}

/// More room on a channel, in bytes, added to what is left.
package struct Credit: FramePayload {
    package let bytes: UInt32
    package init(bytes: UInt32) { self.bytes = bytes }
    package init(from reader: inout ByteReader) throws(WireError) { bytes = try reader.integer() }
    package func encode(into writer: inout ByteWriter) { writer.append(bytes) }
}

package struct Resize: FramePayload {
    package let rows, columns: UInt16
    package init(rows: UInt16, columns: UInt16) {
        self.rows = rows
        self.columns = columns
    }
    package init(from reader: inout ByteReader) throws(WireError) {
        rows = try reader.integer()
        columns = try reader.integer()
    }
    package func encode(into writer: inout ByteWriter) {
        writer.append(rows)
        writer.append(columns)
    }
}

package struct Signal: FramePayload {
    package let number: UInt8
    package init(number: UInt8) { self.number = number }
    package init(from reader: inout ByteReader) throws(WireError) {
        number = try reader.integer()
        guard (1...64).contains(number) else { throw .malformed("signal") }
    }
    package func encode(into writer: inout ByteWriter) { writer.append(number) }
}

/// The last frame of a process's stream: it comes after every byte of its output.
package struct Exited: FramePayload {
    package let signalled: Bool
    /// An exit code, or a signal's number.
    package let value: UInt8
    /// Its deadline ended it.
    package let expired: Bool

    package init(signalled: Bool, value: UInt8, expired: Bool = false) {
        self.signalled = signalled
        self.value = value
        self.expired = expired
    }
    package init(from reader: inout ByteReader) throws(WireError) {
        signalled = try reader.flag()
        value = try reader.integer()
        expired = try reader.flag()
    }
    package func encode(into writer: inout ByteWriter) {
        writer.append(signalled)
        writer.append(value)
        writer.append(expired)
    }

    /// What a shell would make of it: the code, 128+n for a signal, 124 for a deadline.
    package var status: Int32 { expired ? 124 : signalled ? 128 + Int32(value) : Int32(value) }
}

/// To a client: its stream ended without an exit status, because the guest or the relay is gone.
package struct Lost: FramePayload {
    package let text: String
    package init(text: String) { self.text = text }
    package init(from reader: inout ByteReader) throws(WireError) { text = try reader.text(limit: 4096) }
    package func encode(into writer: inout ByteWriter) {
        writer.append(String(decoding: text.utf8.prefix(4000), as: UTF8.self))
    }
}
