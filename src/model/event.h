/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/time.h"
#include "model/level.h"
#include "model/limits.h"

typedef enum EventKind {
        EVENT_STARTED,
        EVENT_READY,
        EVENT_SERVICE_DOWN,
        EVENT_SERVICE_UP,
        EVENT_OPERATOR_STOP,
        EVENT_CHECK_FAILED,
        EVENT_CHECK_RECOVERED,
        EVENT_LEVEL_CHANGED,
        EVENT_RESTART_DECIDED,
        EVENT_RESTART_REFUSED,
        EVENT_RESTART_DONE,
        EVENT_RESTART_FAILED,
        EVENT_HELD,
        EVENT_RELEASED,
        EVENT_PAUSED,
        EVENT_RESUMED,
        EVENT_GC_ASKED,
        EVENT_GC_RESULT,
        EVENT_TRIM_RESULT,
        EVENT_LEAK_SUSPECTED,
        EVENT_LEAK_CLEARED,
        EVENT_LOG_ROTATED,
        EVENT_LOGS_PRUNED,
        EVENT_BACKUP_MADE,
        EVENT_EVIDENCE_CAPTURED,
        EVENT_OOM_KILL,
        EVENT_CONFIG_RELOADED,
        EVENT_CONFIG_REJECTED,
        EVENT_CLERK_DIED,
        EVENT_CLERK_RESTARTED,
        EVENT_ALERT_SENT,
        EVENT_ALERT_FAILED,
        EVENT_HISTORY_UNWRITABLE, /* the store cannot be written; watching goes on */
        EVENT_HISTORY_WRITABLE,
        EVENT_REMINDER, /* a person's stop or pause has lasted long */
        _EVENT_KIND_MAX,
} EventKind;

/* One thing that happened. `service` is empty when it is about the machine or ourselves. */
typedef struct Event {
        uint64_t seq;         /* from 1, never reused, across restarts and reboots */
        usec_t realtime_usec; /* for people */
        EventKind kind;
        Level level;
        char service[NAME_SIZE];
        char text[EVENT_TEXT_SIZE]; /* one or two sentences, in the configured language */
        char reason
                [EVENT_REASON_SIZE]; /* a flat JSON object, "code" first; "{}" when there is nothing to say */
} Event;

const char *event_kind_to_string(EventKind kind);

/* The kind of that name, or -EINVAL. */
int event_kind_from_string(const char *name);

/* One line of JSON as documented for `events --json`, without a line feed. */
void event_render_json(const Event *event, Buf *buf);

/* Reads such a line back (also one with fields we do not know). -EINVAL when it is not one. Pure; fuzzed. */
int event_parse_json(const char *line, size_t length, Event *ret_event);

#define TIME_TEXT_SIZE 40

/* "2026-11-23T10:00:00.123456Z". Returns `buffer`. */
const char *time_render_utc(char buffer[static TIME_TEXT_SIZE], usec_t realtime_usec);
