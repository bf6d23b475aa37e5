/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum {
        LOG_BUCKETS = 64, /* in the ring; the window is divided into 60 of them */
};

typedef struct LogBucket {
        uint64_t number; /* of the bucket since the clock began, plus one; 0: never used */
        uint64_t lines;
        uint64_t critical;
        uint64_t warning;
} LogBucket;

/* Counts of the last minutes in a ring of buckets, by the time of the line on the boot clock: a line that is ten minutes
 * old when it arrives is ten minutes old here too, and a later step of the wall clock changes nothing. */
typedef struct LogWindow {
        usec_t window_usec;
        usec_t bucket_usec;
        LogBucket buckets[LOG_BUCKETS];
} LogWindow;

typedef struct LogCounts {
        uint64_t lines;
        uint64_t critical;       /* lines of a critical pattern */
        uint64_t warning;        /* lines of a warning pattern and of no critical one */
        uint32_t error_permille; /* (critical + warning) of lines */
} LogCounts;

void window_init(LogWindow *window, usec_t window_usec);

/* Adds lines that were written at `at_usec`; too old ones are dropped, ones from the future count as of now. */
void window_add(LogWindow *window,
                usec_t at_usec,
                usec_t now_usec,
                uint64_t lines,
                uint64_t critical,
                uint64_t warning);

void window_read(const LogWindow *window, usec_t now_usec, LogCounts *ret_counts);
