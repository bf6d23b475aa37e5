/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/time.h"

/* Where the kernel's tables are, and the units it counts in. Opened once, borrowed by every
 * sense. */
typedef struct Kernel {
        int proc_fd;   /* /proc */
        int cgroup_fd; /* root of the cgroup v2 hierarchy; -1: there is none */
        uint64_t page_bytes;
        uint64_t ticks_per_sec;
        uint64_t own_net; /* inode of our own network namespace; 0 unknown */
        unsigned n_processors;
        char boot_id[BOOT_ID_SIZE]; /* empty when it cannot be read */
} Kernel;

/* `proc` is "/proc" except in tests. Negative errno only when it cannot be opened; everything else
 * that is missing leaves its mark above. */
int kernel_open(const char *proc, Kernel *ret);
void kernel_close(Kernel *kernel);

/* Re-reads from its start a file whose whole content the kernel makes in one go (seq_file with a
 * single record: stat, meminfo, pressure, the files of a cgroup). One pread(2), terminated. -EFBIG
 * when it does not fit into size - 1 bytes. */
int kernel_read(int fd, char *buffer, size_t size, size_t *ret_length);

/* The same for a file opened for this one time. */
int kernel_read_at(int dir_fd, const char *name, char *buffer, size_t size, size_t *ret_length);

/* Clock ticks, as the kernel counts processor time for people, in microseconds. */
usec_t kernel_ticks_to_usec(const Kernel *kernel, uint64_t ticks);
