#define _GNU_SOURCE
#include "clinux.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/random.h>
#include <linux/seccomp.h>
#include <linux/vm_sockets.h>
#include <malloc.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

// Descriptors -----------------------------------------------------------------------------------------------------

const int cl_O_PATH = O_PATH;
const int cl_O_TMPFILE = O_TMPFILE;
const unsigned cl_RENAME_NOREPLACE = RENAME_NOREPLACE;
const unsigned cl_RENAME_EXCHANGE = RENAME_EXCHANGE;
const int cl_SEEK_DATA = SEEK_DATA;
const int cl_SEEK_HOLE = SEEK_HOLE;

int cl_pipe2(int fds[2], int flags) { return pipe2(fds, flags | O_CLOEXEC); }
int cl_accept4(int fd, int flags) { return accept4(fd, NULL, NULL, flags | SOCK_CLOEXEC); }
int cl_memfd_create(const char *name, unsigned flags) { return memfd_create(name, flags | MFD_CLOEXEC); }
int cl_close_range(unsigned first, unsigned last) { return (int)syscall(SYS_close_range, first, last, 0); }

const int cl_SEAL_SHRINK = F_SEAL_SHRINK;
const int cl_SEAL_GROW = F_SEAL_GROW;
const unsigned cl_MFD_SEALABLE = MFD_CLOEXEC | MFD_ALLOW_SEALING;
int cl_get_seals(int fd) { return fcntl(fd, F_GET_SEALS); }
int cl_add_seals(int fd, int seals) { return fcntl(fd, F_ADD_SEALS, seals); }
int cl_dup_cloexec(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 3); }

int cl_set_cloexec(int fd, int on) {
    int flags = fcntl(fd, F_GETFD);
    return flags < 0 ? -1 : fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

int cl_set_nonblocking(int fd, int on) {
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

int cl_open_beneath(int dirfd, const char *path, int flags, unsigned mode, int no_links) {
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,   // O_TMPFILE has O_DIRECTORY in it
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (no_links ? RESOLVE_NO_SYMLINKS : 0),
    };
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

int cl_renameat2(int olddir, const char *old, int newdir, const char *name, unsigned flags) {
    return renameat2(olddir, old, newdir, name, flags);
}
int cl_fallocate(int fd, int64_t offset, int64_t length) { return fallocate(fd, 0, offset, length); }
int cl_punch_hole(int fd, int64_t offset, int64_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}
int cl_mknod_char(const char *path, unsigned mode, unsigned major_number, unsigned minor_number) {
    return mknod(path, S_IFCHR | mode, makedev(major_number, minor_number));
}

static void copy_stat(const struct stat *from, struct cl_stat *to) {
    *to = (struct cl_stat){
        .device = from->st_dev, .inode = from->st_ino, .size = (uint64_t)from->st_size,
        .blocks = (uint64_t)from->st_blocks, .links = from->st_nlink,
        .mtime_s = from->st_mtim.tv_sec, .mtime_ns = (uint32_t)from->st_mtim.tv_nsec,
        .ctime_s = from->st_ctim.tv_sec, .ctime_ns = (uint32_t)from->st_ctim.tv_nsec,
        .mode = from->st_mode & 07777, .uid = from->st_uid, .gid = from->st_gid,
        .is_directory = S_ISDIR(from->st_mode), .is_regular = S_ISREG(from->st_mode),
        .is_link = S_ISLNK(from->st_mode), .is_socket = S_ISSOCK(from->st_mode),
    };
}

int cl_fstat(int fd, struct cl_stat *out) {
    struct stat found;
    if (fstat(fd, &found) < 0) return -1;
    copy_stat(&found, out);
    return 0;
}

int cl_statat(int dirfd, const char *path, int follow, struct cl_stat *out) {
    struct stat found;
    if (fstatat(dirfd, path, &found, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0) return -1;
    copy_stat(&found, out);
    return 0;
}

// Sockets ---------------------------------------------------------------------------------------------------------

int cl_peer_credentials(int fd, struct cl_credentials *out) {
    struct ucred found;
    socklen_t length = sizeof found;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &found, &length) < 0) return -1;
    *out = (struct cl_credentials){ .pid = found.pid, .uid = found.uid, .gid = found.gid };
    return 0;
}

enum { MOST_PASSED_FDS = 16 };

ssize_t cl_send_with_fds(int fd, const void *bytes, size_t length, const int *fds, size_t fd_count, int flags) {
    if (fd_count > MOST_PASSED_FDS) { errno = EINVAL; return -1; }
    struct iovec part = { .iov_base = (void *)bytes, .iov_len = length };
    union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int) * MOST_PASSED_FDS)]; } control;
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    return sendmsg(fd, &message, flags | MSG_NOSIGNAL);
}

