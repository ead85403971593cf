import Core
import Testing

@testable import CommandLineKit

private let terminal = Option("terminal", short: "t", help: "on a terminal")
private let quiet = Option("quiet", short: "q", help: "say less")
private let user = Option("user", short: "u", value: "USER", help: "as this user")
private let variable = Option("env", short: "e", value: "K=V", repeats: true, help: "set a variable")
private let mode = Option("mode", value: "MODE", choices: ["read-only", "direct"], help: "how folders are shared")
private let agent = Option(
    "agent", value: "NAME", help: "an agent", unavailable: Option.Unavailable("not yet", hint: "give a command"))

private let program = Command(
    "tool", summary: "a tool", description: "A tool.",
    subcommands: [
        Command(
            "exec", summary: "run", description: "Runs.", operands: [Operand("SESSION", help: "where")],
            options: [terminal, quiet, user, variable],
            trailing: Trailing("COMMAND", isRequired: true, help: "what to run")),
        Command(
            "start", summary: "begin", description: "Begins.", operands: [Operand("FOLDER", .oneOrMore, help: "what")],
            options: [mode, agent], trailing: Trailing("COMMAND", isRequired: false, help: "what to run")),
        Command("logs", summary: "tell", description: "Tells.", operands: [Operand("SESSION", .optional, help: "of")]),
        Command(
            "image", summary: "images", description: "Images.",
            subcommands: [
                Command("build", summary: "make", description: "Makes."),
                Command("list", summary: "show", description: "Shows."),
            ]),
    ])

@Suite struct CommandParserTests {
    private func parse(_ line: String) throws(Fault) -> Invocation {
        try CommandParser(program).parse(line.split(separator: " ").map(String.init))
    }

    private func refusal(_ line: String) -> Fault? {
        do {
            _ = try parse(line)
            return nil
        } catch { return error }
    }

    @Test(arguments: [
        "exec -t -u root s -- make -j", "exec s -tu root -- make -j", "exec -turoot s -- make -j",
        "exec --user=root s --terminal -- make -j", "exec s --user root -t -- make -j",
        "exec -u nobody -t s --user root -- make -j",
    ])
    func optionsStandAnywhereBeforeTheDashes(line: String) throws {
        let found = try parse(line)
        #expect(found.path == "tool exec")
        #expect(found.operands == ["s"])
        #expect(found.trailing == ["make", "-j"])
        #expect(found.has(terminal) && !found.has(quiet))
        #expect(found.value(user) == "root")
    }

    @Test func repeatedValuesKeepTheirOrder() throws {
        let found = try parse("exec -e A=1 s --env=B=2=3 -eC= -- true")
        #expect(found.values(variable) == ["A=1", "B=2=3", "C="])
    }

    @Test func whatFollowsTheDashesIsLeftAlone() throws {
        #expect(try parse("exec s -- -- --help -t").trailing == ["--", "--help", "-t"])
        #expect(try parse("exec s -- x --json").wantsJSON == false)
        #expect(try parse("logs -- -odd").operands == ["-odd"])
        #expect(try parse("logs -").operands == ["-"])
    }

    @Test func aCommandIsOptionalWhereItMayBeLeftOut() throws {
        #expect(try parse("start a b").trailing == nil)
        #expect(try parse("start a b").operands == ["a", "b"])
        #expect(try parse("logs").operands == [])
    }

    @Test func commandsNest() throws {
        #expect(try parse("image list --json").subject == "image list")
        #expect(try parse("--json image list").wantsJSON)
    }

    @Test(arguments: ["--help", "-h", "exec --help", "exec -h", "start --help", "image --help", "exec -th"])
    func helpNeedsNothingElse(line: String) throws {
        #expect(try parse(line).wantsHelp)
    }

