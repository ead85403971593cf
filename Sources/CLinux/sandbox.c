#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// A root of its own -----------------------------------------------------------------------------------------------

// Every Linux has it, and nothing the sandbox needs lies in it.
#define STAGING "/tmp"
enum { LONGEST_PATH = 1024 };

static int make_directories(char *path) {
    for (char *slash = strchr(path + sizeof STAGING, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int result = mkdir(path, 0755);
        *slash = '/';
        if (result < 0 && errno != EEXIST) return -1;
    }
    return mkdir(path, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

static int staged(char *out, const char *path) {
    int length = snprintf(out, LONGEST_PATH, STAGING "%s", path);
    if (path[0] == '/' && path[1] && length < LONGEST_PATH) return 0;
    errno = EINVAL;
    return -1;
}

// Mounts beneath come along: those of a parent user namespace cannot be left behind, and must get the flags too.
static int bind(const char *source, const char *target, uint64_t flags) {
    if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0) return -1;
    struct mount_attr attributes = { .attr_set = flags };
    return mount_setattr(AT_FDCWD, target, AT_RECURSIVE, &attributes, sizeof attributes);
}

static int add_host_path(const char *path) {
    char target[LONGEST_PATH], link[LONGEST_PATH];
    struct stat found;
    if (lstat(path, &found) < 0) return errno == ENOENT ? 0 : -1;
    if (staged(target, path) < 0) return -1;
    if (S_ISLNK(found.st_mode)) {
        ssize_t length = readlink(path, link, sizeof link - 1);
        if (length < 0) return -1;
        link[length] = 0;
        return symlink(link, target);
    }
    if (!S_ISDIR(found.st_mode)) { errno = ENOTDIR; return -1; }
    if (make_directories(target) < 0) return -1;
    return bind(path, target, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

int cl_enter_private_root(const struct cl_spawn *request) {
    char target[LONGEST_PATH];
    if (mount("tmpfs", STAGING, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k,nr_inodes=128") < 0) return -1;
    if (staged(target, request->folder_at) < 0 || make_directories(target) < 0) return -1;
    uint64_t flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    if (bind(".", target, flags | (request->folder_read_only ? MOUNT_ATTR_RDONLY : 0)) < 0) return -1;
    for (size_t i = 0; i < request->root_path_count; i++)
        if (add_host_path(request->root_paths[i]) < 0) return -1;
    // The old root comes to lie on the new one and is taken off: no descriptor, no path leads back.
    if (chdir(STAGING) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) return -1;
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) return -1;
    struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
    return mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof read_only);
}

// Landlock --------------------------------------------------------------------------------------------------------

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define DEVICE_RIGHTS (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
#define WRITE_RIGHTS (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE \
    | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK \
    | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM)
// Younger than Debian 12's headers.
#define REFER_RIGHT (1ULL << 13)
#define TRUNCATE_RIGHT (1ULL << 14)
#define DEVICE_CONTROL_RIGHT (1ULL << 15)
#define TCP_RIGHTS 3ULL
#define SCOPES 3ULL
struct ruleset { uint64_t files, network, scopes; };

const uint64_t cl_LANDLOCK_READ = READ_RIGHTS;
const uint64_t cl_LANDLOCK_WRITE = WRITE_RIGHTS | REFER_RIGHT | TRUNCATE_RIGHT;
const uint64_t cl_LANDLOCK_EXECUTE = LANDLOCK_ACCESS_FS_EXECUTE;
// All that a rule for something other than a directory may say.
static const uint64_t file_rights =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | TRUNCATE_RIGHT;

int cl_landlock_version(void) {
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static int add_path_rule(int ruleset, const struct cl_path_rule *rule, uint64_t known) {
    int fd = open(rule->path, O_PATH | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? 0 : -1;
    struct stat found;
    int result = fstat(fd, &found);
    if (result == 0) {
        struct landlock_path_beneath_attr allowed = {
            .allowed_access = rule->rights & known & (S_ISDIR(found.st_mode) ? ~0ULL : file_rights), .parent_fd = fd };
        result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &allowed, 0);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

int cl_landlock_paths(const struct cl_path_rule *rules, size_t count) {
    int version = cl_landlock_version();
    if (version < 1) return -1;
    struct ruleset handled = {
        .files = READ_RIGHTS | WRITE_RIGHTS | DEVICE_RIGHTS | LANDLOCK_ACCESS_FS_EXECUTE | (version >= 2 ? REFER_RIGHT : 0)
            | (version >= 3 ? TRUNCATE_RIGHT : 0) | (version >= 5 ? DEVICE_CONTROL_RIGHT : 0),
        .network = version >= 4 ? TCP_RIGHTS : 0,
        .scopes = version >= 6 ? SCOPES : 0,
    };
    size_t length = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, length, 0);
    if (ruleset < 0) return -1;
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) result = add_path_rule(ruleset, &rules[i], handled.files);
    if (result == 0) result = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (result == 0) result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    int saved = errno;
    close(ruleset);
    errno = saved;
    return result;
}
