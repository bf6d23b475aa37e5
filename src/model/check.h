/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

/* What is checked of a service. The order is the order in which a person reads them. */
typedef enum CheckKind {
        CHECK_SERVICE, /* the unit or command is running; no value */
        CHECK_PROCESS, /* its main process exists and is neither stopped nor a zombie; value: age in usec */
        CHECK_API,  /* the HTTP answer; value: latency in usec */
        CHECK_LOGS, /* severe lines in the window; value: error rate in permille of all lines */
        CHECK_HEARTBEAT, /* the heartbeat file; value: its age in usec */
        CHECK_AGENT,     /* the agent inside the process; value: loop lag in usec */
        CHECK_MEMORY, /* value: permille of the service's ceiling (memory_max, else of the machine) */
        CHECK_CPU,    /* value: permille of the whole machine */
        CHECK_DESCRIPTORS, /* value: permille of its limit */
        CHECK_CONNECTIONS, /* value: open sockets */
        CHECK_LEAK,        /* value: usec until the limit is met */
        _CHECK_MAX,
} CheckKind;

/* What one look at it gave. Unknown says that we could not look, which says nothing about the service. */
typedef enum Outcome {
        OUTCOME_UNKNOWN,
        OUTCOME_OK,
        OUTCOME_FAIL,
        _OUTCOME_MAX,
} Outcome;

/* Why a look failed or could not be had. */
typedef enum Cause {
        CAUSE_NONE,
        CAUSE_NOT_RUNNING, /* service, process */
        CAUSE_STOPPED,     /* process in state T: frozen by a signal */
        CAUSE_ZOMBIE,      /* process in state Z */
        CAUSE_REFUSED,     /* connection refused */
        CAUSE_TIMEOUT,     /* no whole answer in time */
        CAUSE_CONNECTION,  /* any other trouble of the connection */
        CAUSE_HTTP_STATUS, /* answered, but not 2xx; detail: the status */
        CAUSE_BAD_BODY,    /* answered, but not with the JSON asked for */
        CAUSE_STALE_BODY, /* answered, but the freshness field does not move; detail: its age in usec */
        CAUSE_BODY_TOO_LARGE,
        CAUSE_HEARTBEAT_OLD, /* heartbeat file older than allowed; detail: its age in usec */
        CAUSE_HEARTBEAT_MISSING,
        CAUSE_LOG_CRITICAL, /* lines of a pattern of level critical; detail: how many in the window */
        CAUSE_LOG_WARNING,
        CAUSE_SENSE_FAILED, /* our own reading failed: outcome unknown */
        CAUSE_NO_CLERK,     /* the clerk that looks for us is not there: outcome unknown */
        CAUSE_FORBIDDEN, /* an address we refuse to ask, such as the metadata service: outcome unknown */
        _CAUSE_MAX,
} Cause;

/* One look at one check. */
typedef struct CheckReading {
        bool is_configured;
        Outcome outcome;
        Cause cause;
        usec_t at_usec; /* when the look ended; zero before the first */
        int64_t value;  /* in the unit of its kind */
        int64_t detail; /* see Cause */
} CheckReading;

const char *check_to_string(CheckKind kind); /* the name in JSON, configuration and metrics */
const char *check_to_words(CheckKind kind);  /* what a person calls it */
const char *
check_unit(CheckKind kind); /* unit of `value` in JSON after scaling: "s", "ratio", "" */
const char *cause_to_string(Cause cause); /* stable code for JSON */
const char *outcome_to_string(Outcome outcome);

/* The kind or cause of that name, or -EINVAL. */
int check_from_string(const char *name);
int cause_from_string(const char *name);

/* What the cause means, for a person, translated; `detail` is put in. Returns `buffer`. */
#define CAUSE_WORDS_SIZE 128
const char *
cause_to_words(char buffer[static CAUSE_WORDS_SIZE], CheckKind kind, Cause cause, int64_t detail);
