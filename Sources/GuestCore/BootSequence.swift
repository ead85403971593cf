package import System
package import Wire

/// What it takes to come up, one step at a time. A step that fails throws what a person should read.
package protocol BootSteps: AnyObject {
    func prepare() throws(StepFailure)
    func loadModules(_ group: ModuleList.Group) throws(StepFailure)
    func readSecret() throws(StepFailure) -> BootSecret
    func connect() throws(StepFailure) -> FileDescriptor
    func mountRoot() throws(StepFailure)
    func enterRoot() throws(StepFailure)
    func log(_ line: String)
}

package struct StepFailure: Error, Sendable, Equatable {
    package let reason: String
    package init(_ reason: String) { self.reason = reason }
    package init(_ error: SystemError) { reason = "\(error)" }
}

package enum BootStage: String, Sendable, CaseIterable {
    case preparation = "preparing"
    case earlyModules = "loading the first kernel modules"
    case secret = "reading the boot secret"
    case connection = "connecting to the host"
    case rootModules = "loading the root's kernel modules"
    case root = "mounting the root"
    case handshake = "greeting the host"
    case entry = "entering the root"
}

/// The order of a boot. The host is greeted first and its answer read last, so that both sides work meanwhile; nothing is
/// run before the host has proved itself.
package enum BootSequence {
    /// A guest that is up: the connection, and what arrived on it behind the handshake.
    package struct Booted: ~Copyable {
        package let connection: FileDescriptor
        package let decoder: FrameDecoder

        package consuming func take() -> FileDescriptor { connection }
    }

    private static let welcomeLimit = Duration.seconds(30)

    /// Nil when the guest could not come up: the console has been told, and the host if it could be reached.
    package static func run(_ steps: any BootSteps) -> Booted? {
        let connection: FileDescriptor
        let secret: BootSecret
        var stage = BootStage.preparation
        do throws(StepFailure) {
            try steps.prepare()
            stage = .earlyModules
            try steps.loadModules(.early)
            stage = .secret
            secret = try steps.readSecret()
            stage = .connection
            connection = try steps.connect()
        } catch {
            steps.log(text(stage, error))
            return nil
        }
        do throws(StepFailure) {
            stage = .handshake
            try greet(connection.raw, secret)
            stage = .rootModules
            try steps.loadModules(.root)
            stage = .root
            try steps.mountRoot()
            stage = .handshake
            let decoder = try awaitWelcome(connection.raw, secret)
            stage = .entry
            try steps.enterRoot()
            return Booted(connection: connection, decoder: decoder)
        } catch {
            let text = text(stage, error)
            steps.log(text)
            let refusal = Refusal(.failed, text: text)
            try? Handshake.sendAll(Frame(.failed, payload: refusal.encoded), to: connection.raw)
            return nil
        }
    }

    private static func text(_ stage: BootStage, _ failure: StepFailure) -> String {
        "\(stage.rawValue): \(failure.reason)"
    }

    private static func greet(_ raw: Int32, _ secret: BootSecret) throws(StepFailure) {
        do throws(Handshake.Failure) { try Handshake.greet(on: raw, secret: secret) } catch {
            throw StepFailure(error.reason)
        }
    }

    private static func awaitWelcome(_ raw: Int32, _ secret: BootSecret) throws(StepFailure) -> FrameDecoder {
        do throws(Handshake.Failure) {
            return try Handshake.awaitWelcome(on: raw, secret: secret, limit: welcomeLimit)
        } catch { throw StepFailure(error.reason) }
    }
}
