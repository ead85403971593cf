extension SentenceParser {
    /// Whether the next words name files rather than hosts.
    mutating func startsFileTerm(verb: Lexicon.Verb?) -> Bool {
        guard index < tokens.count else { return false }
        let mark = index
        defer { index = mark }
        if FileWords.looksLikePath(tokens[index]) {
            // A pattern alone may be meant for hosts; only a verb of files makes it files.
            let token = tokens[index]
            let isPattern =
                token.isWord && !token.text.contains("/") && (token.text.contains("*") || token.text.contains("?"))
            return !isPattern || verb != nil && !token.text.contains("?")
        }
        if take("git", "hooks") || take("any", "git", "hooks") || take("the", "git", "hooks") { return true }
        if takeAny(FileWords.everything) != nil {
            if current == "called" || current == "named" { return true }
            if FileWords.insideWords.contains(current), index + 1 < tokens.count { return startsFolder() }
            return false
        }
        if take("anything") || take("everything") || take("all") || take("any") {
            if ["in", "inside", "within", "under", "below", "beneath", "of"].contains(current) {
                index += 1
                return startsFolder()
            }
        }
        index = mark
        for article in ["the", "my", "our", "any", "all", "every", "a", "an"] where take(article) { break }
        if FileWords.kinds.contains(current) {
            index += 1
            return ["called", "named"].contains(current) || startsFolder()
                || index < tokens.count && tokens[index].text.contains(".")
        }
        // "the LICENSE file", ".env files".
        if index < tokens.count, tokens[index].isWord, FileWords.exceptions.contains(tokens[index].lower) {
            return false
        }
        if index + 1 < tokens.count, FileWords.kinds.contains(tokens[index + 1].lower), tokens[index].kind != .comma {
            return true
        }
        return false
    }

    private var current: String { index < tokens.count && tokens[index].isWord ? tokens[index].lower : "" }

    private mutating func startsFolder() -> Bool {
        guard index < tokens.count else { return false }
        if FileWords.looksLikePath(tokens[index]) { return true }
        for article in ["the", "my", "our", "any", "all", "every", "a", "an"] where take(article) { break }
        guard index < tokens.count else { return false }
        if FileWords.kinds.contains(current) { return true }
        if index + 1 < tokens.count, FileWords.kinds.contains(tokens[index + 1].lower) { return true }
        return FileWords.looksLikePath(tokens[index])
    }

    mutating func parseFiles(
        _ activities: [FileActivity], _ effect: Effect, claims said: Bool = false, when: When
    ) throws(Refusal) -> [Clause] {
        var claims = said
        try takeOnly(effect, &claims)
        let terms = try parseFileTerms(openers: effect == .allow)
        var clause = AccessClause(effect: effect, subject: .files(Array(Set(activities)).sorted(), terms))
        clause.claims = claims
        clause.when = when
        var further: [Clause] = []
        while !atEnd {
            let mark = index
            _ = takeComma()
            if take("without", "asking") || take("without", "asking", "me") {
                guard effect == .allow else { throw refusal(.notUnderstood, at: mark, "this says two things") }
                continue
            }
            if try parseTime(into: &clause.when) { continue }
            if let modal = peek(Lexicon.furtherClauses), let verb = peekVerb(ahead: modal.count) {
                index += modal.count
                further.append(try parseFurther(modal.meaning, verb, terms))
                continue
            }
            if peek(Lexicon.exceptions) != nil, take(Lexicon.exceptions) != nil {
                clause.fileExceptions += try parseFileTerms(openers: false)
                continue
            }
            index = mark
            break
        }
        if !further.isEmpty, !clause.when.isAlways || !clause.fileExceptions.isEmpty {
            throw refusal(
                .ambiguous, at: 0, "say in two sentences what the time or the exception belongs to",
                hints: ["The agent may read ~/reference. Never change ~/reference."])
        }
        return [.access(clause)] + further
    }

    private mutating func peekVerb(ahead: Int) -> Lexicon.Verb? {
        guard let found = peek(Lexicon.verbs, ahead: ahead) else { return nil }
        switch found.meaning {
        case .read, .change, .delete, .touch: return found.meaning
        default: return nil
        }
    }

    /// "but never change it", or another object of its own.
    private mutating func parseFurther(
        _ modal: Lexicon.Modal, _ verb: Lexicon.Verb, _ terms: [FileTerm]
    ) throws(Refusal) -> Clause {
        var activities: [FileActivity] = []
        repeat {
            guard let verb = take(Lexicon.verbs) else { throw notUnderstood() }
            switch verb {
            case .read: activities.append(.read)
            case .change: activities.append(.change)
            case .delete: activities.append(.delete)
            case .touch: activities.append(.all)
            default: throw notUnderstood()
            }
            let mark = index
            guard takeSeparator(), peek(Lexicon.verbs) != nil else {
                index = mark
                break
            }
        } while !atEnd
        var object = terms
        let pronoun =
            take("anything", "in", "it") || take("anything", "in", "them") || take("it") || take("them")
            || take("anything", "there")
        if !pronoun { object = try parseFileTerms(openers: modal.effect == .allow) }
        return .access(AccessClause(effect: modal.effect, subject: .files(Array(Set(activities)).sorted(), object)))
    }

    // MARK: Terms

    mutating func parseFileTerms(openers: Bool) throws(Refusal) -> [FileTerm] {
        let start = index
        var found: [FileTerm] = []
        var located: [Bool] = []
        guard let first = try parseFileTerm() else {
            missed("a path or the name of a file")
            throw notUnderstood()
        }
        found += first.terms
        located += first.terms.map { _ in first.inFolder }
        while !atEnd {
            let mark = index
            guard takeSeparator() else { break }
            if peek(Lexicon.furtherClauses) != nil || peek(Lexicon.limitWords) != nil {
                index = mark
                break
            }
            guard let next = try parseFileTerm() else {
                missed("a path or the name of a file")
                index = mark
                break
            }
            found += next.terms
            located += next.terms.map { _ in next.inFolder }
        }
        // "*.pem and *.key in ~/w": whether the folder belongs to both is not said.
        let names = found.indices.filter { found[$0].place.name != nil }
        if names.count > 1, let last = names.last, located[last], names.dropLast().contains(where: { !located[$0] }),
            found[names[0]].range != found[last].range
        {
            throw Refusal(
                .ambiguous, tokenRange(start).lowerBound..<tokenRange(index - 1).upperBound,
                "say for each name which folder it is in",
                hints: ["Hide *.pem in ~/w and *.key in ~/w.", "Hide *.pem and *.key."])
        }
        return found
    }

    private mutating func parseFileTerm() throws(Refusal) -> (terms: [FileTerm], inFolder: Bool)? {
        let start = index
        if take("git", "hooks") || take("the", "git", "hooks") || take("any", "git", "hooks")
            || take("all", "git", "hooks")
        {
            return ([FileTerm(.gitHooks, spanning(start))], true)
        }
        if takeAny(FileWords.everything) != nil || takePhrase(["all", "the", "files"]) || takePhrase(["all", "files"])
            || takePhrase(["any", "file"]) || takePhrase(["any", "files"]) || takePhrase(["every", "file"])
            || takePhrase(["all", "of", "the", "files"]) || takePhrase(["the", "files"])
            || takePhrase(["new", "files"])
            || takePhrase(["all", "folders"]) || takePhrase(["files", "and", "folders"])
        {
            return try parseEverything(start)
        }
        index = start
        return try parseNamedFile(start)
    }

    private mutating func takePhrase(_ words: [String]) -> Bool {
        for (offset, word) in words.enumerated() where !isWord(word, ahead: offset) { return false }
        index += words.count
        return true
    }

    /// "anything", "files in ~/w", "files called *.log in ~/w", "anything in a folder called secrets".
    private mutating func parseEverything(_ start: Int) throws(Refusal) -> (terms: [FileTerm], inFolder: Bool) {
        if takeAny(["called", "named"]) != nil { return try parseCalled(start) }
        let mark = index
        if takeAny(FileWords.insideWords) != nil || take("of") {
            guard let folder = try parseFolder() else {
                index = mark
                throw refusal(
                    .notUnderstood, at: mark + 1, "this is not the name of a folder",
                    hints: ["Let it change anything in ~/projects/widgets."])
            }
            return (folder.map { FileTerm($0, spanning(start)) }, folder.allSatisfy { $0.root != nil })
        }
        return ([FileTerm(.anything, spanning(start))], true)
    }

    /// After "called": one or more names, and perhaps their folder.
    private mutating func parseCalled(_ start: Int) throws(Refusal) -> (terms: [FileTerm], inFolder: Bool) {
        var names: [FilePlace.Pattern] = []
        guard index < tokens.count, tokens[index].kind != .comma else {
            missed("a name")
            throw notUnderstood()
        }
        names.append(try pattern(tokens[index]))
        index += 1
        while index + 1 < tokens.count, tokens[index].isWord, tokens[index].lower == "or" {
            guard !startsFileTermAfter(index + 1) else { break }
            names.append(try pattern(tokens[index + 1]))
            index += 2
        }
        let folder = try parseWhere()
        let range = spanning(start)
        return (names.map { FileTerm(located($0, in: folder), range) }, folder != nil)
    }

    private mutating func startsFileTermAfter(_ position: Int) -> Bool {
        let mark = index
        index = position
        defer { index = mark }
        return !FileWords.looksLikePath(tokens[position]) && startsFileTerm(verb: nil)
    }

    private func located(_ name: FilePlace.Pattern, in folder: FilePlace?) -> FilePlace {
        var place = folder ?? FilePlace()
        place.name = name
        return place
    }

    /// "in ~/w"
    private mutating func parseWhere() throws(Refusal) -> FilePlace? {
        let mark = index
        guard takeAny(FileWords.insideWords) != nil else { return nil }
        guard let folders = try parseFolder(), folders.count == 1, let folder = folders.first else {
            index = mark
            return nil
        }
        guard folder.name == nil else {
            throw refusal(
                .unsupported, at: mark, "a name inside a folder that is itself only a name",
                hints: ["Hide *.pem.", "Hide *.pem in ~/projects."])
        }
        return folder
    }

    /// A folder after "in": a path, "the folder ~/x", "a folder called secrets", "the images folder".
    private mutating func parseFolder() throws(Refusal) -> [FilePlace]? {
        let mark = index
        for article in ["the", "my", "our", "any", "all", "every", "a", "an"] where take(article) { break }
        if FileWords.kinds.contains(current), index + 1 < tokens.count {
            index += 1
            if takeAny(["called", "named"]) != nil {
                let called = try parseCalled(mark)
                return called.terms.map(\.place)
            }
            if index < tokens.count, FileWords.looksLikePath(tokens[index]) {
                let place = try path(tokens[index])
                index += 1
                return [place]
            }
            index = mark
            return nil
        }
        guard index < tokens.count, tokens[index].kind != .comma else {
            index = mark
            return nil
        }
        let token = tokens[index]
        if FileWords.looksLikePath(token),
            !(token.text.hasPrefix("*") || token.text.hasPrefix(".") && !token.text.contains("/"))
        {
            index += 1
            let place = try path(token)
            if FileWords.kinds.contains(current) { index += 1 }
            return [place]
        }
        if index + 1 < tokens.count, FileWords.folders.contains(tokens[index + 1].lower),
            FileWords.canBeCalled(token, kind: tokens[index + 1].lower)
        {
            let name = try pattern(token)
            index += 2
            return [FilePlace(name: name)]
        }
        index = mark
        return nil
    }

    /// A path, a bare name or a pattern, with or without "the … file" around it.
    private mutating func parseNamedFile(_ start: Int) throws(Refusal) -> (terms: [FileTerm], inFolder: Bool)? {
        var article = false
        for word in ["the", "my", "our", "any", "all", "every", "a", "an"] where take(word) {
            article = true
            break
        }
        if FileWords.kinds.contains(current), index + 1 < tokens.count {
            index += 1
            if takeAny(["called", "named"]) != nil { return try parseCalled(start) }
            if tokens[index].kind != .comma, FileWords.looksLikePath(tokens[index]) || article {
                let token = tokens[index]
                if FileWords.looksLikePath(token) && isRooted(token) {
                    index += 1
                    return ([FileTerm(try path(token), spanning(start))], true)
                }
                let name = try pattern(token)
                index += 1
                let folder = try parseWhere()
                return ([FileTerm(located(name, in: folder), spanning(start))], folder != nil)
            }
            index = start
            return nil
        }
        guard index < tokens.count, tokens[index].kind != .comma else {
            index = start
            return nil
        }
        let token = tokens[index]
        if token.isWord, token.text.contains("://") {
            throw refusal(
                .ambiguous, "this is a URL, not a file",
                hints: ["Allow downloads from example.com.", "Block example.com."])
        }
        if isRooted(token) {
            index += 1
            let place = try path(token)
            if FileWords.kinds.contains(current) { index += 1 }
            return ([FileTerm(place, spanning(start))], true)
        }
        let hasKind = index + 1 < tokens.count && FileWords.kinds.contains(tokens[index + 1].lower)
        let isPlain = !FileWords.looksLikePath(token)
        if isPlain, !hasKind, article || !FileWords.isFileName(token.text) {
            index = start
            return nil
        }
        if isPlain, hasKind, !FileWords.canBeCalled(token, kind: tokens[index + 1].lower) {
            if FileWords.isDescription(token.lower) || !Vocabulary.knows(token.lower) {
                throw refusal(
                    .ambiguous, "“\(token.text) \(tokens[index + 1].text)” can describe files or be their name",
                    hints: ["Hide files called \(token.lower).", "Hide *.\(token.lower)."])
            }
            index = start
            return nil
        }
        if token.isWord, !hasKind, FileWords.couldBeHostInstead(token.text) {
            throw refusal(
                .ambiguous, "“\(token.text)” can be a file or a host",
                hints: ["Hide files called \"\(token.text)\".", "Block \(token.text)."])
        }
        index += 1
        if hasKind { index += 1 }
        if token.isWord, token.text == ".env", hasKind {
            let folder = try parseWhere()
            let range = spanning(start)
            return (
                [
                    FileTerm(located(.literal(".env"), in: folder), range),
                    FileTerm(located(.glob(".env.*"), in: folder), range),
                ], folder != nil
            )
        }
        let name = try pattern(token, at: index - 1)
        let folder = try parseWhere()
        return ([FileTerm(located(name, in: folder), spanning(start))], folder != nil)
    }

    private func isRooted(_ token: Token) -> Bool {
        token.text.contains("/") || token.isWord && token.text.hasPrefix("~")
    }

    // MARK: Paths

    /// A name without a slash; in quotes it is verbatim.
    private func pattern(_ token: Token, at position: Int? = nil) throws(Refusal) -> FilePlace.Pattern {
        let text = token.text
        let at = position ?? index
        guard !text.isEmpty, text != ".", text != "..", !text.contains("/") else {
            throw refusal(
                .badPath, at: min(at, tokens.count - 1), "“\(text)” is not the name of a file",
                hints: ["Hide files called secrets.", "Hide ~/projects/secrets."])
        }
        if token.kind == .quoted { return .literal(text) }
        if text.contains("**") {
            throw refusal(
                .badPath, at: min(at, tokens.count - 1), "a pattern matches names at any depth already; write one star",
                hints: ["Hide *.pem."])
        }
        for character in text where FileWords.unsafe.contains(character) {
            throw refusal(
                .badPath, at: min(at, tokens.count - 1), "“\(character)” in a name needs quotes around it",
                hints: ["Hide files called \"\(text)\"."])
        }
        return text.contains("*") || text.contains("?") ? .glob(text) : .literal(text)
    }

    /// A path from its root, or relative to each granted folder.
    func path(_ token: Token) throws(Refusal) -> FilePlace {
        var text = token.text
        let root: FilePlace.Root
        if text.hasPrefix("/") {
            root = .absolute
        } else if text == "~" || text.hasPrefix("~/") {
            root = .home
            text.removeFirst()
        } else if text.hasPrefix("~") {
            throw Refusal(
                .badPath, token.range, "another person's home is not reached; “~” is yours",
                hints: ["The agent may read ~/reference."])
        } else {
            root = .relative
        }
        var components: [FilePlace.Pattern] = []
        for piece in text.split(separator: "/") where piece != "." {
            guard piece != ".." else {
                throw Refusal(
                    .badPath, token.range, "“..” leads out of a folder; write the path without it",
                    hints: ["The agent may read ~/reference."])
            }
            if token.kind == .quoted {
                components.append(.literal(String(piece)))
                continue
            }
            guard !piece.contains("**") else {
                throw Refusal(
                    .badPath, token.range, "a path means everything beneath it already; leave “**” out",
                    hints: ["Hide *.pem in ~/projects."])
            }
            for character in piece where FileWords.unsafe.contains(character) {
                throw Refusal(
                    .badPath, token.range, "“\(character)” in a path needs quotes around it",
                    hints: ["The agent may read \"\(token.text)\"."])
            }
            let isGlob = piece.contains("*") || piece.contains("?")
            components.append(isGlob ? .glob(String(piece)) : .literal(String(piece)))
        }
        if root == .absolute, components.isEmpty {
            throw Refusal(
                .badPath, token.range, "“/” would be this whole computer; name a folder",
                hints: ["The agent may read ~/reference.", "The agent may read /srv/data."])
        }
        if root == .relative, components.isEmpty {
            throw Refusal(
                .badPath, token.range, "this names no folder; say “anything”", hints: ["Ask before changing anything."])
        }
        return FilePlace(root: root, components: components)
    }
}

