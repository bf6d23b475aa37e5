/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>

#include "model/check.h"
#include "model/event.h"
#include "model/limits.h"

typedef enum ActionKind {
        ACTION_NONE,
        ACTION_START,   /* it is down: start it; never stops anything */
        ACTION_RESTART, /* it is up but not well: stop it, then start it */
        ACTION_STOP,    /* over its memory ceiling: stop it, the start is decided later */
        _ACTION_MAX,
} ActionKind;

/* Why an act is wanted. */
typedef enum ReasonCode {
        REASON_NONE,
        REASON_CONSECUTIVE_FAILURES, /* a check failed `failures` times in a row */
        REASON_CRASH,                /* it died; the restart delay is over */
        REASON_FIRST_START,          /* it has never run under our eyes and should */
        REASON_MEMORY_MAX,           /* over its ceiling, and no kernel to enforce it */
        REASON_OPERATOR,             /* a person asked */
        REASON_SLOW_RETRY,           /* held, and the time for one more attempt has come */
        _REASON_MAX,
} ReasonCode;

/* Why a wanted act is not done. */
typedef enum RefusalCode {
        REFUSAL_NONE,
        REFUSAL_COOLDOWN,
        REFUSAL_BUDGET,
        REFUSAL_GRACE,
        REFUSAL_PAUSED,
        REFUSAL_HELD,
        REFUSAL_OPERATOR_STOP,
        REFUSAL_HOST_STARVED,
        REFUSAL_OUTSIDE_UNREACHABLE,
        REFUSAL_DISK_FULL,
        REFUSAL_SYSTEMD_PENDING,
        _REFUSAL_MAX,
} RefusalCode;

/* At most one intent per service and step: rules that fire together make one restart. */
typedef struct Intent {
        ActionKind action; /* ACTION_NONE when nothing is wanted or it was refused */
        ReasonCode reason;
        CheckKind check; /* for consecutive failures */
} Intent;

typedef struct Decision {
        Intent intents[SERVICES_MAX]; /* by service index */
        unsigned n_events;            /* to be numbered, dated, kept and told, in this order */
        Event events[DECISION_EVENTS_MAX];
        unsigned n_events_dropped; /* beyond the array; told as a count */
        usec_t next_usec; /* when the judge wants to be asked again at the latest; USEC_INFINITY: at the next tick */
} Decision;

const char *action_to_string(ActionKind action);
const char *reason_to_string(ReasonCode reason);
const char *refusal_to_string(RefusalCode refusal);

/* "cool-down after the last restart", translated, for a sentence. */
const char *refusal_to_words(RefusalCode refusal);
