internal import Glibc
internal import System

/// One line to the daemon's log, which is this process's standard error.
package enum Log {
    package static func write(_ text: String) {
        try? Files.writeAll("cowork-hypervisor[\(getpid())]: \(text)\n".utf8, to: 2)
    }
}