/// Words that tell files from hosts.
enum FileWords {
    static let everything: [String] = ["anything", "everything", "files", "folders"]
    static let exceptions: Set<String> = Lexicon.exceptions.vocabulary
    static let insideWords: [String] = ["in", "inside", "within", "under", "below", "beneath"]
    static let kinds: Set<String> = ["file", "files", "folder", "folders", "directory", "directories"]
    static let folders: Set<String> = ["folder", "folders", "directory", "directories"]
    static let unsafe: Set<Character> = [
        "$", "%", "`", "|", "<", ">", "{", "}", "\\", "[", "]", "!", "\"", "'", "(", ")", ";",
    ]

    /// Whether "the X file", "X files" or "the X folder" says what something is called. "log files" does not.
    static func canBeCalled(_ token: Token, kind: String) -> Bool {
        let text = token.text
        if token.kind == .quoted || text.contains(".") { return true }
        if structural.contains(token.lower) || isDescription(token.lower) { return false }
        if folders.contains(kind) { return true }
        guard kind == "file" else { return false }
        return text.contains { $0.isUppercase || $0 == "_" || $0 == "-" || $0.isNumber }
    }

    static func isDescription(_ word: String) -> Bool { descriptions.contains(word) }

    private static let structural: Set<String> = Lexicon.exceptions.vocabulary.union([
        "and", "or", "the", "a", "an", "my", "our", "any", "all", "every", "in", "inside", "called", "named", "to",
        "of", "it",
        "read", "change", "delete", "write", "edit", "touch", "hide", "never", "always", "may", "these", "those",
        "this", "that",
        "no", "each", "both", "some", "most", "such",
    ])
    private static let descriptions: Set<String> = [
        "new", "old", "other", "hidden", "secret", "big", "large", "small", "private", "public", "shared", "parent",
        "same",
        "whole", "entire", "home", "root", "current", "working", "system", "temporary", "important", "sensitive",
        "personal", "existing", "source", "text", "binary", "config", "configuration", "log", "executable", "empty",
        "project", "granted", "opened", "outside", "unrelated", "generated", "local", "remote", "image", "video",
        "media",
    ]

