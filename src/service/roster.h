/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <sys/types.h>

#include "sense/process.h"
#include "service/fence.h"

/* By what the processes of a service are known. */
typedef struct RosterQuery {
        const Fence *fence;
        const char *lock_path;
        const char *mark; /* "KEY=value", in the environment of each of them */
        pid_t session;    /* of the main process, while it is certain to exist; else 0 */
} RosterQuery;

/* Counts the living processes of the service and sends each the signal, 0 for none; each is held by a pidfd and looked at
 * again before. At least one is counted when the lock is held but the holder cannot be seen. */
unsigned roster_signal(const RosterQuery *query, int signal_number);

/* -ESRCH or -ENOENT when there is no such process. */
int roster_read_stat(pid_t pid, ProcessStat *ret_stat);
