internal import CLinux
internal import Glibc

package enum Terminal {
    package static func isTerminal(_ raw: Int32) -> Bool { isatty(raw) == 1 }

    package struct Size: Sendable, Equatable {
        package let rows, columns: UInt16
        package init(rows: UInt16, columns: UInt16) {
            self.rows = rows
            self.columns = columns
        }
    }

    /// Nil when `raw` is no terminal, or one that does not know its size.
    package static func size(of raw: Int32) -> Size? {
        var rows: UInt32 = 0
        var columns: UInt32 = 0
        guard cl_get_window_size(raw, &rows, &columns) == 0, rows > 0, columns > 0 else { return nil }
        return Size(rows: UInt16(clamping: rows), columns: UInt16(clamping: columns))
    }
}

/// A terminal in raw mode, as it was before once this is dropped, also when a fault of this program ends it. One at a
/// time: the crash handlers know one terminal.
package final class RawTerminal {
    private let raw: Int32
    private var isRaw = false

    /// `raw` must stay open.
    package init(_ raw: Int32) throws(SystemError) {
        self.raw = raw
        try enter()
        CrashState.arm()
    }

    deinit {
        restore()
        CrashState.terminal = -1
    }

    /// Leaves raw mode for as long as this process is stopped.
    package func restore() {
        guard isRaw else { return }
        isRaw = false
        _ = cl_restore_terminal(raw, CrashState.saved, CrashState.length)
    }

    /// Enters raw mode again, whoever changed it meanwhile. What `restore` brings back is the mode before the first time.
    package func enter() throws(SystemError) {
        let raw = self.raw
        if isRaw {
            let scratch = UnsafeMutableRawPointer.allocate(byteCount: CrashState.length, alignment: 16)
            defer { scratch.deallocate() }
            try systemCall("tcsetattr") { cl_make_raw(raw, scratch, CrashState.length) }
        } else {
            try systemCall("tcsetattr") { cl_make_raw(raw, CrashState.saved, CrashState.length) }
            CrashState.terminal = raw
            isRaw = true
        }
    }
}

/// What a signal handler needs to give the terminal back. Written before the handlers are installed and read by them; one
/// thread owns the terminal.
private enum CrashState {
    static let length = cl_termios_size()
    nonisolated(unsafe) static let saved = UnsafeMutableRawPointer.allocate(byteCount: cl_termios_size(), alignment: 16)
    nonisolated(unsafe) static var terminal: Int32 = -1

    static func arm() {
        for number in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                if CrashState.terminal >= 0 {
                    _ = cl_restore_terminal(CrashState.terminal, CrashState.saved, CrashState.length)
                }
                // The handler was reset when it was called: this ends the process as if it had never been there.
                _ = raise(number)
            }
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_NODEFER
            sigaction(number, &action, nil)
        }
    }
}
