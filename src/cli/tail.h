/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
        TAIL_LINE_SIZE = 16 << 10, /* what is longer is cut */
        TAIL_MARK_SIZE = 256,
};

/* One log file, read from somewhere near its end. */
typedef struct Tail {
        const char *path; /* the caller's */
        int fd;           /* -1 while there is no such file */
        dev_t device;
        ino_t inode;
        uint64_t offset;              /* behind the last byte read */
        uint8_t mark[TAIL_MARK_SIZE]; /* the last bytes before it */
        size_t n_mark;
        size_t n_line; /* of a line that is not whole yet */
        bool is_line_cut;
        char line[TAIL_LINE_SIZE];
} Tail;

/* Given each whole line, without its end. `line` is terminated, and may hold anything else. */
typedef void (*TailFunction)(const Tail *tail, const char *line, size_t length, void *userdata);

/* Makes a reader; the file need not be there yet. */
void tail_init(Tail *tail, const char *path);
void tail_done(Tail *tail);

/* Opens the file and hands over its last `lines` lines, of at most its last 4 MB; what stands there without a line end
 * too. Negative errno of open(2) or read(2). */
int tail_read_last(Tail *tail, size_t lines, TailFunction function, void *userdata);

/* Hands over what came since. Goes on with the new file when the old one was renamed away (after its end), at the
 * beginning when it was emptied, and at the same line when its head was taken off. 0 also while there is no file. */
int tail_read_new(Tail *tail, TailFunction function, void *userdata);
