internal import Glibc
internal import System
package import Wire

/// Why a request was not done, in the form the host is told.
package struct Refused: Error, Sendable, Equatable {
    package let refusal: Refusal

    package init(_ reason: Refusal.Reason, errorNumber: Int32 = 0, _ text: String) {
        refusal = Refusal(reason, errorNumber: UInt32(clamping: errorNumber), text: text)
    }
}

/// Turns what the host asked for into a process: whose it is, what it finds in its environment, what it is connected to.
package struct ProcessLauncher: Sendable {
    /// What PID 1 of a guest does for its children, and an ordinary process may not.
    package enum Standing: Sendable { case guest, ordinary }

    private static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    private static let mostLimits: UInt8 = 16

    private let standing: Standing
    private let accountFiles: (passwd: String, group: String)

    package init(standing: Standing, passwd: String = "/etc/passwd", group: String = "/etc/group") {
        self.standing = standing
        accountFiles = (passwd, group)
    }

    func launch(_ wanted: ProcessSpecification) throws(Refused) -> (child: Child, ports: ProcessPorts) {
        let accounts = AccountDirectory(
            passwd: (try? Files.text(ofFile: accountFiles.passwd, limit: 4 << 20)) ?? "",
            group: (try? Files.text(ofFile: accountFiles.group, limit: 4 << 20)) ?? "")
        guard let user = accounts.user(wanted.user) else { throw Refused(.noSuchUser, "no user \(wanted.user)") }
        guard let program = wanted.arguments.first, !program.isEmpty else { throw Refused(.badRequest, "no program") }

        var child = ChildSpecification(program: program, arguments: Array(wanted.arguments.dropFirst()))
        child.environment = try environment(of: user, wanted)
        child.searchPath = child.environment["PATH"] ?? Self.path
        child.workingDirectory = directory(of: user, wanted)
        child.newSession = true
        child.umask = 0o022
        child.limits = try limits(wanted)
        if standing == .guest {
            child.ordinaryOOMScore = true
            child.identity = .init(uid: user.uid, gid: user.gid, groups: accounts.groups(of: user))
        }
        let ports: ProcessPorts
        do throws(SystemError) {
            ports =
                wanted.terminal
                ? try .terminal(rows: wanted.rows, columns: wanted.columns) : try .pipes()
            if standing == .guest { try ports.give(to: user, terminalGroup: accounts.group("tty")) }
        } catch {
            throw Refused(.failed, errorNumber: error.code, "\(error)")
        }
        if ports.isTerminal { child.controllingTerminal = 0 }
        for (number, end) in ports.theirs.enumerated() { child.descriptors[Int32(number)] = end.raw }
        do throws(SpawnError) {
            return (try Child.spawn(child), ports)
        } catch {
            throw refusal(error, program: program, directory: child.workingDirectory ?? "/", user: user)
        }
    }

    private func environment(
        of user: AccountDirectory.User, _ wanted: ProcessSpecification
    ) throws(Refused) -> [String: String] {
        var found = [
            "HOME": user.home, "USER": user.name, "LOGNAME": user.name, "SHELL": user.shell, "PATH": Self.path,
            "LANG": "C.UTF-8",
        ]
        if wanted.terminal { found["TERM"] = "xterm-256color" }
        for entry in wanted.environment {
            guard let equals = entry.firstIndex(of: "="), equals != entry.startIndex else {
                throw Refused(.badRequest, "an environment entry is KEY=value")
            }
            found[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
        }
        return found
    }

    /// The home, unless another directory is asked for; a home that is not there is no reason to run nothing.
    private func directory(of user: AccountDirectory.User, _ wanted: ProcessSpecification) -> String {
        if !wanted.directory.isEmpty { return wanted.directory }
        return (try? Files.status(user.home))?.kind == .directory ? user.home : "/"
    }

    private func limits(_ wanted: ProcessSpecification) throws(Refused) -> [ChildSpecification.Limit] {
        var found: [ChildSpecification.Limit] = []
        let descriptors = UInt8(RLIMIT_NOFILE.rawValue)
        if standing == .guest, !wanted.limits.contains(where: { $0.resource == descriptors }) {
            found.append(.init(resource: Int32(descriptors), soft: 1024, hard: 1 << 20))
        }
        for limit in wanted.limits {
            guard limit.resource < Self.mostLimits, limit.soft <= limit.hard else {
                throw Refused(.badRequest, "no such limit")
            }
            found.append(.init(resource: Int32(limit.resource), soft: limit.soft, hard: limit.hard))
        }
        return found
    }

    private func refusal(
        _ error: SpawnError, program: String, directory: String, user: AccountDirectory.User
    ) -> Refused {
        func refused(_ reason: Refusal.Reason, _ subject: String) -> Refused {
            Refused(reason, errorNumber: error.code, "\(subject): \(error.reason)")
        }
        switch (error.stage, error.code) {
        case (.execution, ENOENT), (.execution, ENOTDIR): return refused(.notFound, program)
        case (.execution, EACCES), (.execution, ENOEXEC), (.execution, EPERM), (.execution, ETXTBSY):
            return refused(.notExecutable, program)
        case (.execution, _): return refused(.failed, program)
        case (.workingDirectory, _): return refused(.noSuchDirectory, directory)
        case (.limits, _): return refused(.badRequest, "its limits could not be set")
        case (.identity, _): return refused(.failed, "it could not become \(user.name)")
        default: return refused(.failed, "it could not be started")
        }
    }
}
