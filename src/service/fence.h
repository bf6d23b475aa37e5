/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/limits.h"

/* The control group (cgroup v2) of one service of ours: what is born inside cannot leave. */
typedef struct Fence {
        int fd; /* its folder, -1: there is none */
        int events_fd; /* memory.events, its own or that of the nearest group above that has one; -1: none */
        bool has_own_events;  /* those events are of this service alone */
        bool has_process_max; /* the kernel holds processes_max */
        bool has_memory_max;  /* the kernel holds memory_max, without a way out into swap */
        char path[PATH_SIZE]; /* below the mount point; empty: none */
} Fence;

/* No fence. */
#define FENCE_NONE ((Fence){ .fd = -1, .events_fd = -1 })

/* Where the fence of that service belongs: below our own control group. `run_dir` tells several watchdogs apart. Negative
 * errno when there is no cgroup v2 to be in. */
int fence_place(const char *run_dir, const char *name, char ret_path[static PATH_SIZE]);

/* Opens the one at `path`, made before. */
int fence_open(const char *path, Fence *ret_fence);

/* Makes and opens it. Controllers are switched on where the kernel lets us, and done without where not. */
int fence_make(const char *path, Fence *ret_fence);

void fence_close(Fence *fence);

/* Removes and closes it; one that is not empty yet stays. */
void fence_remove(Fence *fence);

/* Sets what can be set and says in the fence what the kernel holds now. Zero: no limit. */
void fence_limit(Fence *fence, uint64_t memory_max_bytes, uint64_t processes_max);

/* Moves the calling process in. Async-signal-safe. */
int fence_join(const Fence *fence);

/* SIGKILL to all inside, also to those being born (cgroup.kill, Linux 5.14). */
int fence_kill(const Fence *fence);

/* Whether a living process is in it or in a group below it. */
bool fence_is_populated(const Fence *fence);

/* Kills for lack of memory so far; also makes poll(2) on events_fd wait for the next change. Negative errno when there is
 * nothing to read, or no longer: then poll(2) waits for nothing any more. */
int fence_read_oom_kills(const Fence *fence, uint64_t *ret_kills);
