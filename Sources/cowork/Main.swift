internal import Glibc
internal import PolicyCommands

@main enum Main {
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.first == "policy" else { exit(2) }
        let outcome = PolicyCommand.run(arguments: Array(arguments.dropFirst()))
        put(outcome.standardOutput, to: 1)
        put(outcome.standardError, to: 2)
        exit(outcome.exitStatus)
    }

    private static func put(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return
            }
            bytes = bytes.dropFirst(count)
        }
    }
}
