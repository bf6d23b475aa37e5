/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Disk: how full the file systems are that we were told to watch.
 *
 * Paths, not descriptors, are kept: a descriptor would hold the file system busy and stand in the
 * way of the administrator who wants to unmount it, and would go on seeing the old one after
 * another was mounted over it.
 *
 * The count is that of df(1): blocks kept back for root are neither used nor free, and the ratio is
 * rounded up, so that our number and the one a person sees agree.
 */

#include "sense/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "base/cleanup.h"
#include "sense/mounts.h"
#include "sense/scan.h"

/* used / (used + left) in permille, rounded up. */
static int64_t permille_up(uint64_t used, uint64_t left) {
        /* Counts that large are nonsense; what matters is that they do not wrap. */
        while (used > UINT64_MAX / 2000 || left > UINT64_MAX / 2000) {
                used >>= 1;
                left >>= 1;
        }

        uint64_t all = used + left;
        return (int64_t) ((used * 1000 + all - 1) / all);
}

void disk_count(const struct statvfs *vfs, usec_t now_usec, DiskFacts *ret) {
        assert(vfs);
        assert(ret);

        uint64_t used = vfs->f_blocks > vfs->f_bfree ? vfs->f_blocks - vfs->f_bfree : 0;
        uint64_t used_inodes = vfs->f_files > vfs->f_ffree ? vfs->f_files - vfs->f_ffree : 0;
        uint64_t free_bytes;

        if (__builtin_mul_overflow((uint64_t) vfs->f_bavail, (uint64_t) vfs->f_frsize, &free_bytes))
                free_bytes = UINT64_MAX;

        *ret = (DiskFacts){ 0 };

        if (vfs->f_blocks > 0) {
                ret->free_bytes = (Metric){ true, now_usec, scan_to_i64(free_bytes) };
                if (used > 0 || vfs->f_bavail > 0)
                        ret->used_permille =
                                (Metric){ true, now_usec, permille_up(used, vfs->f_bavail) };
        }

        if (vfs->f_files > 0 && (used_inodes > 0 || vfs->f_favail > 0))
                ret->inodes_permille =
                        (Metric){ true, now_usec, permille_up(used_inodes, vfs->f_favail) };
}

static void look_up(const Kernel *kernel, DiskPath *path) {
        /* A path the table does not know (a fixture, a hidden /proc) is taken as local: better a
         * disk watched than one forgotten. */
        if (mounts_find_path(kernel->proc_fd, path->path, path->type, sizeof(path->type)) < 0)
                path->type[0] = '\0';

        path->is_remote = mounts_is_remote(path->type);
}

static void look_up_all(const Kernel *kernel, DiskSense *disk) {
        for (unsigned i = 0; i < disk->n_paths; i++)
                look_up(kernel, &disk->paths[i]);

        look_up(kernel, &disk->root);
}

void disk_open(const Kernel *kernel,
               const char *const *paths,
               unsigned n_paths,
               const char *root,
               DiskSense *ret) {
        assert(kernel);
        assert(paths || n_paths == 0);
        assert(n_paths <= DISKS_MAX);
        assert(root);
        assert(ret);

        *ret = (DiskSense){
                .mounts_fd = openat(kernel->proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC),
                .n_paths = n_paths,
                .root.path = root,
        };

        for (unsigned i = 0; i < n_paths; i++)
                ret->paths[i].path = paths[i];

        look_up_all(kernel, ret);
}

void disk_close(DiskSense *disk) {
        assert(disk);

        fd_cleanup(&disk->mounts_fd);
        disk->mounts_fd = -1;
}

const char *disk_refused_type(const DiskSense *disk, unsigned index) {
        assert(disk);
        assert(index < disk->n_paths);

        return disk->paths[index].is_remote ? disk->paths[index].type : NULL;
}

/* The kernel reports a changed table as an exceptional condition of the open file (proc(5)). */
static bool has_table_changed(const DiskSense *disk) {
        struct pollfd pollfd = { .fd = disk->mounts_fd, .events = POLLPRI };

        return disk->mounts_fd >= 0 && poll(&pollfd, 1, 0) > 0 &&
               (pollfd.revents & (POLLPRI | POLLERR)) != 0;
}

static void read_path(const DiskPath *path, usec_t now_usec, DiskFacts *ret) {
        struct statvfs vfs;

        if (path->is_remote || statvfs(path->path, &vfs) < 0)
                *ret = (DiskFacts){ 0 };
        else
                disk_count(&vfs, now_usec, ret);
}

void disk_read(DiskSense *disk, const Kernel *kernel, usec_t now_usec, HostFacts *facts) {
        assert(disk);
        assert(kernel);
        assert(facts);

        DiskFacts root;

        if (has_table_changed(disk))
                look_up_all(kernel, disk);

        for (unsigned i = 0; i < disk->n_paths; i++)
                read_path(&disk->paths[i], now_usec, &facts->disks[i]);

        read_path(&disk->root, now_usec, &root);
        facts->root_free_bytes = root.free_bytes;
}
