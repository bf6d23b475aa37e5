/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a small file whole into `buffer` and terminates it. -EFBIG when it does not fit into size - 1 bytes; else the
 * negative errno of open(2) or read(2). */
int file_read(const char *path, char *buffer, size_t size, size_t *ret_length);

/* The same relative to a directory descriptor. */
int file_read_at(int dir_fd, const char *path, char *buffer, size_t size, size_t *ret_length);

/* Re-reads an open kernel file (procfs, sysfs, cgroupfs) from its start with pread(2). */
int file_read_fd(int fd, char *buffer, size_t size, size_t *ret_length);

/* Reads a whole file of at most `max` bytes into fresh memory (free() it), terminated. -EFBIG when it is larger. */
int file_read_alloc(const char *path, size_t max, char **ret_text, size_t *ret_length);

/* Replaces `path` so that a reader, also after a power cut, sees the old or the new content whole: temporary file in
 * the same folder, fsync(2), rename(2), fsync of the folder. */
int file_write_atomic(const char *path, const char *data, size_t length, mode_t mode);

/* Writes everything, going on after EINTR and short writes. */
int file_write_all(int fd, const char *data, size_t length);

/* Makes a folder and its parents (mode 0755, the last one `mode`). Zero also when it is already there. */
int file_make_dirs(const char *path, mode_t mode);
