/// The types of `docs/api/dev.cowork.varlink`, field for field. What a field means is said there.
package enum DaemonAPI {
    package static let interface = "dev.cowork"
    package static let faultName = "dev.cowork.Fault"
    /// Raised when a client of an older interface would misunderstand a newer daemon.
    package static let protocolNumber = 1

    package struct FaultParameters: Sendable, Codable, Equatable {
        package let code, message: String
        package let hint: String?
        package init(code: String, message: String, hint: String?) {
            self.code = code
            self.message = message
            self.hint = hint
        }
    }

    package struct Folder: Sendable, Codable, Equatable {
        package let path, mode: String
        package init(path: String, mode: String) {
            self.path = path
            self.mode = mode
        }
    }

    package struct Session: Sendable, Codable, Equatable {
        package var name, id, state: String
        package var because, hint: String?
        package var folders: [Folder]
        package var command: [String]
        package var created: String
        package var started, ended, accelerator: String?
        package var image: String
        package var cpus, memory, disk: Int
        package var exitStatus: Int?

        package init(
            name: String, id: String, state: String, because: String? = nil, hint: String? = nil,
            folders: [Folder] = [], command: [String] = [], created: String, started: String? = nil,
            ended: String? = nil, accelerator: String? = nil, image: String, cpus: Int, memory: Int, disk: Int,
            exitStatus: Int? = nil
        ) {
            self.name = name
            self.id = id
            self.state = state
            self.because = because
            self.hint = hint
            self.folders = folders
            self.command = command
            self.created = created
            self.started = started
            self.ended = ended
            self.accelerator = accelerator
            self.image = image
            self.cpus = cpus
            self.memory = memory
            self.disk = disk
            self.exitStatus = exitStatus
        }
    }

    package struct Process: Sendable, Codable, Equatable {
        package var arguments: [String]
        package var environment: [String]?
        package var directory, user: String?
        package var terminal: Bool?
        package var rows, columns, deadlineMilliseconds: Int?

        package init(
            arguments: [String], environment: [String]? = nil, directory: String? = nil, user: String? = nil,
            terminal: Bool? = nil, rows: Int? = nil, columns: Int? = nil, deadlineMilliseconds: Int? = nil
        ) {
            self.arguments = arguments
            self.environment = environment
            self.directory = directory
            self.user = user
            self.terminal = terminal
            self.rows = rows
            self.columns = columns
            self.deadlineMilliseconds = deadlineMilliseconds
        }
    }

    package struct Progress: Sendable, Codable, Equatable {
        package let stage, text: String
        package init(stage: String, text: String) {
            self.stage = stage
            self.text = text
        }
    }

    package struct GuestStatus: Sendable, Codable, Equatable {
        package let memoryTotal, memoryAvailable, diskTotal, diskAvailable: Int
        package let agentResident, uptimeMilliseconds, processes: Int

        package init(
            memoryTotal: Int, memoryAvailable: Int, diskTotal: Int, diskAvailable: Int, agentResident: Int,
            uptimeMilliseconds: Int, processes: Int
        ) {
            self.memoryTotal = memoryTotal
            self.memoryAvailable = memoryAvailable
            self.diskTotal = diskTotal
            self.diskAvailable = diskAvailable
            self.agentResident = agentResident
            self.uptimeMilliseconds = uptimeMilliseconds
            self.processes = processes
        }
    }

    package struct Check: Sendable, Codable, Equatable {
        package let id, status, detail: String
        package let remedy: String?
        package init(id: String, status: String, detail: String, remedy: String? = nil) {
            self.id = id
            self.status = status
            self.detail = detail
            self.remedy = remedy
        }
    }

    package struct LogEntry: Sendable, Codable, Equatable {
        package let at: String?
        package let kind: String
        package let text, data: String?
        package init(at: String? = nil, kind: String, text: String? = nil, data: String? = nil) {
            self.at = at
            self.kind = kind
            self.text = text
            self.data = data
        }
    }
}
