import FoundationEssentials

/// What an image is: its parts by hash, and what went into them. Its identity is the hash of everything else it says.
///
/// Nothing in it depends on when, where or by whom it was built. A manifest read from disk may come from anywhere:
/// `decode` answers only with one whose names and sizes are safe to use.
package struct ImageManifest: Sendable, Equatable, Codable {
    package enum Role: String, Sendable, Codable, CaseIterable { case kernel, initramfs, root }

    package struct Part: Sendable, Equatable, Codable {
        package let role: Role
        package let file: PlainName
        package let sha256: Digest
        package let bytes: UInt64

        package init(role: Role, file: PlainName, sha256: Digest, bytes: UInt64) {
            self.role = role
            self.file = file
            self.sha256 = sha256
            self.bytes = bytes
        }
    }

    package struct Package: Sendable, Equatable, Codable {
        package let name, version, architecture: String

        package init(name: String, version: String, architecture: String) {
            self.name = name
            self.version = version
            self.architecture = architecture
        }
    }

    /// The program that runs as PID 1, inside the initramfs.
    package struct Guest: Sendable, Equatable, Codable {
        package let version: String
        package let sha256: Digest

        package init(version: String, sha256: Digest) {
            self.version = version
            self.sha256 = sha256
        }
    }

    package static let currentFormat = 1

    package let format: Int
    package let name: PlainName
    /// Absent only while the identity is being computed.
    package private(set) var id: Digest?
    package let kernel: String?
    package let guest: Guest?
    package let recipe: Digest
    package let packages: [Package]
    package let parts: [Part]

    package init(
        name: PlainName, kernel: String?, guest: Guest?, recipe: Digest, packages: [Package], parts: [Part],
        hash: ([UInt8]) -> Digest
    ) {
        format = Self.currentFormat
        self.name = name
        self.kernel = kernel
        self.guest = guest
        self.recipe = recipe
        self.packages = packages.sorted { ($0.name, $0.architecture) < ($1.name, $1.architecture) }
        self.parts = parts.sorted { $0.role.rawValue < $1.role.rawValue }
        id = nil
        id = hash(canonicalBytes)
    }

    package func part(_ role: Role) -> Part? { parts.first { $0.role == role } }

    /// The directory an image with this identity lives in.
    package var directory: String { "\(name)-\(id?.short ?? "")" }

    /// What the identity is the hash of: everything but the identity, sorted keys, no spaces.
    package var canonicalBytes: [UInt8] {
        var anonymous = self
        anonymous.id = nil
        return Self.encode(anonymous, [.sortedKeys, .withoutEscapingSlashes])
    }

    /// The same, with the identity, for a person to read.
    package var fileBytes: [UInt8] {
        Self.encode(self, [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]) + [10]
    }

    private static func encode(_ manifest: ImageManifest, _ formatting: JSONEncoder.OutputFormatting) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting
        // Only strings and integers: there is nothing an encoder could refuse.
        return (try? encoder.encode(manifest)).map { Array($0) } ?? []
    }
}

extension ImageManifest {
    package enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
        case malformed
        case format(Int)
        case identity
        case content(String)

        package var description: String {
            switch self {
            case .malformed: "it is not a manifest"
            case .format(let format): "its format is \(format), which this version does not know"
            case .identity: "its content does not match its id"
            case .content(let reason): reason
            }
        }
    }

    package static let largest = 4 << 20
    private static let largestPart: UInt64 = 64 << 30

    /// A manifest out of untrusted bytes, checked in every respect that does not need the parts themselves.
    package static func decode(_ bytes: [UInt8], hash: ([UInt8]) -> Digest) throws(Failure) -> ImageManifest {
        struct Format: Decodable { let format: Int }
        guard bytes.count <= largest else { throw .malformed }
        let decoder = JSONDecoder()
        let data = Data(bytes)
        guard let format = (try? decoder.decode(Format.self, from: data))?.format else { throw .malformed }
        guard format == currentFormat else { throw .format(format) }
        guard let manifest = try? decoder.decode(ImageManifest.self, from: data) else { throw .malformed }
        try manifest.checkContent()
        guard let id = manifest.id, id == hash(manifest.canonicalBytes) else { throw .identity }
        return manifest
    }

    private func checkContent() throws(Failure) {
        guard !parts.isEmpty, parts.count <= Role.allCases.count else { throw .content("it has no parts") }
        guard Set(parts.map(\.role)).count == parts.count, Set(parts.map(\.file)).count == parts.count else {
            throw .content("it names a part twice")
        }
        guard parts.allSatisfy({ (1...Self.largestPart).contains($0.bytes) }) else {
            throw .content("a part has an impossible size")
        }
        let texts =
            [kernel, guest?.version].compactMap(\.self) + packages.flatMap { [$0.name, $0.version, $0.architecture] }
        guard texts.allSatisfy(Self.isVersionText) else { throw .content("a name or version holds strange characters") }
    }

    // Debian's own alphabet for names and versions, and what ours need.
    private static func isVersionText(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                    || "+-.:~_".utf8.contains($0)
            }
    }
}
