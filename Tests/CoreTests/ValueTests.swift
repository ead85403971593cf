import Testing

@testable import Core

@Suite struct ByteSizeTests {
    @Test(
        arguments: [
            ("0", 0), ("4096", 4096), ("512M", 512 << 20), ("1G", 1 << 30), ("1.5g", 3 << 29), ("20GB", 20 << 30),
            ("2 TiB".replacingSpaces, 2 << 40), ("0.5k", 512),
        ] as [(String, UInt64)])
    func understood(text: String, bytes: UInt64) {
        #expect(ByteSize(text)?.bytes == bytes)
    }

    @Test(arguments: [
        "", "G", "-1", "1.5", "1..5G", "1.G", "12X", "1 G", "99999999999999999999", "18446744073709551615T", "٣G",
    ])
    func refused(text: String) {
        #expect(ByteSize(text) == nil)
    }

    @Test(
        arguments: [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1 << 30, "1 GiB")]
            as [(UInt64, String)])
    func shown(bytes: UInt64, text: String) {
        #expect(ByteSize(bytes: bytes).description == text)
    }
}

extension String {
    fileprivate var replacingSpaces: String { String(filter { $0 != " " }) }
}

@Suite struct IdentityTests {
    @Test(arguments: ["a", "quiet-heron", "A.b_c-9", String(repeating: "x", count: 63)])
    func names(text: String) { #expect(SessionName(text)?.text == text) }

    @Test(arguments: ["", "-a", ".a", "a/b", "a b", "a\n", "ä", "../x", String(repeating: "x", count: 64)])
    func noNames(text: String) { #expect(SessionName(text) == nil) }

    @Test(arguments: ["", "0123456789abcde", "0123456789ABCDEF", "0123456789abcdef0", "../../../../etc/"])
    func noIdentities(text: String) { #expect(SessionID(text) == nil) }

    @Test func randomIdentitiesAreValid() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let id = SessionID(random: &generator)
            #expect(SessionID(id.text) == id)
        }
    }

    @Test func readableNamesAvoidTakenOnes() {
        var generator = SystemRandomNumberGenerator()
        var taken: Set<SessionName> = []
        for _ in 0..<3000 {
            let name = SessionName.readable(using: &generator) { taken.contains($0) }
            #expect(taken.insert(name).inserted)
        }
    }
}

@Suite struct MomentTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_233_906_789, "2026-11-21T04:05:06.789Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        ] as [(Int64, String)])
    func text(milliseconds: Int64, text: String) {
        #expect(Moment(milliseconds: milliseconds).text == text)
    }
}

@Suite struct FaultTests {
    @Test(
        arguments: [
            (FaultCode.usage, 2), (.denied, 3), (.notFound, 4), (.noDaemon, 5), (.deadline, 124), (.guestFailed, 125),
            (.notExecutable, 126), (.commandNotFound, 127), (.failed, 1), (FaultCode("from-the-future"), 1),
        ] as [(FaultCode, Int32)])
    func exitStatus(code: FaultCode, status: Int32) { #expect(code.exitStatus == status) }
}
