/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gather: one look at everything, into the snapshot.
 *
 * The senses know how to read; here is what is read when. A light look is a handful of kernel files
 * that stay open; a full one also walks the processes, counts descriptors and sockets and asks the
 * disks. What cannot be read leaves its reading unknown, which is no verdict about the service.
 *
 * The age of a heartbeat file is judged like that of an answer: once its date has been seen to
 * change, only the boot clock counts, so that a stepping wall clock makes nobody late.
 */

#include "app/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "sense/clocksync.h"
#include "sense/disk.h"
#include "sense/host.h"
#include "sense/kernel.h"
#include "sense/members.h"
#include "sense/pressure.h"
#include "sense/sockets.h"

/* A slope over less says more about noise than about the service, one over more forgets the present. */
#define SLOPE_LEAST_USEC (10 * USEC_PER_MINUTE)
#define SLOPE_MOST_USEC USEC_PER_HOUR

typedef struct Gathering {
        Members members;
        usec_t beat_usec;    /* date of the heartbeat file as last seen; 0: never */
        usec_t changed_usec; /* policy time at which it was that */
        int64_t slope_bytes; /* memory at the start of the slope; -1: none yet */
        usec_t slope_usec;
} Gathering;

struct Gather {
        const Config *config;
        Kernel kernel;
        HostSense host;
        PressureSense pressure;
        DiskSense disk;
        SocketSense *sockets;
        Gathering *services;
};

int gather_new(const Config *config, Gather **ret_gather) {
        Gather *gather = calloc(1, sizeof(*gather));
        if (!gather)
                return -ENOMEM;

        gather->config = config;
        gather->sockets = calloc(1, sizeof(*gather->sockets));
        gather->services = calloc(MAX(config->n_services, 1U), sizeof(*gather->services));
        int r = gather->sockets && gather->services ? kernel_open("/proc", &gather->kernel)
                                                    : -ENOMEM;
        if (r < 0) {
                free(gather->sockets);
                free(gather->services);
                free(gather);
                return r;
        }

        host_open(&gather->host);
        pressure_open(&gather->kernel, &gather->pressure);
        disk_open(&gather->kernel, config->host.disk_paths, config->host.n_disk_paths, config->root,
                  &gather->disk);
        sockets_open(gather->sockets);
        for (unsigned i = 0; i < config->n_services; i++) {
                members_init(&gather->services[i].members);
                gather->services[i].slope_bytes = -1;
        }

        *ret_gather = gather;
        return 0;
}

Gather *gather_free(Gather *gather) {
        if (!gather)
                return NULL;

        for (unsigned i = 0; i < gather->config->n_services; i++)
                members_close(&gather->services[i].members);
        sockets_close(gather->sockets);
        disk_close(&gather->disk);
        pressure_close(&gather->pressure);
        host_close(&gather->host);
        kernel_close(&gather->kernel);
        free(gather->sockets);
        free(gather->services);
        free(gather);
        return NULL;
}

void gather_forget(Gather *gather, Snapshot *snapshot, unsigned service) {
        static const CheckKind ours[] = {
                CHECK_PROCESS, CHECK_MEMORY, CHECK_CPU, CHECK_DESCRIPTORS, CHECK_CONNECTIONS,
        };
        ServiceFacts *facts = &snapshot->services[service];

        members_close(&gather->services[service].members);
        members_init(&gather->services[service].members);
        gather->services[service].slope_bytes = -1;

        facts->cpu_permille = -1;
        facts->memory_bytes = -1;
        facts->memory_slope_per_hour = 0;
        facts->descriptors = -1;
        facts->descriptors_limit = -1;
        facts->connections = -1;
        facts->threads = -1;
        for (size_t i = 0; i < ELEMENTSOF(ours); i++) {
                bool is_configured = facts->checks[ours[i]].is_configured;

                facts->checks[ours[i]] = (CheckReading){ .is_configured = is_configured };
        }
}

static void put_reading(ServiceFacts *facts,
                        CheckKind kind,
                        Outcome outcome,
                        Cause cause,
                        int64_t value,
                        usec_t now_usec) {
        CheckReading *reading = &facts->checks[kind];

        reading->outcome = outcome;
        reading->cause = cause;
        reading->value = value;
        reading->detail = 0;
        reading->at_usec = now_usec;
}

static void
put_value(ServiceFacts *facts, CheckKind kind, bool is_known, int64_t value, usec_t now_usec) {
        put_reading(facts, kind, is_known ? OUTCOME_OK : OUTCOME_UNKNOWN,
                    is_known ? CAUSE_NONE : CAUSE_SENSE_FAILED, value, now_usec);
}