ssize_t cl_recv_with_fds(int fd, void *bytes, size_t length, int *fds, size_t *fd_count, int *truncated, int flags) {
    struct iovec part = { .iov_base = bytes, .iov_len = length };
    union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int) * MOST_PASSED_FDS)]; } control;
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room };
    size_t room = *fd_count, found = 0;
    *fd_count = 0;
    *truncated = 0;
    ssize_t received = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
    if (received < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int passed;
            memcpy(&passed, CMSG_DATA(header) + i * sizeof(int), sizeof passed);
            if (found < room) fds[found++] = passed;
            else { close(passed); *truncated = 1; }
        }
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) *truncated = 1;
    *fd_count = found;
    return received;
}

int cl_vsock_socket(int privileged) {
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !privileged) return fd;
    for (unsigned port = 1023; port >= 512; port--) {
        struct sockaddr_vm here = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port };
        if (bind(fd, (struct sockaddr *)&here, sizeof here) == 0) return fd;
        if (errno != EADDRINUSE) break;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int cl_vsock_start_connect(int fd, unsigned cid, unsigned port) {
    struct sockaddr_vm there = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
    return connect(fd, (struct sockaddr *)&there, sizeof there);
}

int cl_vsock_connect(unsigned cid, unsigned port, int privileged) {
    int fd = cl_vsock_socket(privileged);
    if (fd < 0) return -1;
    cl_set_nonblocking(fd, 0);
    if (cl_vsock_start_connect(fd, cid, port) == 0) return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

// Processes -------------------------------------------------------------------------------------------------------

int cl_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
int cl_pidfd_signal(int pidfd, int number) { return (int)syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0); }
int cl_gettid(void) { return gettid(); }
int cl_set_parent_death_signal(int number) { return prctl(PR_SET_PDEATHSIG, number, 0, 0, 0); }
int cl_set_dumpable(int on) { return prctl(PR_SET_DUMPABLE, on, 0, 0, 0); }
int cl_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
int cl_set_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }
int cl_set_thread_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }
int cl_set_child_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

int cl_set_ids(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t group_count) {
    if (setgroups(group_count, (const gid_t *)groups) < 0) return -1;
    if (setresgid(gid, gid, gid) < 0) return -1;
    return setresuid(uid, uid, uid);
}

static int set_capabilities(uint32_t effective[2], uint32_t permitted[2], uint32_t inheritable[2]) {
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++)
        data[i] = (struct __user_cap_data_struct){ .effective = effective[i], .permitted = permitted[i], .inheritable = inheritable[i] };
    return (int)syscall(SYS_capset, &header, data);
}

int cl_drop_capabilities(void) {
    for (int capability = 0; capability < 64; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno == EINVAL) break;   // EPERM: not ours to drop
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    uint32_t none[2] = { 0, 0 };
    return set_capabilities(none, none, none);
}

int cl_raise_ambient_capabilities(void) {
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -1;
    uint32_t permitted[2] = { data[0].permitted, data[1].permitted };
    if (set_capabilities(permitted, permitted, permitted) < 0) return -1;
    for (int capability = 0; capability < 64; capability++) {
        if (!(permitted[capability / 32] & (1u << (capability % 32)))) continue;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) return -1;
    }
    return 0;
}

int cl_keep_capabilities(uint64_t kept) {
    for (int capability = 0; capability < 64; capability++)
        if (!(kept >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno == EINVAL) break;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -1;
    uint32_t words[2] = { (uint32_t)kept, (uint32_t)(kept >> 32) };
    if (set_capabilities(words, words, words) < 0) return -1;
    for (int capability = 0; capability < 64; capability++)
        if (kept >> capability & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) return -1;
    return 0;
}

int cl_clear_effective_capabilities(void) {
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -1;
    data[0].effective = data[1].effective = 0;
    return (int)syscall(SYS_capset, &header, data);
}

// glibc's wrappers change every thread; the kernel's calls change the one that makes them.
int cl_set_thread_ids_for_files(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t group_count) {
    if (syscall(SYS_setgroups, group_count, groups) < 0) return -1;
    syscall(SYS_setfsgid, gid);
    syscall(SYS_setfsuid, uid);
    // Neither says whether it worked; both answer the present id.
    if ((uint32_t)syscall(SYS_setfsgid, gid) != gid || (uint32_t)syscall(SYS_setfsuid, uid) != uid) { errno = EPERM; return -1; }
    return 0;
}

static int write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t length = strlen(text);
    ssize_t written = write(fd, text, length);
    int saved = errno;
    close(fd);
    if (written == (ssize_t)length) return 0;
    errno = written < 0 ? saved : EIO;
    return -1;
}

