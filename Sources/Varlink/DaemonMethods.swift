extension DaemonAPI {
    package enum Start: VarlinkMethod {
        package static let name = "dev.cowork.Start"

        package struct Parameters: Sendable, Codable, Equatable {
            package var folders: [String]
            package var mode, name: String?
            package var process: Process?
            package var cpus, memory, disk: Int?

            package init(
                folders: [String], mode: String? = nil, name: String? = nil, process: Process? = nil,
                cpus: Int? = nil, memory: Int? = nil, disk: Int? = nil
            ) {
                self.folders = folders
                self.mode = mode
                self.name = name
                self.process = process
                self.cpus = cpus
                self.memory = memory
                self.disk = disk
            }
        }

        package struct Reply: Sendable, Codable, Equatable {
            package let session: Session?
            package let progress: Progress?
            package init(session: Session? = nil, progress: Progress? = nil) {
                self.session = session
                self.progress = progress
            }
        }
    }

    package enum Exec: VarlinkMethod {
        package static let name = "dev.cowork.Exec"
        /// Of standard input, before base64.
        package static let mostInput = 1 << 20

        package struct Parameters: Sendable, Codable, Equatable {
            package var session: String
            package var process: Process
            package var stdin: String?
            package init(session: String, process: Process, stdin: String? = nil) {
                self.session = session
                self.process = process
                self.stdin = stdin
            }
        }

        package struct Reply: Sendable, Codable, Equatable {
            package let stdout, stderr: String?
            package let exitStatus: Int?
            package init(stdout: String? = nil, stderr: String? = nil, exitStatus: Int? = nil) {
                self.stdout = stdout
                self.stderr = stderr
                self.exitStatus = exitStatus
            }
        }
    }

    package enum List: VarlinkMethod {
        package static let name = "dev.cowork.List"
        package struct Parameters: Sendable, Codable, Equatable {
            package var all: Bool?
            package init(all: Bool? = nil) { self.all = all }
        }
        package struct Reply: Sendable, Codable, Equatable {
            package let sessions: [Session]
            package init(sessions: [Session]) { self.sessions = sessions }
        }
    }

    package enum Show: VarlinkMethod {
        package static let name = "dev.cowork.Show"
        package struct Parameters: Sendable, Codable, Equatable {
            package var session: String
            package init(session: String) { self.session = session }
        }
        package struct Reply: Sendable, Codable, Equatable {
            package let session: Session
            package let guest: GuestStatus?
            package init(session: Session, guest: GuestStatus?) {
                self.session = session
                self.guest = guest
            }
        }
    }

    package enum Logs: VarlinkMethod {
        package static let name = "dev.cowork.Logs"
        package struct Parameters: Sendable, Codable, Equatable {
            package var session: String?
            package var follow: Bool?
            package init(session: String? = nil, follow: Bool? = nil) {
                self.session = session
                self.follow = follow
            }
        }
        package struct Reply: Sendable, Codable, Equatable {
            package let session: String?
            package let entry: LogEntry?
            package init(session: String? = nil, entry: LogEntry? = nil) {
                self.session = session
                self.entry = entry
            }
        }
    }

    package enum Stop: VarlinkMethod {
        package static let name = "dev.cowork.Stop"
        package struct Parameters: Sendable, Codable, Equatable {
            package var session: String
            package var force: Bool?
            package init(session: String, force: Bool? = nil) {
                self.session = session
                self.force = force
            }
        }
        package struct Reply: Sendable, Codable, Equatable {
            package let session: Session
            package init(session: Session) { self.session = session }
        }
    }

    package enum Remove: VarlinkMethod {
        package static let name = "dev.cowork.Remove"
        package typealias Parameters = Stop.Parameters
        package typealias Reply = Nothing
    }

    package enum Doctor: VarlinkMethod {
        package static let name = "dev.cowork.Doctor"
        package struct Parameters: Sendable, Codable, Equatable {
            package var probe: Bool?
            package init(probe: Bool? = nil) { self.probe = probe }
        }
        package struct Accelerator: Sendable, Codable, Equatable {
            package let kind, because: String
            package init(kind: String, because: String) {
                self.kind = kind
                self.because = because
            }
        }
        package struct Daemon: Sendable, Codable, Equatable {
            package let pid: Int
            package let version, socket: String
            package init(pid: Int, version: String, socket: String) {
                self.pid = pid
                self.version = version
                self.socket = socket
            }
        }
        package struct Reply: Sendable, Codable, Equatable {
            package let checks: [Check]
            package let accelerator: Accelerator
            package let daemon: Daemon
            package init(checks: [Check], accelerator: Accelerator, daemon: Daemon) {
                self.checks = checks
                self.accelerator = accelerator
                self.daemon = daemon
            }
        }
    }

    package enum Version: VarlinkMethod {
        package static let name = "dev.cowork.Version"
        package typealias Parameters = Nothing
        package struct Reply: Sendable, Codable, Equatable {
            package let version: String
            package let `protocol`: Int
            package init(version: String, protocol number: Int) {
                self.version = version
                self.protocol = number
            }
        }
    }
}
