/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/limits.h"
#include "sense/scan.h"

/* One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
typedef struct Mount {
        char path[PATH_SIZE]; /* mount point, its octal escapes undone */
        char type[32];        /* file system type, with the subtype of fuse: "fuse.sshfs" */
} Mount;

/* Reads one line. False when it is not one, or when its mount point is longer than we take. */
bool mounts_parse_line(Span line, Mount *ret);

/* Type of the file system that a path lies on, by the names alone: nothing is touched, so a dead
 * server cannot hold us. Symbolic links are not followed. -ENOENT when the table does not tell. */
int mounts_find_path(int proc_fd, const char *path, char *ret_type, size_t size);

/* The first mount point of this type, or -ENOENT. */
int mounts_find_type(int proc_fd, const char *type, char *ret_path, size_t size);

/* Whether a file system of this type may make us wait for somebody else: a network, or a process
 * that plays file system. */
bool mounts_is_remote(const char *type);