static int enter_namespaces(const struct cl_spawn *request) {
    int flags = (request->new_user_namespace ? CLONE_NEWUSER : 0) | (request->new_mount_namespace ? CLONE_NEWNS : 0)
        | (request->new_network_namespace ? CLONE_NEWNET : 0) | (request->new_ipc_namespace ? CLONE_NEWIPC : 0);
    if (!flags) return 0;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (request->new_user_namespace) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);   // else /proc/self belongs to root
    if (unshare(flags) < 0) return -1;
    if (request->new_user_namespace) {
        char line[64];
        if (write_text("/proc/self/setgroups", "deny") < 0 && errno != ENOENT) return -1;
        snprintf(line, sizeof line, "%u %u 1", request->inside_uid, uid);
        if (write_text("/proc/self/uid_map", line) < 0) return -1;
        snprintf(line, sizeof line, "%u %u 1", request->inside_gid, gid);
        if (write_text("/proc/self/gid_map", line) < 0) return -1;
    }
    if (request->new_mount_namespace && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -1;
    return 0;
}

// In the child, between fork and exec: async-signal-safe calls only (snprintf of integers is, in glibc).
static int place_descriptors(const struct cl_spawn *request, int *report, int *folder) {
    int above = 3;
    for (size_t i = 0; i < request->move_count; i++)
        if (request->moves[i].to >= above) above = request->moves[i].to + 1;
    int kept = fcntl(*report, F_DUPFD_CLOEXEC, above + (int)request->move_count + 2);
    if (kept < 0) return -1;
    if (*folder >= 0 && (*folder = fcntl(*folder, F_DUPFD_CLOEXEC, above)) < 0) return -1;
    close(*report);
    *report = kept;
    int lifted[64];
    if (request->move_count > 64) { errno = EINVAL; return -1; }
    for (size_t i = 0; i < request->move_count; i++)
        if ((lifted[i] = fcntl(request->moves[i].from, F_DUPFD_CLOEXEC, above)) < 0) return -1;
    for (size_t i = 0; i < request->move_count; i++)
        if (dup2(lifted[i], request->moves[i].to) < 0) return -1;
    return 0;
}

static int is_target(const struct cl_spawn *request, int fd) {
    for (size_t i = 0; i < request->move_count; i++)
        if (request->moves[i].to == fd) return 1;
    return 0;
}

static void close_others(const struct cl_spawn *request, int report, int folder) {
    int highest = report > folder ? report : folder;
    for (int fd = 0; fd < highest; fd++)
        if (fd != report && fd != folder && !is_target(request, fd)) close(fd);
    cl_close_range((unsigned)highest + 1, ~0u);
}

static void execute(const struct cl_spawn *request) {
    if (!request->search || strchr(request->path, '/')) {
        execve(request->path, request->argv, request->envp);
        return;
    }
    int denied = 0;
    char candidate[4096];
    for (const char *part = request->search; *part || part == request->search;) {
        size_t length = strcspn(part, ":");
        size_t name = strlen(request->path);
        if (length + name + 2 < sizeof candidate) {
            memcpy(candidate, part, length);
            candidate[length] = '/';
            memcpy(candidate + length + 1, request->path, name + 1);
            execve(length ? candidate : request->path, request->argv, request->envp);
            if (errno == EACCES) denied = 1;
            else if (errno != ENOENT && errno != ENOTDIR) return;
        }
        part += length;
        if (*part != ':') break;
        part++;
    }
    errno = denied ? EACCES : ENOENT;
}

