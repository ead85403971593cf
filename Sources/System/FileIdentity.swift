internal import CLinux
internal import Glibc

/// Whose rights this thread has when it touches files. For a short-lived thread of its own: there is no way back.
package enum FileIdentity {
    /// Takes what `identity` may do with files and no more, whatever the process is. As another uid than the process's
    /// this needs uid 0.
    package static func take(_ identity: ChildSpecification.Identity) throws(SystemError) {
        if geteuid() == 0 {
            try systemCall("setfsuid") {
                cl_set_thread_ids_for_files(identity.uid, identity.gid, identity.groups, identity.groups.count)
            }
        } else if identity.uid != geteuid() {
            throw SystemError("setfsuid", code: EPERM)
        }
        try systemCall("capset") { cl_clear_effective_capabilities() }
    }
}
