/// Whether a file can be PID 1 of a guest: a program for its processor that needs no loader, since there is none.
package enum GuestBinary {
    package enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
        case notAProgram
        case wrongMachine
        case dynamic

        package var description: String {
            switch self {
            case .notAProgram: "it is not an ELF program"
            case .wrongMachine: "it is not a 64-bit x86 program"
            case .dynamic: "it is not linked statically"
            }
        }
    }

    package static func check(_ bytes: [UInt8]) throws(Failure) {
        guard bytes.count >= 64, bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else { throw .notAProgram }
        guard bytes[4] == 2, bytes[5] == 1, number(bytes, at: 18, size: 2) == 62 else { throw .wrongMachine }
        let type = number(bytes, at: 16, size: 2)
        guard type == 2 || type == 3 else { throw .notAProgram }
        guard let table = number(bytes, at: 32, size: 8), let size = number(bytes, at: 54, size: 2),
            let count = number(bytes, at: 56, size: 2)
        else { throw .notAProgram }
        let interpreter: UInt64 = 3
        for index in 0..<count {
            let (offset, overflow) = table.addingReportingOverflow(index * size)
            guard !overflow, let kind = number(bytes, at: offset, size: 4) else { throw .notAProgram }
            if kind == interpreter { throw .dynamic }
        }
    }

    private static func number(_ bytes: [UInt8], at offset: UInt64, size: UInt64) -> UInt64? {
        guard let end = UInt64(exactly: bytes.count), offset <= end, size <= end - offset else { return nil }
        return (0..<size).reversed().reduce(0) { $0 << 8 | UInt64(bytes[Int(offset + $1)]) }
    }
}
