import Core
import GuestImage
import Glibc
import System

/// A directory of plain files with an executable `build`, which makes an image's parts in the directory it is given, and
/// optionally an executable `inputs`, which prints what else decides the result. Its own name is the image's.
struct Recipe {
    let directory: String
    let record: RecipeRecord
    let digest: Digest

    private static let largestFile = 4 << 20
    private static let buildName = PlainName("build")
    private static let inputsName = PlainName("inputs")

    init(directory: String, programs: RecipePrograms) throws(Fault) {
        let shown = Display.escaped(directory)
        guard let absolute = try? Files.resolved(directory),
            let name = absolute.split(separator: "/").last.flatMap({ PlainName(String($0)) })
        else {
            throw Fault(.notFound, "there is no recipe at \(shown)", hint: "a recipe is a folder such as images/base")
        }
        var files: [RecipeRecord.File] = []
        for entry in try hosted("cannot read \(shown)", { () throws(SystemError) in try Files.entries(absolute) }) {
            guard let plain = PlainName(entry) else {
                throw Fault(.usage, "\(shown) is not a recipe: it holds '\(Display.escaped(entry))'")
            }
            files.append(try Self.file(plain, in: absolute))
        }
        guard files.contains(where: { $0.name == Self.buildName && $0.executable }) else {
            throw Fault(.usage, "\(shown) is not a recipe: it has no executable 'build'")
        }
        var inputs: [String] = []
        if files.contains(where: { $0.name == Self.inputsName && $0.executable }) {
            try programs.run(absolute + "/inputs", [], limit: .seconds(60)) { inputs.append($0) }
        }
        self.directory = absolute
        record = RecipeRecord(name: name, files: files, inputs: inputs)
        digest = SHA256.digest(of: record.fileBytes)
    }

    private static func file(_ name: PlainName, in directory: String) throws(Fault) -> RecipeRecord.File {
        try hosted("cannot use \(name) of the recipe") { () throws(SystemError) in
            let file = try Files.open(directory + "/" + name.text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
            let status = try Files.status(of: file)
            guard status.kind == .regular else { throw SystemError("open", code: EINVAL, subject: name.text) }
            return RecipeRecord.File(
                name: name, executable: status.permissions & 0o100 != 0,
                sha256: SHA256.digest(of: try Files.contents(of: file, limit: largestFile)))
        }
    }
}
