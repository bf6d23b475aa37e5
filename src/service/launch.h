/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "model/config.h"
#include "service/fence.h"
#include "service/pidfile.h"

typedef struct LaunchPlan {
        const ServiceConfig *config;
        const Fence *fence; /* with fd -1: none */
        const char *lock_path;
        const char *pid_path;
        const char *mark; /* "KEY=value" for the environment */
        const char *boot_id;
        uint64_t incarnation;
} LaunchPlan;

/* How far a new process came. */
typedef enum LaunchStage {
        LAUNCH_TIE, /* to our own life */
        LAUNCH_FENCE,
        LAUNCH_LOCK, /* with EWOULDBLOCK: a copy of the service holds it */
        LAUNCH_PIDFILE,
        LAUNCH_LIMITS,
        LAUNCH_IDENTITY, /* with ENOENT: there is no such user */
        LAUNCH_DIRECTORY,
        LAUNCH_OUTPUT,
        LAUNCH_EXEC,
        _LAUNCH_STAGE_MAX,
} LaunchStage;

/* What a process that failed before execve(2) writes into the report pipe. */
typedef struct LaunchReport {
        LaunchStage stage;
        int error; /* an errno, positive */
} LaunchReport;

typedef struct Launched {
        pid_t pid;
        int pidfd;
        int report_fd; /* reads a LaunchReport, or end of file when the program runs; not blocking */
} Launched;

enum {
        LAUNCH_EXIT_STATUS = 210, /* plus the stage: how such a process exits */
};

/* Forks; the rest is told through the report. The caller owns both descriptors and the zombie. */
int launch(const LaunchPlan *plan, Launched *ret_launched);

/* "cannot run /x/python: No such file or directory", translated. */
void launch_report_to_words(const LaunchReport *report, const LaunchPlan *plan, Buf *buf);