    @Test(arguments: [
        ("", "no command given"), ("image", "image: no command given"),
        ("exce s", "unknown command 'exce'"), ("image biuld", "image: unknown command 'biuld'"),
        ("exec --usr x s -- a", "exec: unknown option '--usr'"), ("exec -T s -- a", "exec: unknown option '-T'"),
        ("exec -z s -- a", "exec: unknown option '-z'"), ("exec s --user", "exec: --user needs a value"),
        ("exec s --user -- a", "exec: --user needs a value"), ("exec s -u -t -- a", "exec: -u needs a value"),
        ("exec s --terminal=yes -- a", "exec: --terminal takes no value"),
        ("exec -- a", "exec: missing SESSION"), ("exec s", "exec: missing -- COMMAND"),
        ("exec s --", "exec: missing -- COMMAND"), ("start", "start: missing FOLDER"),
        ("start a --", "start: missing -- COMMAND"), ("exec s make -- a", "exec: unexpected operand 'make'"),
        ("exec s ls", "exec: unexpected operand 'ls'"), ("exec s ls -la", "exec: unexpected operand 'ls'"),
        ("logs a b", "logs: unexpected operand 'b'"), ("start --mode diretc a", "start: --mode cannot be 'diretc'"),
        ("start --agent claude a", "start: --agent: not yet"), ("image -- a", "image: unexpected '--'"),
        ("exec --\u{1b}[2J s", "exec: unknown option '--\\u{1b}[2J'"),
    ])
    func whatIsNotUnderstoodIsRefused(line: String, message: String) {
        let fault = refusal(line)
        #expect(fault?.message == message)
        #expect(fault?.code == .usage)
        #expect(fault?.hint?.isEmpty == false)
    }

    @Test(arguments: [
        ("exce s", "exec"), ("image biuld", "build"), ("exec --usr x s -- a", "--user"), ("exec -T s", "-t"),
        ("exec --term s -- a", "--terminal"), ("start --mode diretc a", "direct"), ("exec s ls", "-- ls"),
        ("start --agent x a", "give a command"), ("start --mode x a", "read-only, direct"),
    ])
    func theHintNamesWhatWasProbablyMeant(line: String, word: String) {
        #expect(refusal(line)?.hint?.contains(word) == true)
    }

    @Test func nothingFarOffIsSuggested() {
        #expect(Suggestion.nearest(to: "nonsense", among: ["name", "detach", "mode"]) == nil)
        #expect(Suggestion.nearest(to: "", among: ["a"]) == nil)
        #expect(Suggestion.nearest(to: "shwo", among: ["stop", "show", "start"]) == "show")
        #expect(Suggestion.nearest(to: "sta", among: ["stop", "show", "start"]) == "start")
    }

    @Test func jsonIsSeenEvenWhereParsingFails() {
        #expect(CommandParser.asksForJSON(["ps", "--oops", "--json"]))
        #expect(!CommandParser.asksForJSON(["exec", "s", "--", "x", "--json"]))
    }

    @Test func helpHasEveryPartAndFits() {
        let command = Command(
            "exec", summary: "run", description: String(repeating: "Runs a program. ", count: 12),
            operands: [Operand("SESSION", help: "its name"), Operand("MORE", .any, help: "more")],
            options: [terminal, user, variable, mode, agent],
            trailing: Trailing("COMMAND", isRequired: false, help: "the program and its arguments"),
            examples: [Example("tool exec s -- make", "runs make")],
            exitStatuses: [ExitStatus("127", "no such command")])
        let lines = HelpText.lines(for: command, path: "tool exec")
        #expect(lines.first == "usage: tool exec SESSION [MORE…] [OPTION…] [-- COMMAND…]")
        for part in ["Operands:", "Options:", "Examples:", "Exit status:", "  -u, --user USER  as this user"] {
            #expect(lines.contains(part))
        }
        #expect(lines.contains { $0.hasPrefix("  -e, --env K=V    set a variable; may be repeated") })
        #expect(!lines.contains { $0.contains("--agent") })
        #expect(lines.allSatisfy { TextWidth.columns($0) <= 80 && !$0.hasSuffix(" ") })
    }
}
