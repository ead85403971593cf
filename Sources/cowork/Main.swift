import Commands
import Core
import Glibc
import System

@main enum Main {
    static func main() {
        CurrentProcess.ignoreBrokenPipes()
        CurrentProcess.fillStandardDescriptors()
        do throws(Fault) {
            exit(Program(caller: try Caller.current()).run(Array(CommandLine.arguments.dropFirst())))
        } catch {
            try? Files.writeAll(Array("cowork: \(error.message)\n".utf8), to: 2)
            exit(error.code.exitStatus)
        }
    }
}
