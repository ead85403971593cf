internal import Glibc
internal import PolicyCommands

@main enum Main {
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.first == "policy" else { exit(2) }
        let outcome = PolicyCommand.run(arguments: Array(arguments.dropFirst()))
        fputs(outcome.standardOutput, stdout)
        fputs(outcome.standardError, stderr)
        exit(outcome.exitStatus)
    }
}
