package import Core
package import System

/// One daemon for one state directory.
package enum DaemonLock {
    /// The lock, once no other daemon holds it. Nil when another one serves.
    package static func claim(_ directories: Directories) throws(Fault) -> FileLock? {
        let path = directories.state + "/daemon.lock"
        do {
            if let lock = try FileLock.take(path) { return lock }
            if try DaemonClient.connectOnce(directories) != nil { return nil }
            // It is ending, or has not come up yet.
            if let lock = try FileLock.wait(path, limit: .seconds(15)) { return lock }
        } catch {
            throw Fault(.hostFailed, "\(path) cannot be locked: \(error)", hint: "check who owns the state directory")
        }
        if try DaemonClient.connectOnce(directories) != nil { return nil }
        throw Fault(.hostFailed, "another daemon holds \(path) and does not answer", hint: "end that coworkd")
    }
}
