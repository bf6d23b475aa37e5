/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/time.h"
#include "sense/kernel.h"

/* What is left of a process. That one has ended is an ordinary answer. */
typedef enum ProcessPresence {
        PROCESS_UNKNOWN, /* could not be read */
        PROCESS_ALIVE,
        PROCESS_STOPPED, /* frozen by a signal or a debugger */
        PROCESS_ZOMBIE,  /* ended, its parent has not asked yet */
        PROCESS_GONE,    /* ended, and its number may be another's by now */
        _PROCESS_PRESENCE_MAX,
} ProcessPresence;

/* The fields of /proc/PID/stat we use (proc_pid_stat(5)). */
typedef struct ProcessStat {
        pid_t pid;
        char name[16]; /* chosen by the process; any bytes */
        char state;
        pid_t parent;
        pid_t group;
        pid_t session;
        uint64_t cpu_ticks; /* user and system, of all its threads */
        uint64_t threads;
        uint64_t start_ticks; /* since boot, suspend included */
        uint64_t rss_pages;
} ProcessStat;

/* Pure; -EINVAL when the text is not whole. The name may hold blanks, brackets and anything
 * else. */
int process_parse_stat(const char *text, size_t length, ProcessStat *ret);

/* Memory that is its own, shared pages counted by share, and what of it is swapped out, from
 * /proc/PID/smaps_rollup (Linux: Documentation/ABI/testing/procfs-smaps_rollup). Pure. */
int process_parse_smaps_rollup(const char *text, size_t length, uint64_t *ret_pss_bytes);

/* Soft limit of open descriptors from /proc/PID/limits; INT64_MAX when unlimited. Pure. */
int process_parse_limits(const char *text, size_t length, int64_t *ret_descriptors);

/* Judgement of a stat. Pure. A main thread that has ended while others run is no zombie. */
ProcessPresence process_presence(const ProcessStat *stat);

/* Tells one process from all others, also from one with the same number before or after, also
 * across a boot. To be kept in a checkpoint. */
typedef struct ProcessIdentity {
        pid_t pid;
        uint64_t start_ticks;
        char boot_id[BOOT_ID_SIZE];
} ProcessIdentity;

bool process_identity_is_same(const ProcessIdentity *a, const ProcessIdentity *b);

/* Identity of whoever has this number now. PROCESS_GONE when nobody does. */
ProcessPresence process_identify(const Kernel *kernel, pid_t pid, ProcessIdentity *ret);

/* One process held on to: its number cannot come to mean another one. */
typedef struct ProcessSense {
        int pid_fd; /* readable once it has ended (pidfd_open(2)); -1 before Linux 5.3 */
        int dir_fd; /* /proc/PID; -1: nothing is held */
        int stat_fd;
        bool is_other_net; /* lives in a network namespace of its own */
        ProcessIdentity identity;
} ProcessSense;

/* Holds the process that has this number now; UNKNOWN or GONE: nothing is held. */
ProcessPresence process_open(const Kernel *kernel, pid_t pid, ProcessSense *ret);
void process_close(ProcessSense *process);

/* The cheap look: one read. `ret` is filled unless the answer is UNKNOWN or GONE. */
ProcessPresence process_read_light(const ProcessSense *process, ProcessStat *ret);

/* What takes the kernel more work. Each -1 when it is not to be had. */
typedef struct ProcessDepth {
        int64_t pss_bytes; /* needs the right to trace the process (ptrace(2)) */
        int64_t descriptors;
        int64_t descriptors_limit;
} ProcessDepth;

void process_read_full(const ProcessSense *process, bool is_pss_wanted, ProcessDepth *ret);

/* The same looks at a process that is not held on to: by number, or through its folder opened for
 * the moment. -ESRCH when it is gone; the caller compares `start_ticks`. */
int process_peek_stat(const Kernel *kernel, pid_t pid, ProcessStat *ret);
int process_open_dir(const Kernel *kernel, pid_t pid);
int process_read_stat(int dir_fd, ProcessStat *ret);
void process_read_depth(int dir_fd, bool is_pss_wanted, ProcessDepth *ret);

/* Time since its start; `now_usec` is time since boot. */
usec_t process_age_usec(const Kernel *kernel, const ProcessStat *stat, usec_t now_usec);
