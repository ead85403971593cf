// Parts of cl_spawn that build a child's sandbox. They run between fork and exec: async-signal-safe calls only.
#ifndef CLINUX_SANDBOX_H
#define CLINUX_SANDBOX_H

#include "clinux.h"

// The working directory is the folder to be bound; afterwards it is the new root.
int cl_enter_private_root(const struct cl_spawn *request);

#endif
