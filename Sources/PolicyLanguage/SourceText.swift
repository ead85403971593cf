/// A policy's text as it was read: bytes, and where its lines begin.
package struct SourceText: Sendable {
    package let name: String
    package let bytes: [UInt8]
    private let lineStarts: [Int]

    package static let limit = 8 << 20

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
        var starts = [0]
        for (index, byte) in bytes.enumerated() where byte == 10 { starts.append(index + 1) }
        lineStarts = starts
    }

    package init(name: String, _ text: String) { self.init(name: name, bytes: Array(text.utf8)) }

    /// Line and column of a byte, both from 1; columns count characters.
    package func position(of offset: Int) -> (line: Int, column: Int) {
        var low = 0
        var high = lineStarts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle }
        }
        let start = lineStarts[low]
        let end = max(start, min(offset, bytes.count))
        return (low + 1, scalars(in: start..<end) + 1)
    }

    package func scalars(in range: Range<Int>) -> Int {
        var count = 0
        for index in range where bytes[index] & 0xC0 != 0x80 { count += 1 }
        return count
    }

    package func text(_ range: Range<Int>) -> String {
        String(decoding: bytes[range.clamped(to: 0..<bytes.count)], as: UTF8.self)
    }

    /// The whole line, without its end, that `offset` lies in.
    package func line(at offset: Int) -> (text: String, start: Int) {
        let line = position(of: offset).line
        let start = lineStarts[line - 1]
        var end = line < lineStarts.count ? lineStarts[line] - 1 : bytes.count
        if end > start, bytes[end - 1] == 13 { end -= 1 }
        return (text(start..<end), start)
    }
}
