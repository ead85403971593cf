internal import CLinux
internal import Glibc
internal import System
internal import Wire

/// Both ends of what a process is connected to: three pipes, or one terminal.
struct ProcessPorts {
    /// Ours, non-blocking.
    let input, output: SharedDescriptor
    /// Nil on a terminal, where everything is output.
    let error: SharedDescriptor?
    /// The process's, to be given to it and then dropped: input, output, error.
    let theirs: [SharedDescriptor]
    var isTerminal: Bool { error == nil }

    static func pipes() throws(SystemError) -> ProcessPorts {
        let input = try pipe(), output = try pipe(), error = try pipe()
        for ours in [input.write, output.read, error.read] {
            try systemCall("fcntl") { cl_set_nonblocking(ours.raw, 1) }
        }
        return ProcessPorts(
            input: input.write, output: output.read, error: error.read,
            theirs: [input.read, output.write, error.write])
    }

    static func terminal(rows: UInt16, columns: UInt16) throws(SystemError) -> ProcessPorts {
        var raw: Int32 = -1
        var path = [CChar](repeating: 0, count: 64)
        try systemCall("open a terminal") { cl_open_pty(&raw, &path, path.count) }
        let controller = SharedDescriptor(FileDescriptor(owning: raw))
        try systemCall("fcntl") { cl_set_nonblocking(controller.raw, 1) }
        try systemCall("set the window's size") { cl_set_window_size(controller.raw, UInt32(rows), UInt32(columns)) }
        let name = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let terminal = SharedDescriptor(try Files.open(name, O_RDWR | O_NOCTTY))
        return ProcessPorts(
            input: controller, output: controller, error: nil, theirs: [terminal, terminal, terminal])
    }

    /// Makes the process's ends its user's, so that it may open /dev/stdout or its terminal by name.
    func give(to user: AccountDirectory.User, terminalGroup: UInt32?) throws(SystemError) {
        for end in theirs {
            try systemCall("fchown") { fchown(end.raw, user.uid, isTerminal ? terminalGroup ?? user.gid : user.gid) }
            if isTerminal { try systemCall("fchmod") { fchmod(end.raw, terminalGroup == nil ? 0o600 : 0o620) } }
        }
    }

    private static func pipe() throws(SystemError) -> (read: SharedDescriptor, write: SharedDescriptor) {
        var raw: [Int32] = [-1, -1]
        try systemCall("pipe") { cl_pipe2(&raw, 0) }
        return (SharedDescriptor(FileDescriptor(owning: raw[0])), SharedDescriptor(FileDescriptor(owning: raw[1])))
    }
}
