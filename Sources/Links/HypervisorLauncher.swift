package import Contract
package import Core
internal import Glibc
package import System

/// Starts `cowork-hypervisor`, or reaches the one that an earlier daemon started.
package struct HypervisorLauncher: HypervisorSource {
    package struct Options: Sendable {
        package let state, runtime: String
        package let uid, gid: UInt32
        package let images: [String]
        package let uri: String?
        package let accelerator: AcceleratorKind?

        package init(
            state: String, runtime: String, uid: UInt32, gid: UInt32, images: [String], uri: String?,
            accelerator: AcceleratorKind?
        ) {
            self.state = state
            self.runtime = runtime
            self.uid = uid
            self.gid = gid
            self.images = images
            self.uri = uri
            self.accelerator = accelerator
        }

        var arguments: [String] {
            var list = ["--daemon-uid", "\(geteuid())", "--state", state, "--runtime", runtime]
            list += ["--uid", "\(uid)", "--gid", "\(gid)"]
            for directory in images { list += ["--images", directory] }
            if let uri { list += ["--uri", uri] }
            if let accelerator { list += ["--accelerator", accelerator.rawValue] }
            return list
        }
    }

    /// libvirt may have to learn about QEMU first, which takes seconds.
    private static let deadline = Duration.seconds(60)
    private let program: String
    private let options: Options
    private let processes: Processes
    private var directory: String { options.runtime + "/h" }
    private var path: String { directory + "/hypervisor.sock" }

    package init(program: String, options: Options, processes: Processes) {
        self.program = program
        self.options = options
        self.processes = processes
    }

    package func reach() async -> SharedDescriptor? {
        let path = self.path
        return try? await Blocking.run("hypervisor") { () throws(Fault) in
            do throws(SystemError) { return SharedDescriptor(try UnixSocket.connect(to: path)) } catch {
                throw Fault(.hostFailed, "\(error)")
            }
        }
    }

    package func start() async throws(Fault) -> SharedDescriptor {
        try await Blocking.run("hypervisor") { () throws(Fault) in
            do { return try self.launch() } catch let fault as Fault { throw fault } catch {
                throw Fault(
                    .hostFailed, "the hypervisor half, cowork-hypervisor, cannot be started: \(error)",
                    hint: "check the runtime directory \(self.options.runtime)")
            }
        }
    }

    private func launch() throws -> SharedDescriptor {
        try Directories.makePrivate(directory, owner: geteuid())
        let listener = try UnixSocket.listen(at: path)
        let reading: SharedDescriptor
        do {
            // Its end is only the child's once this block is over: its death must show.
            let ready = try UnixSocket.pair().split()
            reading = ready.first
            var child = ChildSpecification(
                program: program, arguments: options.arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"],
                descriptors: [2: 2, 3: listener.raw, 4: ready.second.raw])
            child.newSession = true
            child.workingDirectory = "/"
            _ = processes.add(try Child.spawn(child))
        }
        try awaitReadiness(reading)
        return SharedDescriptor(try UnixSocket.connect(to: path))
    }

    /// It says one zero byte, or why it cannot serve.
    private func awaitReadiness(_ reading: SharedDescriptor) throws(Fault) {
        let told: [UInt8]?
        do throws(SystemError) { told = try Waiting.readAll(reading.raw, until: 0, limit: Self.deadline) } catch {
            throw Fault(.hostFailed, "waiting for cowork-hypervisor failed: \(error)")
        }
        guard let told else {
            throw Fault(
                .hostFailed, "cowork-hypervisor did not get ready in \(Self.deadline.components.seconds) s",
                hint: "see daemon.log in the state directory")
        }
        if told.last == 0 { return }
        let text = Display.escaped(String(decoding: told, as: UTF8.self), limit: 600)
        throw Fault(
            .hostFailed, text.isEmpty ? "cowork-hypervisor ended as it started" : text,
            hint: "`cowork doctor` checks this machine")
    }
}
