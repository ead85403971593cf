import CommandLineKit
import Commands
import Core
import Glibc
import System

@main enum Main {
    static func main() {
        CurrentProcess.ignoreBrokenPipes()
        CurrentProcess.fillStandardDescriptors()
        do throws(Fault) {
            let arguments = try CurrentProcess.arguments()
            exit(Program(caller: try Caller.current()).run(arguments))
        } catch {
            let lines = FaultText.lines(for: error)
            try? Files.writeAll(Array((lines.joined(separator: "\n") + "\n").utf8), to: 2)
            exit(error.code.exitStatus)
        }
    }
}

extension CurrentProcess {
    /// What this program was given. Bytes that are no text cannot travel to the daemon, and are not guessed at.
    fileprivate static func arguments() throws(Fault) -> [String] {
        var arguments: [String] = []
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let raw = CommandLine.unsafeArgv[index] else { break }
            guard let text = String(validatingCString: raw) else {
                let shown = Display.escaped(String(cString: raw), limit: 80)
                throw Fault(
                    .usage, "argument \(index) is not valid UTF-8: '\(shown)'",
                    hint: "pass such bytes by standard input, or in a file of a folder the session has")
            }
            arguments.append(text)
        }
        return arguments
    }
}
