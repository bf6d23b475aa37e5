/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

enum {
        TAIL_FINGERPRINT_SIZE = 256,
        TAIL_BUFFER_SIZE = 256 << 10, /* the one buffer all files share */
        TAIL_LINE_MAX =
                64
                << 10, /* of a longer line only this much is looked at; the rest is passed over */
        TAIL_REWIND_MAX = 1 << 20, /* how far back a file is read when it is first seen */
};

/* Where we are in a file, in a form that survives a restart: bytes only, no pointers. Zeroes: nowhere yet. */
typedef struct FollowPosition {
        uint64_t device;
        uint64_t inode;
        uint64_t
                offset; /* all before it has been counted; the start of a line unless is_inside_line */
        uint32_t fingerprint_length;
        uint32_t
                is_inside_line; /* the line at the offset has been counted already: pass over its rest */
        char fingerprint[TAIL_FINGERPRINT_SIZE]; /* the bytes in front of the offset */
} FollowPosition;

typedef enum TailState {
        TAIL_ABSENT, /* no such file yet, or no longer */
        TAIL_FOLLOWED,
        TAIL_UNREADABLE, /* see Tail.error */
        TAIL_UNFIT,      /* not a regular file: a pipe, device or folder is not read */
        _TAIL_STATE_MAX,
} TailState;

/* One open file of the path: the present one, or the one that was renamed away and may still be written. */
typedef struct TailFile {
        int fd; /* -1: none */
        FollowPosition position;
        uint64_t
                old_until; /* lines that begin before this offset were counted in an earlier life */
        usec_t grown_boot_usec;    /* when it last had something new */
        usec_t partial_since_usec; /* since when its last line has had no end; 0: it has */
        uint64_t partial_size;     /* how much of it there was then */
} TailFile;

/* One path, followed by name across renames, truncation, range collapse, deletion and creation. It looks at the files
 * themselves each time; who calls when is the follower's matter. */
typedef struct Tail {
        char *path;
        TailState state;
        int error; /* errno of TAIL_UNREADABLE, positive */
        TailFile present;
        TailFile former;      /* drained first; let go when it has been quiet for a while */
        FollowPosition saved; /* from an earlier life, until the file is found */
        bool has_saved;
        uint64_t n_rotations; /* renamed away and begun anew */
        uint64_t n_truncations;
        uint64_t n_collapses; /* the head was removed in place */
} Tail;

/* Lines of a file, whole and in order, at most MATCHER_BLOCK_SIZE bytes of them. `is_old`: they were counted in an
 * earlier life and are only here to fill the window again. `is_rest`: the end of a line whose beginning was given before
 * (it took too long to end, or is very long): no new line. */
typedef struct TailBlock {
        const char *data;
        size_t length;
        bool is_old;
        bool is_rest;
} TailBlock;

typedef void (*TailLines)(const TailBlock *block, void *userdata);

int tail_init(Tail *tail, const char *path);
void tail_done(Tail *tail);

/* Takes up where an earlier life ended; before the first tail_read(). */
void tail_load(Tail *tail, const FollowPosition *position);

/* Where we are now. False when there is nothing to remember. */
bool tail_save(const Tail *tail, FollowPosition *ret_position);

/* Looks at the file and gives its new lines, up to about `budget_bytes`. `buffer` is scratch of TAIL_BUFFER_SIZE bytes.
 * Positive when more is waiting, zero when all was read, negative only for -ENOMEM; what is wrong with the file is in
 * tail->state. `*ret_next_usec` says when to look again if nothing else happens (boot clock), USEC_INFINITY: no need. */
int tail_read(Tail *tail,
              char *buffer,
              size_t budget_bytes,
              usec_t boot_now_usec,
              TailLines on_lines,
              void *userdata,
              usec_t *ret_next_usec);
