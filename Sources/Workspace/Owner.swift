internal import Core
internal import Glibc
internal import System

/// The user whose folders are touched, and with whose rights.
struct Owner: Sendable {
    let uid: UInt32
    /// Nil: this process is that user already, with the groups it has.
    let identity: ChildSpecification.Identity?

    /// Only uid 0 can act for somebody else.
    init(uid: UInt32) throws(Fault) {
        self.uid = uid
        let own = geteuid()
        if own != 0 {
            guard uid == own else {
                throw Fault(.denied, "this daemon serves user \(own) alone", hint: "start it as user \(uid)")
            }
            identity = nil
        } else if let account = Accounts.find(uid: uid) {
            identity = .init(uid: uid, gid: account.gid, groups: Accounts.groups(of: account))
        } else if uid == 0 {
            identity = .init(uid: 0, gid: 0)
        } else {
            throw Fault(
                .badFolder, "user \(uid) is not in the password database, so the group for new files is unknown",
                hint: "run the daemon as that user")
        }
    }

    /// Runs `body` on a thread that touches files as this user and has no capability, as the server of the folder will
    /// have none: what works there works for the server.
    func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws(Fault) -> Value
    ) async throws(Fault) -> Value {
        let identity = self.identity ?? .init(uid: uid, gid: getegid())
        return try await Blocking.run("folder") { () throws(Fault) in
            do throws(SystemError) { try FileIdentity.take(identity) } catch {
                throw Fault(.hostFailed, "cannot act as user \(identity.uid): \(error.reason)")
            }
            return try body()
        }
    }
}

/// Blocking work, on a thread of its own and not on the pool that everything else shares.
enum Blocking {
    static func run<Value: Sendable>(
        _ name: String, _ body: @escaping @Sendable () throws(Fault) -> Value
    ) async throws(Fault) -> Value {
        let result: Result<Value, Fault> = await withCheckedContinuation { continuation in
            do throws(SystemError) {
                try NamedThread.start(name) {
                    do throws(Fault) { continuation.resume(returning: .success(try body())) } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            } catch {
                continuation.resume(returning: .failure(Fault(.hostFailed, "cannot start a thread: \(error.reason)")))
            }
        }
        return try result.get()
    }
}
