/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "hear/matcher.h"
#include "hear/tail.h"
#include "hear/window.h"
#include "model/check.h"
#include "model/config.h"
#include "model/level.h"

enum {
        /* Severe lines kept per service, and told of per second. */
        SEVERE_LINES_MAX = 50,
        SEVERE_TEXT_SIZE = 512,
        /* In SevereLine.file for a line from the journal. */
        SEVERE_FROM_JOURNAL = LOG_FILES_MAX,
};

/* A line that matched, as kept for a person. */
typedef struct SevereLine {
        uint64_t number;      /* from 1, per service: the caller can tell what it has seen */
        usec_t realtime_usec; /* its own time, else when it came */
        Level level;          /* the worst of its patterns */
        unsigned pattern;     /* index of the first pattern of that level */
        unsigned file;        /* index in LogsConfig.files, or SEVERE_FROM_JOURNAL */
        char text[SEVERE_TEXT_SIZE];
} SevereLine;

/* The logs of one service: what its lines come to. Reads nothing itself. */
typedef struct Logs Logs;

/* Called for each new severe line, at most SEVERE_LINES_MAX times a second (the others are only counted), and not for
 * those that were there before we came. The line is good only inside. */
typedef void (*SevereCallback)(Logs *logs, const SevereLine *line, void *userdata);

/* Compiles the patterns and prepares the files. `config` must live as long. -EINVAL with a sentence in `reterr` for a
 * bad pattern. `on_severe` may be NULL. */
int logs_new(const LogsConfig *config,
             SevereCallback on_severe,
             void *userdata,
             char reterr[static MATCHER_ERROR_SIZE],
             Logs **ret_logs);

Logs *logs_free(Logs *logs);

/* Counts the lines of a block that came from `file`. The instants are those of its arrival. */
void logs_feed(Logs *logs,
               unsigned file,
               const TailBlock *block,
               usec_t realtime_now_usec,
               usec_t boot_now_usec);

/* Counts one line whose time is known, as the journal's is. `is_old` as for TailBlock. */
void logs_feed_dated(Logs *logs,
                     const char *line,
                     size_t length,
                     usec_t realtime_usec,
                     bool is_old,
                     usec_t realtime_now_usec,
                     usec_t boot_now_usec);

/* The file was read to its end: an undated line that comes next has just been written. */
void logs_feed_ended(Logs *logs, unsigned file);

/* The reader of a file, for whoever drives it. */
Tail *logs_tail(Logs *logs, unsigned file);
const LogsConfig *logs_config(const Logs *logs);
void logs_set_journal(Logs *logs, bool is_followed);

/* Counts of the window as of now. */
void logs_read(const Logs *logs, usec_t boot_now_usec, LogCounts *ret_counts);

/* How it is with one file; `ret_error`, a positive errno for TAIL_UNREADABLE, may be NULL. */
TailState logs_file_state(const Logs *logs, unsigned file, int *ret_error);

/* The newest severe lines with a number above `since`, oldest first, at most `max`. Returns how many. The pointers are
 * good until the loop runs again. */
size_t logs_list_severe(const Logs *logs, uint64_t since, const SevereLine **ret_lines, size_t max);

/* Fails for a critical line in the window; value: the error rate. Unknown (sense failed) when not one of the sources can
 * be read. Warning lines alone are outcome ok with CAUSE_LOG_WARNING. Pure. */
void logs_judge(const LogCounts *counts,
                bool is_any_followed,
                usec_t boot_now_usec,
                CheckReading *ret_reading);

/* The reading as of now: logs_read(), the states of the sources, and logs_judge(). */
void logs_check(const Logs *logs, usec_t boot_now_usec, CheckReading *ret_reading);
