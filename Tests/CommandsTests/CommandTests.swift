import CommandLineKit
import Core
import Glibc
import Synchronization
import System
import Testing
import Varlink
import Wire

@testable import Commands

/// Whole commands against a daemon whose answers are known.
@Suite struct CommandTests {
    private static let nobody = Fault(.notFound, "there is no session 'nobody'", hint: "cowork ps -a")

    private func exited(_ value: UInt8, expired: Bool = false) -> Frame {
        Frame(.exited, payload: Exited(signalled: false, value: value, expired: expired).encoded)
    }

    // MARK: The manual

    private static func everyCommand(_ command: Command = Manual.program, path: [String] = []) -> [[String]] {
        [path] + command.subcommands.flatMap { everyCommand($0, path: path + [$0.name]) }
    }

    @Test(arguments: everyCommand())
    func everyCommandExplainsItself(path: [String]) async throws {
        let daemon = try ScriptedDaemon { _, _ in }
        let direct = try await daemon.run(path + ["--help"])
        #expect(direct.status == 0 && direct.error.isEmpty)
        #expect(direct.output.hasPrefix("usage: cowork"))
        for line in direct.output.split(separator: "\n") { #expect(TextWidth.columns(line) <= 80) }
        #expect(try await daemon.run(["help"] + path).output == direct.output)
    }

    @Test func everyCommandIsCarriedOut() throws {
        for path in Self.everyCommand() {
            var command = Manual.program
            for name in path { command = try #require(command.subcommand(name)) }
            let name = path.joined(separator: " ")
            let isDone = Program.actions[name] != nil || Program.ownParsers[name] != nil
            #expect(command.subcommands.isEmpty == isDone)
        }
    }

    @Test(
        arguments: [
            (["start", "--nonsense"], 2, "unknown option"), (["exce"], 2, "did you mean 'exec'"),
            ([], 2, "no command given"),
            (["start", "/tmp", "sort these"], 2, "agents are not available yet"),
            (["start", "/tmp", "words", "/etc"], 2, "'words' is not a folder"),
            (["start", "/tmp", "--agent", "claude"], 2, "agents are not available yet"),
            (["start", "/tmp", "--mode", "staged"], 1, "not available yet"),
            (["start", "/tmp", "--mode", "writable"], 2, "--mode cannot be"),
            (["start", "/tmp"], 2, "no terminal for a shell"),
            (["start", "/tmp", "--name", "../x", "-d"], 2, "session's name"),
            (["start", "/tmp", "--cpus", "0", "-d"], 2, "--cpus"),
            (["start", "/tmp", "--memory", "much", "-d"], 2, "--memory"),
            (["start", "/tmp", "--disk", "0", "-d"], 2, "--disk"),
            (["exec", "s", "-e", "=x", "--", "a"], 2, "NAME=VALUE"),
            (["exec", "s", "--time-limit", "soon", "--", "a"], 2, "--time-limit"),
            (["exec", "s"], 2, "missing -- COMMAND"),
            (["image", "verify", "--store", "/nowhere/at/all"], 125, "no image"), (["help", "strat"], 2, "'start'"),
            (["image", "build", "other", "--recipe", "/tmp/base"], 2, "name of its recipe"),
        ] as [([String], Int32, String)])
    func mistakesAreExplained(arguments: [String], status: Int32, text: String) async throws {
        let daemon = try ScriptedDaemon { _, _ in }
        let ended = try await daemon.run(arguments)
        #expect(ended.status == status && ended.output.isEmpty)
        #expect(ended.error.contains("\ncowork: ") || ended.error.hasPrefix("cowork: "))
        #expect(ended.error.contains("\nhint: "))
        #expect(ended.error.contains(text))
        #expect(!ended.error.contains("{"))
    }

    @Test func withJSONAFailureIsAlsoAnObject() async throws {
        let daemon = try ScriptedDaemon { _, peer in try peer.refuse(Self.nobody) }
        let ended = try await daemon.run(["show", "nobody", "--json"])
        #expect(ended.status == 4)
        #expect(
            ended.error == """
                cowork: there is no session 'nobody'
                hint: cowork ps -a
                {"error":{"code":"not-found","hint":"cowork ps -a","message":"there is no session 'nobody'"}}

                """)
    }

    @Test func aFailureIsNeverWithoutANextStep() async throws {
        let daemon = try ScriptedDaemon { _, peer in try peer.refuse(Fault(.badState, "it runs")) }
        #expect(try await daemon.run(["rm", "s"]).error == "cowork: it runs\nhint: cowork ps -a\n")
    }

    // MARK: Sessions

    @Test func sessionsAreListed() async throws {
        var failed = session("other", state: "failed", folders: ["/srv/x", "/srv/y"])
        failed.because = "its kernel panicked"
        let sessions = [
            session("quiet-heron", folders: ["/home/me/" + String(repeating: "deep/", count: 30) + "end"]), failed,
        ]
        let daemon = try ScriptedDaemon { call, peer in
            let all = try call.parameters(DaemonAPI.List.Parameters.self).all ?? false
            try peer.reply(DaemonAPI.List.Reply(sessions: all ? sessions : [sessions[0]]))
        }
        let table = try await daemon.run(["ps", "-a"], environment: ["HOME": "/home/me"])
        let lines = table.output.split(separator: "\n")
        #expect(lines.count == 3 && lines[0].hasPrefix("NAME") && lines[1].hasSuffix("deep/end"))
        #expect(lines[1].contains("quiet-heron") && lines[2].contains("/srv/x +1"))
        for line in lines { #expect(TextWidth.columns(line) <= 80) }
        let json = try await daemon.run(["ps", "--json"])
        #expect(
            json.output.hasPrefix(#"{"accelerator":"tcg","command":[],"cpus":2,"created":"2026-11-21T04:05:06.789Z""#))
        #expect(json.output.split(separator: "\n").count == 1)
        #expect(try await daemon.run(["ps", "-a", "--json"]).output.contains(#""because":"its kernel panicked""#))
    }

    @Test func noSessionsAreNoLines() async throws {
        let daemon = try ScriptedDaemon { _, peer in try peer.reply(DaemonAPI.List.Reply(sessions: [])) }
        for arguments in [["ps"], ["ps", "--json"]] {
            let ended = try await daemon.run(arguments)
            #expect(ended.status == 0 && ended.output.isEmpty && ended.error.isEmpty)
        }
    }

    @Test func aSessionIsShown() async throws {
        var shown = session("s\u{1b}[2J", state: "failed")
        shown.because = "it died\ncowork: all is well"
        shown.command = ["sh", "-c", "echo 'a b'"]
        let guest = DaemonAPI.GuestStatus(
            memoryTotal: 1 << 30, memoryAvailable: 1 << 29, diskTotal: 8 << 30, diskAvailable: 7 << 30,
            agentResident: 5 << 20, uptimeMilliseconds: 65_000, processes: 3)
        let reply = DaemonAPI.Show.Reply(session: shown, guest: guest)
        let daemon = try ScriptedDaemon { _, peer in try peer.reply(reply) }
        let text = try await daemon.run(["show", "s"]).output
        #expect(!text.contains("\u{1b}") && !text.contains("\ncowork: all"))
        #expect(text.contains("512 MiB of 1 GiB memory free") && text.contains("up 1m"))
        #expect(text.contains(#"sh -c 'echo '\\''a b'\\'''"#))
        let json = try await daemon.run(["show", "s", "--json"]).output
        #expect(json.contains(#""guest":{"agentResident":5242880"#) && json.contains(#""state":"failed""#))
        #expect(json.split(separator: "\n").count == 1)
    }

    @Test func logsTellOutputFromEvents() async throws {
        let daemon = try ScriptedDaemon { _, peer in
            func output(_ text: String) -> DaemonAPI.Logs.Reply {
                .init(session: "s", entry: .init(kind: "output", data: Base64.encode(Array(text.utf8))))
            }
            try peer.reply(output("first li"), continues: true)
            try peer.reply(output("ne\nforged \u{1b}[31m\nunfin"), continues: true)
            try peer.reply(
                DaemonAPI.Logs.Reply(session: "s", entry: .init(at: "soon", kind: "stopped", text: "it ended")),
                continues: true)
            try peer.reply(DaemonAPI.Logs.Reply())
        }
        let ended = try await daemon.run(["logs", "s"])
        #expect(ended.status == 0)
        #expect(
            ended.output == """
                │ first line
                │ forged \\u{1b}[31m
                │ unfin
                soon  stopped  it ended

                """)
        let json = try await daemon.run(["logs", "--json"]).output.split(separator: "\n")
        #expect(json.count == 3 && json[2] == #"{"at":"soon","kind":"stopped","session":"s","text":"it ended"}"#)
    }

    @Test func stopAndRemoveSayWhatTheyMean() async throws {
        let calls = Recorder()
        let daemon = try ScriptedDaemon { call, peer in
            calls.append("\(call.method) \(try call.parameters(DaemonAPI.Stop.Parameters.self))")
            if call.method == DaemonAPI.Stop.name {
                try peer.reply(DaemonAPI.Stop.Reply(session: session("s", state: "stopped")))
            } else {
                try peer.reply(Nothing())
            }
        }
        for arguments in [["stop", "s"], ["stop", "--force", "s"], ["rm", "s"], ["rm", "s", "--force"]] {
            let ended = try await daemon.run(arguments)
            #expect(ended.status == 0 && ended.output.isEmpty && ended.error.isEmpty)
        }
        #expect(calls.all.map { $0.contains("force: Optional(true)") } == [false, true, false, true])
        #expect(calls.all.map { $0.contains("dev.cowork.Stop") } == [true, true, false, false])
    }

    // MARK: Running

    @Test func execCarriesAProgram() async throws {
        let calls = Recorder()
        let daemon = try ScriptedDaemon { call, peer in
            let parameters = try call.parameters(DaemonAPI.Exec.Parameters.self)
            calls.append("\(call.upgrade) \(parameters.session)")
            let process = DaemonAPI.Process(
                arguments: ["sh", "-c", "x"], environment: ["A=1", "B="], directory: "/w", user: "root",
                deadlineMilliseconds: 90_000)
            if parameters.process == process { calls.append("as asked") }
            try peer.reply(DaemonAPI.Exec.Reply())
            let input = try peer.frames { $0.contains { $0.kind == .end } }
            try peer.send(
                Frame(.data, channel: 1, payload: input.flatMap(\.payload)),
                Frame(.data, channel: 2, payload: Array("warned\n".utf8)), self.exited(7))
        }
        let ended = try await daemon.run(
            [
                "exec", "-u", "root", "quiet", "-w", "/w", "-e", "A=1", "-eB=", "--time-limit", "90s", "--", "sh", "-c",
                "x",
            ],
            input: Array("words".utf8))
        #expect(ended.status == 7 && ended.output == "words" && ended.error == "warned\n")
        #expect(calls.all == ["true quiet", "as asked"])
    }

    @Test func anUnknownSessionIsFour() async throws {
        let daemon = try ScriptedDaemon { _, peer in try peer.refuse(Self.nobody) }
        let ended = try await daemon.run(["exec", "nobody", "--", "true"])
        #expect(ended.status == 4 && ended.error == "cowork: there is no session 'nobody'\nhint: cowork ps -a\n")
    }

    @Test func aLostSessionIsToldAndIs125() async throws {
        let daemon = try ScriptedDaemon { _, peer in
            try peer.reply(DaemonAPI.Exec.Reply())
            try peer.send(Frame(.lost, payload: Lost(text: "the guest is gone").encoded))
        }
        let ended = try await daemon.run(["exec", "s", "--json", "--", "true"])
        #expect(ended.status == 125)
        #expect(ended.error.hasPrefix("cowork: exec: the session was lost: the guest is gone\nhint: "))
        #expect(ended.error.contains(#"{"error":{"code":"guest-failed""#))
    }

    @Test func aDeadlineIs124() async throws {
        let daemon = try ScriptedDaemon { _, peer in
            try peer.reply(DaemonAPI.Exec.Reply())
            try peer.send(
                Frame(.exited, payload: Exited(signalled: true, value: 15, expired: true).encoded))
        }
        #expect(try await daemon.run(["exec", "s", "--time-limit", "1s", "--", "true"]).status == 124)
    }

    @Test func aDetachedSessionIsItsNameAndNothingElse() async throws {
        let calls = Recorder()
        let daemon = try ScriptedDaemon { call, peer in
            calls.append("\(try call.parameters(DaemonAPI.Start.Parameters.self))")
            try peer.reply(
                DaemonAPI.Start.Reply(progress: .init(stage: "boot", text: "Booting")), continues: true)
            try peer.reply(DaemonAPI.Start.Reply(session: session("lab")))
        }
        let ended = try await daemon.run(
            ["start", "some folder", "./other", "--name", "lab", "--detach", "--memory", "1.5G", "--cpus", "3"])
        #expect(ended.status == 0 && ended.output == "lab\n" && ended.error.isEmpty)
        let call = try #require(calls.all.first)
        #expect(call.contains(#"folders: ["/tmp/some folder", "/tmp/./other"], mode: Optional("read-only")"#))
        #expect(call.contains("cpus: Optional(3), memory: Optional(1610612736), disk: nil"))
        #expect(try await daemon.run(["start", "x", "-d", "--json"]).output.contains(#""name":"lab""#))
    }

    @Test func aForegroundCommandPassesItsStatusThroughOnceItsSessionEnded() async throws {
        let calls = Recorder()
        let daemon = try ScriptedDaemon { call, peer in
            calls.append(call.method)
            if call.method == DaemonAPI.Stop.name {
                calls.append("\(try call.parameters(DaemonAPI.Stop.Parameters.self).session)")
                return try peer.reply(DaemonAPI.Stop.Reply(session: session("lab", state: "stopped")))
            }
            let parameters = try call.parameters(DaemonAPI.Start.Parameters.self)
            guard call.upgrade, call.more, parameters.mode == "direct", parameters.process?.terminal == nil else {
                return
            }
            try peer.reply(DaemonAPI.Start.Reply(progress: .init(stage: "boot", text: "")), continues: true)
            try peer.reply(DaemonAPI.Start.Reply(session: session("lab")))
            try peer.send(Frame(.data, channel: 1, payload: Array("done\n".utf8)), self.exited(9))
        }
        let ended = try await daemon.run(["start", "/tmp", "--mode", "direct", "--", "make"])
        #expect(ended.status == 9 && ended.output == "done\n" && ended.error.isEmpty)
        #expect(calls.all == ["dev.cowork.Start", "dev.cowork.Stop", "0123456789abcdef"])
    }

    @Test func aRefusedStartKeepsItsCode() async throws {
        let daemon = try ScriptedDaemon { _, peer in
            try peer.refuse(Fault(.imageMissing, "there is no image 'base'", hint: "cowork image build"))
        }
        for arguments in [["start", "/tmp", "-d"], ["start", "/tmp", "--", "true"]] {
            let ended = try await daemon.run(arguments)
            #expect(ended.status == 125 && ended.output.isEmpty)
            #expect(ended.error == "cowork: there is no image 'base'\nhint: cowork image build\n")
        }
    }

    // MARK: This computer

    @Test(arguments: [
        ("ok", 0, "Sessions can start here."), ("warn", 0, "Sessions can"), ("fail", 125, "No session can"),
    ])
    func doctorSaysWhetherASessionCouldStart(status: String, code: Int32, text: String) async throws {
        let reply = DaemonAPI.Doctor.Reply(
            checks: [
                .init(id: "image", status: "ok", detail: "image base"),
                .init(
                    id: "accelerator", status: status, detail: String(repeating: "kvm hangs ", count: 12),
                    remedy: "wait"),
            ], accelerator: .init(kind: "tcg", because: "kvm hangs"),
            daemon: .init(pid: 42, version: "9.9", socket: "/run/x"))
        let daemon = try ScriptedDaemon { _, peer in try peer.reply(reply) }
        let ended = try await daemon.run(["doctor"])
        #expect(ended.status == code && ended.output.contains(text) && ended.output.contains("→ wait"))
        for line in ended.output.split(separator: "\n") { #expect(TextWidth.columns(line) <= 80) }
        let json = try await daemon.run(["doctor", "--json"])
        #expect(json.status == code)
        #expect(json.output.contains(#""accelerator":{"because":"kvm hangs","kind":"tcg"}"#))
        #expect(json.output.contains(#""daemon":{"pid":42,"socket":"/run/x","version":"9.9"}"#))
    }

    @Test func doctorTellsThatTheDaemonIsNotThere() async throws {
        let daemon = try ScriptedDaemon { _, _ in throw PeerFailure(description: "gone") }
        let ended = try await daemon.run(["doctor", "--json"])
        #expect(ended.status == 125 && ended.output.contains(#""id":"daemon""#))
        #expect(try await daemon.run(["ps"]).status == 5)
    }

    @Test func imagesAreFoundWhereTheConfigurationSays() async throws {
        let daemon = try ScriptedDaemon { _, _ in }
        let store = daemon.directories.data + "/elsewhere"
        for path in [daemon.directories.configuration, store + "/base-0123456789ab"] {
            try Directories.makePrivate(path, owner: geteuid())
        }
        symlink("base-0123456789ab", store + "/base")
        try Files.replace(daemon.directories.configuration + "/cowork.conf", with: Array("images = \(store)\n".utf8))
        let listed = try await daemon.run(["image", "list"])
        #expect(
            listed.status == 0 && listed.output.contains("base  0123456789ab") && listed.output.contains("damaged: "))
        for line in listed.output.split(separator: "\n") { #expect(TextWidth.columns(line) <= 80) }
        let json = try await daemon.run(["image", "list", "--json"]).output
        #expect(json.contains(#""current":true"#) && json.contains(#""state":"damaged""#))
        let verified = try await daemon.run(["image", "verify"])
        #expect(verified.status == 125 && verified.error.contains("'base' is damaged"))
        // Another directory is looked into instead when one is named.
        let elsewhere = try await daemon.run(["image", "verify", "--store", "/tmp"])
        #expect(elsewhere.status == 125 && elsewhere.error.contains("no image 'base'"))
    }

    @Test func theVersionNeedsNoDaemon() async throws {
        let daemon = try ScriptedDaemon { _, _ in }
        let ended = try await daemon.run(["version", "--json"])
        #expect(ended.output == #"{"daemon":{"protocol":1,"version":"9.9"},"version":"\#(Release.version)"}"# + "\n")
        #expect(try await daemon.run(["--version"]).output.hasPrefix("cowork \(Release.version)\n"))
    }
}

/// What a script saw.
private final class Recorder: Sendable {
    private let seen = Mutex<[String]>([])
    func append(_ text: String) { seen.withLock { $0.append(text) } }
    var all: [String] { seen.withLock { $0 } }
}
