/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "service/fence.h"

/* By what the processes of a service are known. */
typedef struct MembersQuery {
        const Fence *fence;
        const char *lock_path;
        const char *mark;     /* "KEY=value", in the environment of each of them */
        pid_t session;        /* of the main process, while it is certain to exist; else 0 */
        uint64_t since_ticks; /* none of them is older */
} MembersQuery;

typedef struct MembersStat {
        char state; /* 'R', 'S', 'D', 'Z', … */
        pid_t parent;
        pid_t session;
        uint64_t start_ticks;
} MembersStat;

/* Counts the living processes of the service and sends each the signal, 0 for none; each is held by a pidfd and looked at
 * again before. At least one is counted when the lock is held but the holder cannot be seen. */
unsigned members_signal(const MembersQuery *query, int signal_number);

/* Reads /proc/PID/stat as described in proc(5). -EINVAL when it is not one. Pure; fuzzed. */
int members_parse_stat(const char *text, size_t length, MembersStat *ret_stat);

/* -ESRCH or -ENOENT when there is no such process. */
int members_read_stat(pid_t pid, MembersStat *ret_stat);
