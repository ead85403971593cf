/// Where the things of the hypervisor half are, as itself and QEMU see them.
package struct Places: Sendable, Equatable {
    package struct ImageDirectory: Sendable, Equatable {
        /// What the daemon calls it; with links resolved too.
        package let names: [String]
        package let inside: String
        package init(names: [String], inside: String) {
            self.names = names
            self.inside = inside
        }
    }

    /// `<state>/hypervisor`.
    package let own: String
    /// The embedded driver's root, `<state>/hypervisor/libvirt`.
    package let libvirt: String
    /// `<state>/hypervisor/machines`, a directory for each machine.
    package let machines: String
    /// `<runtime>/s`, a directory of sockets for each session.
    package let sessions: String
    package let images: [ImageDirectory]
    /// A capability cache that came with the installation.
    package let seed: String?

    package init(
        own: String, libvirt: String, machines: String, sessions: String, images: [ImageDirectory], seed: String?
    ) {
        self.own = own
        self.libvirt = libvirt
        self.machines = machines
        self.sessions = sessions
        self.images = images
        self.seed = seed
    }

    /// The paths of the private mount namespace. They are short, so that any socket's path fits its 107 bytes.
    package static let runDirectory = "/run/cowork"
    package static func isolated(images: [[String]], hasSeed: Bool) -> Places {
        Places(
            own: runDirectory + "/hypervisor", libvirt: runDirectory + "/libvirt",
            machines: runDirectory + "/machines", sessions: runDirectory + "/s",
            images: images.enumerated().map {
                ImageDirectory(names: $0.element, inside: "\(runDirectory)/i/\($0.offset)")
            }, seed: hasSeed ? runDirectory + "/seed" : nil)
    }

    /// The path of a part of an image, given as the daemon sees it. Nil when it lies in no image directory.
    package func image(_ path: String) -> String? {
        for directory in images {
            for name in directory.names where path.hasPrefix(name + "/") {
                let rest = path.dropFirst(name.count)
                if rest.split(separator: "/").contains("..") { return nil }
                return directory.inside + rest
            }
        }
        return nil
    }
}
