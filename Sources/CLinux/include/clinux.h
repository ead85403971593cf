// Kernel interfaces that `import Glibc` does not carry. Plain prototypes and structs only: _GNU_SOURCE is defined in the
// .c file alone, because defining it here makes Glibc's own module disagree with this one.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/types.h>

// Every function returns -1 and sets errno on failure unless it says otherwise.

// Descriptors -----------------------------------------------------------------------------------------------------
extern const int cl_O_PATH;
extern const int cl_O_TMPFILE;
int cl_pipe2(int fds[2], int flags);
int cl_accept4(int fd, int flags);
int cl_memfd_create(const char *name, unsigned flags);
int cl_close_range(unsigned first, unsigned last);
extern const int cl_SEAL_SHRINK;
extern const int cl_SEAL_GROW;
int cl_get_seals(int fd);
int cl_add_seals(int fd, int seals);                 // a memfd made with MFD_ALLOW_SEALING
extern const unsigned cl_MFD_SEALABLE;               // close-on-exec, may be sealed
int cl_set_cloexec(int fd, int on);
int cl_set_nonblocking(int fd, int on);
int cl_dup_cloexec(int fd);
// Opens `path` beneath `dirfd`: no .., no absolute path, no magic link leads out. `no_links` refuses every symbolic link.
int cl_open_beneath(int dirfd, const char *path, int flags, unsigned mode, int no_links);
int cl_renameat2(int olddir, const char *old, int newdir, const char *name, unsigned flags);
extern const unsigned cl_RENAME_NOREPLACE;
extern const unsigned cl_RENAME_EXCHANGE;
int cl_fallocate(int fd, int64_t offset, int64_t length);
int cl_punch_hole(int fd, int64_t offset, int64_t length);
int cl_mknod_char(const char *path, unsigned mode, unsigned major, unsigned minor);
extern const int cl_SEEK_DATA;
extern const int cl_SEEK_HOLE;

struct cl_stat {
    uint64_t device, inode, size, blocks, links;
    int64_t mtime_s, ctime_s;
    uint32_t mtime_ns, ctime_ns;
    uint32_t mode, uid, gid;
    int is_directory, is_regular, is_link, is_socket;
};
int cl_fstat(int fd, struct cl_stat *out);
int cl_statat(int dirfd, const char *path, int follow, struct cl_stat *out);

// Sockets ---------------------------------------------------------------------------------------------------------
struct cl_credentials { int32_t pid; uint32_t uid, gid; };
int cl_peer_credentials(int fd, struct cl_credentials *out);
// Sends one message with up to 16 descriptors attached. Never raises SIGPIPE.
ssize_t cl_send_with_fds(int fd, const void *bytes, size_t length, const int *fds, size_t fd_count, int flags);
// Receives one message; received descriptors are close-on-exec. `*fd_count` holds the room in, the number out.
// `*truncated` is set when bytes or descriptors did not fit (descriptors that did not fit are closed by the kernel).
ssize_t cl_recv_with_fds(int fd, void *bytes, size_t length, int *fds, size_t *fd_count, int *truncated, int flags);
int cl_vsock_connect(unsigned cid, unsigned port, int privileged);   // blocking connect; source port < 1024 if privileged
int cl_vsock_socket(int privileged);                                 // non-blocking socket, bound when privileged
int cl_vsock_start_connect(int fd, unsigned cid, unsigned port);

// Processes -------------------------------------------------------------------------------------------------------
struct cl_fd_move { int from, to; };
struct cl_limit { int resource; uint64_t soft, hard; };
// What Landlock allows beneath `path`; one that is absent is left out.
struct cl_path_rule { const char *path; uint64_t rights; };
struct cl_spawn {
    const char *path;              // absolute, or a name looked up in `search`
    const char *search;            // a PATH, or NULL to use `path` as it is
    char *const *argv, *const *envp;
    const char *cwd;               // NULL: unchanged
    const struct cl_fd_move *moves; size_t move_count;   // the child has exactly these descriptors
    int new_session;               // setsid
    int controlling_terminal;      // a child's descriptor number that becomes its terminal, or -1
    int set_ids; uint32_t uid, gid; const uint32_t *groups; size_t group_count;
    const struct cl_limit *limits; size_t limit_count;
    int parent_death_signal;       // 0: none
    int no_new_privileges;
    int umask;                     // -1: unchanged
    int ordinary_oom_score;        // 1: the parent may be spared by the out-of-memory killer, the child is not
    // Sandbox, applied in this order after ids: namespaces, private root, path rules, capabilities, filter.
    int new_user_namespace; uint32_t inside_uid, inside_gid;   // maps exactly the child's own ids
    int new_mount_namespace, new_network_namespace, new_ipc_namespace;
    // With `folder_at`, and a new mount namespace: the child's root is an empty tmpfs, read-only, that has the open
    // directory `folder_fd` at `folder_at` and these paths of the host, read-only; those that are absent are left out.
    int folder_fd; const char *folder_at; int folder_read_only;   // -1, NULL: the root stays
    char *const *root_paths; size_t root_path_count;
    const struct cl_path_rule *path_rules; size_t path_rule_count;   // Landlock; none: no ruleset
    int keep_capabilities; uint64_t capabilities;                    // exactly these stay over exec, and can never be more
    const void *filter; size_t filter_length;   // struct sock_filter[]
};
enum cl_spawn_stage { CL_SPAWN_OK = 0, CL_SPAWN_FORK, CL_SPAWN_FDS, CL_SPAWN_SESSION, CL_SPAWN_LIMITS, CL_SPAWN_IDS,
                      CL_SPAWN_NAMESPACES, CL_SPAWN_MOUNT, CL_SPAWN_FILTER, CL_SPAWN_CWD, CL_SPAWN_EXEC };
