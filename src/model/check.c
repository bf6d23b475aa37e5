/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Check: names of what is checked, and of why a look failed.
 *
 * The names are a promise to scripts (they stand in JSON, in metrics and in the checkpoint); what
 * people read in their place follows the language, and the sentences are free to improve. Nothing
 * here judges.
 */

#include "model/check.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/i18n.h"
#include "base/macro.h"
#include "base/text.h"

static const struct {
        const char *name;
        const char *words;
        const char *unit;
} checks[] = {
        [CHECK_SERVICE] = { "service", N_("service"), "" },
        [CHECK_PROCESS] = { "process", N_("process"), "s" },
        [CHECK_API] = { "api", N_("api"), "s" },
        [CHECK_LOGS] = { "logs", N_("logs"), "ratio" },
        [CHECK_HEARTBEAT] = { "heartbeat", N_("heartbeat"), "s" },
        [CHECK_AGENT] = { "agent", N_("agent"), "s" },
        [CHECK_MEMORY] = { "memory", N_("memory"), "ratio" },
        [CHECK_CPU] = { "cpu", N_("cpu"), "ratio" },
        [CHECK_DESCRIPTORS] = { "descriptors", N_("descriptors"), "ratio" },
        [CHECK_CONNECTIONS] = { "connections", N_("connections"), "" },
        [CHECK_LEAK] = { "leak", N_("leak"), "s" },
};

static const char *const causes[] = {
        [CAUSE_NONE] = "none",
        [CAUSE_NOT_RUNNING] = "not-running",
        [CAUSE_STOPPED] = "stopped",
        [CAUSE_ZOMBIE] = "zombie",
        [CAUSE_REFUSED] = "refused",
        [CAUSE_TIMEOUT] = "timeout",
        [CAUSE_CONNECTION] = "connection",
        [CAUSE_HTTP_STATUS] = "http-status",
        [CAUSE_BAD_BODY] = "bad-body",
        [CAUSE_STALE_BODY] = "stale-body",
        [CAUSE_BODY_TOO_LARGE] = "body-too-large",
        [CAUSE_HEARTBEAT_OLD] = "heartbeat-old",
        [CAUSE_HEARTBEAT_MISSING] = "heartbeat-missing",
        [CAUSE_LOG_CRITICAL] = "log-critical",
        [CAUSE_LOG_WARNING] = "log-warning",
        [CAUSE_SENSE_FAILED] = "sense-failed",
        [CAUSE_NO_CLERK] = "no-clerk",
        [CAUSE_FORBIDDEN] = "forbidden",
};

static const char *const outcomes[] = {
        [OUTCOME_UNKNOWN] = "unknown",
        [OUTCOME_OK] = "ok",
        [OUTCOME_FAIL] = "fail",
};

static_assert(ELEMENTSOF(checks) == _CHECK_MAX, "a name and unit for each check");
static_assert(ELEMENTSOF(causes) == _CAUSE_MAX, "a code for each cause");
static_assert(ELEMENTSOF(outcomes) == _OUTCOME_MAX, "a word for each outcome");

const char *check_to_string(CheckKind kind) {
        assert(kind < _CHECK_MAX);
        return checks[kind].name;
}

const char *check_to_words(CheckKind kind) {
        assert(kind < _CHECK_MAX);
        return _(checks[kind].words);
}

const char *check_unit(CheckKind kind) {
        assert(kind < _CHECK_MAX);
        return checks[kind].unit;
}

const char *cause_to_string(Cause cause) {
        assert(cause < _CAUSE_MAX);
        return causes[cause];
}

const char *outcome_to_string(Outcome outcome) {
        assert(outcome < _OUTCOME_MAX);
        return outcomes[outcome];
}

int check_from_string(const char *name) {
        for (unsigned i = 0; i < _CHECK_MAX; i++)
                if (strcmp(checks[i].name, name) == 0)
                        return (int) i;

        return -EINVAL;
}

int cause_from_string(const char *name) {
        for (unsigned i = 0; i < _CAUSE_MAX; i++)
                if (strcmp(causes[i], name) == 0)
                        return (int) i;

        return -EINVAL;
}

/* The causes whose sentence has a number in it; NULL for the others. */
static const char *words_with_detail(Buf *buf, Cause cause, int64_t detail) {
        char age[DURATION_TEXT_SIZE];

        (void) text_render_duration(age, detail > 0 ? (usec_t) detail : 0);

        if (cause == CAUSE_HTTP_STATUS)
                buf_printf(buf, _("answered with HTTP status %" PRId64), detail);
        else if (cause == CAUSE_STALE_BODY)
                buf_printf(buf, _("answers, but its data is %s old"), age);
        else if (cause == CAUSE_HEARTBEAT_OLD)
                buf_printf(buf, _("the heartbeat file is %s old"), age);
        else if (cause == CAUSE_LOG_CRITICAL)
                buf_printf(buf, _("critical lines in the log: %" PRId64), detail);
        else if (cause == CAUSE_LOG_WARNING)
                buf_printf(buf, _("warning lines in the log: %" PRId64), detail);
        else
                return NULL;

        return buf->data;
}

const char *
cause_to_words(char buffer[static CAUSE_WORDS_SIZE], CheckKind kind, Cause cause, int64_t detail) {
        static const char *const words[] = {
                [CAUSE_NONE] = N_("nothing is wrong"),
                [CAUSE_NOT_RUNNING] = N_("it is not running"),
                [CAUSE_STOPPED] = N_("its process is frozen by a stop signal"),
                [CAUSE_ZOMBIE] = N_("its process is dead but not collected (zombie)"),
                [CAUSE_REFUSED] = N_("the connection was refused"),
                [CAUSE_TIMEOUT] = N_("no answer in time"),
                [CAUSE_CONNECTION] = N_("the connection failed"),
                [CAUSE_BAD_BODY] = N_("answered, but not with the JSON expected"),
                [CAUSE_BODY_TOO_LARGE] = N_("the answer is too large"),
                [CAUSE_HEARTBEAT_MISSING] = N_("the heartbeat file is missing"),
                [CAUSE_SENSE_FAILED] = N_("it could not be looked at"),
                [CAUSE_NO_CLERK] = N_("the process that looks (clerk) is not there"),
                [CAUSE_FORBIDDEN] = N_("this address is never asked"),
                [_CAUSE_MAX] = NULL,
        };
        Buf buf;

        assert(cause < _CAUSE_MAX);
        assert(kind < _CHECK_MAX);

        buf_init(&buf, buffer, CAUSE_WORDS_SIZE);

        /* The agent speaks over a socket of its own; "connection refused" would send a person to the wrong port. */
        if (kind == CHECK_AGENT && (cause == CAUSE_REFUSED || cause == CAUSE_CONNECTION))
                buf_put(&buf, _("the agent inside the process cannot be reached"));
        else if (kind == CHECK_AGENT && cause == CAUSE_TIMEOUT)
                buf_put(&buf,
                        _("the agent inside the process does not answer: its event loop is blocked"));
        else if (!words_with_detail(&buf, cause, detail))
                buf_put(&buf, words[cause] ? _(words[cause]) : causes[cause]);

        return buffer;
}
