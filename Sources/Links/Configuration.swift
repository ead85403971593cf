package import Contract
package import Core
internal import Glibc
package import System

/// `cowork.conf`: what whoever runs this machine, or its user, decided. The user's file comes over the machine's.
package struct Configuration: Sendable, Equatable {
    package var libvirtURI: String?
    /// Nil: found out by trying.
    package var accelerator: AcceleratorKind?
    package var processors = 2
    package var memory = ByteSize(bytes: 1 << 30)
    package var disk = ByteSize(bytes: 8 << 30)
    package var image = "base"
    /// Directories that are looked into before the usual ones.
    package var images: [String] = []
    package var bootSilence = Duration.seconds(60)
    package var idleExit = Duration.seconds(60)

    package init() {}

    /// Reads `/etc/cowork/cowork.conf`, then the user's own.
    package static func load(_ directories: Directories) throws(Fault) -> Configuration {
        var configuration = Configuration()
        for path in ["/etc/cowork/cowork.conf", directories.configuration + "/cowork.conf"] {
            let text: String
            do throws(SystemError) { text = try Files.text(ofFile: path, limit: 1 << 20) } catch {
                if error.code == ENOENT || error.code == ENOTDIR { continue }
                throw Fault(.usage, "cannot read \(path): \(error.reason)", hint: "mend or remove it")
            }
            try configuration.read(text, from: path)
        }
        return configuration
    }

    /// All that is wrong with a file is said at once.
    package mutating func read(_ text: String, from path: String) throws(Fault) {
        var mistakes: [String] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let plain = line.prefix { $0 != "#" }.trimmed
            if plain.isEmpty { continue }
            guard let equals = plain.firstIndex(of: "=") else {
                mistakes.append("line \(index + 1) is not \"key = value\"")
                continue
            }
            let key = plain[..<equals].trimmed
            let value = plain[plain.index(after: equals)...].trimmed
            if let mistake = set(key, value) { mistakes.append("line \(index + 1): \(mistake)") }
        }
        guard mistakes.isEmpty else {
            throw Fault(
                .usage, "\(path): " + mistakes.joined(separator: "; "),
                hint: "docs/disk-layout.md lists what it may say")
        }
    }

    /// What is wrong with it, if anything.
    private mutating func set(_ key: String, _ value: String) -> String? {
        let shown = "\"\(Display.escaped(value, limit: 80))\""
        switch key {
        case "libvirt-uri": libvirtURI = value
        case "accelerator":
            guard value == "auto" || AcceleratorKind(rawValue: value) != nil else {
                return "accelerator is auto, kvm or tcg, not \(shown)"
            }
            accelerator = AcceleratorKind(rawValue: value)
        case "cpus":
            guard let count = Int(value), (1...256).contains(count) else { return "cpus is a number, not \(shown)" }
            processors = count
        case "memory", "disk":
            guard let size = ByteSize(value), size.bytes >= 64 << 20 else {
                return "\(key) is a size such as 2G, not \(shown)"
            }
            if key == "memory" { memory = size } else { disk = size }
        case "image": image = value
        case "images":
            guard value.hasPrefix("/") else { return "images is an absolute path, not \(shown)" }
            images.append(value)
        case "boot-silence-seconds", "idle-exit-seconds":
            guard let seconds = Int(value), (1...86_400).contains(seconds) else {
                return "\(key) is a number of seconds, not \(shown)"
            }
            if key == "idle-exit-seconds" { idleExit = .seconds(seconds) } else { bootSilence = .seconds(seconds) }
        default: return "there is no \"\(Display.escaped(key, limit: 80))\""
        }
        return nil
    }

    /// Where images are looked for, the first that has one of the wanted name wins. The daemon lies in `libexec/cowork`,
    /// the command line in `bin`: both find the images that came with them.
    package func imageDirectories(_ directories: Directories, executable: String) -> [String] {
        let place = executable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        return images + [
            directories.data + "/images", place + "/../share/cowork/images", place + "/../../share/cowork/images",
            "/var/lib/cowork/images", "/usr/share/cowork/images",
        ]
    }
}

extension Substring {
    fileprivate var trimmed: String {
        let isSpace = { (character: Character) in character == " " || character == "\t" || character == "\r" }
        return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}

extension String {
    fileprivate var trimmed: String { self[...].trimmed }
}
