package import Core
internal import Glibc
package import System

/// Who calls `cowork`, from where: everything a command takes from its surroundings.
package struct Caller: Sendable {
    package let environment: [String: String]
    package let directories: Directories
    package let console: Console
    package let workingDirectory: String

    package init(environment: [String: String], directories: Directories, console: Console, workingDirectory: String) {
        self.environment = environment
        self.directories = directories
        self.console = console
        self.workingDirectory = workingDirectory
    }

    /// As the kernel started this program.
    package static func current() throws(Fault) -> Caller {
        let environment = CurrentProcess.environment
        do throws(SystemError) {
            return Caller(
                environment: environment, directories: try Directories.forUser(environment: environment),
                console: Console(environment: environment), workingDirectory: try Files.readLink("/proc/self/cwd"))
        } catch { throw Fault(.hostFailed, "cannot find out where this is: \(error)", hint: "mount /proc") }
    }

    /// A path of the command line, from the root.
    package func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : workingDirectory + "/" + path
    }

    /// A path as a person at this computer would write it.
    package func abbreviated(_ path: String) -> String {
        guard let home = environment["HOME"], home.hasPrefix("/"), home.count > 1 else { return path }
        return path == home ? "~" : path.hasPrefix(home + "/") ? "~" + path.dropFirst(home.count) : path
    }
}
