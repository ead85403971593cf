internal import Glibc

/// One request of the driver: the pieces of guest memory it lent, each checked to lie inside the guest's memory.
///
/// The pieces' bounds are fixed; what is in them the guest may change at any time, so `read` copies.
package struct DescriptorChain {
    struct Piece {
        let base: UnsafeMutableRawPointer
        let count: Int
    }

    package let head: UInt16
    /// What the device may read, in bytes, and may write.
    package private(set) var readableCount = 0
    package private(set) var writableCount = 0
    private var pieces: [Piece] = []
    private var readablePieces = 0
    /// Keeps the mapping that the pieces point into.
    private let memory: GuestMemory

    init(head: UInt16, memory: GuestMemory) {
        self.head = head
        self.memory = memory
        pieces.reserveCapacity(4)
    }

    var pieceCount: Int { pieces.count }

    /// False when a readable piece follows a writable one.
    mutating func add(_ piece: Piece, writable: Bool) -> Bool {
        if writable {
            writableCount += piece.count
        } else {
            guard writableCount == 0 else { return false }
            readableCount += piece.count
            readablePieces += 1
        }
        pieces.append(piece)
        return true
    }

    /// Copies what the driver lent for reading, from `offset` on, until `target` is full. False: not that much there.
    package func read(at offset: Int, into target: UnsafeMutableRawBufferPointer) -> Bool {
        guard offset >= 0, target.count <= readableCount, offset <= readableCount - target.count else { return false }
        var skip = offset
        var done = 0
        for piece in pieces[..<readablePieces] {
            if done == target.count { break }
            if skip >= piece.count {
                skip -= piece.count
                continue
            }
            let length = min(piece.count - skip, target.count - done)
            guard let place = target.baseAddress else { break }
            memcpy(place + done, piece.base + skip, length)
            done += length
            skip = 0
        }
        return done == target.count
    }

    package func read(at offset: Int, count: Int) -> [UInt8]? {
        guard count >= 0, count <= readableCount else { return nil }
        var isWhole = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { room, filled in
            isWhole = read(
                at: offset,
                into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(room)[0..<count]))
            filled = isWhole ? count : 0
        }
        return isWhole ? bytes : nil
    }

    /// Copies into what the driver lent for writing, from `offset` on. False: not that much room.
    package func write(_ source: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        guard offset >= 0, source.count <= writableCount, offset <= writableCount - source.count else { return false }
        var skip = offset
        var done = 0
        for piece in pieces[readablePieces...] {
            if done == source.count { break }
            if skip >= piece.count {
                skip -= piece.count
                continue
            }
            let length = min(piece.count - skip, source.count - done)
            guard let place = source.baseAddress else { break }
            memcpy(piece.base + skip, place + done, length)
            done += length
            skip = 0
        }
        return done == source.count
    }
}