static void judge_presence(ServiceFacts *facts,
                           const MembersFacts *measured,
                           ProcessPresence presence,
                           usec_t now_usec) {
        switch (presence) {
        case PROCESS_ALIVE:
                put_reading(facts, CHECK_PROCESS, OUTCOME_OK, CAUSE_NONE,
                            (int64_t) measured->age_usec, now_usec);
                break;
        case PROCESS_STOPPED:
                put_reading(facts, CHECK_PROCESS, OUTCOME_FAIL, CAUSE_STOPPED,
                            (int64_t) measured->age_usec, now_usec);
                break;
        case PROCESS_ZOMBIE:
                put_reading(facts, CHECK_PROCESS, OUTCOME_FAIL, CAUSE_ZOMBIE, 0, now_usec);
                break;
        case PROCESS_UNKNOWN:
        case PROCESS_GONE: /* its pidfd tells, and better */
        case _PROCESS_PRESENCE_MAX:
                put_reading(facts, CHECK_PROCESS, OUTCOME_UNKNOWN, CAUSE_SENSE_FAILED, 0, now_usec);
                break;
        }
}

static void follow_slope(Gathering *gathering, ServiceFacts *facts, usec_t now_usec) {
        if (facts->memory_bytes < 0)
                return;

        if (gathering->slope_bytes < 0) {
                gathering->slope_bytes = facts->memory_bytes;
                gathering->slope_usec = now_usec;
                return;
        }

        usec_t span_usec = now_usec - gathering->slope_usec;
        if (span_usec < SLOPE_LEAST_USEC)
                return;

        facts->memory_slope_per_hour = (facts->memory_bytes - gathering->slope_bytes) *
                                       (int64_t) (USEC_PER_HOUR / USEC_PER_SEC) /
                                       (int64_t) (span_usec / USEC_PER_SEC);
        if (span_usec >= SLOPE_MOST_USEC)
                gathering->slope_bytes = -1;
}

static void put_measured(const Gather *gather,
                         unsigned index,
                         ServiceFacts *facts,
                         const MembersFacts *measured,
                         usec_t now_usec) {
        uint64_t ceiling = gather->config->services[index].memory_max_bytes;

        facts->cpu_permille = measured->cpu_permille;
        facts->memory_bytes = measured->memory_bytes;
        facts->descriptors = measured->descriptors;
        facts->descriptors_limit = measured->descriptors_limit;
        facts->threads = measured->threads;

        put_value(facts, CHECK_MEMORY, measured->memory_bytes >= 0 && ceiling > 0,
                  ceiling > 0 ? scan_permille((uint64_t) MAX(measured->memory_bytes, 0), ceiling)
                              : 0,
                  now_usec);
        put_value(facts, CHECK_CPU, measured->cpu_permille >= 0, measured->cpu_permille, now_usec);
}

static void look_at_descriptors(ServiceFacts *facts, const SocketFacts *sockets, usec_t now_usec) {
        bool is_known = facts->descriptors >= 0 && facts->descriptors_limit > 0;

        put_value(facts, CHECK_DESCRIPTORS, is_known,
                  is_known ? scan_permille((uint64_t) facts->descriptors,
                                           (uint64_t) facts->descriptors_limit)
                           : 0,
                  now_usec);

        facts->connections = sockets->connections;
        put_value(facts, CHECK_CONNECTIONS, sockets->connections >= 0, sockets->connections,
                  now_usec);
}

static void look_at_heartbeat(Gathering *gathering,
                              const HeartbeatConfig *config,
                              ServiceFacts *facts,
                              usec_t now_usec) {
        struct stat st;

        if (stat(config->file, &st) < 0) {
                bool is_missing = errno == ENOENT;

                /* A service that has never written one may not know of it: only one that is gone is a failure. */
                put_reading(facts, CHECK_HEARTBEAT,
                            is_missing && gathering->beat_usec > 0 ? OUTCOME_FAIL : OUTCOME_UNKNOWN,
                            is_missing ? CAUSE_HEARTBEAT_MISSING : CAUSE_SENSE_FAILED, 0, now_usec);
                return;
        }

        usec_t beat_usec = (usec_t) MAX(st.st_mtim.tv_sec, 0) * USEC_PER_SEC +
                           (usec_t) st.st_mtim.tv_nsec / 1000;
        if (gathering->beat_usec == 0)
                gathering->changed_usec =
                        usec_sub(now_usec, usec_sub(clock_realtime_usec(), beat_usec));
        else if (beat_usec != gathering->beat_usec)
                gathering->changed_usec = now_usec;
        gathering->beat_usec = beat_usec;

        usec_t age_usec = usec_sub(now_usec, gathering->changed_usec);
        bool is_old = age_usec > config->max_age_usec;

        put_reading(facts, CHECK_HEARTBEAT, is_old ? OUTCOME_FAIL : OUTCOME_OK,
                    is_old ? CAUSE_HEARTBEAT_OLD : CAUSE_NONE, (int64_t) age_usec, now_usec);
        facts->checks[CHECK_HEARTBEAT].detail = (int64_t) age_usec;
}

