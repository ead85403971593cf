import COpenSSL
import Glibc
package import GuestImage
package import System

/// SHA-256 by OpenSSL, which uses the processor's own instructions.
package enum SHA256 {
    package static func digest(of bytes: [UInt8]) -> Digest {
        var state = State()
        bytes.withUnsafeBytes { state.update($0) }
        return state.finish()
    }

    /// The digest of a file from its present position to its end, and how many bytes that were.
    package static func digest(
        of descriptor: borrowing FileDescriptor
    ) throws(SystemError) -> (digest: Digest, bytes: UInt64) {
        let raw = descriptor.raw
        var state = State()
        var total: UInt64 = 0
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = try systemCall("read") { read(raw, &chunk, chunk.count) }
            if count == 0 { return (state.finish(), total) }
            chunk.withUnsafeBytes { state.update(UnsafeRawBufferPointer(rebasing: $0[0..<count])) }
            total += UInt64(count)
        }
    }

    private struct State: ~Copyable {
        private let context: OpaquePointer

        init() {
            // Fails only without memory or without the algorithm: then there is nothing to go on with.
            guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
                fatalError("OpenSSL has no SHA-256")
            }
            self.context = context
        }

        deinit { EVP_MD_CTX_free(context) }

        mutating func update(_ bytes: UnsafeRawBufferPointer) {
            let result = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
            precondition(result == 1, "OpenSSL could not hash")
        }

        consuming func finish() -> Digest {
            var bytes = [UInt8](repeating: 0, count: 32)
            // Fails only for a context that was never set up, and its 32 bytes are what a digest takes.
            let result = EVP_DigestFinal_ex(context, &bytes, nil)
            guard result == 1, let digest = Digest(bytes: bytes) else { fatalError("OpenSSL could not hash") }
            return digest
        }
    }
}
