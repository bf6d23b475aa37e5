/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tail: following a file that is rotated under our eyes.
 *
 * Files are rotated in three ways. Renamed: the path leads to another file, and the rest of the old
 * one is still to be read through the descriptor we hold. Emptied: the file is shorter than where we
 * are, and everything in it is new. Shortened at the head, which is how we rotate ourselves: all
 * that we have read has moved down by whole blocks. The last two look alike by size, and the third
 * is not even shorter once it has grown again; so the last bytes read are remembered, and looked for
 * where they can have moved to.
 */

#include "cli/tail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"

enum {
        CHUNK_SIZE = 64 << 10,
        LAST_BYTES_MAX = 4 << 20, /* of a file of gigabytes nobody wants more at once */
        BLOCK_SIZE =
                512, /* heads go in multiples of the file system's block; this divides them all */
};

void tail_init(Tail *tail, const char *path) {
        tail->path = path;
        tail->fd = -1;
        tail->offset = 0;
        tail->n_mark = 0;
        tail->n_line = 0;
        tail->is_line_cut = false;
}

void tail_done(Tail *tail) {
        if (tail->fd >= 0)
                (void) close(tail->fd); /* only read */
        tail->fd = -1;
}

static int open_file(Tail *tail) {
        struct stat about;
        int fd = open(tail->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        if (fstat(fd, &about) < 0 || !S_ISREG(about.st_mode)) {
                (void) close(fd); /* only opened */
                return -EINVAL;
        }

        const char *path = tail->path;
        tail_done(tail);
        tail_init(tail, path);
        tail->fd = fd;
        tail->device = about.st_dev;
        tail->inode = about.st_ino;
        return 0;
}

static void remember(Tail *tail, const char *data, size_t length) {
        size_t taken = MIN(length, (size_t) TAIL_MARK_SIZE);
        size_t kept = MIN(tail->n_mark, TAIL_MARK_SIZE - taken);

        memmove(tail->mark, tail->mark + tail->n_mark - kept, kept);
        memcpy(tail->mark + kept, data + length - taken, taken);
        tail->n_mark = kept + taken;
        tail->offset += length;
}

static void end_line(Tail *tail, TailFunction function, void *userdata) {
        size_t length = tail->n_line;

        if (length > 0 && tail->line[length - 1] == '\r')
                length--;
        tail->line[length] = '\0';
        function(tail, tail->line, length, userdata);
        tail->n_line = 0;
        tail->is_line_cut = false;
}

static void
take(Tail *tail, const char *data, size_t length, TailFunction function, void *userdata) {
        for (const char *p = data, *end = data + length; p < end;) {
                const char *feed = memchr(p, '\n', (size_t) (end - p));
                size_t part = (size_t) ((feed ? feed : end) - p);
                size_t room = TAIL_LINE_SIZE - 1 - tail->n_line;

                if (part > room) {
                        tail->is_line_cut = true;
                        memcpy(tail->line + tail->n_line, p, room);
                        tail->n_line += room;
                } else {
                        memcpy(tail->line + tail->n_line, p, part);
                        tail->n_line += part;
                }

                if (feed)
                        end_line(tail, function, userdata);
                p += part + (feed ? 1 : 0);
        }
}

/* Reads from the offset to the present end. */
static int read_on(Tail *tail, TailFunction function, void *userdata) {
        char chunk[CHUNK_SIZE];

        for (;;) {
                ssize_t n = pread(tail->fd, chunk, sizeof(chunk), (off_t) tail->offset);

                if (n < 0)
                        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
                if (n == 0)
                        return 0;

                remember(tail, chunk, (size_t) n);
                take(tail, chunk, (size_t) n, function, userdata);
        }
}

/* Where the last `lines` lines begin, looking back chunk by chunk. */
static int find_last(const Tail *tail, uint64_t size, size_t lines, uint64_t *ret_offset) {
        uint64_t least = size > LAST_BYTES_MAX ? size - LAST_BYTES_MAX : 0;
        char chunk[CHUNK_SIZE];

        for (uint64_t at = size; at > least;) {
                size_t length = (size_t) MIN(at - least, (uint64_t) CHUNK_SIZE);

                at -= length;
                ssize_t n = pread(tail->fd, chunk, length, (off_t) at);
                if (n < 0)
                        return -errno;

                for (size_t i = (size_t) n; i > 0; i--) {
                        bool is_last_byte = at + i == size;

                        if (chunk[i - 1] != '\n' || is_last_byte)
                                continue;
                        if (--lines == 0) {
                                *ret_offset = at + i;
                                return 0;
                        }
                }
        }

        *ret_offset = least;
        return 0;
}

int tail_read_last(Tail *tail, size_t lines, TailFunction function, void *userdata) {
        struct stat about;

        assert(lines > 0);

        int r = open_file(tail);
        if (r < 0)
                return r;
        if (fstat(tail->fd, &about) < 0)
                return -errno;

        r = find_last(tail, (uint64_t) about.st_size, lines, &tail->offset);
        if (r >= 0)
                r = read_on(tail, function, userdata);
        if (r >= 0 && tail->n_line > 0)
                end_line(tail, function, userdata);

        return r;
}

/* Whether the bytes before `offset` are those that were read last. */
static bool is_marked(const Tail *tail, uint64_t offset) {
        uint8_t there[TAIL_MARK_SIZE];

        return offset >= tail->n_mark &&
               pread(tail->fd, there, tail->n_mark, (off_t) (offset - tail->n_mark)) ==
                       (ssize_t) tail->n_mark &&
               memcmp(there, tail->mark, tail->n_mark) == 0;
}

/* Finds our place again after the file changed otherwise than by growing. */
static void find_place(Tail *tail) {
        if (is_marked(tail, tail->offset))
                return;

        for (uint64_t gone = BLOCK_SIZE; gone <= tail->offset; gone += BLOCK_SIZE)
                if (is_marked(tail, tail->offset - gone)) {
                        tail->offset -= gone;
                        return;
                }

        tail->offset = 0;
        tail->n_mark = 0;
        tail->n_line = 0;
}

static bool is_replaced(const Tail *tail) {
        struct stat about;

        return stat(tail->path, &about) == 0 &&
               (about.st_dev != tail->device || about.st_ino != tail->inode);
}

int tail_read_new(Tail *tail, TailFunction function, void *userdata) {
        if (tail->fd < 0) {
                int r = open_file(tail);

                return r < 0 ? 0 : read_on(tail, function, userdata);
        }

        /* Asked before reading: what comes between the two is read next time, from the new file. */
        bool is_gone = is_replaced(tail);

        find_place(tail);
        int r = read_on(tail, function, userdata);
        if (r < 0 || !is_gone)
                return r;

        if (tail->n_line > 0)
                end_line(tail, function, userdata);
        if (open_file(tail) < 0)
                return 0; /* renamed and not there yet: next time */

        return read_on(tail, function, userdata);
}
