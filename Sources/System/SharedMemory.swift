internal import CLinux
internal import Glibc

/// Memory that several processes map by passing its descriptor.
package enum SharedMemory {
    /// A file in memory of exactly `size` bytes, zero, sealed so that it stays that size.
    package static func create(_ name: String, size: Int) throws(SystemError) -> FileDescriptor {
        let descriptor = FileDescriptor(
            owning: try systemCall("memfd_create") { cl_memfd_create(name, cl_MFD_SEALABLE) })
        let raw = descriptor.raw
        try systemCall("ftruncate") { ftruncate(raw, size) }
        try systemCall("seal") { cl_add_seals(raw, cl_SEAL_SHRINK | cl_SEAL_GROW) }
        return descriptor
    }

    /// Whether nobody can take pages away from under a mapping, which would kill whoever touches them.
    package static func cannotShrink(_ raw: Int32) -> Bool {
        let seals = cl_get_seals(raw)
        return seals >= 0 && seals & cl_SEAL_SHRINK != 0
    }
}

/// A counter in the kernel that one side adds to and the other waits for.
package enum EventCounter {
    package static func create() throws(SystemError) -> FileDescriptor {
        FileDescriptor(
            owning: try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)) })
    }

    /// Wakes the other side. A full counter has already woken it.
    package static func signal(_ raw: Int32) {
        var one: UInt64 = 1
        _ = write(raw, &one, 8)
    }

    /// Whether it was signalled since the last time. Throws when `raw` is no counter, or broken.
    package static func take(_ raw: Int32) throws(SystemError) -> Bool {
        var count: UInt64 = 0
        do throws(SystemError) {
            let length = try systemCall("read eventfd") { read(raw, &count, 8) }
            guard length == 8 else { throw SystemError("read eventfd", code: EINVAL) }
            return count > 0
        } catch {
            if error.code == EAGAIN { return false }
            throw error
        }
    }
}
