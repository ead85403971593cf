internal import PolicyCompiler
internal import PolicyLanguage

extension PolicyCommand {
    static func compile(_ options: Options) -> Outcome {
        let target = options.values["to"] ?? "json"
        let compilation: Compilation
        switch compiled(options.operands, json: options.json) {
        case .failure(let error): return error.outcome
        case .success(let good): compilation = good
        }
        var names: [NameTable.Entry] = []
        if let file = options.values["names"] {
            guard case .success(let bytes) = PolicyFile.read(file) else {
                return failure(4, "not-found", "\(file) cannot be read", "each line: NAME ADDRESS", json: options.json)
            }
            switch NameTable.parse(String(decoding: bytes, as: UTF8.self)) {
            case .success(let parsed): names = parsed
            case .failure(let problem):
                return failure(
                    1, "failed", "\(file): \(problem.message)", "each line: NAME ADDRESS", json: options.json)
            }
        }
        let policy = compilation.policy
        let present = PolicyClock.now()
        let moment = options.values["at"].flatMap(PolicyClock.parse) ?? present
        let instant = Instant(wall: moment.wall, elapsed: 0)
        let ruling = Ruling([Layer(.user, BoundPolicy(policy, Registries.configured()).policy)])
        switch target {
        case "json": return Outcome(0, policy.json.written + "\n")
        case "nft": return Outcome(0, Netfilter.text(ruling, names: names, at: instant))
        case "gateway": return Outcome(0, Tables.gateway(policy).written + "\n")
        case "dns": return Outcome(0, Tables.names(policy).written + "\n")
        case "files": return Outcome(0, Tables.files(policy).written + "\n")
        case "seccomp": return Outcome(0, Tables.calls(policy))
        default:
            return failure(
                2, "usage", "“\(target)” is no artefact", "nft, gateway, dns, files, seccomp or json",
                json: options.json)
        }
    }
}
