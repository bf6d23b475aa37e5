/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tail: the new lines of a file that others rotate, truncate, shorten and delete.
 *
 * We remember an offset and the last bytes in front of it, the fingerprint. As long as the
 * fingerprint stands where it stood, what follows is new. When it does not, the file was changed
 * under us, and there are two ways that is done to a log:
 *
 *   collapsed   the head was taken out in whole blocks (fallocate(2)), all else moved down by as much:
 *               the fingerprint stands a multiple of the block size further up
 *   truncated   emptied in place, perhaps filled again: it stands nowhere; we begin at the beginning
 *
 * The fingerprint is compared after the data was read, so that a collapse that happens in between is
 * noticed and the data thrown away: no line is missed or doubled.
 *
 *   renamed     the path leads to another file: the one we hold is read to its end, and watched for a
 *               while longer, because its writer may need a signal to let go of it
 *
 * Nothing is carried from call to call: a line without an end is left in the file and read again. A
 * line too long for that is looked at as far as TAIL_LINE_MAX and then passed over.
 */

#include "hear/tail.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "hear/matcher.h"
#include "model/limits.h"

static_assert((size_t) TAIL_LINE_MAX <= (size_t) MATCHER_BLOCK_SIZE, "a line fits into a block");
static_assert(TAIL_BUFFER_SIZE >= 2 * TAIL_LINE_MAX, "a partial line leaves room to go on");

/* Places where the fingerprint is looked for: those of a file of 256 MB with blocks of 4 KB. */
#define CANDIDATES_MAX 65536

/* Fewer bytes than this may stand anywhere by chance. */
#define FINGERPRINT_LEAST 16U

/* Entries of the log folder looked through for a file that was renamed while we were away. */
#define FOLDER_ENTRIES_MAX 4096

/* How often a file may change under us in one look before we leave it for the next. */
#define RESYNCS_MAX 4

/* A deleted file keeps its disk space as long as we hold it. */
#define DELETED_LINGER_USEC (5 * USEC_PER_SEC)

/* What one look at a file needs. */
typedef struct Look {
        char *buffer;
        size_t budget;
        usec_t now_usec;
        TailLines on_lines;
        void *userdata;
        usec_t next_usec;
} Look;

static void file_init(TailFile *file) {
        *file = (TailFile){ .fd = -1 };
}

static void file_done(TailFile *file) {
        fd_cleanup(&file->fd);
        file_init(file);
}

static ssize_t read_at(int fd, char *data, size_t length, uint64_t offset) {
        ssize_t n;

        do
                n = pread(fd, data, length, (off_t) offset);
        while (n < 0 && errno == EINTR);

        return n;
}

/* Remembers that `data` was consumed: the offset moves on, and so does the fingerprint. */
static void position_advance(FollowPosition *position, const char *data, size_t length) {
        size_t kept = MIN((size_t) position->fingerprint_length, sizeof(position->fingerprint));

        position->offset += length;

        if (length >= sizeof(position->fingerprint)) {
                memcpy(position->fingerprint, data + length - sizeof(position->fingerprint),
                       sizeof(position->fingerprint));
                position->fingerprint_length = sizeof(position->fingerprint);
                return;
        }

        size_t dropped = kept + length > sizeof(position->fingerprint)
                                 ? kept + length - sizeof(position->fingerprint)
                                 : 0;
        memmove(position->fingerprint, position->fingerprint + dropped, kept - dropped);
        memcpy(position->fingerprint + kept - dropped, data, length);
        position->fingerprint_length = (uint32_t) (kept - dropped + length);
}

/* Puts the position somewhere else in the file and takes the fingerprint from there. */
static void position_seek(FollowPosition *position, int fd, uint64_t offset) {
        size_t length = (size_t) MIN(offset, (uint64_t) sizeof(position->fingerprint));

        position->offset = offset;
        position->line = TAIL_LINE_WHOLE;
        ssize_t n = read_at(fd, position->fingerprint, length, offset - length);

        /* Without a fingerprint only a file that became shorter is noticed. */
        position->fingerprint_length = n == (ssize_t) length ? (uint32_t) length : 0;
}

