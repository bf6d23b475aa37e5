/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Phrase: the parts that several sentences of the judge share.
 *
 * A value is told with its unit and with the edge it crossed, a refusal with what asked for the act,
 * a machine under load with the service that loads it. Translators get whole clauses, never single
 * words to be glued together: languages differ in their order.
 */

#include "judge/phrase.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/i18n.h"
#include "base/macro.h"
#include "base/text.h"

/* A slope below a megabyte an hour is the noise of an allocator. */
static const int64_t SLOPE_TOLD_BYTES = 1 << 20;

/* Three deaths alike are a loop; two may be an accident. */
static const unsigned CRASH_LOOP_EXITS = 3;

void phrase_permille(Buf *text, int64_t permille) {
        if (permille < 100 && permille % 10 != 0)
                buf_printf(text, "%" PRId64 ".%" PRId64 " %%", permille / 10, permille % 10);
        else
                buf_printf(text, "%" PRId64 " %%", permille / 10);
}

static bool is_ratio(CheckKind kind) {
        return kind == CHECK_LOGS || kind == CHECK_MEMORY || kind == CHECK_CPU ||
               kind == CHECK_DESCRIPTORS;
}

static void put_number(Buf *text, CheckKind kind, int64_t value) {
        char duration[DURATION_TEXT_SIZE];

        if (is_ratio(kind))
                phrase_permille(text, value);
        else if (kind == CHECK_CONNECTIONS)
                buf_printf(text, "%" PRId64, value);
        else
                buf_put(text, text_render_duration(duration, value > 0 ? (usec_t) value : 0));
}

void phrase_value(Buf *text, CheckKind kind, int64_t value) {
        static const char *const clauses[] = {
                [CHECK_API] = N_("the API answers in %s"),
                [CHECK_LOGS] = N_("%s of the log lines are errors"),
                [CHECK_MEMORY] = N_("memory is at %s of its ceiling"),
                [CHECK_CPU] = N_("it takes %s of the machine's processors"),
                [CHECK_DESCRIPTORS] = N_("descriptors are at %s of their limit"),
                [CHECK_CONNECTIONS] = N_("open connections: %s"),
                [_CHECK_MAX] = NULL,
        };
        char buffer[64];
        Buf number;

        assert(kind < _CHECK_MAX);

        buf_init(&number, buffer, sizeof(buffer));
        put_number(&number, kind, value);

        /* The format is one of the clauses above; there is no name for the others because they have no edges. */
        const char *clause = clauses[kind] ? _(clauses[kind]) : "%s";
        const char *place = strstr(clause, "%s");

        if (place) {
                buf_put_n(text, clause, (size_t) (place - clause));
                buf_put(text, buffer);
                buf_put(text, place + 2);
        }
}

void phrase_host_value(Buf *text, const char *metric, const char *path, int64_t permille) {
        if (path)
                buf_printf(text, _("The disk %s is at "), path);
        else if (strcmp(metric, "memory") == 0)
                buf_put(text, _("Memory of the machine is at "));
        else
                buf_put(text, _("CPU of the machine is at "));

        phrase_permille(text, permille);
}

void phrase_edges(Buf *text, CheckKind kind, const Thresholds *thresholds, Level now) {
        int64_t edge = now == LEVEL_CRITICAL ? thresholds->critical : thresholds->warning;

        buf_printf(text, " (%s", level_to_words(now));

        if (now != LEVEL_NORMAL && edge > 0) {
                buf_put(text, _(", from "));
                put_number(text, kind, edge);
        }

        buf_put(text, ")");
}

void phrase_slope(Buf *text, int64_t bytes_per_hour) {
        char size[SIZE_TEXT_SIZE];

        if (bytes_per_hour >= SLOPE_TOLD_BYTES)
                buf_printf(text, _(", +%s/h"), text_render_size(size, (uint64_t) bytes_per_hour));
}

void phrase_action(Buf *text, const char *name, ActionKind action) {
        if (action == ACTION_RESTART)
                buf_printf(text, _("%s is restarted: "), name);
        else if (action == ACTION_START)
                buf_printf(text, _("%s is started: "), name);
        else
                buf_printf(text, _("%s is stopped: "), name);
}

void phrase_action_refused(Buf *text, const char *name, ActionKind action) {
        if (action == ACTION_RESTART)
                buf_printf(text, _("%s is not restarted now"), name);
        else if (action == ACTION_START)
                buf_printf(text, _("%s is not started now"), name);
        else
                buf_printf(text, _("%s is not stopped now"), name);
}

void phrase_action_failed(Buf *text, const char *name, ActionKind action) {
        if (action == ACTION_RESTART)
                buf_printf(text, _("%s could not be restarted"), name);
        else if (action == ACTION_START)
                buf_printf(text, _("%s could not be started"), name);
        else
                buf_printf(text, _("%s could not be stopped"), name);
}

