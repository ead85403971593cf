import FoundationEssentials
import Testing

@testable import Varlink

/// The interface's text, its Swift types and what the service says about itself are one thing.
struct InterfaceTests {
    private static func file() throws -> String {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
        return try String(contentsOfFile: root + "/docs/api/dev.cowork.varlink", encoding: .utf8)
    }

    @Test func theDaemonCarriesTheFileByteForByte() throws {
        #expect(DaemonAPI.description == (try Self.file()))
        let asked = ServiceAPI.GetInterfaceDescription.Parameters(interface: "dev.cowork")
        #expect(ServiceAPI.GetInterfaceDescription.reply(to: asked)?.description == (try Self.file()))
        let other = ServiceAPI.GetInterfaceDescription.Parameters(interface: "dev.other")
        #expect(ServiceAPI.GetInterfaceDescription.reply(to: other) == nil)
    }

    /// The names of the fields in the parentheses that follow `opening`.
    private static func fields(after opening: String, in text: String) throws -> Set<String> {
        let plain = text.split(separator: "\n").map { $0.prefix { $0 != "#" } }.joined(separator: " ")
        let start = try #require(plain.firstRange(of: opening)).upperBound
        var depth = 0
        var fields = [""]
        for character in plain[start...] {
            if character == ")" { depth -= 1 }
            if depth == 1 {
                if character == "," { fields.append("") } else { fields[fields.count - 1].append(character) }
            }
            if character == "(" { depth += 1 }
            if depth == 0 && character == ")" { break }
        }
        return Set(fields.map { String($0.prefix { $0 != ":" }.filter { $0 != " " }) })
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct Keys: Decodable {
        let names: Set<String>
        init(from decoder: any Decoder) throws {
            names = Set(try decoder.container(keyedBy: Key.self).allKeys.map(\.stringValue))
        }
    }

    private static func keys(_ value: some Encodable) throws -> Set<String> {
        try Varlink.decode(Keys.self, from: try Varlink.encode(value)).names
    }

    @Test func everyTypeHasTheFieldsOfTheFile() throws {
        let text = try Self.file()
        let process = DaemonAPI.Process(
            arguments: ["a"], environment: [], directory: "/", user: "u", terminal: true, rows: 1, columns: 1,
            deadlineMilliseconds: 1)
        let session = DaemonAPI.Session(
            name: "n", id: "i", state: "s", because: "b", hint: "h", folders: [], command: [], created: "c",
            started: "s", ended: "e", accelerator: "a", image: "i", cpus: 1, memory: 1, disk: 1, exitStatus: 1)
        let status = DaemonAPI.GuestStatus(
            memoryTotal: 1, memoryAvailable: 1, diskTotal: 1, diskAvailable: 1, agentResident: 1,
            uptimeMilliseconds: 1, processes: 1)
        #expect(try Self.keys(process) == Self.fields(after: "type Process ", in: text))
        #expect(try Self.keys(session) == Self.fields(after: "type Session ", in: text))
        #expect(try Self.keys(status) == Self.fields(after: "type GuestStatus ", in: text))
        #expect(
            try Self.keys(DaemonAPI.Check(id: "i", status: "s", detail: "d", remedy: "r"))
                == Self.fields(after: "type Check ", in: text))
        #expect(
            try Self.keys(DaemonAPI.LogEntry(at: "a", kind: "k", text: "t", data: "d"))
                == Self.fields(after: "type LogEntry ", in: text))
        #expect(
            try Self.keys(
                DaemonAPI.Start.Parameters(
                    folders: [], mode: "m", name: "n", process: process, cpus: 1, memory: 1, disk: 1))
                == Self.fields(after: "method Start", in: text))
        #expect(
            try Self.keys(DaemonAPI.FaultParameters(code: "c", message: "m", hint: "h"))
                == Self.fields(after: "error Fault ", in: text))
    }

    @Test func everyMethodOfTheFileHasItsType() throws {
        let named = try Self.file().split(separator: "\n").filter { $0.hasPrefix("method ") }
            .map { "dev.cowork." + $0.dropFirst("method ".count).prefix { $0 != "(" } }
        let typed = [
            DaemonAPI.Start.name, DaemonAPI.Exec.name, DaemonAPI.List.name, DaemonAPI.Show.name,
            DaemonAPI.Logs.name, DaemonAPI.Stop.name, DaemonAPI.Remove.name, DaemonAPI.Doctor.name,
            DaemonAPI.Version.name,
        ]
        #expect(Set(named) == Set(typed))
        #expect(ServiceAPI.GetInfo.reply(version: "1").interfaces == ["org.varlink.service", "dev.cowork"])
    }
}
