/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A folder being listed into memory the caller owns. */
typedef struct Dirents {
        int fd; /* borrowed */
        long length;
        long position;
        _Alignas(uint64_t) char buffer[8192];
} Dirents;

/* One name of it; lives until the next call. */
typedef struct Dirent {
        const char *name;
        unsigned char type; /* DT_… of readdir(3) */
        int64_t next;       /* lseek(2) the folder to here to go on behind this one */
} Dirent;

/* Starts at wherever the descriptor stands, which is the first name of a folder just opened. */
void dirents_init(Dirents *dirents, int dir_fd);

/* 1 and a name, 0 at the end, or the negative errno of getdents(2). "." and ".." are given too. */
int dirents_next(Dirents *dirents, Dirent *ret);

/* Whether the name is a number without frills, as processes and descriptors are named in procfs. */
bool dirents_parse_number(const char *name, uint64_t *ret);
