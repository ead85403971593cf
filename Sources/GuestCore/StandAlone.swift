internal import Glibc
internal import System

/// A machine without a host: comes up like any other, runs one program as root on the console, and is done. It is how an
/// image is tried by hand, and what a cold start is compared with.
enum StandAlone {
    static func run(_ arguments: [String], _ steps: any BootSteps) {
        do throws(StepFailure) {
            try steps.prepare()
            try steps.loadModules(.early)
            try steps.loadModules(.root)
            try steps.mountRoot()
            try steps.enterRoot()
            try execute(arguments)
        } catch { steps.log(error.reason) }
    }

    private static func execute(_ arguments: [String]) throws(StepFailure) {
        guard let program = arguments.first else { return }
        do throws(SystemError) {
            let console = try Files.open("/dev/console", O_RDWR | O_NOCTTY)
            var child = ChildSpecification(
                program: program, arguments: Array(arguments.dropFirst()),
                environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"],
                descriptors: [0: console.raw, 1: console.raw, 2: console.raw])
            child.searchPath = "/usr/sbin:/usr/bin:/sbin:/bin"
            child.workingDirectory = "/"
            child.newSession = true
            do throws(SpawnError) { _ = try Child.spawn(child).wait() } catch {
                throw SystemError("run", code: error.code, subject: program)
            }
        } catch { throw StepFailure(error) }
    }
}
