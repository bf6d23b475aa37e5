/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "model/limits.h"

/* Which process is the main one, in words that cannot mean another: a number is used again, a number together with the
 * moment of its birth and the boot it happened in is not. */
typedef struct PidFile {
        pid_t pid;
        uint64_t start_ticks; /* field 22 of /proc/PID/stat, proc(5) */
        char boot_id[BOOT_ID_SIZE];
        uint64_t incarnation;
        char fence[PATH_SIZE]; /* its control group below the mount point; empty: none of its own */
} PidFile;

enum {
        PIDFILE_SIZE = PATH_SIZE + 256,
};

/* Reads the text that pidfile_render() makes, byte for byte and nothing else; -EINVAL otherwise. Pure; fuzzed. */
int pidfile_parse(const char *text, size_t length, PidFile *ret_pidfile);

/* Returns the length. */
size_t pidfile_render(const PidFile *pidfile, char ret_text[static PIDFILE_SIZE]);

/* -ENOENT when there is none, -EINVAL when it is not one. */
int pidfile_read(const char *path, PidFile *ret_pidfile);

/* Replaces it by rename(2). Not flushed to disk: after a power cut the boot id makes it worthless anyway. Allocates
 * nothing, for a fresh child. */
int pidfile_write(const char *path, const PidFile *pidfile);
