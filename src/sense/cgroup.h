/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/limits.h"
#include "sense/kernel.h"

/* Facts of cgroup v2 (Linux: Documentation/admin-guide/cgroup-v2.rst). Parsers are pure and answer
 * -EINVAL when the text does not say. */

/* Path within the v2 hierarchy from /proc/PID/cgroup: the line that begins with "0::". A group that
 * has been removed is -ENOENT, a path longer than `size` -ENAMETOOLONG. */
int cgroup_parse_path(const char *text, size_t length, char *ret_path, size_t size);

/* A file with one number; "max" is UINT64_MAX. */
int cgroup_parse_value(const char *text, size_t length, uint64_t *ret);

/* The number behind `key` in a file of "key number" lines (memory.stat, memory.events,
 * cpu.stat). */
int cgroup_parse_keyed(const char *text, size_t length, const char *key, uint64_t *ret);

/* The group a process is in. -ENOENT when there is none or it is gone. */
int cgroup_find(const Kernel *kernel, pid_t pid, char *ret_path, size_t size);

/* The same, but only a group that is the process's own: -ENOENT also for the root of the hierarchy
 * and for the group that we live in, whose sums would be those of everybody. */
int cgroup_find_apart(const Kernel *kernel, pid_t pid, char *ret_path, size_t size);

typedef struct CgroupSense {
        int dir_fd; /* -1: nothing is held */
        int cpu_fd;
        int memory_fd; /* -1: no memory controller in this group */
} CgroupSense;

/* Holds the group at a path such as "/system.slice/bot.service". Does not keep it from being
 * removed: then everything is unknown. -ENOENT also when there is no hierarchy. */
int cgroup_open(const Kernel *kernel, const char *path, CgroupSense *ret);
void cgroup_close(CgroupSense *cgroup);

/* Each -1 when the group does not have it. */
typedef struct CgroupFacts {
        int64_t cpu_usec;     /* processor time used by all that were ever in it */
        int64_t memory_bytes; /* charged, page cache included */
        /* only by the full reading: */
        int64_t inactive_file_bytes; /* page cache that would be given up first */
        int64_t memory_peak_bytes;   /* since Linux 5.19 */
        int64_t memory_max_bytes;    /* INT64_MAX: none */
        int64_t oom_kills;
        int64_t tasks; /* threads of all its processes */
        int64_t is_populated;
} CgroupFacts;

void cgroup_read_light(const CgroupSense *cgroup, CgroupFacts *ret);
void cgroup_read_full(const CgroupSense *cgroup, CgroupFacts *ret);

/* Numbers of processes, into memory the caller owns. */
typedef struct PidList {
        pid_t *pids;
        size_t max;
        size_t n;   /* so many are there */
        size_t all; /* so many there would be */
} PidList;

/* Adds its processes and those of the groups below it. Negative errno when the group itself cannot
 * be read. */
int cgroup_list(const CgroupSense *cgroup, PidList *list);
