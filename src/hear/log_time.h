/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

/* How a written date says which zone it means. */
typedef enum LogTimeZone {
        LOG_TIME_ZONED, /* Z, an offset, or seconds since 1970 */
        LOG_TIME_NAIVE, /* nothing: local time, as Python's logging writes it */
} LogTimeZone;

/* A date as it stands in a text: `civil_usec` counts from 1970 as if the written clock were UTC; for a zoned date it
 * is the instant. */
typedef struct LogTime {
        LogTimeZone zone;
        int64_t civil_usec;
        size_t length; /* bytes from the start of the text to the end of the date */
} LogTime;

/* Reads the date a log line begins with, optionally in brackets or behind "<N>":
 * "2026-11-23 10:00:00,123", "2026-11-23T10:00:00.5+09:00", "2026/11/23 10:00:00", "20261123T100000Z",
 * "23/Nov/2026:10:00:00 +0900", "Mon, 23 Nov 2026 10:00:00 GMT", "Nov 23 10:00:00" (the year nearest to
 * `realtime_now_usec`), "1795428000", "1795428000.25", "1795428000123".
 * False when there is none. Pure; fuzzed. */
bool log_time_parse(const char *text, size_t length, usec_t realtime_now_usec, LogTime *ret_time);

/* The instant a naive date means in the machine's zone (localtime_r(3)), by a small cache the caller keeps zeroed at
 * first; a zoned date is already one. Clamped to zero before 1970. */
typedef struct ZoneCache {
        int64_t from_s;
        int64_t to_s;
        int64_t offset_s;
} ZoneCache;

usec_t log_time_to_realtime(const LogTime *time, ZoneCache *cache);
