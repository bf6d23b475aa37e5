/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macro.h"

/* Destructors for the CLEANUP attribute: each takes the address of the variable and accepts "nothing held". */
static inline void fd_cleanup(const int *fd) {
        if (*fd >= 0)
                (void) close(*fd); /* nothing can be done about a failed close on a clean-up path */
}

static inline void free_cleanup(void *pointer) {
        free(*(void **) pointer);
}

static inline void file_cleanup(FILE **file) {
        if (*file)
                (void) fclose(*file); /* as above */
}

static inline void dir_cleanup(DIR **dir) {
        if (*dir)
                (void) closedir(*dir); /* as above */
}

#define CLEANUP_FD CLEANUP(fd_cleanup)
#define CLEANUP_FREE CLEANUP(free_cleanup)
#define CLEANUP_FILE CLEANUP(file_cleanup)
#define CLEANUP_DIR CLEANUP(dir_cleanup)
