/// The words of /proc/cmdline that are meant for us.
package struct KernelCommandLine: Sendable, Equatable {
    /// Say that we run, and power off: how an accelerator is tried out.
    package let isProbe: Bool
    /// A missing root disk is no failure: the initramfs stays the root.
    package let mayStayInInitramfs: Bool

    /// A program and its arguments, separated by commas, to be run on the console of a machine without a host.
    package let alone: [String]

    package init(_ text: String) {
        let words = text.split(whereSeparator: { $0 == " " || $0 == "\n" })
        isProbe = words.contains("cowork.probe")
        mayStayInInitramfs = words.contains("cowork.initramfs-only")
        let prefix = "cowork.alone="
        let program = words.last { $0.hasPrefix(prefix) }?.dropFirst(prefix.count) ?? ""
        alone = program.split(separator: ",").map(String.init)
    }
}
