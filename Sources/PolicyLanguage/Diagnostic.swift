/// A fault of a policy: where, what, and at most three ways to mend it.
package struct Diagnostic: Sendable, Equatable {
    package enum Severity: String, Sendable { case error, warning, note }

    /// Stable names; part of the contract of `check --json`.
    package enum Code: String, Sendable {
        case tooLarge = "too-large"
        case badText = "bad-text"
        case invisible = "invisible-character"
        case empty = "empty-policy"
        case unknownWord = "unknown-word"
        case notUnderstood = "not-understood"
        case badName = "bad-name"
        case badAddress = "bad-address"
        case badPort = "bad-port"
        case badPath = "bad-path"
        case badTime = "bad-time"
        case badAmount = "bad-amount"
        case badDefinition = "bad-definition"
        case tooBroad = "too-broad"
        case ambiguous = "ambiguous"
        case doubleNegation = "double-negation"
        case unsupported = "unsupported"
        case dead = "never-takes-effect"
        case contradiction = "contradiction"
        case repetition = "repetition"
        case redundant = "redundant"
        case badException = "bad-exception"
        case leftOut = "exception-denied"
        case expired = "expired"
        case overridden = "overridden"
        case dangerous = "dangerous"
        case unlimited = "analysis-limit"
        case unused = "unused-definition"
    }

    package struct Place: Sendable, Equatable {
        package let file: Int
        package let range: Range<Int>
        package init(file: Int, range: Range<Int>) {
            self.file = file
            self.range = range
        }
    }

    package var severity: Severity
    package var code: Code
    package var file = 0
    package var range: Range<Int>
    package var message: String
    package var hints: [String]
    package var related: [Place]

    package init(
        _ code: Code, _ range: Range<Int>, _ message: String, hints: [String] = [], related: [Place] = [],
        severity: Severity = .error
    ) {
        self.severity = severity
        self.code = code
        self.range = range
        self.message = message
        self.hints = Array(hints.prefix(3))
        self.related = related
    }
}
