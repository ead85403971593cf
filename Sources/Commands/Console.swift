package import CommandLineKit
package import Core
internal import Glibc
internal import System

/// Our standard streams, and how text is put on them.
package struct Console: Sendable {
    package let input, output, error: Int32
    /// Of output and of error.
    package let palette, errorPalette: Palette
    package let inputIsTerminal, outputIsTerminal, errorIsTerminal: Bool
    /// Of the terminal we are on; 80 when there is none.
    package let width: Int

    package init(input: Int32 = 0, output: Int32 = 1, error: Int32 = 2, environment: [String: String]) {
        self.input = input
        self.output = output
        self.error = error
        inputIsTerminal = Terminal.isTerminal(input)
        outputIsTerminal = Terminal.isTerminal(output)
        errorIsTerminal = Terminal.isTerminal(error)
        palette = Palette(isTerminal: outputIsTerminal, environment: environment)
        errorPalette = Palette(isTerminal: errorIsTerminal, environment: environment)
        width = Int((Terminal.size(of: output) ?? Terminal.size(of: error))?.columns ?? 80)
    }

    /// The first of our streams that is a terminal.
    package var terminal: Int32? { [input, output, error].first { Terminal.isTerminal($0) } }

    /// Writes lines to standard output, all at once.
    package func print(_ lines: [String]) throws(Fault) {
        guard !lines.isEmpty else { return }
        try print(raw: lines.joined(separator: "\n") + "\n")
    }

    /// Writes text to standard output as it is.
    package func print(raw text: String) throws(Fault) {
        do throws(SystemError) { try write(text, to: output) } catch {
            if error.code == EPIPE { throw Fault(.outputClosed, "standard output is closed") }
            throw Fault(.failed, "cannot write to standard output: \(error.reason)", hint: "check where it leads")
        }
    }

    package func print(_ line: String) throws(Fault) { try print([line]) }

    /// Tells a person something on standard error; there is nobody to tell if that fails.
    package func tell(_ lines: [String]) {
        guard !lines.isEmpty else { return }
        try? write(lines.joined(separator: "\n") + "\n", to: error)
    }

    /// Writes text as it is: control sequences for the terminal.
    package func tell(raw text: String) {
        if !text.isEmpty { try? write(text, to: error) }
    }

    // Whoever started us may have made the descriptor non-blocking for purposes of his own.
    private func write(_ text: String, to raw: Int32) throws(SystemError) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            do throws(SystemError) {
                let count = try systemCall("write") {
                    rest.withUnsafeBytes { Glibc.write(raw, $0.baseAddress, $0.count) }
                }
                rest = rest.dropFirst(count)
            } catch {
                guard error.code == EAGAIN else { throw error }
                var item = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
                _ = poll(&item, 1, -1)
            }
        }
    }
}

extension FaultCode {
    /// Nobody reads our output any more: we end without a word, as a pipeline's writer does.
    package static let outputClosed = FaultCode("output-closed")
}
