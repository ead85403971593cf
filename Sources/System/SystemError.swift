import CLinux
internal import Glibc

/// A kernel call that failed: which, with what errno, on what.
package struct SystemError: Error, Sendable, Equatable {
    package let call: String
    package let code: Int32
    package let subject: String?

    package init(_ call: String, code: Int32 = errno, subject: String? = nil) {
        self.call = call
        self.code = code
        self.subject = subject
    }

    /// The errno's own words, such as "Permission denied".
    package var reason: String { String(cString: strerror(code)) }
}

extension SystemError: CustomStringConvertible {
    package var description: String {
        subject.map { "\(call) \($0): \(reason)" } ?? "\(call): \(reason)"
    }
}

/// Repeats `body` while it is interrupted; throws what errno says when it answers -1.
@discardableResult
package func systemCall<Result: FixedWidthInteger & SignedInteger>(
    _ call: @autoclosure () -> String, _ subject: @autoclosure () -> String? = nil, _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let code = errno
        if code != EINTR { throw SystemError(call(), code: code, subject: subject()) }
    }
}
