internal import CGuestStart
internal import Glibc
internal import GuestCore
internal import System

@main
enum Main {
    static func main() {
        cgs_present()
        guard getpid() == 1 else {
            let text = "cowork-guest: it is the first program of a guest and is not started by hand\n"
            try? Files.writeAll(text.utf8, to: 2)
            exit(2)
        }
        Guest.run()
        exit(1)
    }
}
