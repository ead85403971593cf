package import CommandLineKit

/// Every command of `cowork`, described once. What a command does is in the file named after it.
package enum Manual {
    package static let program = Command(
        "cowork", summary: "a computer of its own for an agent",
        description: """
            Gives a program a small Linux machine of its own, which sees only the folders you approve. A session is one \
            such machine.
            """,
        options: [version],
        examples: [
            Example("cowork start ~/receipts -- python3 sort.py", "runs a command on a folder, in a new machine"),
            Example("cowork start ~/receipts", "the same with a shell"),
        ],
        exitStatuses: [
            ExitStatus("0", "it worked"), ExitStatus("1", "it did not"), ExitStatus("2", "wrong usage"),
            ExitStatus("3", "denied by policy or by you"), ExitStatus("4", "no such session, folder or image"),
            ExitStatus("5", "the daemon cannot be reached"), ExitStatus("124", "a time limit passed"),
            ExitStatus("125", "the guest or this computer failed"),
            ExitStatus("126", "the command is not executable"), ExitStatus("127", "there is no such command"),
            ExitStatus("128+n", "ended by signal n"),
        ],
        subcommands: [
            start, exec, list, show, logs, stop, remove, policy, image, doctor,
            Command(
                "version", summary: "which version this is",
                description: "Prints the version of this program, and of the daemon if one runs."),
            Command(
                "help", summary: "explain a command", description: "Explains a command, as its --help does.",
                operands: [Operand("COMMAND", .any, help: "which; without one, all are listed")]),
        ])

    package static let version = Option("version", help: "print the version and exit")

    private static let policy = Command(
        "policy", summary: "read, check and explain policies written in plain language",
        description: """
            Understands policies, without a daemon: check, explain, why, test, fmt, diff, compile, language. `cowork \
            policy --help` explains each. No policy is enforced yet: machines have no network.
            """,
        operands: [Operand("ARGUMENTS", .any, help: "one of these and what it takes")],
        examples: [
            Example("cowork policy check my.policy", "is every sentence understood"),
            Example("cowork policy why https://example.org/ --policy my.policy", "what is decided, by which sentence"),
        ])

    // MARK: start

    package static let mode = Option(
        "mode", value: "MODE", choices: ["staged", "read-only", "direct"],
        help: """
            what the machine may do with the folders: read-only (the default for now) or direct, which writes to them \
            at once; staged, where you accept or undo changes, is not available yet
            """)
    package static let name = Option("name", value: "NAME", help: "what to call the session; else a name is made up")
    package static let detach = Option(
        "detach", short: "d", help: "print the session's name and leave it running")
    package static let processors = Option("cpus", value: "N", help: "how many processors the machine has")
    package static let memory = Option("memory", value: "SIZE", help: "its memory, such as 512M or 2G")
    package static let disk = Option("disk", value: "SIZE", help: "the most its own disk may grow to, such as 8G")

    private static let noAgents = Option.Unavailable(
        "agents are not available yet", hint: "run a command instead: cowork start FOLDER -- COMMAND")

    private static let start = Command(
        "start", summary: "start a machine on folders, and run something in it",
        description: """
            Starts a machine that sees the given folders, each at its own path, and nothing else of this computer. With \
            a command it runs that, starting in the first folder, and ends with it; the session's name, log and exit \
            status stay until `cowork rm`. Without a command it runs a shell, if you are at a terminal. With --detach \
            it prints the session's name and returns: without a command the machine runs until `cowork stop`, with one \
            until that ends, and `cowork logs` has its output.
            """,
        operands: [Operand("FOLDER", .oneOrMore, help: "a folder the machine may see")],
        options: [
            mode, name, detach, processors, memory, disk,
            Option("agent", value: "NAME", help: "which agent does the task", unavailable: noAgents),
        ],
        trailing: Trailing("COMMAND", isRequired: false, help: "a program of the machine and its arguments"),
        examples: [
            Example("cowork start . -- make test", "runs the tests of this folder; they cannot change it"),
            Example("cowork start ~/site --mode direct -- npm run build", "lets the command write to the folder"),
            Example("cowork start ~/data --detach --name lab", "leaves a machine running for `cowork exec lab`"),
        ],
        exitStatuses: [
            ExitStatus("the command's", "128+n when signal n ended it"),
            ExitStatus("125", "the machine did not start, or was lost"),
        ])

    // MARK: exec

    package static let terminal = Option("terminal", short: "t", help: "run it on a terminal of the machine")
    package static let interactive = Option(
        "interactive", short: "i", help: "standard input is always passed on; this is here for -it")
    package static let user = Option(
        "user", short: "u", value: "USER", help: "as this user of the machine, such as root")
    package static let directory = Option(
        "workdir", short: "w", value: "DIR", help: "start in this folder; else in the session's first one")
    package static let variable = Option(
        "env", short: "e", value: "NAME=VALUE", repeats: true, help: "set an environment variable")
    package static let timeLimit = Option(
        "time-limit", value: "TIME", help: "end it after this long, such as 90s, 5m or 1h30m")

    private static let exec = Command(
        "exec", summary: "run a program in a session",
        description: """
            Runs a program in a running session, with our standard input, output and error as its own. Signals that we \
            get it gets. If we are killed it is told to hang up, and ended.
            """,
        operands: [session],
        options: [terminal, interactive, user, directory, variable, timeLimit],
        trailing: Trailing("COMMAND", isRequired: true, help: "a program of the machine and its arguments"),
        examples: [
            Example("cowork exec quiet-heron -- make test", "runs a command"),
            Example("cowork exec -t quiet-heron -- bash", "opens a shell"),
            Example("tar c . | cowork exec quiet-heron -- tar x -C /tmp", "copies files in"),
        ],
        exitStatuses: [
            ExitStatus("the program's", "128+n when signal n ended it"), ExitStatus("4", "no such session"),
            ExitStatus("124", "the time limit passed"), ExitStatus("125", "the machine was lost"),
            ExitStatus("126", "the program is not executable"), ExitStatus("127", "there is no such program"),
        ])

    // MARK: Sessions

    package static let session = Operand("SESSION", help: "its name, or its id")
    package static let all = Option("all", short: "a", help: "ended sessions too")
    package static let follow = Option("follow", short: "f", help: "go on as more comes")
    package static let force = Option("force", short: "f", help: "without waiting for the guest")
    package static let forceRemoval = Option("force", short: "f", help: "end it first if it runs")

    private static let list = Command(
        "ps", summary: "list your sessions", description: "Lists your sessions that have not ended.",
        options: [all], examples: [Example("cowork ps -a --json", "every session, one JSON object a line")])

    private static let show = Command(
        "show", summary: "everything about a session",
        description: "Shows a session: its folders, machine and state, and what its guest has left while it runs.",
        operands: [session], exitStatuses: [ExitStatus("4", "no such session")])

    private static let logs = Command(
        "logs", summary: "what happened in a session",
        description: """
            Prints a session's events, and what the command given to `cowork start` printed; such lines begin with a \
            bar, and whatever could disturb a terminal is written out. Without a session it prints the events of all.
            """,
        operands: [Operand("SESSION", .optional, help: "its name, or its id")], options: [follow],
        exitStatuses: [ExitStatus("4", "no such session")])

    private static let stop = Command(
        "stop", summary: "end a session's machine",
        description: "Ends a session's machine: its programs are told to end, and the machine is powered off.",
        operands: [session], options: [force], exitStatuses: [ExitStatus("4", "no such session")])

    private static let remove = Command(
        "rm", summary: "forget an ended session",
        description: "Removes what is kept of an ended session: its name, log and disk. Your folders are not touched.",
        operands: [session], options: [forceRemoval], exitStatuses: [ExitStatus("4", "no such session")])

    // MARK: This computer

    package static let probe = Option("probe", help: "try again whether KVM works here, which takes a few seconds")

    private static let doctor = Command(
        "doctor", summary: "what this computer can do, and what to do about the rest",
        description: "Checks what sessions need of this computer, and says how to mend what is missing.",
        options: [probe],
        exitStatuses: [ExitStatus("0", "a session could start"), ExitStatus("125", "none could")])

    package static let store = Option("store", value: "DIR", help: "the directory that holds the images")
    package static let recipe = Option(
        "recipe", value: "DIR", help: "the recipe's folder; else the one that came with us")
    package static let guest = Option(
        "guest", value: "FILE", help: "the program that becomes the guest's first process")
    package static let refresh = Option("refresh", help: "take in newer packages, though the recipe is the same")

    private static let image = Command(
        "image", summary: "build and keep guest images",
        description:
            "A guest starts from an image: a kernel and a read-only system, made on this computer by a recipe.",
        subcommands: [
            Command(
                "build", summary: "make an image, or find that it is there",
                description: """
                    Makes an image from packages of Debian's archive. The first time this takes a minute or two; when \
                    nothing has changed nothing is done.
                    """,
                operands: [Operand("NAME", .optional, help: "which image; base if it is not said")],
                options: [recipe, store, guest, refresh]),
            Command(
                "list", summary: "what there is, and how large", description: "Lists the images on this computer.",
                options: [store]),
            Command(
                "verify", summary: "read every byte of an image again",
                description: "Reads every byte of an image and compares it with the image's manifest.",
                operands: [Operand("NAME", .optional, help: "which image; base if it is not said")], options: [store],
                exitStatuses: [ExitStatus("125", "the image is missing or damaged")]),
            Command(
                "prune", summary: "remove images that nothing uses",
                description: """
                    Removes images that are neither current nor used by a session of yours, and what old recipes left.
                    """,
                options: [store]),
        ])
}
