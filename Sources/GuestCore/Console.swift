internal import Glibc
internal import System

/// The machine's console: the last way to say something, so it never waits for a reader.
package final class Console: Sendable {
    private let descriptor: SharedDescriptor?

    /// Also sees to it that descriptors 0 to 2 are taken, so that nothing else ever gets their numbers.
    package init() {
        while true {
            let raw = open("/dev/console", O_RDWR | O_NOCTTY)
            let taken = raw >= 0 ? raw : open("/", O_RDONLY)
            if taken > 2 || taken < 0 {
                close(taken)
                break
            }
        }
        do throws(SystemError) {
            descriptor = SharedDescriptor(try Files.open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK))
        } catch { descriptor = nil }
    }

    package func line(_ text: String) { bareLine("cowork-guest: \(text)") }

    /// A line by itself, for whoever looks for exactly that.
    package func bareLine(_ text: String) {
        guard let raw = descriptor?.raw else { return }
        let bytes = Array("\(text)\n".utf8)
        _ = write(raw, bytes, bytes.count)
        _ = tcdrain(raw)
    }
}
