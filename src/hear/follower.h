/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "base/time.h"
#include "hear/matcher.h"
#include "hear/tail.h"
#include "hear/window.h"
#include "model/check.h"
#include "model/config.h"
#include "model/level.h"

enum {
        SEVERE_LINES_MAX = 50, /* kept per service */
        SEVERE_TEXT_SIZE = 512,
        FOLLOWERS_MAX = SERVICES_MAX,
};

/* A line that matched, as kept for a person. */
typedef struct SevereLine {
        usec_t realtime_usec; /* its own time, else when it came */
        Level level;          /* the worst of its patterns */
        unsigned pattern;     /* index of the first pattern of that level */
        unsigned file;        /* index in LogsConfig.files */
        uint64_t number;      /* from 1, per service: the caller can tell what it has seen */
        char text[SEVERE_TEXT_SIZE];
} SevereLine;

/* All log files of all services, on one inotify descriptor and one buffer. */
typedef struct Follower Follower;

/* The logs of one service. */
typedef struct Logs Logs;

/* Called for each new severe line (not for those counted in an earlier life). The line is good only inside. */
typedef void (*SevereCallback)(Logs *logs, const SevereLine *line, void *userdata);

int follower_new(sd_event *event, Follower **ret_follower);

/* Frees the logs added to it too. */
Follower *follower_free(Follower *follower);

/* Compiles the patterns and prepares the files of one service; reading begins with follower_start(). `config` must live
 * as long. -EINVAL with a sentence in `reterr` for a bad pattern. `on_severe` may be NULL. */
int follower_add(Follower *follower,
                 const LogsConfig *config,
                 SevereCallback on_severe,
                 void *userdata,
                 char reterr[static MATCHER_ERROR_SIZE],
                 Logs **ret_logs);

/* Takes up where an earlier life ended; between follower_add() and follower_start(). */
void follower_load(Logs *logs, unsigned file, const FollowPosition *position);

/* Where the file is read up to now. False when there is nothing to remember or nothing changed since the last call. */
bool follower_save(Logs *logs, unsigned file, FollowPosition *ret_position);

/* Begins to read, from the loop. */
int follower_start(Follower *follower);

/* Counts of the window as of now. */
void logs_read(const Logs *logs, usec_t boot_now_usec, LogCounts *ret_counts);

TailState logs_file_state(const Logs *logs, unsigned file, int *ret_error);

/* The severe lines kept, oldest first: at most `max` with a number above `since`. Returns how many. */
size_t logs_list_severe(const Logs *logs, uint64_t since, const SevereLine **ret_lines, size_t max);

/* Fails for a critical line in the window; value: the error rate. Unknown (sense failed) when not one of the sources can
 * be read. Warning lines alone are outcome ok with CAUSE_LOG_WARNING. Pure. */
void logs_judge(const LogCounts *counts,
                bool is_any_followed,
                usec_t boot_now_usec,
                CheckReading *ret_reading);

/* The reading of this service's logs as of now: logs_read(), the states of its files, and logs_judge(). */
void logs_check(const Logs *logs, usec_t boot_now_usec, CheckReading *ret_reading);
