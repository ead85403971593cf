internal import CLinux
internal import Glibc
internal import System
internal import Wire

/// The folders the host shares, each mounted where the host says.
///
/// Places are walked name by name from the root, and no link is followed: what runs in the guest cannot lead a mount to
/// another place than the one that was approved.
final class FolderMounts {
    /// A share that was plugged in just now appears a moment later.
    private static let patience = Duration.seconds(5)

    private struct Pending {
        let mount: Mount
        let place: MountPath
        let answer: (Refused?) -> Void
        let timer: EventLoop.Timer
    }

    private let loop: EventLoop
    private let modules: ModuleLoader
    private var mounted: [MountPath] = []
    private var pending: [Pending] = []
    private var events: SharedDescriptor?

    init(loop: EventLoop, modules: ModuleLoader) {
        self.loop = loop
        self.modules = modules
    }

    func mount(_ wanted: Mount, answer: @escaping (Refused?) -> Void) {
        do throws(Refused) {
            let place = try check(wanted)
            do throws(SystemError) { try modules.load(for: "virtiofs.ko") } catch {
                throw Refused(.failed, errorNumber: error.code, "\(error)")
            }
            if try attach(wanted, place) { return answer(nil) }
            try wait(wanted, place, answer)
        } catch { answer(error) }
    }

    func unmount(_ wanted: Unmount) throws(Refused) {
        guard let index = mounted.firstIndex(where: { $0.text == wanted.path }) else {
            throw Refused(.notFound, "no folder is mounted at \(wanted.path)")
        }
        // A folder somebody still uses goes from sight at once and for good when they let go of it.
        if cl_umount(wanted.path, 0) != 0, cl_umount(wanted.path, 1) != 0 {
            let error = SystemError("unmount", subject: wanted.path)
            throw Refused(.failed, errorNumber: error.code, "\(error)")
        }
        mounted.remove(at: index)
    }

    /// The last mounted first.
    func unmountAll() {
        for place in mounted.reversed() where cl_umount(place.text, 0) != 0 { _ = cl_umount(place.text, 1) }
        mounted = []
    }

    private func check(_ wanted: Mount) throws(Refused) -> MountPath {
        let place: MountPath
        do throws(MountPath.Unusable) { place = try MountPath(wanted.path) } catch {
            throw Refused(.denied, "\(wanted.path): \(error.reason)")
        }
        guard !wanted.tag.isEmpty, !wanted.tag.utf8.contains(0) else { throw Refused(.badRequest, "no tag") }
        if let below = (mounted + pending.map(\.place)).first(where: { place.contains($0.text) }) {
            throw Refused(.badRequest, "\(wanted.path) would hide the folder at \(below.text)")
        }
        return place
    }

    /// False when there is no share with this tag.
    private func attach(_ wanted: Mount, _ place: MountPath) throws(Refused) -> Bool {
        do throws(SystemError) {
            let point = try Self.makeDirectory(place)
            let flags = cl_MS_NODEV | cl_MS_NOSUID | (wanted.readOnly ? cl_MS_RDONLY : 0)
            if cl_mount(wanted.tag, "/proc/self/fd/\(point.raw)", "virtiofs", flags, nil) != 0 {
                if errno == EINVAL { return false }
                throw SystemError("mount", subject: wanted.path)
            }
            mounted.append(place)
            return true
        } catch {
            let isNoDirectory = error.code == ENOTDIR || error.code == ELOOP || error.code == EXDEV
            throw Refused(isNoDirectory ? .noSuchDirectory : .failed, errorNumber: error.code, "\(error)")
        }
    }

    private func wait(
        _ wanted: Mount, _ place: MountPath, _ answer: @escaping (Refused?) -> Void
    ) throws(Refused) {
        do throws(SystemError) { try listen() } catch {
            throw Refused(.failed, errorNumber: error.code, "\(error)")
        }
        let timer = loop.after(Self.patience) { [weak self] in
            self?.pending.removeAll { $0.place == place }
            answer(Refused(.notFound, "no share has the tag \(wanted.tag)"))
        }
        pending.append(Pending(mount: wanted, place: place, answer: answer, timer: timer))
        // It may have appeared since it was looked for.
        retry()
    }

    private func listen() throws(SystemError) {
        guard events == nil else { return }
        let socket = SharedDescriptor(
            FileDescriptor(owning: try systemCall("listen to the kernel") { cl_kernel_event_socket() }))
        try loop.watch(socket.raw, .readable) { [weak self] _ in
            var room = [UInt8](repeating: 0, count: 4096)
            while read(socket.raw, &room, room.count) >= 0 {}
            self?.retry()
        }
        events = socket
    }

    private func retry() {
        let waiting = pending
        for one in waiting {
            do throws(Refused) {
                guard try attach(one.mount, one.place) else { continue }
                finish(one, nil)
            } catch { finish(one, error) }
        }
    }

    private func finish(_ one: Pending, _ refused: Refused?) {
        loop.cancel(one.timer)
        pending.removeAll { $0.place == one.place }
        one.answer(refused)
    }

    /// Opens the place, making what is missing. Directories of the guest's own on the way are made passable: the agent
    /// must be able to reach its folder.
    static func makeDirectory(_ place: MountPath, below root: String = "/") throws(SystemError) -> FileDescriptor {
        var here = try Files.openDirectory(root)
        let own = try Files.status(of: here).device
        let names = place.components
        for (index, name) in names.enumerated() {
            let parent = here.raw
            if mkdirat(parent, name, 0o755) != 0 && errno != EEXIST { throw SystemError("mkdir", subject: place.text) }
            here = try Files.open(name, beneath: here, cl_O_PATH | O_DIRECTORY)
            let found = try Files.status(of: here)
            if index < names.count - 1, found.device == own, found.permissions & 0o001 == 0 {
                chmod("/proc/self/fd/\(here.raw)", found.permissions | 0o011)
            }
        }
        return here
    }
}
