/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Kernel: the doors to the kernel's tables.
 *
 * The other files of this folder re-read the same few files for as long as the machine runs, so
 * what can be kept open is kept open, and a reading is one pread(2). That one call is enough: these
 * files are made whole in kernel memory at each read from their start, and only a list
 * (descriptors, processes, sockets) comes in pieces.
 *
 * A test passes another folder than /proc, with files captured elsewhere.
 */

#include "sense/kernel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "sense/mounts.h"

static int open_cgroup(int proc_fd) {
        Mount mount;
        char path[sizeof(mount.path)];

        if (mounts_find_type(proc_fd, "cgroup2", path, sizeof(path)) < 0)
                return -1;

        return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static uint64_t positive(long value, uint64_t otherwise) {
        return value > 0 ? (uint64_t) value : otherwise;
}

int kernel_open(const char *proc, Kernel *ret) {
        assert(proc);
        assert(ret);

        CLEANUP_FD int proc_fd = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (proc_fd < 0)
                return -errno;

        struct stat st;
        Kernel kernel = {
                .cgroup_fd = open_cgroup(proc_fd),
                .page_bytes = positive(sysconf(_SC_PAGESIZE), 4096),
                .ticks_per_sec = positive(sysconf(_SC_CLK_TCK), 100),
                .n_processors = (unsigned) positive(sysconf(_SC_NPROCESSORS_ONLN), 1),
        };

        if (fstatat(proc_fd, "self/ns/net", &st, 0) == 0)
                kernel.own_net = st.st_ino;
        if (clock_boot_id(kernel.boot_id) < 0)
                kernel.boot_id[0] = '\0';

        kernel.proc_fd = TAKE_FD(proc_fd);
        *ret = kernel;
        return 0;
}

void kernel_close(Kernel *kernel) {
        assert(kernel);

        fd_cleanup(&kernel->proc_fd);
        fd_cleanup(&kernel->cgroup_fd);
        kernel->proc_fd = kernel->cgroup_fd = -1;
}

int kernel_read(int fd, char *buffer, size_t size, size_t *ret_length) {
        assert(fd >= 0);
        assert(buffer);
        assert(size > 1);
        assert(ret_length);

        ssize_t n;
        do
                n = pread(fd, buffer, size - 1, 0);
        while (n < 0 && errno == EINTR);

        if (n < 0)
                return -errno;
        if ((size_t) n == size - 1)
                return -EFBIG;

        buffer[n] = '\0';
        *ret_length = (size_t) n;
        return 0;
}

int kernel_read_at(int dir_fd, const char *name, char *buffer, size_t size, size_t *ret_length) {
        assert(dir_fd >= 0);
        assert(name);

        CLEANUP_FD int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;

        return kernel_read(fd, buffer, size, ret_length);
}

usec_t kernel_ticks_to_usec(const Kernel *kernel, uint64_t ticks) {
        assert(kernel);

        usec_t usec;

        if (__builtin_mul_overflow(ticks, USEC_PER_SEC / kernel->ticks_per_sec, &usec))
                return USEC_INFINITY;

        return usec;
}
