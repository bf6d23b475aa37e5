/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/time.h"
#include "model/check.h"
#include "model/limits.h"
#include "model/service_state.h"

/* A number from the machine, with its age. Not valid means: could not be read, which is no verdict. */
typedef struct Metric {
        bool is_valid;
        usec_t at_usec;
        int64_t value;
} Metric;

typedef struct DiskFacts {
        Metric used_permille; /* of what an ordinary user may use, as df(1) counts */
        Metric inodes_permille;
        Metric free_bytes;
} DiskFacts;

typedef struct HostFacts {
        Metric cpu_permille;    /* busy time of all processors together */
        Metric steal_permille;  /* time the hypervisor kept for others */
        Metric memory_permille; /* 1 - MemAvailable / MemTotal */
        Metric memory_total_bytes;
        Metric swap_permille;
        Metric psi_cpu_permille; /* "some", avg10 of /proc/pressure */
        Metric psi_memory_permille;
        Metric psi_io_permille;
        Metric is_clock_synchronised; /* 0 or 1, adjtimex(2) */
        Metric is_outside_reachable; /* 0 or 1, told by the clerk; not valid when nothing is configured */
        DiskFacts disks[DISKS_MAX]; /* in the order of host.disk.paths */
        Metric root_free_bytes;     /* of the file system that holds `root` */
} HostFacts;

/* One service as it stands. Everything but the checks is known by the backend, at once. */
typedef struct ServiceFacts {
        ServiceState state;
        ExitCause exit_cause;
        int exit_value;
        usec_t state_since_usec;
        usec_t started_usec;        /* start of the present main process; zero when there is none */
        pid_t pid;                  /* 0 when there is none */
        uint64_t incarnation;       /* grows with each start that is seen, by whoever */
        bool is_operator_stopped;   /* a person asked for the stop */
        bool is_backend_restarting; /* systemd will restart it by itself: leave it alone */
        bool is_start_limited;      /* systemd's start limit is hit: a start must clear it first */
        bool is_busy;               /* one of our own acts on it is under way */
        bool is_memory_enforced;    /* the kernel holds memory_max */
        int64_t cpu_permille;       /* of the whole machine, for naming the culprit; -1 unknown */
        int64_t memory_bytes;       /* -1 unknown */
        int64_t memory_slope_per_hour;
        int64_t descriptors; /* -1 unknown */
        int64_t descriptors_limit;
        int64_t connections; /* -1 unknown */
        int64_t threads;
        CheckReading checks[_CHECK_MAX];
} ServiceFacts;

/* All the judge sees. Times are on the policy clock (see app/clockwork in ARCHITECTURE.md). */
typedef struct Snapshot {
        HostFacts host;
        unsigned n_services; /* as in the configuration, same order */
        ServiceFacts services[SERVICES_MAX];
} Snapshot;
