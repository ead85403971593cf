#include "cgueststart.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// The Swift runtime reads /proc before main and aborts without it. As PID 1 nobody has mounted it yet.
__attribute__((constructor(101))) static void mount_proc_before_swift_starts(void) {
    if (getpid() == 1) {
        mkdir("/proc", 0555);
        mount("proc", "/proc", "proc", 0, 0);
    }
}

void cgs_present(void) {}
