import Testing

@testable import Varlink

/// Messages that were damaged at random, the same ones in every run: each is refused or understood, none ends a program.
struct HostileTextTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    private static let seeds = [
        #"{"method":"dev.cowork.Start","more":true,"parameters":{"folders":["/a"],"process":{"arguments":["a"],"rows":3}}}"#,
        #"{"method":"dev.cowork.Exec","upgrade":true,"parameters":{"session":"x","process":{"arguments":["é\u0000"]}}}"#,
        #"{"parameters":{"sessions":[{"name":"n","id":"i","memory":1e3,"exitStatus":-1}]},"continues":true}"#,
        #"{"error":"dev.cowork.Fault","parameters":{"code":"c","message":"m"}}"#,
    ]
    private static let pieces = ["\"", "{", "}", "[", "]", ":", ",", "\\", "\\u", "null", "1e999", "-", "\0", "é"]

    @Test func damagedMessagesAreRefusedOrUnderstood() {
        var generator = Generator(state: 0x9E37_79B9_7F4A_7C15)
        for round in 0..<4000 {
            var bytes = Array(Self.seeds[round % Self.seeds.count].utf8)
            for _ in 0...Int.random(in: 0...4, using: &generator) {
                let at = Int.random(in: 0...bytes.count, using: &generator)
                switch Int.random(in: 0...3, using: &generator) {
                case 0: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: at)
                case 1: bytes.insert(contentsOf: Self.pieces.randomElement(using: &generator)?.utf8 ?? "".utf8, at: at)
                case 2: bytes.removeSubrange(at..<min(bytes.count, at + 9))
                default: bytes.insert(contentsOf: bytes.prefix(at), at: at)
                }
            }
            var decoder = MessageDecoder(limit: 4096)
            decoder.append(bytes + [0])
            while let message = try? decoder.next() { read(message) }
        }
    }

    private func read(_ message: [UInt8]) {
        if let call = try? Call(message) {
            _ = try? call.parameters(DaemonAPI.Start.Parameters.self)
            _ = try? call.parameters(DaemonAPI.Exec.Parameters.self)
        }
        if let reply = try? Reply(message) {
            _ = reply.fault
            _ = try? reply.parameters(DaemonAPI.List.Reply.self)
        }
    }
}