static void put_failures(Buf *text, const Case *c, CheckKind kind) {
        const CheckReading *reading = &c->facts->checks[kind];
        char words[CAUSE_WORDS_SIZE];

        buf_printf(text, _("check %s failed %u times in a row (%s)"), check_to_words(kind),
                   c->judgement->checks[kind].streak.failures,
                   cause_to_words(words, kind, reading->cause, reading->detail));
}

static void put_memory(Buf *text, const Case *c) {
        char used[SIZE_TEXT_SIZE];
        char ceiling[SIZE_TEXT_SIZE];

        buf_printf(text, _("it uses %s, over its ceiling of %s"),
                   text_render_size(used, (uint64_t) c->facts->memory_bytes),
                   text_render_size(ceiling, c->service->memory_max_bytes));
}

void phrase_wanted(Buf *text, const Case *c, const Intent *wanted) {
        char words[EXIT_WORDS_SIZE];

        switch (wanted->reason) {
        case REASON_CONSECUTIVE_FAILURES:
                put_failures(text, c, wanted->check);
                break;
        case REASON_CRASH:
                if (c->facts->exit_cause == EXIT_CAUSE_NONE)
                        buf_put(text, _("it could not be started"));
                else
                        buf_printf(
                                text, _("it died (%s)"),
                                exit_to_words(words, c->facts->exit_cause, c->facts->exit_value));
                break;
        case REASON_FIRST_START:
                buf_put(text, _("it does not run yet and should"));
                break;
        case REASON_MEMORY_MAX:
                put_memory(text, c);
                break;
        case REASON_OPERATOR:
                buf_put(text, _("a person asked for it"));
                break;
        case REASON_SLOW_RETRY:
                buf_put(text, _("it is held and tried again"));
                break;
        case REASON_NONE:
        case _REASON_MAX:
                break;
        }
}

void phrase_crash_loop(Buf *text, const ServiceJudgement *judgement) {
        char words[EXIT_WORDS_SIZE];

        if (judgement->n_same_exits < CRASH_LOOP_EXITS)
                return;

        buf_printf(text, _(" It died %u times soon after its start, each time: %s."),
                   judgement->n_same_exits,
                   exit_to_words(words, judgement->last_exit_cause, judgement->last_exit_value));
}

void phrase_reason_begin(Buf *reason, const Case *c, const char *code, const Intent *wanted) {
        const char *asked = reason_to_string(wanted->reason);

        buf_printf(reason, "{\"code\":\"%s\"", code);
        if (strcmp(code, asked) != 0)
                buf_printf(reason, ",\"wanted\":\"%s\"", asked);

        if (wanted->reason == REASON_CONSECUTIVE_FAILURES)
                buf_printf(reason, ",\"check\":\"%s\",\"cause\":\"%s\",\"failures\":%u",
                           check_to_string(wanted->check),
                           cause_to_string(c->facts->checks[wanted->check].cause),
                           c->judgement->checks[wanted->check].streak.failures);
        else if (wanted->reason == REASON_CRASH)
                buf_printf(reason, ",\"exit\":\"%s\",\"value\":%d",
                           exit_cause_to_string(c->facts->exit_cause), c->facts->exit_value);
        else if (wanted->reason == REASON_MEMORY_MAX)
                buf_printf(reason, ",\"memory_bytes\":%" PRId64 ",\"memory_max_bytes\":%" PRIu64,
                           c->facts->memory_bytes, c->service->memory_max_bytes);
}

static void put_metric(Buf *reason, const char *name, const Metric *metric) {
        if (metric->is_valid)
                buf_printf(reason, ",\"%s\":%" PRId64, name, metric->value);
}

void phrase_reason_host(Buf *reason, const HostFacts *host) {
        put_metric(reason, "cpu_permille", &host->cpu_permille);
        put_metric(reason, "steal_permille", &host->steal_permille);
        put_metric(reason, "psi_cpu_permille", &host->psi_cpu_permille);
        put_metric(reason, "psi_memory_permille", &host->psi_memory_permille);
        put_metric(reason, "psi_io_permille", &host->psi_io_permille);
}

static int64_t share_of(const Snapshot *snapshot, unsigned i, bool is_memory) {
        const ServiceFacts *facts = &snapshot->services[i];
        const Metric *total = &snapshot->host.memory_total_bytes;

        if (!is_memory)
                return facts->cpu_permille;
        if (facts->memory_bytes <= 0 || !total->is_valid || total->value < 1000)
                return -1;

        return facts->memory_bytes / (total->value / 1000);
}

bool phrase_find_culprit(const Snapshot *snapshot,
                         bool is_memory,
                         int64_t used_permille,
                         unsigned *ret_index,
                         int64_t *ret_permille) {
        for (unsigned i = 0; i < snapshot->n_services; i++) {
                int64_t share = share_of(snapshot, i, is_memory);

                /* Only one can have more than half. */
                if (share > 0 && share * 2 > used_permille) {
                        *ret_index = i;
                        *ret_permille = share;
                        return true;
                }
        }

        return false;
}
