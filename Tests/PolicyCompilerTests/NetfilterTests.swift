internal import Glibc
internal import PolicyCompiler
internal import PolicyLanguage
internal import Testing

/// The first wall in a real network namespace: a packet gets past exactly if some request it could carry is allowed or
/// asked. Needs root and the `nft` and `ip` programs.
@Suite(.serialized) struct NetfilterTests {
    @Test(arguments: 0..<12) func aPacketIsHandedOnExactlyIfSomeRequestMayBe(seed: Int) throws {
        try #require(getuid() == 0, "this test makes network namespaces and needs root")
        var drawing = Drawing(UInt64(seed) + 9000)
        let policy = Draw.compile(Draw.policy(&drawing, sentences: 8)).policy
        let ruling = Ruling([Layer(.user, policy)])
        let instant = Draw.instant(&drawing)
        var names: [NameTable.Entry] = []
        for (index, name) in Draw.names.enumerated() {
            names.append(.init(HostName(normalised: name), Address(v4: 0xC612_0010 + UInt32(index))))
        }
        var packets: Set<String> = []
        var expected: Set<String> = []
        func consider(_ host: Connection.Host, _ address: Address) {
            for kind in ["tcp", "udp", "icmp"] {
                for port in Draw.ports where kind != "icmp" || port == 80 {
                    let line = "\(address) \(kind) \(port)"
                    packets.insert(line)
                    if kind != "icmp", Self.mayBe(ruling, host, kind == "tcp" ? .tcp : .udp, port, instant) {
                        expected.insert(line)
                    }
                }
            }
        }
        for text in Draw.addresses {
            guard let address = Address(plain: text), AddressBlocks.kind(of: address) != .thisComputer,
                address.carried == nil,
                !AddressBlocks.isIn(AddressBlocks.multicast, address)
            else { continue }
            consider(.address(address), address)
        }
        for entry in names { consider(.name(entry.name), entry.address) }
        // An address of the pool that stands for no name.
        consider(.address(Address(v4: 0xC612_00FF)), Address(v4: 0xC612_00FF))
        let passed = try Self.send(Netfilter.text(ruling, names: names, at: instant), packets.sorted(), seed)
        #expect(
            passed.subtracting(expected).isEmpty && expected.subtracting(passed).isEmpty,
            "\(Explain.text(policy))\nnot expected: \(passed.subtracting(expected).sorted().prefix(5))\nmissing: \(expected.subtracting(passed).sorted().prefix(5))"
        )
    }

    private static func mayBe(
        _ ruling: Ruling, _ host: Connection.Host, _ transport: Transport, _ port: UInt16, _ instant: Instant
    ) -> Bool {
        var contents: [Connection.Content] = [.unknown]
        if transport == .tcp {
            for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS"] {
                contents.append(
                    .web(
                        WebRequest(
                            method, body: method == "POST" || method == "PUT", path: WebPath(segments: [], below: true))
                    ))
            }
        }
        return contents.contains {
            ruling.decide(.connect(Connection(host, transport, port, $0)), at: instant).effect != .deny
        }
    }

    private static func send(_ wall: String, _ packets: [String], _ seed: Int) throws -> Set<String> {
        let folder = "/tmp/cowork-wall-\(getpid())-\(seed)"
        mkdir(folder, 0o700)
        defer {
            unlink(folder + "/wall.nft")
            unlink(folder + "/packets")
            rmdir(folder)
        }
        try write(wall, folder + "/wall.nft")
        try write(packets.joined(separator: "\n") + "\n", folder + "/packets")
        let script = Fixture.folder + "/Tables/packets.py"
        let pipe = try #require(popen("unshare -n python3 '\(script)' \(folder)/wall.nft \(folder)/packets 2>&1", "r"))
        var output = ""
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), pipe) != nil {
            output += String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        let status = pclose(pipe)
        try #require(status == 0, "\(output)\n\(wall.prefix(2000))")
        return Set(output.split(separator: "\n").map(String.init))
    }

    private static func write(_ text: String, _ path: String) throws {
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        fputs(text, file)
    }
}
