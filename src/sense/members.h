/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/time.h"
#include "sense/cgroup.h"
#include "sense/kernel.h"
#include "sense/process.h"
#include "sense/sockets.h"

enum {
        MEMBERS_MAX =
                128, /* processes of a service beside its main one; more are counted, not read */
};

/* One process of a service, by number and start time. */
typedef struct Member {
        pid_t pid;
        bool is_listed; /* by the walk just made: whoever has the number is ours */
        bool is_known;  /* has been read before */
        uint64_t start_ticks;
        uint64_t cpu_ticks;
} Member;

/* A service as processes: the main one held on to, the others known by a walk. */
typedef struct Members {
        ProcessSense process; /* the main one; its pidfd may be waited for */
        CgroupSense cgroup;   /* dir_fd is -1 when there is none of its own */
        bool is_session;      /* without a cgroup: whether session or process group binds them */
        bool is_group;
        Member main;
        size_t n;
        size_t n_all; /* with the main one, also those beyond MEMBERS_MAX */
        Member list[MEMBERS_MAX];

        usec_t cpu_at_usec;  /* up to when processor time has been turned into a share; 0: never */
        usec_t pending_usec; /* processor time used since */
        int64_t cpu_usec;    /* last counter of the cgroup; -1: none yet */
        int64_t cpu_permille;

        /* when proportional shares were read last */
        unsigned n_full_left;      /* full readings until they are read again if nothing changes */
        size_t n_shared;           /* so many others there were */
        uint64_t rss_shared_bytes; /* resident sizes then */
        uint64_t rss_bytes;        /* resident sizes now */

        /* of the last full reading, for the light ones after it */
        int64_t shared_bytes;        /* resident sizes less proportional shares; 0 before it */
        int64_t inactive_file_bytes; /* this and those below: -1 before it */
        int64_t memory_max_bytes;
        int64_t oom_kills;
        int64_t descriptors;
        int64_t descriptors_limit;
} Members;

/* The numbers of a service. -1 where not known. A light reading repeats what only a full one
 * finds. */
typedef struct MembersFacts {
        ProcessPresence presence; /* of the main process */
        usec_t age_usec;          /* of the main process */
        int64_t cpu_permille;     /* of the whole machine; -1 after the first reading */
        int64_t memory_bytes;     /* see members_read_full() */
        int64_t memory_max_bytes; /* what the cgroup enforces; INT64_MAX: nothing */
        int64_t oom_kills;        /* of its cgroup, since it was made */
        int64_t threads;
        int64_t processes;
        int64_t descriptors; /* of the process nearest to its limit */
        int64_t descriptors_limit;
} MembersFacts;

/* Holds the service whose main process this is. `cgroup_path` is its own group (what systemd says,
 * or cgroup_find_apart()); NULL or empty when it has none: then its processes are those of the main
 * one's session if that leads one, else of its process group if it leads that, else itself alone.
 * UNKNOWN or GONE: nothing is held. */
ProcessPresence
members_open(const Kernel *kernel, pid_t pid, const char *cgroup_path, Members *ret);
void members_close(Members *members);

/* Nothing held: what a slot without a running service looks like. */
void members_init(Members *members);
bool members_is_open(const Members *members);

/* Finds out anew which processes belong to each of the services; one pass over all processes of the
 * machine serves all. Those that hold nothing are passed over. For the full check. */
void members_walk(const Kernel *kernel, Members *const *services, size_t n_services);

/* The cheap sample: state, time, memory, threads of the processes known from the last walk. */
ProcessPresence
members_read_light(Members *members, const Kernel *kernel, usec_t now_usec, MembersFacts *ret);

/* The full check. Memory is, in this order: what the kernel charges the cgroup without the page
 * cache it would give up first; the sum of proportional shares (PSS) and swap; the sum of resident
 * sizes, which counts shared pages more than once. Proportional shares are costly and are read only
 * now and then; all readings in between, light or full, take the resident sizes less what was
 * shared then, so that a series of them has no teeth. */
ProcessPresence
members_read_full(Members *members, const Kernel *kernel, usec_t now_usec, MembersFacts *ret);

/* Adds the sockets of all its processes to a round of sockets_begin(), …, sockets_get(). */
void members_add_sockets(const Members *members,
                         const Kernel *kernel,
                         unsigned service,
                         SocketSense *sockets);
