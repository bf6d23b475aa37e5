/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>

#include "base/macro.h"

/* The syslog(3) severities we use; journald reads them from the <N> in front of a line (sd-daemon(3)). */
typedef enum LogLevel {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7,
} LogLevel;

/* Where lines go from now on: always standard error; with `has_journal` each line starts with <N>, else with the time
 * of day and `name`. */
void log_open(const char *name, LogLevel most, bool has_journal);

/* One line. Never fails, never blocks on a full pipe for longer than the kernel does, keeps errno. */
void log_line(LogLevel level, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same with ": <what the errno means>" behind it; returns `r`, so that it can stand in a return statement. */
int log_errno(LogLevel level, int r, const char *format, ...) PRINTF_LIKE(3, 4);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
