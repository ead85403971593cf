internal import CLibvirt
package import Core
internal import System

/// A libvirt call that failed. `number` is one of libvirt's own codes; the text is for people.
package struct LibvirtError: Error, Sendable, Equatable {
    package let number: Int32
    package let text: String

    /// Read on the thread that failed, before it calls libvirt again: the library keeps one error for each thread.
    static func last() -> LibvirtError {
        guard let found = virGetLastError() else { return LibvirtError(number: 0, text: "libvirt gave no reason") }
        let text = found.pointee.message.map { String(cString: $0) } ?? "libvirt gave no reason"
        return LibvirtError(number: found.pointee.code, text: text)
    }

    var isOfTheSystem: Bool { number == Int32(VIR_ERR_SYSTEM_ERROR.rawValue) }
    var isNoSuchDomain: Bool { number == Int32(VIR_ERR_NO_DOMAIN.rawValue) }

    /// As a fault: what we were about, then libvirt's words, which may quote a guest's file or QEMU's output.
    package func fault(_ what: String, code: FaultCode = .hostFailed, hint: String? = nil) -> Fault {
        Fault(code, "\(what): \(Display.escaped(text, limit: 600))", hint: hint)
    }
}

/// The library's process-wide state.
enum Libvirt {
    /// Silences its printing of errors and starts the one thread that runs its event loop. Idempotent; must come before
    /// the first connection, because the embedded driver needs the loop.
    static func start() throws(LibvirtError) {
        if let failure = started { throw failure }
    }

    private static let started: LibvirtError? = {
        virSetErrorFunc(nil) { _, _ in }
        guard virInitialize() == 0, virEventRegisterDefaultImpl() == 0 else { return .last() }
        do throws(SystemError) {
            try NamedThread.start("libvirt-events") {
                // It fails only when its own descriptors are broken; then events stop, and the next call says so.
                while virEventRunDefaultImpl() == 0 {}
            }
        } catch {
            return LibvirtError(number: 0, text: error.description)
        }
        return nil
    }()

    /// Runs a call and reads its error on the same thread.
    static func call<Result>(_ body: () -> Result?) throws(LibvirtError) -> Result {
        guard let result = body() else { throw .last() }
        return result
    }

    /// `9.0.0` from libvirt's and QEMU's way of counting.
    static func versionText(_ number: UInt) -> String {
        "\(number / 1_000_000).\(number / 1000 % 1000).\(number % 1000)"
    }
}
