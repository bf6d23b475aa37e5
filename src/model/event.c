/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Event: one line of JSON each, written and read back.
 *
 * The same line is what `events --json` prints, what the spool keeps until the store has it, and what
 * a program may read years later; so the names are a promise. The reason is kept as the text it is:
 * whoever made it knows its fields, everyone else hands it on. It is looked at once, on the way in
 * and out, because a torn reason would spoil the whole line.
 *
 * Reading is strict about what we know and patient about what we do not: a newer program's extra
 * fields are skipped, a known one that is missing, twice there or misshapen refuses the line.
 */

#include "model/event.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/macro.h"
#include "base/text.h"
#include "model/json_scan.h"
#include "model/time_text.h"

static const char *const kinds[] = {
        [EVENT_STARTED] = "started",
        [EVENT_READY] = "ready",
        [EVENT_SERVICE_DOWN] = "service-down",
        [EVENT_SERVICE_UP] = "service-up",
        [EVENT_OPERATOR_STOP] = "operator-stop",
        [EVENT_CHECK_FAILED] = "check-failed",
        [EVENT_CHECK_RECOVERED] = "check-recovered",
        [EVENT_LEVEL_CHANGED] = "level-changed",
        [EVENT_RESTART_DECIDED] = "restart-decided",
        [EVENT_RESTART_REFUSED] = "restart-refused",
        [EVENT_RESTART_DONE] = "restart-done",
        [EVENT_RESTART_FAILED] = "restart-failed",
        [EVENT_HELD] = "held",
        [EVENT_RELEASED] = "released",
        [EVENT_PAUSED] = "paused",
        [EVENT_RESUMED] = "resumed",
        [EVENT_GC_ASKED] = "gc-asked",
        [EVENT_GC_RESULT] = "gc-result",
        [EVENT_TRIM_RESULT] = "trim-result",
        [EVENT_LEAK_SUSPECTED] = "leak-suspected",
        [EVENT_LEAK_CLEARED] = "leak-cleared",
        [EVENT_LOG_ROTATED] = "log-rotated",
        [EVENT_LOGS_PRUNED] = "logs-pruned",
        [EVENT_BACKUP_MADE] = "backup-made",
        [EVENT_EVIDENCE_CAPTURED] = "evidence-captured",
        [EVENT_OOM_KILL] = "oom-kill",
        [EVENT_CONFIG_RELOADED] = "config-reloaded",
        [EVENT_CONFIG_REJECTED] = "config-rejected",
        [EVENT_CLERK_DIED] = "clerk-died",
        [EVENT_CLERK_RESTARTED] = "clerk-restarted",
        [EVENT_ALERT_SENT] = "alert-sent",
        [EVENT_ALERT_FAILED] = "alert-failed",
        [EVENT_HISTORY_UNWRITABLE] = "history-unwritable",
        [EVENT_HISTORY_WRITABLE] = "history-writable",
        [EVENT_REMINDER] = "reminder",
};

static_assert(ELEMENTSOF(kinds) == _EVENT_KIND_MAX, "a name for each kind of event");

const char *event_kind_to_string(EventKind kind) {
        assert(kind < _EVENT_KIND_MAX);
        return kinds[kind];
}

int event_kind_from_string(const char *name) {
        for (unsigned i = 0; i < _EVENT_KIND_MAX; i++)
                if (strcmp(kinds[i], name) == 0)
                        return (int) i;

        return -EINVAL;
}

/* Line feeds between its parts would be good JSON and two lines. */
static bool is_whole_object(const char *text) {
        JsonScan scan = { .at = text, .end = text + strlen(text) };

        return *text == '{' && !strpbrk(text, "\n\r") && json_scan_value(&scan) &&
               json_scan_is_done(&scan);
}

void event_render_json(const Event *event, Buf *buf) {
        char time[TIME_TEXT_SIZE];

        assert(event);
        assert(buf);

        buf_printf(buf, "{\"seq\": %" PRIu64 ", \"time\": \"%s\", \"service\": ", event->seq,
                   time_render_utc(time, event->realtime_usec));
        buf_put_json(buf, event->service);
        buf_printf(buf, ", \"kind\": \"%s\", \"level\": \"%s\", \"text\": ",
                   event_kind_to_string(event->kind), level_to_string(event->level));
        buf_put_json(buf, event->text);
        buf_put(buf, ", \"reason\": ");
        buf_put(buf, is_whole_object(event->reason) ? event->reason : "{}");
        buf_put(buf, "}");
}