/* Whether the fingerprint ends at `offset`; near the beginning of the file, as much of it as there is room for. */
static bool has_fingerprint_at(int fd, const FollowPosition *position, uint64_t offset) {
        char found[TAIL_FINGERPRINT_SIZE];
        size_t length = (size_t) MIN((uint64_t) position->fingerprint_length, offset);
        const char *expected = position->fingerprint + position->fingerprint_length - length;

        return read_at(fd, found, length, offset - length) == (ssize_t) length &&
               memcmp(found, expected, length) == 0;
}

/* Where the fingerprint stands after whole blocks were taken out in front of it. The nearest place counts: another one
 * further up can only be the same text written before. */
static bool
find_collapsed(int fd, const FollowPosition *position, uint64_t size, uint64_t *ret_offset) {
        struct statfs fs;
        uint64_t block = 4096;
        uint64_t offset = position->offset;

        if (position->fingerprint_length < FINGERPRINT_LEAST)
                return false;
        if (fstatfs(fd, &fs) == 0 && fs.f_bsize >= 512)
                block = (uint64_t) fs.f_bsize;

        if (offset > size)
                offset -= (offset - size) / block * block;

        for (int i = 0; i < CANDIDATES_MAX; i++) {
                if (offset <= size && offset != position->offset &&
                    has_fingerprint_at(fd, position, offset)) {
                        *ret_offset = offset;
                        return true;
                }
                if (offset <= block)
                        return false;
                offset -= block;
        }

        return false;
}

/* The file was changed under us: finds out how, and where to go on. */
static void file_resync(Tail *tail, TailFile *file, uint64_t size) {
        uint64_t offset;

        file->partial_usec = 0;

        if (find_collapsed(file->fd, &file->position, size, &offset)) {
                uint64_t removed = file->position.offset - offset;

                /* The fingerprint may reach into what was removed. */
                uint32_t kept =
                        (uint32_t) MIN((uint64_t) file->position.fingerprint_length, offset);
                memmove(file->position.fingerprint,
                        file->position.fingerprint + file->position.fingerprint_length - kept,
                        kept);
                file->position.fingerprint_length = kept;
                file->position.offset = offset;
                file->old_until = file->old_until > removed ? file->old_until - removed : 0;
                tail->n_collapses++;
                return;
        }

        /* A writer that does not append goes on at its old offset after a truncation and leaves a hole. */
        off_t data = lseek(file->fd, 0, SEEK_DATA);

        file->position.offset = data > 0 ? (uint64_t) data : 0;
        file->position.fingerprint_length = 0;
        file->position.line = TAIL_LINE_WHOLE;
        file->old_until = 0;
        tail->n_truncations++;
}

/* Goes back over what was there before, to fill the window again. */
static void file_rewind(TailFile *file, char *buffer) {
        uint64_t until = file->position.offset;
        uint64_t from = until > TAIL_REWIND_MAX ? until - TAIL_REWIND_MAX : 0;

        if (from > 0) {
                /* To the start of a line; when there is none nearby, better not at all. */
                ssize_t n = read_at(file->fd, buffer, TAIL_BUFFER_SIZE, from);
                const char *line_feed = n > 0 ? memchr(buffer, '\n', (size_t) n) : NULL;

                if (!line_feed)
                        return;
                from += (uint64_t) (line_feed - buffer) + 1;
        }

        if (from >= until)
                return;

        position_seek(&file->position, file->fd, from);
        file->old_until = until;
}

/* Opens what the path leads to if it is a regular file. Looks first without opening: opening a pipe or a device for
 * reading may do something to it. Negative errno; -ENXIO when it is something else. */
