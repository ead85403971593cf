package import Contract
package import Core

/// What the daemon asks of `cowork-hypervisor` on its command line.
package struct HypervisorOptions: Sendable, Equatable {
    /// The only user who may connect.
    package var daemonUID: UInt32
    package var state: String
    package var runtime: String
    /// Whom this process becomes when it was started by root; else its own.
    package var uid: UInt32
    package var gid: UInt32
    /// Directories that hold images. A machine's image must lie in one of them.
    package var images: [String] = []
    package var library = LibvirtAddress.embedded
    /// Set when the configuration decides, instead of a probe.
    package var forcedAccelerator: AcceleratorKind?

    package init(daemonUID: UInt32, state: String, runtime: String, uid: UInt32, gid: UInt32) {
        self.daemonUID = daemonUID
        self.state = state
        self.runtime = runtime
        self.uid = uid
        self.gid = gid
    }

    /// `--daemon-uid N --state DIR --runtime DIR --uid N --gid N [--images DIR]… [--uri URI] [--accelerator KIND]`
    package static func parse(_ arguments: [String]) throws(Fault) -> HypervisorOptions {
        var single: [String: String] = [:]
        var images: [String] = []
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard known.contains(name) else {
                throw Fault(.usage, "unknown option '\(Display.escaped(name))'")
            }
            guard let value = rest.popFirst() else { throw Fault(.usage, "\(name) needs a value") }
            if name == "--images" {
                images.append(try absolute(value, name))
            } else if single.updateValue(value, forKey: name) != nil {
                throw Fault(.usage, "\(name) is given twice")
            }
        }
        func required(_ name: String) throws(Fault) -> String {
            guard let value = single[name] else { throw Fault(.usage, "\(name) is missing") }
            return value
        }
        func number(_ name: String) throws(Fault) -> UInt32 {
            // The last value means "no user" to the kernel's calls.
            guard let value = UInt32(try required(name)), value != .max else {
                throw Fault(.usage, "\(name) needs a user or group number")
            }
            return value
        }
        var options = HypervisorOptions(
            daemonUID: try number("--daemon-uid"), state: try absolute(try required("--state"), "--state"),
            runtime: try absolute(try required("--runtime"), "--runtime"), uid: try number("--uid"),
            gid: try number("--gid"))
        options.images = images
        if let uri = single["--uri"] { options.library = try LibvirtAddress(uri) }
        switch single["--accelerator"] {
        case nil, "auto": break
        case let name?:
            guard let kind = AcceleratorKind(rawValue: name) else {
                throw Fault(.usage, "--accelerator is auto, kvm or tcg")
            }
            options.forcedAccelerator = kind
        }
        return options
    }

    private static let known: Set<String> = [
        "--daemon-uid", "--state", "--runtime", "--uid", "--gid", "--images", "--uri", "--accelerator",
    ]

    private static func absolute(_ path: String, _ name: String) throws(Fault) -> String {
        guard path.hasPrefix("/") else { throw Fault(.usage, "\(name) needs an absolute path") }
        var path = path
        while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
        return path
    }
}

/// Which libvirt driver runs the machines.
package enum LibvirtAddress: Sendable, Equatable {
    /// libvirt's QEMU driver inside this process.
    case embedded
    /// libvirt's pretended machines, for tests.
    case pretended(String)

    package init(_ uri: String) throws(Fault) {
        if uri.hasPrefix("test://") {
            self = .pretended(uri)
        } else if uri == "qemu:///embed" || uri.hasPrefix("qemu:///embed?") {
            self = .embedded
        } else {
            throw Fault(
                .unsupported, "libvirt-uri '\(Display.escaped(uri))' cannot be used: machines run beside their relay",
                hint: "leave libvirt-uri out, or set it to qemu:///embed")
        }
    }

    /// For an embedded driver that keeps its things in `root`, a plain path of ours.
    package func uri(root: String) -> String {
        switch self {
        case .embedded: "qemu:///embed?root=" + root
        case .pretended(let uri): uri
        }
    }
}