static bool take_seq(JsonScan *scan, Event *event) {
        json_scan_blanks(scan);

        /* The number is taken as JSON first, so that "042" and "4.2" are refused and not read in part. */
        const char *p = scan->at;
        if (!json_scan_value(scan))
                return false;

        return text_scan_u64(&p, scan->at, &event->seq) && p == scan->at && event->seq > 0;
}

/* A text of a fixed size: what does not fit refuses the line, unless it may be cut. */
static bool take_text(JsonScan *scan, char *target, size_t size, bool may_cut) {
        Buf buf;

        buf_init(&buf, target, size);
        return json_scan_text(scan, &buf) && (may_cut || !buf.is_truncated);
}

static bool take_time(JsonScan *scan, Event *event) {
        char text[TIME_TEXT_SIZE];

        return take_text(scan, text, sizeof(text), /* may_cut= */ false) &&
               time_parse_utc(text, &event->realtime_usec) >= 0;
}

static bool take_service(JsonScan *scan, Event *event) {
        return take_text(scan, event->service, sizeof(event->service), /* may_cut= */ false);
}

static bool take_kind(JsonScan *scan, Event *event) {
        char name[NAME_SIZE];

        int kind = take_text(scan, name, sizeof(name), /* may_cut= */ false)
                           ? event_kind_from_string(name)
                           : -EINVAL;
        if (kind < 0)
                return false;

        event->kind = (EventKind) kind;
        return true;
}

static bool take_level(JsonScan *scan, Event *event) {
        char name[NAME_SIZE];

        int level = take_text(scan, name, sizeof(name), /* may_cut= */ false)
                            ? level_from_string(name)
                            : -EINVAL;
        if (level < 0)
                return false;

        event->level = (Level) level;
        return true;
}

static bool take_words(JsonScan *scan, Event *event) {
        /* Bytes that were no UTF-8 have grown on the way out, so that our own text may come back too long. */
        return take_text(scan, event->text, sizeof(event->text), /* may_cut= */ true);
}

static bool take_reason(JsonScan *scan, Event *event) {
        json_scan_blanks(scan);

        const char *start = scan->at;
        if (start == scan->end || *start != '{' || !json_scan_value(scan))
                return false;

        size_t length = (size_t) (scan->at - start);
        if (length >= sizeof(event->reason))
                return false;

        memcpy(event->reason, start, length);
        event->reason[length] = '\0';
        return true;
}

static const struct {
        const char *name;
        bool (*take)(JsonScan *scan, Event *event);
} fields[] = {
        { "seq", take_seq },       { "time", take_time },   { "service", take_service },
        { "kind", take_kind },     { "level", take_level }, { "text", take_words },
        { "reason", take_reason },
};

/* Takes the value of the field of that name; a field that we do not know is skipped. */
static bool take_field(JsonScan *scan, const char *name, unsigned *seen, Event *event) {
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (strcmp(fields[i].name, name) == 0) {
                        if ((*seen >> i & 1U) != 0)
                                return false;
                        *seen |= 1U << i;
                        return fields[i].take(scan, event);
                }

        return json_scan_value(scan);
}

int event_parse_json(const char *line, size_t length, Event *ret_event) {
        JsonScan scan = { .at = line, .end = line + length };
        Event event = { 0 };
        unsigned seen = 0;

        assert(line);
        assert(ret_event);

        if (!json_scan_mark(&scan, '{'))
                return -EINVAL;

        do {
                char name[NAME_SIZE];
                Buf buf = BUF_OVER(name);

                name[0] = '\0';
                if (!json_scan_text(&scan, &buf) || !json_scan_mark(&scan, ':') ||
                    !take_field(&scan, name, &seen, &event))
                        return -EINVAL;
        } while (json_scan_mark(&scan, ','));

        if (!json_scan_mark(&scan, '}') || !json_scan_is_done(&scan))
                return -EINVAL;
        if (seen != (1U << ELEMENTSOF(fields)) - 1)
                return -EINVAL;

        *ret_event = event;
        return 0;
}