struct cl_spawned { int32_t pid; int pidfd; int stage; int error; };
// 0 when the program was executed; else -1 with `stage` and `error` set, and no child left behind.
int cl_spawn(const struct cl_spawn *request, struct cl_spawned *out);
int cl_pidfd_open(int pid);
int cl_pidfd_signal(int pidfd, int signal);
struct cl_exit { int32_t pid; int exited, code, signal; };
int cl_wait_pidfd(int pidfd, int block, struct cl_exit *out);   // 1 ended and reaped, 0 still running
int cl_wait_any(struct cl_exit *out);                            // PID 1 only: 1 reaped one, 0 none ready, -1 no child
int cl_wait_peek(struct cl_exit *out);                           // the same, but leaves it to be reaped
int cl_reap(int pid);                                            // one ended child, by number; never blocks
// A child that has ended and is not reaped yet, 0 when there is none. It stays as it is.
int cl_peek_ended_child(void);
int cl_set_parent_death_signal(int signal);
int cl_set_dumpable(int on);
int cl_no_new_privileges(void);
int cl_set_name(const char *name);
int cl_set_thread_name(const char *name);
int cl_gettid(void);
int cl_set_ids(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t group_count);
int cl_drop_capabilities(void);                                  // bounding, ambient and all three sets
int cl_raise_ambient_capabilities(void);                         // inherits every permitted capability over exec
int cl_keep_capabilities(uint64_t kept);                         // these over exec, ambient; the rest for good gone
int cl_clear_effective_capabilities(void);                       // of this thread
// Files are touched as these ids by this thread alone; needs uid 0. Ends with the thread.
int cl_set_thread_ids_for_files(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t group_count);
int cl_own_memory(uint64_t *resident_bytes);
void cl_release_memory(void);                                     // what is free inside this process goes to the kernel

// Namespaces and mounts --------------------------------------------------------------------------------------------
extern const int cl_CLONE_NEWUSER, cl_CLONE_NEWNET, cl_CLONE_NEWNS, cl_CLONE_NEWIPC, cl_CLONE_NEWUTS, cl_CLONE_NEWPID;
int cl_unshare(int flags);
int cl_setns(int fd, int flags);
extern const unsigned long cl_MS_RDONLY, cl_MS_NOSUID, cl_MS_NODEV, cl_MS_NOEXEC, cl_MS_BIND, cl_MS_REC, cl_MS_PRIVATE,
    cl_MS_MOVE, cl_MS_REMOUNT, cl_MS_NOATIME, cl_MS_SLAVE;
int cl_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
// Makes `target`, which is bound there already, read-only, keeping the flags its mount has.
int cl_remount_read_only(const char *target);
int cl_umount(const char *target, int detach);
// Makes `root`, a mount point, this mount namespace's root and lets go of the old one.
int cl_change_root(const char *root);
// New namespaces as `flags` say, CLONE_NEWUSER among them; maps the caller's own uid and gid to themselves, nothing else.
int cl_unshare_as_self(int flags);
int cl_bring_up_loopback(void);

// Guest -----------------------------------------------------------------------------------------------------------
int cl_load_module(int fd, const char *parameters);
int cl_sethostname(const char *name);
int cl_set_realtime(int64_t seconds, int64_t nanoseconds);
int cl_add_entropy(const void *bytes, size_t length);
int cl_power_off(void);
int cl_signal_on_ctrl_alt_delete(void);                              // INT to PID 1 instead of a reboot
int cl_kernel_event_socket(void);                                    // non-blocking; reads the kernel's device events
int cl_open_pty(int *controller, char *terminal_path, size_t path_length);   // unlocked
int cl_set_window_size(int fd, unsigned rows, unsigned columns);
int cl_get_window_size(int fd, unsigned *rows, unsigned *columns);
int cl_end_of_input_character(int fd);                               // of a terminal that reads lines; 0: it does not
int cl_bytes_waiting(int fd);
struct cl_space { uint64_t total, available; };
int cl_filesystem_space(const char *path, struct cl_space *out);
int cl_filesystem_space_fd(int fd, struct cl_space *out);
int cl_chroot(const char *path);
int cl_set_child_subreaper(void);
int cl_getrandom(void *bytes, size_t length);

int cl_kvm_version(int fd);                                         // 12, when `fd` is a working /dev/kvm

// Confinement -----------------------------------------------------------------------------------------------------
int cl_install_filter(const void *filter, size_t length);         // length in bytes; all threads (TSYNC)
int cl_landlock_version(void);                                     // -1 when the kernel has none
// Refuses everything Landlock can refuse (files, and where the kernel knows them TCP, abstract sockets and signals to
// the outside) but what the rules allow. Of this thread and those it starts.
int cl_landlock_paths(const struct cl_path_rule *rules, size_t count);
extern const uint64_t cl_LANDLOCK_READ, cl_LANDLOCK_WRITE, cl_LANDLOCK_EXECUTE;   // no right to make device nodes

// Status words and other macros
int cl_lock_exclusive(int fd);                                     // flock, non-blocking: -1 EWOULDBLOCK when taken
int cl_make_raw(int fd, void *saved_termios, size_t room);          // saves into `saved_termios`
int cl_restore_terminal(int fd, const void *saved_termios, size_t length);
size_t cl_termios_size(void);

#endif
