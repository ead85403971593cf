internal import Core
internal import Glibc
internal import System

/// The directory an embedded driver lives in: `etc/qemu.conf`, `cache`, `log`, `run`, `lib`.
struct EmbeddedRoot: Sendable {
    let path: String

    /// Writes the driver's configuration, and takes over what `seed` knows about QEMU if nothing is known yet.
    func prepare(seed: String?) throws(SystemError) {
        try Directories.makePrivate(path + "/etc", owner: geteuid())
        try Files.replace(path + "/etc/qemu.conf", with: Self.configuration.utf8)
        let cache = path + "/cache"
        if let seed, Files.exists(seed), !Files.exists(cache) {
            // A cache that cannot be copied costs seconds, not the start.
            do throws(SystemError) {
                let temporary = path + "/cache.new"
                try Files.removeTree(temporary)
                try Self.copyTree(seed, to: temporary)
                try systemCall("rename", cache) { rename(temporary, cache) }
            } catch {
                Log.write("the capability cache that came with the installation was not used: \(error)")
            }
        }
    }

    /// QEMU's own process number, while it runs.
    func pid(of domain: String) -> Int32? {
        guard let text = try? Files.text(ofFile: path + "/run/qemu/" + domain + ".pid", limit: 64) else { return nil }
        return Int32(text.prefix { $0.isNumber })
    }

    /// Removes the log of QEMU's own complaints, which libvirt keeps when a machine is gone.
    func removeLog(of domain: String) throws(SystemError) {
        try Files.removeTree(path + "/log/qemu/" + domain + ".log")
    }

    // The driver runs as an ordinary user in namespaces where nothing more could be dropped, and in a root of its own.
    private static let configuration = """
        stdio_handler = "file"
        security_driver = "none"
        namespaces = []
        cgroup_controllers = []
        remember_owner = 0
        """ + "\n"

    static func copyTree(
        _ from: String, to: String, directoryMode: UInt32 = 0o700, fileMode: UInt32 = 0o600
    ) throws(SystemError) {
        try systemCall("mkdir", to) { mkdir(to, directoryMode) }
        for name in try Files.entries(from) {
            let source = from + "/" + name
            let target = to + "/" + name
            switch try Files.status(source, followLinks: false).kind {
            case .directory:
                try copyTree(source, to: target, directoryMode: directoryMode, fileMode: fileMode)
            case .regular: try Files.replace(target, with: try Files.contents(ofFile: source), mode: fileMode)
            default: continue
            }
        }
    }
}
