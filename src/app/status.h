/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <sys/types.h>

#include "judge/judge.h"
#include "model/config.h"
#include "model/snapshot.h"

/* All that a status is made of, as of `now_usec` on the policy clock. */
typedef struct StatusView {
        const Config *config;
        const Snapshot *snapshot;
        const JudgeState *judge;
        usec_t now_usec;
        usec_t realtime_usec;
        pid_t clerk_pid; /* 0: there is none now */
        usec_t uptime_usec;
        uint64_t own_memory_bytes;
        const char *trouble; /* of the watch itself, "" when there is none */
} StatusView;

/* The document of `status --json` (docs/json.md). The caller frees it. -ENOMEM. */
int status_render_json(const StatusView *view, char **ret_text);

/* One line for systemd's STATUS= and the journal: each service with its state and, if there is one, the reason; cut
 * where it is too long. Returns `buffer`. */
#define STATUS_LINE_SIZE 256
const char *status_render_line(const StatusView *view, char buffer[static STATUS_LINE_SIZE]);

/* The state a person is shown: held stands over failed and stopped. */
ServiceState status_service_state(const ServiceFacts *facts, const ServiceJudgement *judgement);

/* The level of everything together. */
Level status_level(const StatusView *view);
