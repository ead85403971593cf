/// The first file system of a guest: our own PID 1, the kernel modules it loads, and the mount points it needs.
package enum Initramfs {
    /// `modules` holds the bytes of every file that `order` names.
    package static func archive(
        guest: [UInt8], order: ModuleOrder, modules: [PlainName: [UInt8]]
    ) throws(CPIOArchive.Failure) -> CPIOArchive {
        var archive = CPIOArchive()
        for directory in ["dev", "modules", "newroot", "proc", "run", "sys"] {
            try archive.add(directory, .directory(mode: 0o755))
        }
        // The kernel opens it for PID 1 before anything is mounted.
        try archive.add("dev/console", .characterDevice(major: 5, minor: 1, mode: 0o600))
        try archive.add("init", .file(guest, mode: 0o755))
        try archive.add("modules/order", .file(Array(order.text.utf8), mode: 0o644))
        for module in order.modules {
            guard let bytes = modules[module.file] else { throw .badPath("modules/\(module.file)") }
            try archive.add("modules/\(module.file)", .file(bytes, mode: 0o644))
        }
        return archive
    }
}
