/// Cuts a byte stream into varlink messages: JSON texts, each ended by a NUL.
///
/// Holds at most `limit` bytes of a message that has not ended yet, and what it was last given.
package struct MessageDecoder: Sendable {
    private let limit: Int
    private var buffer: [UInt8] = []
    private var start = 0
    private var scanned = 0

    package init(limit: Int = Varlink.largestMessage) { self.limit = limit }

    /// Bytes that belong to no message handed out so far.
    package var buffered: Int { buffer.count - start }

    package mutating func append(_ bytes: some Collection<UInt8>) {
        if start > 0 {
            buffer.removeSubrange(0..<start)
            scanned -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole message without its NUL; nil until more bytes come. After an error the stream is of no more use.
    package mutating func next() throws(VarlinkError) -> [UInt8]? {
        guard let end = buffer[scanned...].firstIndex(of: 0) else {
            scanned = buffer.count
            guard buffered <= limit else { throw .tooLarge }
            return nil
        }
        guard end - start <= limit else { throw .tooLarge }
        let message = Array(buffer[start..<end])
        start = end + 1
        scanned = start
        if start == buffer.count {
            // A large message's room is given back.
            buffer = []
            start = 0
            scanned = 0
        }
        return message
    }

    /// Everything after the last message, for a connection that speaks something else from here on.
    package mutating func takeRest() -> [UInt8] {
        defer { buffer = [] }
        let rest = Array(buffer[start...])
        start = 0
        scanned = 0
        return rest
    }
}
