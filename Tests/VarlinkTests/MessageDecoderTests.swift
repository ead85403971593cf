import Testing

@testable import Varlink

struct MessageDecoderTests {
    @Test func cutsMessagesHoweverTheyArrive() throws {
        let stream = Array("{\"a\":1}\0{}\0{\"b\"".utf8)
        for size in 1...stream.count {
            var decoder = MessageDecoder()
            var found: [String] = []
            var rest = stream[...]
            while !rest.isEmpty {
                decoder.append(rest.prefix(size))
                rest = rest.dropFirst(size)
                while let message = try decoder.next() { found.append(String(decoding: message, as: UTF8.self)) }
            }
            #expect(found == ["{\"a\":1}", "{}"])
            #expect(decoder.takeRest() == Array("{\"b\"".utf8))
            #expect(decoder.buffered == 0)
        }
    }

    @Test func anEmptyMessageIsOne() throws {
        var decoder = MessageDecoder()
        decoder.append([0, 0])
        #expect(try decoder.next() == [])
        #expect(try decoder.next() == [])
        #expect(try decoder.next() == nil)
    }

    @Test func refusesAMessageThatIsTooLongAndTakesTheLongest() throws {
        var decoder = MessageDecoder(limit: 10)
        decoder.append([UInt8](repeating: 97, count: 10) + [0])
        #expect(try decoder.next()?.count == 10)
        decoder.append([UInt8](repeating: 97, count: 11) + [0])
        #expect(throws: VarlinkError.tooLarge) { try decoder.next() }

        var endless = MessageDecoder(limit: 10)
        endless.append([UInt8](repeating: 97, count: 10))
        #expect(try endless.next() == nil)
        endless.append([97])
        #expect(throws: VarlinkError.tooLarge) { try endless.next() }
    }

    @Test func bytesWithoutEndAreScannedOnce() throws {
        var decoder = MessageDecoder()
        for _ in 0..<1500 {
            decoder.append([UInt8](repeating: 97, count: 1000))
            #expect(try decoder.next() == nil)
        }
        decoder.append([0])
        #expect(try decoder.next()?.count == 1_500_000)
    }
}
