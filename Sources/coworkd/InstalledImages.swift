internal import Contract
internal import Core
internal import GuestImage
internal import ImageStore
internal import Links

/// The images on this machine: the first directory that has one of the wanted name wins, right or wrong.
struct InstalledImages: ImageSource {
    private let directories: [String]
    private let stamps: String

    init(directories: [String], stamps: String) {
        self.directories = directories
        self.stamps = stamps
    }

    /// Reading a whole image takes a while, so it happens on a thread of its own.
    func resolve(_ name: String) async throws(Fault) -> ImageParts {
        try await Blocking.run("image") { () throws(Fault) in
            for directory in directories {
                do throws(Fault) {
                    let image = try ImageStore(root: directory).check(name, stampDirectory: stamps)
                    return ImageParts(
                        id: image.manifest.directory, kernel: try image.path(of: .kernel),
                        initramfs: try image.path(of: .initramfs), root: try image.path(of: .root))
                } catch {
                    if error.code != .imageMissing { throw error }
                }
            }
            throw Fault(
                .imageMissing, "there is no guest image named \(Display.escaped(name, limit: 80))",
                hint: "make it with `make image`, or with `cowork image build`")
        }
    }
}
