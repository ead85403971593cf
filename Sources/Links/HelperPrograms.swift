package import Core
internal import Glibc
internal import System

/// Where the programs that belong to this one are: beside it, or in `../libexec/cowork`.
package enum HelperPrograms {
    package static func find(_ name: String, beside executable: String? = nil) throws(Fault) -> String {
        let own: String
        do throws(SystemError) {
            if let executable { own = executable } else { own = try CurrentProcess.executable() }
        } catch {
            throw Fault(.hostFailed, "cannot find this program's own file: \(error)", hint: "mount /proc")
        }
        // An executable that was replaced while it runs is shown with this ending.
        let file = own.hasSuffix(" (deleted)") ? String(own.dropLast(" (deleted)".count)) : own
        let directory = file.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        let candidates = [directory + "/" + name, directory + "/../libexec/cowork/" + name]
        for candidate in candidates where access(candidate, X_OK) == 0 { return candidate }
        throw Fault(
            .hostFailed, "\(name) is not installed beside \(Display.escaped(file))",
            hint: "build or install Cowork again: all its programs belong together")
    }
}