static int open_regular(int folder_fd, const char *path, struct stat *ret_st) {
        CLEANUP_FD int probe = openat(folder_fd, path, O_PATH | O_CLOEXEC);
        char link[32];

        if (probe < 0)
                return -errno;
        if (fstat(probe, ret_st) < 0)
                return -errno;
        if (!S_ISREG(ret_st->st_mode))
                return -ENXIO;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", probe);
        int fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static void file_take_fd(TailFile *file, int fd, const struct stat *st, usec_t now_usec) {
        file_done(file);
        file->fd = fd;
        file->grown_usec = now_usec;
        file->position.device = st->st_dev;
        file->position.inode = st->st_ino;
}

/* Gives `length` bytes at `data` out and moves on behind them. */
static void
give(TailFile *file, Look *look, const char *data, size_t length, TailLine next, bool is_rest) {
        TailBlock block = {
                .data = data,
                .length = length,
                .is_old = file->position.offset < file->old_until,
                .is_rest = is_rest,
        };

        look->on_lines(&block, look->userdata);
        position_advance(&file->position, data, length);
        file->position.line = next;
}

/* Passes the rest of a line that was given before. Returns the bytes consumed; zero: its end is not here yet. */
static size_t pass_rest(TailFile *file, Look *look, const char *data, size_t length) {
        const char *line_feed = memchr(data, '\n', length);
        size_t rest = line_feed ? (size_t) (line_feed - data) + 1 : length;

        if (file->position.line == TAIL_LINE_EXCESS) {
                position_advance(&file->position, data, rest);
                if (line_feed)
                        file->position.line = TAIL_LINE_WHOLE;
                return rest;
        }

        if (!line_feed && rest < TAIL_LINE_MAX)
                return 0;

        rest = MIN(rest, (size_t) TAIL_LINE_MAX);
        bool is_ended = data[rest - 1] == '\n';
        give(file, look, data, rest, is_ended ? TAIL_LINE_WHOLE : TAIL_LINE_EXCESS,
             /* is_rest= */ true);
        return rest;
}

/* Bytes of the next block: whole lines, old and new ones never together. Zero: no line ends here. */
static size_t block_length(const TailFile *file, const char *data, size_t length) {
        size_t most = MIN(length, (size_t) TAIL_LINE_MAX);
        uint64_t offset = file->position.offset;

        if (offset < file->old_until && file->old_until - offset < most) {
                /* The last old line may go on behind the old end. */
                size_t old = (size_t) (file->old_until - offset);
                const char *line_feed = memrchr(data, '\n', old);

                if (!line_feed)
                        line_feed = memchr(data + old, '\n', most - old);
                return line_feed ? (size_t) (line_feed - data) + 1 : 0;
        }

        const char *line_feed = memrchr(data, '\n', most);
        return line_feed ? (size_t) (line_feed - data) + 1 : 0;
}

/* Gives out all lines of the buffer. Returns how many bytes are left: a line without its end. */
static size_t give_lines(TailFile *file, Look *look, size_t length) {
        size_t at = 0;

        while (at < length) {
                const char *data = look->buffer + at;
                size_t left = length - at;
                size_t consumed;

                if (file->position.line != TAIL_LINE_WHOLE) {
                        consumed = pass_rest(file, look, data, left);
                } else {
                        consumed = block_length(file, data, left);
                        if (consumed > 0)
                                give(file, look, data, consumed, TAIL_LINE_WHOLE,
                                     /* is_rest= */ false);
                        else if (left >= TAIL_LINE_MAX) {
                                consumed = TAIL_LINE_MAX;
                                give(file, look, data, consumed, TAIL_LINE_EXCESS,
                                     /* is_rest= */ false);
                        }
                }

                if (consumed == 0)
                        break;
                at += consumed;
        }

        return length - at;
}

/* The file ends in a line without an end: it is counted when it has waited long enough. */
static void
wait_for_end(TailFile *file, Look *look, const char *data, size_t length, bool is_last) {
        if (length == 0 || file->position.line == TAIL_LINE_REST) {
                file->partial_usec = 0;
                return;
        }

        if (file->partial_usec == 0)
                file->partial_usec = look->now_usec;

        if (is_last || usec_sub(look->now_usec, file->partial_usec) >= TAIL_PARTIAL_WAIT_USEC) {
                give(file, look, data, length, TAIL_LINE_REST, /* is_rest= */ false);
                file->partial_usec = 0;
                return;
        }

        look->next_usec =
                MIN(look->next_usec, usec_add(file->partial_usec, TAIL_PARTIAL_WAIT_USEC));
}

typedef enum ReadResult {
        READ_END,     /* nothing more now */
        READ_MORE,    /* the budget is spent */
        READ_CHANGED, /* the file was changed under us */
        READ_FAILED,  /* errno is set */
} ReadResult;

/* Reads one buffer and gives out its lines. */
static ReadResult file_read_once(TailFile *file, Look *look, bool is_last) {
        struct stat st;

        if (fstat(file->fd, &st) < 0)
                return READ_FAILED;
        if ((uint64_t) st.st_size < file->position.offset)
                return READ_CHANGED;

        ssize_t n = read_at(file->fd, look->buffer, TAIL_BUFFER_SIZE, file->position.offset);
        if (n < 0)
                return READ_FAILED;
        if (n == 0) {
                file->partial_usec = 0;
                return READ_END;
        }

        /* Only now: see the essay. */
        if (!has_fingerprint_at(file->fd, &file->position, file->position.offset))
                return READ_CHANGED;

        size_t length = (size_t) n;
        uint64_t before = file->position.offset;
        size_t left = give_lines(file, look, length);

        if (file->position.offset > before) {
                file->grown_usec = look->now_usec;
                file->partial_usec = 0;
        }
        look->budget -= MIN(look->budget, (size_t) (file->position.offset - before));

        if (n == TAIL_BUFFER_SIZE)
                return READ_MORE;

        wait_for_end(file, look, look->buffer + length - left, left, is_last);
        return READ_END;
}

/* Reads to the end or until the budget is spent: then true. */
static bool file_drain(Tail *tail, TailFile *file, Look *look, bool is_last) {
        int n_resyncs = 0;

        while (look->budget > 0) {
                switch (file_read_once(file, look, is_last)) {
                case READ_END:
                        return false;

                case READ_MORE:
                        break;

                case READ_CHANGED: {
                        struct stat st;

                        if (fstat(file->fd, &st) < 0 || n_resyncs++ >= RESYNCS_MAX) {
                                look->next_usec = look->now_usec;
                                return false;
                        }
                        file_resync(tail, file, (uint64_t) st.st_size);
                        break;
                }

                case READ_FAILED:
                        tail->state = TAIL_UNREADABLE;
                        tail->error = errno;
                        return false;
                }
        }

        return true;
}

/* Opens the file that has the inode, looking through the folder of the path: it was renamed while we were away. */
static int open_by_inode(const char *path, uint64_t inode, struct stat *ret_st) {
        char folder[PATH_SIZE];
        const char *slash = strrchr(path, '/');
        const struct dirent *entry;

        if (snprintf(folder, sizeof(folder), "%.*s", slash ? (int) (slash - path + 1) : 1,
                     slash ? path : ".") >= (int) sizeof(folder))
                return -ENAMETOOLONG;

        CLEANUP_DIR DIR *dir = opendir(folder);
        if (!dir)
                return -errno;

        for (int i = 0; i < FOLDER_ENTRIES_MAX && (entry = readdir(dir)); i++) {
                if (entry->d_ino != inode)
                        continue;

                int fd = open_regular(dirfd(dir), entry->d_name, ret_st);
                if (fd >= 0 && ret_st->st_ino == inode)
                        return fd;
                fd_cleanup(&fd);
        }

        return -ENOENT;
}

/* Sets a file we have just opened to where an earlier life left it. False when it is another file with its number. */
static bool file_take_up(Tail *tail, TailFile *file, Look *look, uint64_t size) {
        uint64_t offset;
        FollowPosition *position = &file->position;
        const FollowPosition *saved = &tail->saved;

        position->offset = saved->offset;
        position->line = saved->line;
        position->fingerprint_length = saved->fingerprint_length;
        memcpy(position->fingerprint, saved->fingerprint, sizeof(position->fingerprint));

        if (saved->offset > size || !has_fingerprint_at(file->fd, position, saved->offset)) {
                if (!find_collapsed(file->fd, position, size, &offset)) {
                        position->offset = 0;
                        position->line = TAIL_LINE_WHOLE;
                        position->fingerprint_length = 0;
                        return false;
                }

                /* The rest of the fingerprint is read from where it stands now. */
                position_seek(position, file->fd, offset);
                position->line = saved->line;
        }

        file_rewind(file, look->buffer);
        return true;
}

/* The first look: finds what an earlier life was reading, or begins near the end of what is there. */
static void begin_file(Tail *tail, Look *look, int fd, const struct stat *st) {
        file_take_fd(&tail->present, fd, st, look->now_usec);

        if (tail->has_saved && tail->saved.inode == st->st_ino) {
                if (!file_take_up(tail, &tail->present, look, (uint64_t) st->st_size))
                        tail->n_truncations++;
                return;
        }

        /* A file that came, or came back, while we were looking is new from its first line; so is one that took the
         * place of the one we were reading. */
        if (tail->has_saved || tail->was_absent || tail->former.fd >= 0)
                return;

        position_seek(&tail->present.position, fd, (uint64_t) st->st_size);
        file_rewind(&tail->present, look->buffer);
}

static void find_former(Tail *tail, Look *look) {
        struct stat st = { 0 };

        int fd = open_by_inode(tail->path, tail->saved.inode, &st);
        if (fd < 0)
                return;

        file_take_fd(&tail->former, fd, &st, look->now_usec);
        if (file_take_up(tail, &tail->former, look, (uint64_t) st.st_size)) {
                tail->n_rotations++;
                tail->has_saved = false;
        } else
                file_done(&tail->former);
}

static void set_state(Tail *tail, int error) {
        tail->error = 0;

        if (error == ENOENT || error == ENOTDIR || error == ENXIO) {
                tail->state = error == ENXIO ? TAIL_UNFIT : TAIL_ABSENT;
                tail->was_absent = true;
        } else {
                tail->state = TAIL_UNREADABLE;
                tail->error = error;
        }
}

/* Lets go of a file that the path no longer leads to, when it has been quiet: one that was renamed may have a writer that
 * has not noticed yet. The one we hold last is only let go when it is deleted, because it may get its name back. */
static void let_go(Tail *tail, TailFile *file, Look *look) {
        struct stat st;
        bool is_deleted = fstat(file->fd, &st) < 0 || st.st_nlink == 0;
        usec_t end_usec =
                usec_add(file->grown_usec, is_deleted ? DELETED_LINGER_USEC : TAIL_LINGER_USEC);

        if (look->now_usec < end_usec || (file == &tail->present && !is_deleted)) {
                /* It is no longer watched by name: look at it often enough. */
                usec_t soon_usec = usec_add(look->now_usec, USEC_PER_SEC);

                look->next_usec = MIN(look->next_usec, soon_usec);
                return;
        }

        (void) file_drain(tail, file, look,
                          /* is_last= */ true); /* it was at its end a moment ago */
        file_done(file);
}

/* Whether the path leads to the file we hold. Sets the state otherwise, and opens what is there: a descriptor, or
 * negative when there is nothing to go over to. */
static int look_at_path(Tail *tail, bool *ret_is_present, struct stat *ret_st) {
        struct stat st;
        const FollowPosition *position = &tail->present.position;

        *ret_is_present = false;

        if (stat(tail->path, &st) < 0) {
                int error = errno;

                set_state(tail, error);
                return -error;
        }

        if (tail->present.fd >= 0 && st.st_dev == position->device &&
            st.st_ino == position->inode) {
                tail->state = TAIL_FOLLOWED;
                tail->error = 0;
                *ret_is_present = true;
                return -EEXIST;
        }

        int fd = open_regular(AT_FDCWD, tail->path, ret_st);
        if (fd < 0) {
                set_state(tail, -fd);
                return fd;
        }

        tail->state = TAIL_FOLLOWED;
        tail->error = 0;
        return fd;
}

/* The path leads elsewhere now. Only one former file is kept. */
static void make_former(Tail *tail, Look *look) {
        if (tail->former.fd >= 0) {
                (void) file_drain(tail, &tail->former, look,
                                  /* is_last= */ true); /* as in let_go() */
                file_done(&tail->former);
        }

        tail->former = tail->present;
        tail->former.grown_usec = look->now_usec;
        file_init(&tail->present);
        tail->n_rotations++;
}

int tail_init(Tail *tail, const char *path) {
        assert(tail);
        assert(path);

        *tail = (Tail){ .path = strdup(path) };
        file_init(&tail->present);
        file_init(&tail->former);
        return tail->path ? 0 : -ENOMEM;
}

void tail_done(Tail *tail) {
        assert(tail);

        file_done(&tail->present);
        file_done(&tail->former);
        free(tail->path);
        tail->path = NULL;
}

void tail_load(Tail *tail, const FollowPosition *position) {
        assert(tail);
        assert(position);

        if (position->inode == 0) {
                tail->was_absent = true;
                return;
        }

        /* It comes from a file: do not believe its lengths. */
        if (position->fingerprint_length > TAIL_FINGERPRINT_SIZE ||
            position->fingerprint_length > position->offset ||
            position->line >= _TAIL_LINE_KIND_MAX)
                return;

        tail->saved = *position;
        tail->has_saved = true;
}

bool tail_save(const Tail *tail, FollowPosition *ret_position) {
        assert(tail);
        assert(ret_position);

        if (tail->has_saved) {
                *ret_position = tail->saved;
                return true;
        }

        const TailFile *file = &tail->present;

        if (tail->former.fd >= 0 && (tail->is_former_behind || tail->present.fd < 0))
                file = &tail->former;
        if (file->fd < 0 && tail->state == TAIL_ABSENT && tail->has_looked) {
                *ret_position = (FollowPosition){ 0 };
                return true;
        }
        if (file->fd < 0 || file->position.offset < file->old_until)
                return false;

        *ret_position = file->position;
        return true;
}

bool tail_read(Tail *tail,
               char *buffer,
               size_t budget_bytes,
               usec_t boot_now_usec,
               TailLines on_lines,
               void *userdata,
               usec_t *ret_next_usec) {
        Look look = {
                .budget = budget_bytes,
                .now_usec = boot_now_usec,
                .on_lines = on_lines,
                .userdata = userdata,
                .next_usec = USEC_INFINITY,
        };
        struct stat st = { 0 };
        bool is_present = false;
        bool has_more = false;

        assert(tail);
        assert(buffer);
        assert(on_lines);
        assert(ret_next_usec);

        look.buffer = buffer;

        /* The path first: what the file we hold got before the path led elsewhere is then read below. */
        CLEANUP_FD int fd = look_at_path(tail, &is_present, &st);

        if (!tail->has_looked && tail->has_saved && (fd < 0 || st.st_ino != tail->saved.inode))
                find_former(tail, &look);

        if (tail->former.fd >= 0)
                has_more = file_drain(tail, &tail->former, &look, /* is_last= */ false);
        tail->is_former_behind = has_more;
        if (tail->present.fd >= 0 && !has_more)
                has_more = file_drain(tail, &tail->present, &look, /* is_last= */ false);

        if (fd >= 0 && !has_more) {
                if (tail->present.fd >= 0)
                        make_former(tail, &look);
                begin_file(tail, &look, TAKE_FD(fd), &st);
                tail->has_saved = false;
                has_more = file_drain(tail, &tail->present, &look, /* is_last= */ false);
        }

        if (tail->former.fd >= 0 && !has_more)
                let_go(tail, &tail->former, &look);
        if (tail->present.fd >= 0 && !is_present && tail->state != TAIL_FOLLOWED && !has_more)
                let_go(tail, &tail->present, &look);

        tail->has_looked = true;
        *ret_next_usec = look.next_usec;
        return has_more;
}
