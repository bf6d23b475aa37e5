/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Herald: an event is said aloud the moment it is known.
 *
 * The store and the page hear of it once it is on disk; the journal, the terminal and the plain log
 * file do not wait for that, because the first line after a crash is worth most in its first
 * milliseconds. The log file is written by the writer's thread, in order, and never holds us up.
 */

#include "app/herald.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/text.h"

void herald_open(Herald *herald, const char *root, Writer *writer) {
        char folder[PATH_SIZE - 16];
        const char *no_colour = getenv("NO_COLOR");

        *herald = (Herald){
                .writer = writer,
                .has_journal = getenv("JOURNAL_STREAM") != NULL,
                .has_colour = isatty(STDERR_FILENO) && !(no_colour && no_colour[0] != '\0'),
        };

        int n = snprintf(folder, sizeof(folder), "%s/logs/watchdog", root);
        if (n < 0 || (size_t) n >= sizeof(folder))
                return;

        int r = file_make_dirs(folder, 0755);
        if (r < 0) {
                log_errno(LOG_LEVEL_WARNING, r, _("cannot make %s; its log is not written"),
                          folder);
                return;
        }

        (void) snprintf(herald->path, sizeof(herald->path), "%s/watchdog.log", folder);
}

static LogLevel severity(Level level) {
        return level == LEVEL_CRITICAL  ? LOG_LEVEL_ERROR
               : level == LEVEL_WARNING ? LOG_LEVEL_WARNING
                                        : LOG_LEVEL_INFO;
}

static const char *colour(Level level) {
        return level == LEVEL_CRITICAL  ? "\033[1;31m"
               : level == LEVEL_WARNING ? "\033[33m"
                                        : "\033[32m";
}

static void put_time(Buf *buf, usec_t realtime_usec, bool has_date) {
        time_t seconds = (time_t) (realtime_usec / USEC_PER_SEC);
        struct tm local;
        char text[32] = "";

        /* An empty date is harmless. */
        if (localtime_r(&seconds, &local))
                (void) (has_date ? strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local)
                                 : strftime(text, sizeof(text), "%H:%M:%S", &local));
        buf_put(buf, text);
}

/* One write per line, so that the lines of warden, clerk and bot stay whole. */
static void tell_terminal(const Herald *herald, const Event *event) {
        char line[EVENT_TEXT_SIZE + 64];
        Buf buf;

        buf_init(&buf, line, sizeof(line) - 1);
        put_time(&buf, event->realtime_usec, /* has_date= */ false);
        buf_printf(&buf, " %s●%s %s", herald->has_colour ? colour(event->level) : "",
                   herald->has_colour ? "\033[0m" : "", event->text);
        line[buf.length] = '\n';
        (void) !write(STDERR_FILENO, line, buf.length + 1); /* nobody is looking then */
}

static void tell_file(Herald *herald, const Event *event) {
        char line[EVENT_TEXT_SIZE + NAME_SIZE + 128];
        Buf buf;

        buf_init(&buf, line, sizeof(line) - 1);
        put_time(&buf, event->realtime_usec, /* has_date= */ true);
        buf_printf(&buf, ",%03u %s %s: %s",
                   (unsigned) (event->realtime_usec % USEC_PER_SEC / USEC_PER_MSEC),
                   level_to_string(event->level), event_kind_to_string(event->kind), event->text);
        line[buf.length] = '\n';

        /* A full queue means a disk that does not answer: the event itself is kept elsewhere. */
        (void) writer_put(herald->writer, WRITE_APPEND, herald->path, 0644, line, buf.length + 1,
                          0);
}

void herald_tell(Herald *herald, const Event *event) {
        if (herald->has_journal)
                log_line(severity(event->level), "%s", event->text);
        else
                tell_terminal(herald, event);

        if (herald->path[0] != '\0')
                tell_file(herald, event);
}
