/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <sys/statvfs.h>

#include "base/time.h"
#include "model/limits.h"
#include "model/snapshot.h"
#include "sense/kernel.h"

typedef struct DiskPath {
        const char *path;
        bool is_remote;
        char type[32]; /* of its file system; empty when the table of mounts does not tell */
} DiskPath;

typedef struct DiskSense {
        int mounts_fd; /* polled: has the table changed? */
        unsigned n_paths;
        DiskPath paths[DISKS_MAX];
        DiskPath root;
} DiskSense;

/* What statvfs(3) says, as df(1) counts it: used of what an ordinary user may use, rounded up. A
 * file system without blocks or without inodes (btrfs) leaves that metric not valid. Pure. */
void disk_count(const struct statvfs *vfs, usec_t now_usec, DiskFacts *ret);

/* Never fails. The paths are borrowed: the configuration that holds them must outlive the sense. A
 * path on a network file system, or on one that a process serves (FUSE), is never looked at,
 * because statvfs(3) waits there for a server that may be dead, and nothing can interrupt it. This
 * is told from the table of mounts, again whenever that table changes. */
void disk_open(const Kernel *kernel,
               const char *const *paths,
               unsigned n_paths,
               const char *root,
               DiskSense *ret);
void disk_close(DiskSense *disk);

/* Type of the file system for which the path is not looked at ("nfs4"), or NULL when it is. */
const char *disk_refused_type(const DiskSense *disk, unsigned index);

/* Fills `disks` and `root_free_bytes` of facts. */
void disk_read(DiskSense *disk, const Kernel *kernel, usec_t now_usec, HostFacts *facts);