static void run_child(const struct cl_spawn *request, int report) {
    enum cl_spawn_stage stage = CL_SPAWN_FDS;
    int written_error;
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int folder = request->folder_at ? request->folder_fd : -1;
    if (place_descriptors(request, &report, &folder) < 0) goto failed;
    close_others(request, report, folder);

    stage = CL_SPAWN_SESSION;
    if (request->new_session && setsid() < 0) goto failed;
    if (request->controlling_terminal >= 0 && ioctl(request->controlling_terminal, TIOCSCTTY, 0) < 0) goto failed;
    if (request->umask >= 0) umask((mode_t)request->umask);

    stage = CL_SPAWN_LIMITS;
    if (request->ordinary_oom_score && write_text("/proc/self/oom_score_adj", "0") < 0) goto failed;
    for (size_t i = 0; i < request->limit_count; i++) {
        struct rlimit limit = { .rlim_cur = request->limits[i].soft, .rlim_max = request->limits[i].hard };
        if (setrlimit((__rlimit_resource_t)request->limits[i].resource, &limit) < 0) goto failed;
    }
    stage = CL_SPAWN_IDS;
    if (request->set_ids && cl_set_ids(request->uid, request->gid, request->groups, request->group_count) < 0) goto failed;
    // Changing ids clears the death signal, so it is set after them; the parent may be gone already.
    if (request->parent_death_signal) {
        if (prctl(PR_SET_PDEATHSIG, request->parent_death_signal, 0, 0, 0) < 0) goto failed;
    }
    stage = CL_SPAWN_MOUNT;
    // A descriptor keeps its mount of the old namespace, which cannot be bound in a new one; the working directory moves.
    if (request->folder_at && fchdir(folder) < 0) goto failed;
    stage = CL_SPAWN_NAMESPACES;
    if (enter_namespaces(request) < 0) goto failed;
    stage = CL_SPAWN_MOUNT;
    if (request->folder_at && cl_enter_private_root(request) < 0) goto failed;
    stage = CL_SPAWN_CWD;
    if (request->cwd && chdir(request->cwd) < 0) goto failed;
    stage = CL_SPAWN_FILTER;
    if (request->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) goto failed;
    if (request->path_rule_count > 0 && cl_landlock_paths(request->path_rules, request->path_rule_count) < 0) goto failed;
    if (request->keep_capabilities && cl_keep_capabilities(request->capabilities) < 0) goto failed;
    if (request->filter) {
        struct sock_fprog program = { .len = (unsigned short)(request->filter_length / sizeof(struct sock_filter)),
                                      .filter = (struct sock_filter *)request->filter };
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) goto failed;
    }
    stage = CL_SPAWN_EXEC;
    execute(request);
failed:
    written_error = errno;
    int words[2] = { (int)stage, written_error };
    if (write(report, words, sizeof words) < 0) _exit(126);
    _exit(127);
}

int cl_spawn(const struct cl_spawn *request, struct cl_spawned *out) {
    int report[2];
    *out = (struct cl_spawned){ .pid = -1, .pidfd = -1, .stage = CL_SPAWN_FORK };
    if (pipe2(report, O_CLOEXEC) < 0) { out->error = errno; return -1; }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);   // no handler of ours runs in the child
    pid_t pid = fork();
    if (pid == 0) {
        close(report[0]);
        run_child(request, report[1]);
    }
    int saved = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (pid < 0) { close(report[0]); out->error = errno = saved; return -1; }
    int pidfd = cl_pidfd_open(pid);
    int words[2];
    ssize_t length;
    do length = read(report[0], words, sizeof words); while (length < 0 && errno == EINTR);
    close(report[0]);
    if (length == 0 && pidfd >= 0) {
        *out = (struct cl_spawned){ .pid = pid, .pidfd = pidfd, .stage = CL_SPAWN_OK };
        return 0;
    }
    if (length == 0) kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    if (pidfd >= 0) close(pidfd);
    out->stage = length == (ssize_t)sizeof words ? words[0] : CL_SPAWN_FORK;
    out->error = errno = length == (ssize_t)sizeof words ? words[1] : EMFILE;
    return -1;
}

static void copy_exit(const siginfo_t *info, struct cl_exit *out) {
    int exited = info->si_code == CLD_EXITED;
    *out = (struct cl_exit){ .pid = info->si_pid, .exited = exited, .code = exited ? info->si_status : 0,
                             .signal = exited ? 0 : info->si_status };
}

int cl_wait_pidfd(int pidfd, int block, struct cl_exit *out) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    int result;
    do result = waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED | (block ? 0 : WNOHANG));
    while (result < 0 && errno == EINTR);
    if (result < 0) return -1;
    if (info.si_pid == 0) return 0;
    copy_exit(&info, out);
    return 1;
}

int cl_peek_ended_child(void) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    int result = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    if (result < 0) return errno == ECHILD ? 0 : -1;
    return info.si_pid;
}

