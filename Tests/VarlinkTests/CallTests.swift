import Core
import Testing

@testable import Varlink

struct CallTests {
    @Test func aCallHasOneText() throws {
        let parameters = DaemonAPI.Start.Parameters(folders: ["/a/b"], mode: "direct", name: "x")
        let text = try Call.encode(DaemonAPI.Start.self, parameters, more: true)
        #expect(
            String(decoding: text, as: UTF8.self)
                == #"{"method":"dev.cowork.Start","more":true,"parameters":{"folders":["/a/b"],"mode":"direct","name":"x"}}"#
        )
        let call = try Call(text)
        #expect(call.method == "dev.cowork.Start" && call.more && !call.upgrade && !call.oneway)
        #expect(try call.parameters(DaemonAPI.Start.Parameters.self) == parameters)
    }

    @Test func parametersMayBeMissingAndUnknownOnesAreIgnored() throws {
        let bare = try Call(Array(#"{"method":"dev.cowork.List"}"#.utf8))
        #expect(try bare.parameters(DaemonAPI.List.Parameters.self) == DaemonAPI.List.Parameters())
        let newer = try Call(Array(#"{"method":"dev.cowork.List","parameters":{"all":true,"new":1},"x":2}"#.utf8))
        #expect(try newer.parameters(DaemonAPI.List.Parameters.self).all == true)
    }

    @Test(arguments: [
        (#"{"folders":"x"}"#, "folders"), (#"{"folders":[1]}"#, "folders"), (#"{}"#, "folders"),
        (#"{"folders":[],"process":{}}"#, "arguments"), (#"{"folders":[],"cpus":"2"}"#, "cpus"),
        (#"{"folders":[],"cpus":true}"#, "cpus"),
    ])
    func namesTheParameterThatIsWrong(json: String, name: String) throws {
        let call = try Call(Array(#"{"method":"dev.cowork.Start","parameters":\#(json)}"#.utf8))
        #expect(throws: VarlinkError.invalidParameter(name)) {
            try call.parameters(DaemonAPI.Start.Parameters.self)
        }
    }

    @Test(arguments: [
        "", "{", "[]", "null", "7", #"{"method":7}"#, #"{"parameters":{}}"#, #"{"method":""}"#, "\u{FF}\u{0}",
        String(repeating: "[", count: 100_000), #"{"method":"\#(String(repeating: "x", count: 300))"}"#,
    ])
    func refusesWhatIsNoCall(text: String) {
        #expect(throws: VarlinkError.self) { try Call(Array(text.utf8)) }
    }

    @Test func refusesBytesThatAreNoText() {
        #expect(throws: VarlinkError.self) { try Call([0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x3A, 0x31, 0x7D]) }
    }
}

struct ReplyTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func repliesHaveOneText() throws {
        #expect(text(try Reply.encode(Nothing())) == #"{"parameters":{}}"#)
        #expect(
            text(try Reply.encode(DaemonAPI.Exec.Reply(stdout: "eA=="), continues: true))
                == #"{"continues":true,"parameters":{"stdout":"eA=="}}"#)
    }

    @Test func aFaultArrivesWhole() throws {
        let fault = Fault(.nameTaken, "there is a \"x\"\n already", hint: "choose another")
        let reply = try Reply(try Reply.encode(.fault(fault)))
        #expect(reply.error == "dev.cowork.Fault")
        #expect(reply.fault == fault)
        let bare = try Reply(try Reply.encode(.fault(Fault(FaultCode("from-the-future"), "m"))))
        #expect(bare.fault == Fault(FaultCode("from-the-future"), "m"))
        #expect(bare.fault?.code.exitStatus == 1)
    }

    @Test func serviceErrorsAreNamedAsVarlinkNamesThem() throws {
        #expect(
            text(try Reply.encode(.methodNotFound("dev.cowork.Nope")))
                == #"{"error":"org.varlink.service.MethodNotFound","parameters":{"method":"dev.cowork.Nope"}}"#)
        #expect(
            text(try Reply.encode(.invalidParameter("folders")))
                == #"{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"folders"}}"#)
        #expect(
            text(try Reply.encode(.expectedMore)) == #"{"error":"org.varlink.service.ExpectedMore","parameters":{}}"#)
        #expect(try Reply(try Reply.encode(.interfaceNotFound("a.b"))).fault?.code == .unsupported)
    }

    @Test func base64IsExact() {
        for count in 0...70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        #expect(Base64.decode("a") == nil)
        #expect(Base64.decode("é") == nil)
    }
}
