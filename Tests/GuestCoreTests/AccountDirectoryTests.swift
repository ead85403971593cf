import GuestCore
import Testing

@Suite struct AccountDirectoryTests {
    private let accounts = AccountDirectory(
        passwd: """
            root:x:0:0:root:/root:/bin/bash
            nonsense
            broken:x:many:0::/:/bin/sh
            agent:x:1000:1000:Agent:/home/agent:/bin/bash
            bare:x:1001:100:::
            1000:x:1234:1234::/odd:/bin/sh
            """,
        group: """
            root:x:0:
            sudo:x:27:agent,other
            docker:x:99:other
            users:x:100:agent
            agent:x:1000:agent
            tty:x:5:
            bad:x:many:agent
            """)

    @Test func findsByName() {
        let agent = accounts.user("agent")
        #expect(agent?.uid == 1000)
        #expect(agent?.home == "/home/agent")
        #expect(agent?.shell == "/bin/bash")
    }

    @Test func aNumberIsAUserIdUnlessItIsAName() {
        #expect(accounts.user("0")?.name == "root")
        #expect(accounts.user("1001")?.name == "bare")
        #expect(accounts.user("1000")?.uid == 1234)
    }

    @Test func emptyHomeAndShellHaveDefaults() {
        #expect(accounts.user("bare")?.home == "/")
        #expect(accounts.user("bare")?.shell == "/bin/sh")
    }

    @Test func unknownAndBrokenUsersAreNotFound() {
        #expect(accounts.user("nobody") == nil)
        #expect(accounts.user("broken") == nil)
        #expect(accounts.user("") == nil)
        #expect(accounts.user("4294967296") == nil)
    }

    @Test func groupsAreOwnAndListedOnesOnce() throws {
        let agent = try #require(accounts.user("agent"))
        #expect(accounts.groups(of: agent) == [1000, 27, 100])
        #expect(accounts.group("tty") == 5)
        #expect(accounts.group("bad") == nil)
    }

    @Test func rootExistsWhereNobodyElseDoes() {
        let none = AccountDirectory(passwd: "", group: "")
        #expect(none.user("root")?.uid == 0)
        #expect(none.user("0")?.uid == 0)
        #expect(none.user("agent") == nil)
        #expect(AccountDirectory(passwd: "agent:x:1:1::/:", group: "").user("root") == nil)
    }
}