int cl_wait_any(struct cl_exit *out) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    int result;
    do result = waitid(P_ALL, 0, &info, WEXITED | WNOHANG);
    while (result < 0 && errno == EINTR);
    if (result < 0) return -1;
    if (info.si_pid == 0) return 0;
    copy_exit(&info, out);
    return 1;
}

int cl_wait_peek(struct cl_exit *out) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    int result;
    do result = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    while (result < 0 && errno == EINTR);
    if (result < 0) return -1;
    if (info.si_pid == 0) return 0;
    copy_exit(&info, out);
    return 1;
}

int cl_reap(int pid) { return waitpid(pid, NULL, WNOHANG) < 0 ? -1 : 0; }

int cl_own_memory(uint64_t *resident_bytes) {
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    char text[128];
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return -1;
    text[length] = 0;
    unsigned long total, resident;
    if (sscanf(text, "%lu %lu", &total, &resident) != 2) { errno = EPROTO; return -1; }
    *resident_bytes = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

void cl_release_memory(void) { malloc_trim(0); }

// Namespaces and mounts --------------------------------------------------------------------------------------------

const int cl_CLONE_NEWUSER = CLONE_NEWUSER, cl_CLONE_NEWNET = CLONE_NEWNET, cl_CLONE_NEWNS = CLONE_NEWNS,
          cl_CLONE_NEWIPC = CLONE_NEWIPC, cl_CLONE_NEWUTS = CLONE_NEWUTS, cl_CLONE_NEWPID = CLONE_NEWPID;
const unsigned long cl_MS_RDONLY = MS_RDONLY, cl_MS_NOSUID = MS_NOSUID, cl_MS_NODEV = MS_NODEV,
                    cl_MS_NOEXEC = MS_NOEXEC, cl_MS_BIND = MS_BIND, cl_MS_REC = MS_REC, cl_MS_PRIVATE = MS_PRIVATE,
                    cl_MS_MOVE = MS_MOVE, cl_MS_REMOUNT = MS_REMOUNT, cl_MS_NOATIME = MS_NOATIME,
                    cl_MS_SLAVE = MS_SLAVE;

int cl_unshare(int flags) { return unshare(flags); }
int cl_setns(int fd, int flags) { return setns(fd, flags); }
int cl_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    return mount(source, target, type, flags, data);
}
int cl_remount_read_only(const char *target) {
    struct statvfs found;
    if (statvfs(target, &found) < 0) return -1;
    // A mount made in a parent user namespace has its flags locked: they must be named again.
    unsigned long kept = ((found.f_flag & ST_NOSUID) ? MS_NOSUID : 0) | ((found.f_flag & ST_NODEV) ? MS_NODEV : 0)
        | ((found.f_flag & ST_NOEXEC) ? MS_NOEXEC : 0) | ((found.f_flag & ST_NOATIME) ? MS_NOATIME : 0)
        | ((found.f_flag & ST_RELATIME) ? MS_RELATIME : 0) | ((found.f_flag & ST_NODIRATIME) ? MS_NODIRATIME : 0);
    return mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | kept, NULL);
}

int cl_change_root(const char *root) {
    if (chdir(root) < 0) return -1;
    if (syscall(SYS_pivot_root, ".", ".") < 0) return -1;   // the old root now lies on top of the new one
    if (umount2(".", MNT_DETACH) < 0) return -1;
    return chdir("/");
}

int cl_unshare_as_self(int flags) {
    char line[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);   // else /proc/self belongs to root
    if (unshare(flags | CLONE_NEWUSER) < 0) return -1;
    if (write_text("/proc/self/setgroups", "deny") < 0 && errno != ENOENT) return -1;
    snprintf(line, sizeof line, "%u %u 1", uid, uid);
    if (write_text("/proc/self/uid_map", line) < 0) return -1;
    snprintf(line, sizeof line, "%u %u 1", gid, gid);
    return write_text("/proc/self/gid_map", line);
}

int cl_umount(const char *target, int detach) { return umount2(target, detach ? MNT_DETACH : 0); }
int cl_chroot(const char *path) { return chroot(path); }

