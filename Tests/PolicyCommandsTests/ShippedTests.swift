internal import PolicyCommands
internal import Testing

/// The policies in `policy/`: understood, and their `.test` files pass.
@Suite struct ShippedTests {
    static let root: String = {
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/")
    }()

    @Test(arguments: ["floor", "default", "developer", "research", "offline"]) func passesItsTests(name: String) {
        let file = "\(Self.root)/policy/\(name).policy"
        let checked = PolicyCommand.run(arguments: ["check", file])
        #expect(checked.exitStatus == 0, "\(checked.standardError)")
        let tested = PolicyCommand.run(arguments: ["test", file])
        #expect(tested.exitStatus == 0, "\(tested.standardOutput)")
        #expect(tested.standardOutput.contains("passed"))
    }

    @Test func faultsShowPlaceCaretAndHint() {
        let outcome = PolicyCommand.run(arguments: ["check", "\(Self.root)/no/such.policy"])
        #expect(outcome.exitStatus == 4)
        #expect(PolicyCommand.run(arguments: []).exitStatus == 2)
        #expect(PolicyCommand.run(arguments: ["frobnicate"]).exitStatus == 2)
    }
}
