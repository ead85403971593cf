internal import Contract
internal import Core
internal import Varlink
internal import Wire

/// A `Start` whose every value was checked, before anything is made.
struct StartRequest: Sendable {
    let folders: [String]
    let mode: FolderMode
    let name: SessionName?
    let process: ProcessSpecification?
    let resources: Resources

    private static let mostFolders = 16
    private static let leastMemory: UInt64 = 128 << 20
    private static let leastDisk: UInt64 = 64 << 20
    private static let mostDisk: UInt64 = 4 << 40

    init(_ given: DaemonAPI.Start.Parameters, settings: Settings) throws(Fault) {
        guard given.folders.count <= Self.mostFolders else {
            throw Fault(
                .usage, "\(given.folders.count) folders are too many",
                hint: "a session takes at most \(Self.mostFolders); grant one that contains them")
        }
        folders = given.folders
        mode = try Self.mode(given.mode)
        name = try given.name.map { text throws(Fault) in
            guard let name = SessionName(text) else {
                throw Fault(
                    .usage, "\"\(Display.escaped(text, limit: 80))\" cannot be a session's name",
                    hint: "use at most 63 letters, digits, -, _ and ., beginning with a letter or digit")
            }
            return name
        }
        process = try given.process.map { process throws(Fault) in try ProcessRequest.check(process) }
        var resources = settings.resources
        if let cpus = given.cpus {
            guard (1...settings.processors).contains(cpus) else {
                throw Fault(.usage, "\(cpus) cpus", hint: "this machine allows 1 to \(settings.processors)")
            }
            resources.processors = cpus
        }
        if let memory = given.memory {
            guard let bytes = UInt64(exactly: memory), bytes >= Self.leastMemory, bytes <= 1 << 44 else {
                throw Fault(.usage, "\(memory) bytes of memory", hint: "give at least 128M, such as --memory 1G")
            }
            resources.memoryBytes = bytes
        }
        if let disk = given.disk {
            guard let bytes = UInt64(exactly: disk), bytes >= Self.leastDisk, bytes <= Self.mostDisk else {
                throw Fault(.usage, "\(disk) bytes of disk", hint: "give between 64M and 4T, such as --disk 8G")
            }
            resources.diskBytes = bytes
        }
        self.resources = resources
    }

    private static func mode(_ text: String?) throws(Fault) -> FolderMode {
        guard let text else { return .readOnly }
        if let mode = FolderMode(rawValue: text) { return mode }
        if text == "staged" {
            throw Fault(
                .unsupported, "staged folders are not available yet",
                hint: "use --mode read-only, or --mode direct to let the guest change your files")
        }
        throw Fault(
            .usage, "there is no folder mode \"\(Display.escaped(text, limit: 40))\"",
            hint: "modes are read-only and direct")
    }
}

/// A program to run, from a client's words to the guest's.
enum ProcessRequest {
    /// Arguments, environment and directory together; one packet carries them.
    static let mostText = 96 << 10

    static func check(_ given: DaemonAPI.Process) throws(Fault) -> ProcessSpecification {
        guard let program = given.arguments.first, !program.isEmpty else {
            throw Fault(.usage, "there is no command to run", hint: "name one after --")
        }
        let environment = given.environment ?? []
        let directory = given.directory ?? ""
        let texts = given.arguments + environment + [directory]
        let total = texts.reduce(0) { $0 + $1.utf8.count + 4 }
        guard total <= mostText, texts.count <= 4096 else {
            throw Fault(
                .tooLarge, "the command and its environment have \(total) bytes",
                hint: "at most \(mostText) fit: pass data by standard input or a file")
        }
        guard !texts.contains(where: { $0.utf8.contains(0) }) else {
            throw Fault(.usage, "the command contains a NUL byte", hint: "remove it")
        }
        for entry in environment where entry.firstIndex(of: "=") == nil || entry.hasPrefix("=") {
            throw Fault(
                .usage, "\"\(Display.escaped(entry, limit: 80))\" is no environment variable", hint: "write KEY=value")
        }
        guard directory.isEmpty || directory.hasPrefix("/"), directory.utf8.count <= 4096 else {
            throw Fault(
                .usage, "the directory \"\(Display.escaped(directory, limit: 80))\" is not absolute",
                hint: "give a path in the guest that begins with /")
        }
        let user = given.user ?? "agent"
        guard (1...64).contains(user.utf8.count) else {
            throw Fault(.usage, "no such user", hint: "name a user of the guest, such as agent or root")
        }
        guard let rows = UInt16(exactly: given.rows ?? 24), let columns = UInt16(exactly: given.columns ?? 80) else {
            throw Fault(.usage, "the terminal's size is out of range", hint: "give at most 65535 rows and columns")
        }
        guard let deadline = UInt64(exactly: given.deadlineMilliseconds ?? 0) else {
            throw Fault(.usage, "the deadline is negative", hint: "give milliseconds from now")
        }
        return ProcessSpecification(
            arguments: given.arguments, environment: environment, directory: directory, user: user,
            terminal: given.terminal ?? false, rows: rows, columns: columns, deadlineMilliseconds: deadline)
    }
}

extension ProcessSpecification {
    /// Where it starts unless the client said so: in the folder that the session is about.
    func startingIn(_ folder: String?) -> ProcessSpecification {
        guard directory.isEmpty, let folder else { return self }
        var copy = self
        copy.directory = folder
        return copy
    }
}