    /// Clear by its looks alone.
    static func looksLikePath(_ token: Token) -> Bool {
        let text = token.text
        if token.kind == .quoted { return true }
        guard token.isWord else { return false }
        if text.hasPrefix("~") || text.hasPrefix("./") || text.hasPrefix("../") { return true }
        if text.hasPrefix("/") { return true }
        if text.hasPrefix("."), text.count > 1, !text.hasPrefix("..") { return true }
        if text.contains("://") { return false }
        if let slash = text.firstIndex(of: "/") {
            let front = text[..<slash]
            return Address(anySpelling: front) == nil && !front.contains(":") && (try? HostName.parse(front)) == nil
        }
        if text.contains("*") || text.contains("?") {
            return !text.hasPrefix("*.") || !couldBeHost(String(text.dropFirst(2)))
        }
        return false
    }

    private static func couldBeHost(_ text: String) -> Bool {
        guard let host = try? HostName.parse(text, singleLabel: true), let top = host.labels.last else { return false }
        return PublicSuffix.isKnownTop(String(top))
    }

    /// A word that can only be a file under a verb of files: `LICENSE`, `README.md`, `Makefile`.
    static func isFileName(_ text: String) -> Bool {
        guard !text.isEmpty, !Vocabulary.knows(text) else { return false }
        return !text.contains("/") && !text.contains(":") && !text.contains("@")
    }

