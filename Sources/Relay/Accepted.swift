internal import System

/// A listening socket's next connection, in a form that can be kept.
enum Accepted {
    /// Nil when there is none, or it cannot be taken: then its peer finds out.
    static func next(of listener: borrowing FileDescriptor) -> SharedDescriptor? {
        do throws(SystemError) {
            guard let taken = try UnixSocket.accept(listener) else { return nil }
            return SharedDescriptor(taken)
        } catch { return nil }
    }
}
