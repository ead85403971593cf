internal import Glibc
internal import PolicyCompiler
internal import PolicyLanguage
internal import Testing

/// Compiling and deciding against the number of rules; run with `COWORK_BENCH=1 swift test -c release`. It prints and
/// never fails: absolute times are another machine's business.
@Suite(.serialized, .enabled(if: getenv("COWORK_BENCH") != nil)) struct BenchmarkTests {
    @Test(arguments: [10, 100, 1000, 10_000, 100_000]) func compileAndDecide(rules: Int) {
        var text = ""
        for index in 0..<rules {
            switch index % 5 {
            case 0..<3: text += "Allow https to host\(index).zone\(index % 97).example.\n"
            case 3:
                text +=
                    "Allow tcp to 203.\(index / 256 % 256).\(index % 256).\(index / 65536 + 1) on port \(1000 + index % 5000).\n"
            default: text += "Block bad\(index).example.\n"
            }
        }
        let clock = ContinuousClock()
        var compilation: Compilation?
        let compiling = clock.measure { compilation = Compilation.compile([SourceText(name: "bench", text)]) }
        guard let compilation else { return }
        let ruling = Ruling([Layer(.user, compilation.policy)])
        var drawing = Drawing(5)
        let instant = Instant(wall: 0)
        var times: [Duration] = []
        for _ in 0..<20_000 {
            let index = Int.random(in: 0..<rules, using: &drawing)
            let name = HostName(
                normalised: drawing.chance(70) ? "host\(index).zone\(index % 97).example" : "www.bad\(index).example")
            let request = Request.connect(
                Connection(
                    .name(name), .tcp, 443, .web(WebRequest("GET", path: WebPath(segments: ["a"], below: false)))))
            let start = clock.now
            _ = ruling.decide(request, at: instant)
            times.append(clock.now - start)
        }
        times.sort()
        print("bench \(rules) rules: compile \(compiling), decide p50 \(times[10_000]) p99 \(times[19_800])")
    }
}
