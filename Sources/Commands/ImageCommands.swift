internal import CommandLineKit
internal import Core
internal import GuestImage
internal import ImageStore
internal import Links
internal import System
internal import Varlink

/// `cowork image …` works on image stores itself; no daemon is needed, except to know which images sessions use.
enum ImageCommands {
    private struct Output: Encodable {
        let name, id, path, state: String
        var current: Bool?
        var kernel, because: String?
        var packages: Int?
        var apparentBytes, realBytes: UInt64?
        var built: Bool?
    }

    // MARK: build

    static func build(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let name = invocation.operands.first
        let recipe: String
        if let given = invocation.value(Manual.recipe) {
            recipe = caller.absolute(given)
        } else {
            recipe = try Self.recipe(name ?? "base")
        }
        let last = recipe.split(separator: "/").last.map(String.init) ?? ""
        if let name, name != last {
            throw Fault(
                .usage, "image build: the recipe at \(Display.escaped(recipe)) makes '\(Display.escaped(last))'",
                hint: "an image has the name of its recipe's folder")
        }
        let guest: String
        if let given = invocation.value(Manual.guest) {
            guest = caller.absolute(given)
        } else {
            guest = try HelperPrograms.find("cowork-guest")
        }
        var request = BuildRequest(
            recipe: recipe, guest: guest, guestVersion: Release.version, environment: caller.environment)
        request.refresh = invocation.has(Manual.refresh)
        let result = try store(invocation, caller).build(request) { progress in
            caller.console.tell([Display.escaped("\(progress)")])
        }
        let image = result.image
        if invocation.wantsJSON {
            try caller.console.print(
                JSONLine.encode(
                    Output(
                        name: image.name, id: "\(image.id)", path: image.path, state: "good", current: true,
                        built: !result.wasCurrent)))
        } else {
            let verb = result.wasCurrent ? "is up to date" : "is ready"
            try caller.console.print("image \(image.name) \(image.id.short) \(verb): \(Display.escaped(image.path))")
        }
        return 0
    }

    /// Where the recipe that came with this program is: installed beside it, or in the tree it was built in.
    private static func recipe(_ name: String) throws(Fault) -> String {
        let executable = (try? CurrentProcess.executable()) ?? ""
        let directory = executable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        let candidates = ["/../share/cowork/recipes/", "/../../images/"].map { directory + $0 + name }
        let isPlain = !name.isEmpty && !name.contains("/") && !name.hasPrefix(".")
        for candidate in candidates where isPlain && Files.exists(candidate + "/build") { return candidate }
        throw Fault(
            .notFound, "image build: no recipe '\(Display.escaped(name, limit: 80))' came with this program",
            hint: "name a recipe's folder: cowork image build --recipe FOLDER")
    }

    // MARK: list

    static func list(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        var table = Table([
            Table.Column("NAME"), Table.Column("ID"), Table.Column("SIZE", alignsRight: true),
            Table.Column("ON DISK", alignsRight: true), Table.Column("PACKAGES", alignsRight: true),
            Table.Column("NOTE", fit: .cut(priority: 0, least: 10, keepingEnd: false)),
        ])
        var objects: [String] = []
        for store in try stores(invocation, caller) {
            for image in try store.list() {
                switch image.state {
                case .good(let details):
                    objects.append(
                        JSONLine.encode(
                            Output(
                                name: image.name, id: "\(details.id)", path: image.path, state: "good",
                                current: image.isCurrent, kernel: details.kernel, packages: details.packages,
                                apparentBytes: details.apparentBytes, realBytes: details.realBytes)))
                    table.append([
                        Table.Cell(image.name, tint: .strong), Table.Cell(details.id.short),
                        Table.Cell("\(ByteSize(bytes: details.apparentBytes))"),
                        Table.Cell("\(ByteSize(bytes: details.realBytes))"), Table.Cell("\(details.packages)"),
                        Table.Cell(image.isCurrent ? "current" : ""),
                    ])
                case .damaged(let because):
                    let id = String(image.path.suffix(12))
                    objects.append(
                        JSONLine.encode(
                            Output(
                                name: image.name, id: id, path: image.path, state: "damaged", current: image.isCurrent,
                                because: because)))
                    table.append([
                        Table.Cell(image.name, tint: .strong), Table.Cell(id), Table.Cell(""), Table.Cell(""),
                        Table.Cell(""), Table.Cell("damaged: \(Display.escaped(because))", tint: .bad),
                    ])
                }
            }
        }
        if invocation.wantsJSON {
            try caller.console.print(objects)
        } else if objects.isEmpty {
            if caller.console.errorIsTerminal { caller.console.tell(["no images; make one: cowork image build"]) }
        } else {
            try caller.console.print(table.lines(width: caller.console.width, palette: caller.console.palette))
        }
        return 0
    }

    // MARK: verify

    static func verify(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let name = invocation.operands.first ?? "base"
        let stores = try stores(invocation, caller)
        let image = try first(stores) { (store) throws(Fault) in try store.find(name) }
        try image.verify()
        if invocation.wantsJSON {
            try caller.console.print(
                JSONLine.encode(Output(name: image.name, id: "\(image.id)", path: image.path, state: "good")))
        } else {
            try caller.console.print("image \(image.name) \(image.id.short) is whole: \(Display.escaped(image.path))")
        }
        return 0
    }

    private static func first<Value>(
        _ stores: [ImageStore], _ look: (ImageStore) throws(Fault) -> Value
    ) throws(Fault) -> Value {
        var missing = Fault(.imageMissing, "there are no images", hint: "cowork image build")
        for store in stores {
            do throws(Fault) { return try look(store) } catch {
                guard error.code == .imageMissing else { throw error }
                missing = error
            }
        }
        throw missing
    }

    // MARK: prune

    static func prune(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> Int32 {
        let sessions = try DaemonCalls(caller).call(DaemonAPI.List.self, .init(all: true)).sessions
        // A session's image is an id, or a name and the first digits of one.
        let used = sessions.flatMap { [$0.image, String($0.image.suffix(12))] }
        let removed = try store(invocation, caller).prune(keepingIDs: Set(used))
        if invocation.wantsJSON {
            struct Removed: Encodable {
                let removed: String
                let apparentBytes: UInt64
            }
            try caller.console.print(
                removed.map { JSONLine.encode(Removed(removed: $0.directory, apparentBytes: $0.apparentBytes)) })
        } else {
            let lines = removed.map { "removed \(Display.escaped($0.directory)), \(ByteSize(bytes: $0.apparentBytes))" }
            try caller.console.print(lines.isEmpty ? ["nothing to remove"] : lines)
        }
        return 0
    }

    // MARK: Stores

    /// The one that is written to: the one asked for, the one configured, or the user's own.
    private static func store(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> ImageStore {
        if let given = invocation.value(Manual.store) { return ImageStore(root: caller.absolute(given)) }
        let configured = try Configuration.load(caller.directories).images.first
        return ImageStore(root: configured ?? caller.directories.data + "/images")
    }

    /// Those that are looked into, as the daemon does.
    private static func stores(_ invocation: Invocation, _ caller: Caller) throws(Fault) -> [ImageStore] {
        if invocation.has(Manual.store) { return [try store(invocation, caller)] }
        let executable = (try? CurrentProcess.executable()) ?? ""
        return try Configuration.load(caller.directories)
            .imageDirectories(caller.directories, executable: executable).map { ImageStore(root: $0) }
    }
}