    /// A bare dotted word under a verb of files that looks like a host rather than like a file.
    static func couldBeHostInstead(_ text: String) -> Bool {
        guard text.contains("."), !text.hasPrefix(".") else { return false }
        if Address(anySpelling: text) != nil { return true }
        guard let last = text.split(separator: ".").last?.lowercased() else { return false }
        return !extensions.contains(last) && PublicSuffix.isKnownTop(last)
    }

    /// A dotted word that is a host or a file, for all one can see.
    static func couldBeEither(_ text: String) -> Bool {
        guard text.contains("."), !text.contains(":"), !text.contains("/") else { return false }
        if Address(anySpelling: text) != nil { return false }
        guard let last = text.split(separator: ".").last?.lowercased() else { return false }
        return extensions.contains(last) || !PublicSuffix.isKnownTop(last)
    }

    private static let extensions: Set<String> = [
        "md", "py", "rs", "sh", "pl", "cc", "ps", "zip", "mov", "so", "app", "txt", "json", "toml", "yaml", "yml",
        "lock",
        "c", "h", "js", "ts", "key", "pem", "conf", "cfg", "ini", "log", "html", "css", "java", "rb", "swift", "mk",
        "doc", "pdf", "csv", "db", "env", "tf", "ml", "gz",
    ]
}
