package import Contract
package import Core
internal import Glibc
internal import System

/// Grants folders and serves them, each by one confined process that outlives this one and ends with its guest.
package struct Workspace: ShareHost {
    /// Where this daemon puts sockets, and who connects to them.
    package struct Setting: Sendable {
        /// `<runtime>/s`; a session's sockets lie in a directory named after it.
        package let sockets: String
        /// Runs QEMU. Not our own uid only when we are uid 0.
        package let hypervisor: UInt32
        /// A server that no guest has connected to ends after this time, by itself.
        package let patience: Duration
        /// Where what a server says of itself goes, line by line, safe to show.
        package let log: @Sendable (String) -> Void

        package init(
            runtime: String, hypervisor: UInt32, patience: Duration = .seconds(180),
            log: @escaping @Sendable (String) -> Void
        ) {
            sockets = runtime + "/s"
            self.hypervisor = hypervisor
            self.patience = patience
            self.log = log
        }
    }

    private let rules: FolderRules
    private let setting: Setting

    package init(rules: FolderRules, setting: Setting) {
        self.rules = rules
        self.setting = setting
    }

    package func resolve(_ path: String, mode: FolderMode, owner: UInt32) async throws(Fault) -> Grant {
        let directory = try await Owner(uid: owner).onThread { () throws(Fault) in
            try FolderOpening.follow(path, mode: mode)
        }
        let rules = self.rules
        let found = try await Blocking.run("folder") { () throws(Fault) in
            try rules.judge(directory, asked: path)
        }
        return Grant(path: found, mode: mode)
    }

    package func launch(
        _ grant: Grant, tag: String, session: SessionID, owner: UInt32
    ) async throws(Fault) -> ProcessIdentity {
        let owner = try Owner(uid: owner)
        let directory = try await owner.onThread { () throws(Fault) in try FolderOpening.again(grant) }
        let server = ShareServer(grant: grant, tag: tag, session: session, owner: owner, setting: setting)
        let rules = self.rules
        let launched: Result<ProcessIdentity, Fault> = await withCheckedContinuation { continuation in
            do throws(SystemError) {
                // The thread stays with the server: it reads what it says, and reaps it.
                try NamedThread.start("share-\(tag)") {
                    do throws(Fault) {
                        guard try rules.judge(directory, asked: grant.path) == grant.path else {
                            throw Refusal.changed(grant.path)
                        }
                        let running = try server.start(directory)
                        continuation.resume(returning: .success(running.identity))
                        running.attend { server.say($0) }
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            } catch {
                continuation.resume(returning: .failure(Fault(.hostFailed, "cannot start a thread: \(error.reason)")))
            }
        }
        return try launched.get()
    }

    package func end(_ identity: ProcessIdentity) async {
        _ = try? await Blocking.run("share-end") { () throws(Fault) in
            // Opened first and compared then: from here on the number cannot come to mean another process.
            guard let process = try? Child.adopt(pid: identity.pid),
                RunningProcess.startTicks(of: identity.pid) == identity.startTicks
            else { return }
            process.end(grace: .seconds(1))
        }
    }
}