int cl_bring_up_loopback(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "lo");
    int result = ioctl(fd, SIOCGIFFLAGS, &request);
    if (result == 0) {
        request.ifr_flags |= IFF_UP;
        result = ioctl(fd, SIOCSIFFLAGS, &request);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

// Guest -----------------------------------------------------------------------------------------------------------

int cl_load_module(int fd, const char *parameters) { return (int)syscall(SYS_finit_module, fd, parameters, 0); }
int cl_sethostname(const char *name) { return sethostname(name, strlen(name)); }
int cl_set_realtime(int64_t seconds, int64_t nanoseconds) {
    struct timespec now = { .tv_sec = seconds, .tv_nsec = nanoseconds };
    return clock_settime(CLOCK_REALTIME, &now);
}

int cl_add_entropy(const void *bytes, size_t length) {
    if (length > 512) { errno = EINVAL; return -1; }
    struct { int entropy_count, buf_size; unsigned char bytes[512]; } pool = { .entropy_count = (int)length * 8, .buf_size = (int)length };
    memcpy(pool.bytes, bytes, length);
    int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = ioctl(fd, RNDADDENTROPY, &pool);
    if (result == 0) result = ioctl(fd, RNDRESEEDCRNG, NULL);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

int cl_power_off(void) { return reboot(RB_POWER_OFF); }
int cl_signal_on_ctrl_alt_delete(void) { return reboot(RB_DISABLE_CAD); }

int cl_kernel_event_socket(void) {
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (fd < 0) return -1;
    struct sockaddr_nl here = { .nl_family = AF_NETLINK, .nl_groups = 1 };
    if (bind(fd, (struct sockaddr *)&here, sizeof here) == 0) return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int cl_open_pty(int *controller, char *terminal_path, size_t path_length) {
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return -1;
    if (grantpt(fd) < 0 || unlockpt(fd) < 0 || ptsname_r(fd, terminal_path, path_length) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    *controller = fd;
    return 0;
}

int cl_set_window_size(int fd, unsigned rows, unsigned columns) {
    struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };
    return ioctl(fd, TIOCSWINSZ, &size);
}

int cl_get_window_size(int fd, unsigned *rows, unsigned *columns) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0) return -1;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}

int cl_end_of_input_character(int fd) {
    struct termios now;
    if (tcgetattr(fd, &now) < 0) return -1;
    return (now.c_lflag & ICANON) ? now.c_cc[VEOF] : 0;
}

int cl_bytes_waiting(int fd) {
    int count = 0;
    return ioctl(fd, FIONREAD, &count) < 0 ? -1 : count;
}

static void copy_space(const struct statvfs *found, struct cl_space *out) {
    out->total = (uint64_t)found->f_blocks * found->f_frsize;
    out->available = (uint64_t)found->f_bavail * found->f_frsize;
}
int cl_filesystem_space(const char *path, struct cl_space *out) {
    struct statvfs found;
    if (statvfs(path, &found) < 0) return -1;
    copy_space(&found, out);
    return 0;
}
int cl_filesystem_space_fd(int fd, struct cl_space *out) {
    struct statvfs found;
    if (fstatvfs(fd, &found) < 0) return -1;
    copy_space(&found, out);
    return 0;
}

int cl_getrandom(void *bytes, size_t length) {
    unsigned char *at = bytes;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        at += got;
        length -= (size_t)got;
    }
    return 0;
}

int cl_kvm_version(int fd) { return ioctl(fd, 0xAE00 /* KVM_GET_API_VERSION */, 0); }

// Confinement -----------------------------------------------------------------------------------------------------

int cl_install_filter(const void *filter, size_t length) {
    struct sock_fprog program = { .len = (unsigned short)(length / sizeof(struct sock_filter)), .filter = (struct sock_filter *)filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (result > 0) { errno = ESRCH; return -1; }   // the thread that could not be brought in line
    return (int)result;
}

// Others ----------------------------------------------------------------------------------------------------------

int cl_lock_exclusive(int fd) { return flock(fd, LOCK_EX | LOCK_NB); }
size_t cl_termios_size(void) { return sizeof(struct termios); }

int cl_make_raw(int fd, void *saved_termios, size_t room) {
    struct termios now;
    if (room < sizeof now) { errno = EINVAL; return -1; }
    if (tcgetattr(fd, &now) < 0) return -1;
    memcpy(saved_termios, &now, sizeof now);
    cfmakeraw(&now);
    return tcsetattr(fd, TCSADRAIN, &now);
}

int cl_restore_terminal(int fd, const void *saved_termios, size_t length) {
    struct termios saved;
    if (length < sizeof saved) { errno = EINVAL; return -1; }
    memcpy(&saved, saved_termios, sizeof saved);
    return tcsetattr(fd, TCSADRAIN, &saved);
}