static void look_at_service(ServiceFacts *facts, usec_t now_usec) {
        bool is_up = facts->state == SERVICE_RUNNING;
        bool is_dead = facts->state == SERVICE_FAILED;

        put_reading(facts, CHECK_SERVICE,
                    is_up     ? OUTCOME_OK
                    : is_dead ? OUTCOME_FAIL
                              : OUTCOME_UNKNOWN,
                    is_dead ? CAUSE_NOT_RUNNING : CAUSE_NONE, 0, now_usec);
}

/* Holds on to the main processes that are new. */
static void open_members(Gather *gather, const Snapshot *snapshot) {
        for (unsigned i = 0; i < gather->config->n_services; i++) {
                Members *members = &gather->services[i].members;
                char path[PATH_SIZE];
                pid_t pid = snapshot->services[i].pid;

                if (pid <= 0 || members_is_open(members))
                        continue;

                bool has_group = cgroup_find_apart(&gather->kernel, pid, path, sizeof(path)) >= 0;
                (void) members_open(&gather->kernel, pid, has_group ? path : NULL, members);
        }
}

static void walk_members(Gather *gather) {
        Members *walked[SERVICES_MAX];

        for (unsigned i = 0; i < gather->config->n_services; i++)
                walked[i] = &gather->services[i].members;
        members_walk(&gather->kernel, walked, gather->config->n_services);
}

static void count_sockets(Gather *gather) {
        sockets_begin(gather->sockets);
        for (unsigned i = 0; i < gather->config->n_services; i++)
                if (members_is_open(&gather->services[i].members))
                        members_add_sockets(&gather->services[i].members, &gather->kernel, i,
                                            gather->sockets);
        sockets_match(gather->sockets, &gather->kernel);
}

void gather_read(
        Gather *gather, Snapshot *snapshot, usec_t now_usec, usec_t boottime_usec, bool is_full) {
        host_read(&gather->host, &gather->kernel, now_usec, &snapshot->host);
        pressure_read(&gather->pressure, now_usec, &snapshot->host);

        open_members(gather, snapshot);
        if (is_full) {
                disk_read(&gather->disk, &gather->kernel, now_usec, &snapshot->host);
                clocksync_read(now_usec, &snapshot->host);
                walk_members(gather);
                count_sockets(gather);
        }

        for (unsigned i = 0; i < gather->config->n_services; i++) {
                Gathering *gathering = &gather->services[i];
                ServiceFacts *facts = &snapshot->services[i];
                MembersFacts measured;
                SocketFacts sockets;

                if (is_full) {
                        look_at_service(facts, now_usec);
                        if (facts->checks[CHECK_HEARTBEAT].is_configured && facts->pid > 0)
                                look_at_heartbeat(gathering, &gather->config->services[i].heartbeat,
                                                  facts, now_usec);
                }
                if (!members_is_open(&gathering->members))
                        continue;

                ProcessPresence presence =
                        is_full ? members_read_full(&gathering->members, &gather->kernel,
                                                    boottime_usec, &measured)
                                : members_read_light(&gathering->members, &gather->kernel,
                                                     boottime_usec, &measured);

                put_measured(gather, i, facts, &measured, now_usec);
                follow_slope(gathering, facts, now_usec);
                if (!is_full)
                        continue;
                judge_presence(facts, &measured, presence, now_usec);
                sockets_get(gather->sockets, i, &sockets);
                look_at_descriptors(facts, &sockets, now_usec);
        }
}

uint64_t gather_own_memory_bytes(const Gather *gather) {
        ProcessDepth depth = { .pss_bytes = -1 };
        int dir_fd = process_open_dir(&gather->kernel, getpid());

        if (dir_fd >= 0) {
                process_read_depth(dir_fd, /* is_pss_wanted= */ true, &depth);
                (void) close(dir_fd); /* only read */
        }
        return depth.pss_bytes > 0 ? (uint64_t) depth.pss_bytes : 0;
}

uint64_t gather_total_memory_bytes(void) {
        long pages = sysconf(_SC_PHYS_PAGES);
        long page_bytes = sysconf(_SC_PAGESIZE);

        return pages > 0 && page_bytes > 0 ? (uint64_t) pages * (uint64_t) page_bytes : 0;
}
