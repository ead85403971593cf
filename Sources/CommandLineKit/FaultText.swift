package import Core

/// How a failure is told: what `docs/api` calls a fault, as lines of standard error.
package enum FaultText {
    /// `cowork: what failed: why`, and `hint: what to do` when there is something to do.
    package static func lines(for fault: Fault, palette: Palette = .plain) -> [String] {
        var lines = [palette.paint("cowork: ", .bad) + oneLine(fault.message)]
        if let hint = fault.hint { lines.append(palette.paint("hint: ", .faint) + oneLine(hint)) }
        return lines
    }

    /// `{"error":{"code":…,"hint":…,"message":…}}`
    package static func json(for fault: Fault) -> String {
        JSONLine.encode(
            Envelope(error: Envelope.Body(code: fault.code.name, message: fault.message, hint: fault.hint)))
    }

    // A message may quote several lines, such as a log's tail: they are indented, so that none looks like ours.
    private static func oneLine(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: true).enumerated()
            .map { $0 == 0 ? printable($1) : "    " + printable($1) }.joined(separator: "\n")
    }

    // Messages are escaped where they are made; this keeps a slip there from reaching the terminal.
    private static func printable(_ text: Substring) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) ? "?" : $0 }))
    }

    private struct Envelope: Encodable {
        struct Body: Encodable {
            let code: String
            let message: String
            let hint: String?

            enum Key: String, CodingKey { case code, message, hint }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: Key.self)
                try container.encode(code, forKey: .code)
                try container.encode(message, forKey: .message)
                // Null when there is none: the three keys are always there.
                try container.encode(hint, forKey: .hint)
            }
        }
        let error: Body
    }
}
