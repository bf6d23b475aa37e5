/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

enum {
        TAIL_FINGERPRINT_SIZE = 256,
        /* The one buffer all files share. */
        TAIL_BUFFER_SIZE = 256 << 10,
        /* Of a longer line only this much is looked at; the rest is passed over. */
        TAIL_LINE_MAX = 64 << 10,
        /* How far back a file is read when it is first seen. */
        TAIL_REWIND_MAX = 1 << 20,
};

/* A line whose end does not come is counted after this long. */
#define TAIL_PARTIAL_WAIT_USEC (5 * USEC_PER_SEC)

/* A file that was renamed away is let go when it has been quiet for this long: writers reopen on a signal. */
#define TAIL_LINGER_USEC (30 * USEC_PER_SEC)

/* What is known of the line at an offset. */
typedef enum TailLine {
        TAIL_LINE_WHOLE, /* it begins there */
        TAIL_LINE_REST, /* its beginning took too long to end and was counted: look at the rest, count no more */
        TAIL_LINE_EXCESS, /* it is longer than TAIL_LINE_MAX: pass over the rest */
        _TAIL_LINE_KIND_MAX,
} TailLine;

/* Where we are in a file, in a form that survives a restart: bytes only, no pointers. Zeroes: there was no
 * file. */
typedef struct FollowPosition {
        uint64_t device;
        uint64_t inode;
        uint64_t offset; /* all before it has been counted */
        uint32_t line;   /* TailLine */
        uint32_t fingerprint_length;
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
        uint64_t old_until;  /* lines that begin before this offset were there before we came */
        usec_t grown_usec;   /* boot time when it last had something new */
        usec_t partial_usec; /* boot time since when its last line has had no end; 0: it has */
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
        bool has_looked;
        bool was_absent; /* seen without a file: the next one is new from its first line */
        bool is_former_behind;
        uint64_t n_rotations; /* renamed away and begun anew */
        uint64_t n_truncations;
        uint64_t n_collapses; /* the head was removed in place */
} Tail;

/* Whole lines in order, at most MATCHER_BLOCK_SIZE bytes of them. `is_old`: they were in the file before we came, or
 * were counted in an earlier life, and are here only to fill the window. `is_rest`: the end of a line whose beginning
 * was given before: no new line. */
typedef struct TailBlock {
        const char *data;
        size_t length;
        bool is_old;
        bool is_rest;
} TailBlock;

typedef void (*TailLines)(const TailBlock *block, void *userdata);

/* Copies the path. -ENOMEM. */
int tail_init(Tail *tail, const char *path);
void tail_done(Tail *tail);

/* Takes up where an earlier life ended; before the first tail_read(). */
void tail_load(Tail *tail, const FollowPosition *position);

/* Where we are now. False when there is nothing to remember. */
bool tail_save(const Tail *tail, FollowPosition *ret_position);

/* Looks at the file and gives its new lines, up to about `budget_bytes`. `buffer` is scratch of TAIL_BUFFER_SIZE bytes.
 * True when more is waiting; what is wrong with the file is in tail->state. `*ret_next_usec` says when to look again if
 * nothing else happens (boot clock), USEC_INFINITY: no need. */
bool tail_read(Tail *tail,
               char *buffer,
               size_t budget_bytes,
               usec_t boot_now_usec,
               TailLines on_lines,
               void *userdata,
               usec_t *ret_next_usec);
