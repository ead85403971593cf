/// `policy/LANGUAGE.md`, printed from the tables that the parser reads, so that it cannot say anything else.
package enum LanguageReference {
    /// Sentences by family; each is compiled by a test.
    package static let examples: [(family: String, says: String, sentences: [String])] = [
        (
            "Connections", "Without a service or a port an allow is https on port 443; a deny or an ask is every port.",
            [
                "Allow https to github.com.", "Let the agent reach github.com and its subdomains.",
                "Allow https to *.acme.dev.", "The agent may use ssh to git.acme.dev on port 2222.",
                "Permit tcp to 203.0.113.0/24 on ports 8000 to 8100.", "Allow udp to 192.0.2.53 port 123.",
                "Allow https to a.example and ssh to b.example.", "Allow https to the internet.",
                "Allow https to the package registries.", "Block facebook.com.", "It must not use ssh.",
                "Don't let it touch the local network.", "Allow https to jira.acme.dev on the local network.",
                "Allow tcp to this computer on port 5432.",
            ]
        ),
        (
            "Asking", "An ask covers the host with its subdomains and every port; a narrower allow beside it wins.",
            [
                "Ask before connecting to acme.dev.", "Ask before using ssh, except to github.com.",
                "Ask me before connecting anywhere else.", "Allow https to crates.io; ask for anything else.",
            ]
        ),
        (
            "Web requests", "These look inside the connection, and the print-back says so.",
            [
                "Allow downloads from crates.io.", "Allow GET and POST requests to https://api.acme.dev/v1/.",
                "Never upload anything to pastebin.com.", "Allow https to api.acme.dev, only for GET requests to /v1/.",
                "Do not inspect bank.example.",
                "Use my anthropic key for api.anthropic.com, only for POST to /v1/messages.",
            ]
        ),
        (
            "Exceptions and groups", "An exception only takes away from its own sentence.",
            [
                "Block acme.dev and its subdomains except api.acme.dev.",
                "Allow https to the internet, but not facebook.com.",
                "Define rust mirrors as crates.io and static.crates.io. Allow downloads from rust mirrors.",
            ]
        ),
        (
            "Only", "At the verb it claims its whole activity; elsewhere it narrows its own sentence.",
            ["The agent may only reach github.com and crates.io.", "The agent may only read ~/reference."]
        ),
        (
            "Time", "Times are this computer's wall clock; dates are written 2026-12-24.",
            [
                "On weekdays between 9:00 and 18:00, allow https to jira.acme.dev.",
                "On Mondays and Fridays, allow https to jira.acme.dev.",
                "Until 2026-12-24 18:00, allow ssh to build.acme.dev.",
                "For the next 2 hours, allow https to example.org.",
            ]
        ),
        (
            "Limits and budgets", "They open nothing; what is past them is denied until the period ends.",
            [
                "Allow https to api.acme.dev, at most 100 requests per minute and 50 MB per day.",
                "Allow https to a.example and b.example, at most 60 requests per minute each.",
                "At most 200 MB of uploads per session.", "Stop after 2 hours.", "Spend at most 5 dollars.",
                "Use at most 4 GB of memory.",
            ]
        ),
        (
            "Files", "A path is that file or folder and everything in it; a bare name is everything so called.",
            [
                "The agent may read ~/reference but never change it.",
                "Let it change anything in ~/projects/widgets except the LICENSE file.",
                "Hide .env files, *.pem and anything in a folder called secrets.", "Let it read \"~/my files\".",
                "Ask before deleting anything.", "Never touch git hooks.", "~/docs is read-only.",
                "Apply new files and edits without asking; ask for everything else.",
            ]
        ),
        (
            "Into the guest", "A port of the guest on this computer, for you alone.",
            ["Let me open port 3000 of the guest on this computer.", "Show guest port 5432 as port 15432 here."]
        ),
        (
            "Programs", "A guard-rail inside the guest, not a wall against its root.",
            ["Programs may not trace other programs.", "No raw sockets and no new user namespaces."]
        ),
    ]

    package static var text: String {
        var lines: [String] = [
            "# The language of policies", "",
            "Printed from the compiler's own tables by `cowork policy language`; a test compares the two. A policy is a text",
            "of sentences, one per line or ended by a full stop or a semicolon. `#` begins a comment. Order never matters, deny",
            "wins, and what nothing mentions is denied. What is not understood is refused: try `cowork policy check`.",
            "",
        ]
        for family in examples {
            lines += ["## \(family.family)", "", family.says, "", "```"] + family.sentences + ["```", ""]
        }
        lines += ["## Words", "", "Phrases on one line mean the same.", ""]
        section(&lines, "How a sentence begins", Lexicon.openings.entries.map { ($0.words, "\($0.meaning)") })
        section(&lines, "Whom it speaks of", Lexicon.subjects.entries.map { ($0.words, "the agent") })
        section(&lines, "After that", Lexicon.modals.entries.map { ($0.words, describe($0.meaning)) })
        section(
            &lines, "At the end",
            Lexicon.passives.entries.map { ($0.words, "\($0.meaning.effect.word) \($0.meaning.verb)") })
        section(&lines, "Verbs", Lexicon.verbs.entries.map { ($0.words, "\($0.meaning)") })
        section(&lines, "Nouns", Lexicon.nouns.entries.map { ($0.words, "\($0.meaning)") })
        section(&lines, "Services", Lexicon.services.entries.map { ($0.words, describe($0.meaning)) })
        section(&lines, "Places", Lexicon.places.entries.map { ($0.words, "\($0.meaning)") })
        section(
            &lines, "How far a name reaches", Lexicon.reaches.entries.map { ($0.words, describe($0.meaning.scope)) })
        section(&lines, "Only what is beneath a name", Lexicon.underPrefixes.entries.map { ($0.words, "beneath") })
        section(&lines, "Exceptions", Lexicon.exceptions.entries.map { ($0.words, "except") })
        section(&lines, "Limits", Lexicon.limitWords.entries.map { ($0.words, "at most") })
        section(&lines, "What programs do", Lexicon.programs.entries.map { ($0.words, $0.meaning.rawValue) })
        section(&lines, "What is applied", Lexicon.applyKinds.entries.map { ($0.words, $0.meaning.rawValue) })
        while lines.last == "" { lines.removeLast() }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func describe(_ modal: Lexicon.Modal) -> String {
        modal.effect.word + (modal.claims ? ", only" : "")
    }

    private static func describe(_ service: ServiceTerm) -> String {
        switch service {
        case .named(let name, let transport, let port): "\(name), \(transport) \(port)"
        case .transport(let transport): "\(transport), every port"
        case .anyConnection: "every port and protocol"
        }
    }

    private static func describe(_ scope: NameScope) -> String {
        switch scope {
        case .exact: "the name alone"
        case .wide: "the name and everything beneath it"
        case .under: "only what is beneath it"
        }
    }

    private static func section(_ lines: inout [String], _ title: String, _ entries: [([String], String)]) {
        lines += ["### \(title)", ""]
        var order: [String] = []
        var phrases: [String: [String]] = [:]
        for (words, meaning) in entries {
            if phrases[meaning] == nil { order.append(meaning) }
            phrases[meaning, default: []].append(words.joined(separator: " "))
        }
        for meaning in order { lines.append("- **\(meaning)**: " + (phrases[meaning] ?? []).joined(separator: " · ")) }
        lines.append("")
    }
}
