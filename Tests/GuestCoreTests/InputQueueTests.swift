import Glibc
import System
import Testing
import Wire

@testable import GuestCore

@Suite struct InputQueueTests {
    /// A reader that is always a little behind, as a slow program is.
    @Test func holdsNoMoreThanAWindowHoweverMuchPasses() throws {
        var ends: [Int32] = [-1, -1]
        try systemCall("pipe") { pipe(&ends) }
        let reader = FileDescriptor(owning: ends[0]), writer = FileDescriptor(owning: ends[1])
        let raw = writer.raw
        try systemCall("fcntl") { fcntl(raw, F_SETFL, O_NONBLOCK) }
        var queue = InputQueue(endsBy: .closing)
        var granted = Int(Wire.initialWindow), passed = 0, most = 0, read = 0
        var room = [UInt8](repeating: 0, count: 48 << 10)
        while passed < 20_000_000 {
            while granted >= 32 << 10 {
                let accepted = queue.receive([UInt8](repeating: UInt8(truncatingIfNeeded: passed), count: 32 << 10))
                #expect(accepted)
                granted -= 32 << 10
                passed += 32 << 10
            }
            #expect(queue.write(to: raw) == .open)
            most = max(most, queue.heldCount)
            granted += Int(queue.takeGrant())
            read += Glibc.read(reader.raw, &room, room.count)
        }
        #expect(most <= Int(Wire.initialWindow) + (64 << 10))
        #expect(read > passed - Int(Wire.initialWindow) - (128 << 10))
    }

    @Test func takesExactlyWhatWasGranted() {
        var queue = InputQueue(endsBy: .closing)
        let all = queue.receive([UInt8](repeating: 0, count: Int(Wire.initialWindow)))
        let more = queue.receive([0])
        #expect(all)
        #expect(!more)
    }
}
