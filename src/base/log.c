/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Log: one line to standard error, in one write.
 *
 * Under systemd the journal reads our standard error and takes the severity from the <N> at the
 * start; at a terminal a person reads it and wants the time instead. One write(2) per line keeps
 * the lines of warden and clerk whole. What people should read is an event, not a log line: this is
 * for the program's own troubles.
 */

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static struct {
        const char *name;
        LogLevel most;
        bool has_journal;
} log_target = { .name = "albraguard", .most = LOG_LEVEL_INFO };

void log_open(const char *name, LogLevel most, bool has_journal) {
        log_target.name = name;
        log_target.most = most;
        log_target.has_journal = has_journal;
}

static void put_head(Buf *buf, LogLevel level) {
        if (log_target.has_journal) {
                buf_printf(buf, "<%d>", (int) level);
                return;
        }

        time_t now = (time_t) (clock_realtime_usec() / USEC_PER_SEC);
        struct tm local;
        char clock[16] = "";

        if (localtime_r(&now, &local))
                (void) strftime(clock, sizeof(clock), "%H:%M:%S",
                                &local); /* an empty head is harmless */
        buf_printf(buf, "%s %s: ", clock, log_target.name);
}

static void put_line(LogLevel level, int error, const char *format, va_list arguments)
        PRINTF_LIKE(3, 0);

static void put_line(LogLevel level, int error, const char *format, va_list arguments) {
        char line[1024];
        Buf buf;

        /* The last byte is kept for the line feed, also when the text was cut. */
        buf_init(&buf, line, sizeof(line) - 1);
        put_head(&buf, level);
        buf_vprintf(&buf, format, arguments);
        if (error != 0)
                buf_printf(&buf, ": %s", strerror(error));
        line[buf.length] = '\n';

        (void) !write(STDERR_FILENO, line, buf.length + 1); /* there is nowhere left to complain */
}

void log_line(LogLevel level, const char *format, ...) {
        int saved = errno;
        va_list arguments;

        if (level > log_target.most)
                return;

        va_start(arguments, format);
        put_line(level, 0, format, arguments);
        va_end(arguments);
        errno = saved;
}

int log_errno(LogLevel level, int r, const char *format, ...) {
        int saved = errno;
        va_list arguments;

        if (level > log_target.most)
                return r;

        va_start(arguments, format);
        put_line(level, r < 0 ? -r : r, format, arguments);
        va_end(arguments);
        errno = saved;
        return r;
}
