internal import CLinux
internal import Contract
internal import Glibc
internal import System

/// The root directory of the hypervisor half: a tmpfs with the system's programs, a few devices, and our own files at
/// fixed short places. Built by list, so that what a list forgets is missing rather than exposed.
struct PrivateRoot {
    /// Whom root becomes. Nil when this is an ordinary user, who owns everything anyway.
    private let owner: Owner?
    private var own: SharedDescriptor?
    private var sessions: SharedDescriptor?
    private var seed: SharedDescriptor?
    private var images: [(names: [String], directory: SharedDescriptor)] = []
    /// The device nodes are ours, and open to the user we become.
    private(set) var madeOwnNodes = false
    /// The configuration wants no KVM.
    private var leavesOutKVM = false

    var imageNames: [[String]] { images.map(\.names) }
    var hasSeed: Bool { seed != nil }

    struct Owner {
        let uid, gid: UInt32
    }

    init(owner: Owner?) { self.owner = owner }

    /// Opens what will be bound, in this mount namespace and before its paths are covered.
    mutating func collect(_ options: HypervisorOptions, program: String) throws(SystemError) {
        leavesOutKVM = options.forcedAccelerator == .tcg
        own = SharedDescriptor(try directoryOfOurs(options.state + "/hypervisor", permissions: 0o700))
        // QEMU must reach the sockets below, which their owners protect one by one.
        let sessions = options.runtime + "/s"
        if !Files.exists(sessions) {
            try systemCall("mkdir", sessions) { mkdir(sessions, owner == nil ? 0o700 : 0o711) }
        }
        self.sessions = SharedDescriptor(try Files.openDirectory(sessions))
        for name in options.images {
            guard let directory = try? Files.openDirectory(name) else { continue }
            let resolved = try Files.path(ofRaw: directory.raw)
            images.append((resolved == name ? [name] : [name, resolved], SharedDescriptor(directory)))
        }
        let place = program.lastIndex(of: "/").map { program[..<$0] } ?? ""
        if let found = try? Files.openDirectory(place + "/../../share/cowork/libvirt-cache") {
            seed = SharedDescriptor(found)
        }
    }

    private func directoryOfOurs(_ path: String, permissions: UInt32) throws(SystemError) -> FileDescriptor {
        if mkdir(path, permissions) != 0 && errno != EEXIST { throw SystemError("mkdir", subject: path) }
        let directory = try Files.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let found = try Files.status(of: directory)
        let expected = owner?.uid ?? geteuid()
        let raw = directory.raw
        if found.uid == 0, let owner, try Files.entries(path).isEmpty {
            try systemCall("chown", path) { fchown(raw, owner.uid, owner.gid) }
        } else if found.uid != expected {
            throw SystemError("use another user's", code: EPERM, subject: path)
        }
        try systemCall("chmod", path) { fchmod(raw, permissions) }
        return directory
    }

    /// Builds it over /run and makes it this mount namespace's root.
    mutating func build() throws(SystemError) {
        let new = "/run"
        try Mounting.temporary(at: new, options: "mode=0755,size=64m")
        for name in ["usr", "etc", "proc", "sys"] {
            try Mounting.bind("/" + name, at: new + "/" + name, recursive: true)
        }
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            guard let found = try? Files.status("/" + name, followLinks: false) else { continue }
            if found.kind == .link {
                let target = try Files.readLink("/" + name)
                try systemCall("symlink", name) { symlink(target, new + "/" + name) }
            } else {
                try Mounting.bind("/" + name, at: new + "/" + name, recursive: true)
            }
        }
        try makeDevices(new + "/dev")
        try makePrivate(new + "/tmp")
        try makeRun(new + Places.runDirectory)
        try systemCall("pivot_root") { cl_change_root(new) }
    }

    private mutating func makeRun(_ run: String) throws(SystemError) {
        let places = Places.isolated(images: imageNames, hasSeed: hasSeed)
        let prefix = String(run.dropLast(Places.runDirectory.count))
        try makePrivate(run + "/private")
        // The mount points that are used once this is the unprivileged user, who cannot make them.
        for later in [places.libvirt, places.machines] { try Directories.makeAll(prefix + later) }
        if let own { try Mounting.bind(own, at: prefix + places.own) }
        if let sessions { try Mounting.bind(sessions, at: prefix + places.sessions) }
        for (image, place) in zip(images, places.images) {
            try Mounting.bind(image.directory, at: prefix + place.inside)
            try Mounting.makeReadOnly(prefix + place.inside)
        }
        if let seed, let place = places.seed {
            try Mounting.bind(seed, at: prefix + place)
            try Mounting.makeReadOnly(prefix + place)
        }
        own = nil
        sessions = nil
        seed = nil
        images = []
    }

    /// Root makes nodes that the user it becomes may open. Where that is forbidden, and for an ordinary user, these are
    /// the host's own.
    private mutating func makeDevices(_ directory: String) throws(SystemError) {
        try Directories.makeAll(directory)
        madeOwnNodes = owner != nil
        for device in Self.devices where Files.exists("/dev/" + device.name) {
            if device.name == "kvm" && leavesOutKVM { continue }
            let path = directory + "/" + device.name
            if owner != nil && cl_mknod_char(path, 0o666, device.major, device.minor) == 0 {
                try systemCall("chmod", path) { chmod(path, 0o666) }
                if (try? Files.open(path, O_RDONLY | O_NONBLOCK)) != nil { continue }
                try systemCall("unlink", path) { unlink(path) }
            }
            if device.name == "kvm" {
                madeOwnNodes = false
                // A node that stays closed would only make libvirt complain.
                if owner == nil && access("/dev/kvm", R_OK | W_OK) != 0 { continue }
            }
            try Mounting.bindFile("/dev/" + device.name, at: path)
        }
    }

    private func makePrivate(_ path: String) throws(SystemError) {
        try Directories.makeAll(path)
        try systemCall("chmod", path) { chmod(path, 0o700) }
        if let owner { try systemCall("chown", path) { chown(path, owner.uid, owner.gid) } }
    }

    private static let devices: [(name: String, major: UInt32, minor: UInt32)] = [
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("kvm", 10, 232),
    ]
}
