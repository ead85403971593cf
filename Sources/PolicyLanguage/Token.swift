/// A word, a quoted text or a comma, and where it stands.
package struct Token: Sendable {
    package enum Kind: Sendable { case word, quoted, comma }
    package let kind: Kind
    /// As written, without quotes.
    package let text: String
    /// Lower-case, for everything but paths.
    package let lower: String
    package let range: Range<Int>

    package var isWord: Bool { kind == .word }
}

/// The tokens between two sentence ends.
package struct SentenceTokens: Sendable {
    package var tokens: [Token]
    package var range: Range<Int>
    /// Whether a semicolon, not a full stop or a line's end, stands before it.
    package var followsSemicolon: Bool
}
