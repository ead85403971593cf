internal import CLinux
internal import Glibc
internal import System

/// Mount calls of this process's own mount namespace.
enum Mounting {
    static func change(_ path: String, _ flags: UInt) throws(SystemError) {
        try systemCall("mount", path) { cl_mount(nil, path, nil, flags, nil) }
    }

    static func temporary(at path: String, options: String) throws(SystemError) {
        try systemCall("mount tmpfs", path) { cl_mount("tmpfs", path, "tmpfs", cl_MS_NOSUID, options) }
    }

    static func bind(_ source: String, at target: String, recursive: Bool = false) throws(SystemError) {
        try Directories.makeAll(target)
        try mount(source, target, recursive: recursive)
    }

    static func bind(_ source: SharedDescriptor, at target: String) throws(SystemError) {
        try bind("/proc/self/fd/\(source.raw)", at: target)
    }

    static func bindFile(_ source: String, at target: String) throws(SystemError) {
        _ = try Files.open(target, O_WRONLY | O_CREAT)
        try mount(source, target, recursive: false)
    }

    static func makeReadOnly(_ target: String) throws(SystemError) {
        try systemCall("mount read-only", target) { cl_remount_read_only(target) }
    }

    private static func mount(_ source: String, _ target: String, recursive: Bool) throws(SystemError) {
        try systemCall("mount", target) {
            cl_mount(source, target, nil, cl_MS_BIND | (recursive ? cl_MS_REC : 0), nil)
        }
    }
}

extension Directories {
    /// The directory and its missing parents, open to all to pass through.
    static func makeAll(_ path: String) throws(SystemError) {
        var made = ""
        for part in path.split(separator: "/") {
            made += "/" + part
            if mkdir(made, 0o755) != 0 && errno != EEXIST { throw SystemError("mkdir", subject: made) }
        }
    }
}
