/* SPDX-License-Identifier: Apache-2.0 */

/*
 * File: small files read whole, and replaced whole.
 *
 * Kernel files are read into memory the caller already has, in one go, because a second read may
 * show a different moment. Our own state is replaced, never edited: the new content is complete on
 * disk under another name before it takes the old one's place (rename(2) is atomic), so that there
 * is no instant at which a kill or a power cut leaves half a file.
 */

#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/text.h"

int file_read_fd(int fd, char *buffer, size_t size, size_t *ret_length) {
        assert(fd >= 0);
        assert(buffer);
        assert(size > 1);

        size_t length = 0;

        for (;;) {
                ssize_t n = pread(fd, buffer + length, size - 1 - length, (off_t) length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;

                length += (size_t) n;
                if (length == size - 1)
                        return -EFBIG;
        }

        buffer[length] = '\0';
        *ret_length = length;
        return 0;
}

int file_read_at(int dir_fd, const char *path, char *buffer, size_t size, size_t *ret_length) {
        assert(path);

        CLEANUP_FD int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;

        return file_read_fd(fd, buffer, size, ret_length);
}

int file_read(const char *path, char *buffer, size_t size, size_t *ret_length) {
        return file_read_at(AT_FDCWD, path, buffer, size, ret_length);
}

int file_read_alloc(const char *path, size_t max, char **ret_text, size_t *ret_length) {
        assert(path);

        CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;

        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (st.st_size > 0 && (uintmax_t) st.st_size > max)
                return -EFBIG;

        /* Pipes and kernel files say zero: give those the whole allowance. One byte more than the size shows the end. */
        size_t size = (st.st_size > 0 ? (size_t) st.st_size : max) + 2;
        CLEANUP_FREE char *text = malloc(size);
        if (!text)
                return -ENOMEM;

        size_t length = 0;
        while (length < size - 1) {
                ssize_t n = read(fd, text + length, size - 1 - length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                length += (size_t) n;
        }
        if (length == size - 1)
                return -EFBIG;

        text[length] = '\0';
        *ret_length = length;
        *ret_text = TAKE_PTR(text);
        return 0;
}

int file_write_all(int fd, const char *data, size_t length) {
        while (length > 0) {
                ssize_t n = write(fd, data, length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;

                data += n;
                length -= (size_t) n;
        }

        return 0;
}

static int sync_folder_of(const char *path) {
        char folder[PATH_MAX];

        if (!text_copy(folder, sizeof(folder), path))
                return -ENAMETOOLONG;

        char *slash = strrchr(folder, '/');
        if (!slash)
                (void) text_copy(folder, sizeof(folder), "."); /* one byte always fits */
        else
                slash[slash == folder] = '\0';

        CLEANUP_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        return fsync(fd) < 0 ? -errno : 0;
}

static int write_and_sync(const char *path, const char *data, size_t length, mode_t mode) {
        /* O_EXCL: in a folder that is shared, another's file must not be written to, and never a pipe waited for. */
        CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;

        int r = file_write_all(fd, data, length);
        if (r < 0)
                return r;

        return fsync(fd) < 0 ? -errno : 0;
}

int file_write_atomic(const char *path, const char *data, size_t length, mode_t mode) {
        assert(path);
        assert(data);

        char temporary[PATH_MAX];
        int n = snprintf(temporary, sizeof(temporary), "%s.new", path);
        if (n < 0 || (size_t) n >= sizeof(temporary))
                return -ENAMETOOLONG;

        /* One that a kill has left behind may have another mode. */
        if (unlink(temporary) < 0 && errno != ENOENT)
                return -errno;

        int r = write_and_sync(temporary, data, length, mode);
        if (r >= 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlink(temporary); /* the first error is the one to tell */
                return r;
        }

        return sync_folder_of(path);
}

int file_make_dirs(const char *path, mode_t mode) {
        assert(path);

        char partial[PATH_MAX];
        if (!text_copy(partial, sizeof(partial), path))
                return -ENAMETOOLONG;

        for (char *p = partial + 1; *p; p++) {
                if (*p != '/')
                        continue;

                *p = '\0';
                if (mkdir(partial, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
        }

        if (mkdir(partial, mode) < 0 && errno != EEXIST)
                return -errno;

        return 0;
}
