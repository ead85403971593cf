internal import CLinux
internal import Glibc
internal import System

/// Loads the kernel modules that the initramfs carries, each once. It holds their directory open, because the initramfs
/// is out of reach once the guest has its real root.
final class ModuleLoader {
    private let directory: FileDescriptor
    private let list: ModuleList
    private var loaded: Set<String> = []

    init(directory path: String) throws(StepFailure) {
        do throws(SystemError) {
            directory = try Files.openDirectory(path)
            list = try Self.parse(
                String(decoding: Files.contents(of: Files.open("order", beneath: directory, O_RDONLY)), as: UTF8.self))
        } catch { throw StepFailure(error) }
    }

    func load(_ group: ModuleList.Group) throws(SystemError) {
        for file in list.files(group) { try load(file) }
    }

    /// Loads what `file` of the demand group needs and itself. A kernel that has it built in does not carry it.
    func load(for file: String) throws(SystemError) {
        for file in list.files(for: file) { try load(file) }
    }

    private func load(_ file: String) throws(SystemError) {
        guard !loaded.contains(file) else { return }
        let module = try Files.open(file, beneath: directory, O_RDONLY)
        if cl_load_module(module.raw, "") != 0 && errno != EEXIST { throw SystemError("load", subject: file) }
        loaded.insert(file)
        // The initramfs lies in memory, and a loaded module is not read again.
        unlinkat(directory.raw, file, 0)
    }

    private static func parse(_ text: String) throws(SystemError) -> ModuleList {
        do throws(ModuleList.Malformed) { return try ModuleList(text) } catch {
            throw SystemError("read line \(error.line)", code: EINVAL, subject: "order")
        }
    }
}
