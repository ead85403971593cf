/// Bytes on their way, first in first out. Moves whole runs, also in a debug build.
package struct ByteQueue: Sendable {
    private var bytes: [UInt8] = []
    private var start = 0

    package init() {}

    package var count: Int { bytes.count - start }
    package var isEmpty: Bool { start == bytes.count }

    package mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }
    package mutating func append(_ more: ArraySlice<UInt8>) { bytes.append(contentsOf: more) }

    /// The first bytes, at most `limit`, which `body` must not keep.
    package func withPrefix<Result>(_ limit: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.withUnsafeBytes { all in
            body(UnsafeRawBufferPointer(rebasing: all[start..<start + max(0, min(limit, all.count - start))]))
        }
    }

    package mutating func removeFirst(_ number: Int) {
        start += max(0, min(number, count))
        if start == bytes.count {
            // A burst's memory is given back; what is used all the time is kept.
            bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 20)
            start = 0
        } else if start >= 64 << 10 && start >= bytes.count / 2 {
            bytes.removeSubrange(0..<start)
            start = 0
        }
    }

    package mutating func removeAll() {
        bytes = []
        start = 0
    }
}
