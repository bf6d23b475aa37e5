/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Status: what the watch knows now, as one document.
 *
 * There is one such document, and everyone is given the same: the tool prints it, the page shows
 * it, scripts read it. Its fields are a promise (docs/json.md); fields may be added, none changes
 * its meaning. A number that is not known is null, never zero.
 */

#include "app/status.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "app/json_text.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/macro.h"
#include "base/text.h"
#include "model/decision.h"
#include "model/event.h"

/* As many as a double keeps of any decimal: 12.5 stays 12.5, and an age of a month keeps its seconds. */
#define STATUS_DIGITS 15

/* A part that could not be had takes the whole with it: a document says everything or is none. Takes both. */
static json_t *append(json_t *whole, json_t *part) {
        if (json_array_append_new(whole, part) >= 0)
                return whole;

        json_decref(whole);
        return NULL;
}

static json_t *number_or_null(bool is_known, double value) {
        return is_known ? json_real(value) : json_null();
}

static json_t *count_or_null(bool is_known, int64_t value) {
        return is_known ? json_integer(value) : json_null();
}

static json_t *seconds(usec_t usec) {
        return json_integer((json_int_t) (usec / USEC_PER_SEC));
}

/* Permille to per cent with one decimal, exactly as written: 12.5 and not 12.499999. */
static json_t *percent(const Metric *metric) {
        return number_or_null(metric->is_valid, (double) metric->value / 10);
}

/* Where we could not look, what stood there before says nothing about now. */
static const char *level_of(const Metric *metric, const LevelState *state) {
        return level_to_string(metric->is_valid ? state->level : LEVEL_UNKNOWN);
}

static double scaled(CheckKind kind, int64_t value) {
        const char *unit = check_unit(kind);

        if (strcmp(unit, "s") == 0)
                return (double) value / (double) USEC_PER_SEC;
        if (strcmp(unit, "ratio") == 0)
                return (double) value / 1000;

        return (double) value;
}

static json_t *host_render(const StatusView *view) {
        const HostFacts *host = &view->snapshot->host;
        json_t *disks = json_array();

        for (unsigned i = 0; i < view->config->host.n_disk_paths; i++)
                disks = append(
                        disks,
                        json_pack("{s:s, s:o, s:o, s:o, s:s}", "path",
                                  view->config->host.disk_paths[i], "percent",
                                  percent(&host->disks[i].used_permille), "inodes_percent",
                                  percent(&host->disks[i].inodes_permille), "free_bytes",
                                  count_or_null(host->disks[i].free_bytes.is_valid,
                                                host->disks[i].free_bytes.value),
                                  "level",
                                  level_of(&host->disks[i].used_permille, &view->judge->disks[i])));

        return json_pack(
                "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:s}", "cpu_percent",
                percent(&host->cpu_permille), "steal_percent", percent(&host->steal_permille),
                "memory_percent", percent(&host->memory_permille), "memory_total_bytes",
                count_or_null(host->memory_total_bytes.is_valid, host->memory_total_bytes.value),
                "swap_percent", percent(&host->swap_permille), "pressure_cpu_percent",
                percent(&host->psi_cpu_permille), "pressure_memory_percent",
                percent(&host->psi_memory_permille), "pressure_io_percent",
                percent(&host->psi_io_permille), "clock_synchronised",
                host->is_clock_synchronised.is_valid
                        ? json_boolean(host->is_clock_synchronised.value != 0)
                        : json_null(),
                "disk", disks, "cpu_level", level_of(&host->cpu_permille, &view->judge->cpu),
                "memory_level", level_of(&host->memory_permille, &view->judge->memory), "level",
                level_to_string(view->judge->host_level));
}

static json_t *check_render(const StatusView *view, unsigned service, CheckKind kind) {
        const CheckReading *reading = &view->snapshot->services[service].checks[kind];
        Level level = judge_peek_check(view->judge, view->config, view->snapshot, service, kind,
                                       view->now_usec);
        char reason[CAUSE_WORDS_SIZE] = "";
        bool has_value = reading->at_usec > 0 && reading->outcome != OUTCOME_UNKNOWN &&
                         reading->cause != CAUSE_NOT_RUNNING && kind != CHECK_SERVICE;

        if (reading->at_usec == 0)
                (void) text_copy(reason, sizeof(reason), _("not looked at yet"));
        else if (reading->cause != CAUSE_NONE)
                (void) cause_to_words(reason, kind, reading->cause, reading->detail);
        else if (level == LEVEL_UNKNOWN)
                (void) text_copy(reason, sizeof(reason), _("the last reading is too old"));

        return json_pack("{s:s, s:s, s:o, s:s, s:o, s:s, s:s, s:s}", "name", check_to_string(kind),
                         "level", level_to_string(level), "value",
                         number_or_null(has_value, scaled(kind, reading->value)), "unit",
                         check_unit(kind), "age_s",
                         reading->at_usec > 0 ? seconds(usec_sub(view->now_usec, reading->at_usec))
                                              : json_null(),
                         "outcome", outcome_to_string(reading->outcome), "cause",
                         cause_to_string(reading->cause), "reason", reason);
}

ServiceState status_service_state(const ServiceFacts *facts, const ServiceJudgement *judgement) {
        bool is_up = facts->state == SERVICE_RUNNING || facts->state == SERVICE_STARTING ||
                     facts->state == SERVICE_STOPPING;

        return judgement->is_held && !is_up ? SERVICE_HELD : facts->state;
}

/* A crash is answered after the restart delay, counted from the death or from our last attempt. */
static bool find_next_start(const StatusView *view, unsigned index, usec_t *ret_left_usec) {
        const ServiceJudgement *judgement = &view->judge->services[index];

        if (judgement->down != DOWN_FAILED || judgement->refusal != REFUSAL_NONE ||
            judgement->is_held || judgement->paused_until_usec > view->now_usec)
                return false;

        *ret_left_usec = usec_sub(usec_add(MAX(judgement->died_usec, judgement->act_usec),
                                           view->config->services[index].restart_delay_usec),
                                  view->now_usec);
        return *ret_left_usec > 0;
}

/* The one line a person reads first: the strongest thing there is to say. */
static void reason_render(const StatusView *view, unsigned index, Buf *buf) {
        const ServiceFacts *facts = &view->snapshot->services[index];
        const ServiceJudgement *judgement = &view->judge->services[index];
        char words[EXIT_WORDS_SIZE];
        char duration[DURATION_TEXT_SIZE];

        if (facts->state == SERVICE_FAILED)
                buf_printf(buf, "%s", exit_to_words(words, facts->exit_cause, facts->exit_value));
        else if (facts->state == SERVICE_STOPPED &&
                 (facts->is_operator_stopped || judgement->is_operator_stopped))
                buf_put(buf, _("stopped by a person"));
        else if (facts->state == SERVICE_STOPPED && facts->exit_cause == EXIT_CAUSE_CLEAN)
                buf_put(buf, _("it ended by itself and is left alone"));
        else
                for (CheckKind kind = 0; kind < _CHECK_MAX && buf->length == 0; kind++) {
                        const CheckReading *reading = &facts->checks[kind];
                        char cause[CAUSE_WORDS_SIZE];

                        if (judgement->checks[kind].streak.is_failing &&
                            reading->outcome == OUTCOME_FAIL)
                                buf_printf(buf, "%s: %s", check_to_words(kind),
                                           cause_to_words(cause, kind, reading->cause,
                                                          reading->detail));
                }

        if (buf->length == 0 && facts->pid > 0 && judgement->is_down_told &&
            judgement->level != LEVEL_NORMAL)
                buf_put(buf, _("started, and not yet seen well for long enough"));

        if (judgement->is_held)
                buf_printf(buf, _("%sheld; the next attempt by itself in %s"),
                           buf->length > 0 ? "; " : "",
                           text_render_duration(duration,
                                                usec_sub(judgement->retry_usec, view->now_usec)));
        else if (judgement->refusal != REFUSAL_NONE)
                buf_printf(buf, _("%snothing is done now: %s"), buf->length > 0 ? "; " : "",
                           refusal_to_words(judgement->refusal));
}

static json_t *paused_until(const StatusView *view, const ServiceJudgement *judgement) {
        char text[TIME_TEXT_SIZE];

        if (judgement->paused_until_usec <= view->now_usec)
                return json_null();
        if (judgement->paused_until_usec == USEC_INFINITY)
                return json_string("resumed");

        return json_string(
                time_render_utc(text, view->realtime_usec + usec_sub(judgement->paused_until_usec,
                                                                     view->now_usec)));
}

static json_t *service_render(const StatusView *view, unsigned index) {
        const ServiceConfig *config = &view->config->services[index];
        const ServiceFacts *facts = &view->snapshot->services[index];
        const ServiceJudgement *judgement = &view->judge->services[index];
        char reason_text[EVENT_TEXT_SIZE];
        Buf reason = BUF_OVER(reason_text);
        unsigned used;
        usec_t cooldown_left_usec;
        usec_t next_usec = 0;
        json_t *checks = json_array();

        bool has_next = find_next_start(view, index, &next_usec);
        reason_text[0] = '\0';
        reason_render(view, index, &reason);
        judge_peek_budget(view->judge, view->config, index, view->now_usec, &used,
                          &cooldown_left_usec);

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                if (facts->checks[kind].is_configured)
                        checks = append(checks, check_render(view, index, kind));

        json_t *json = json_pack(
                "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", config->name,
                "state", service_state_to_string(status_service_state(facts, judgement)), "level",
                level_to_string(judgement->level), "pid", count_or_null(facts->pid > 0, facts->pid),
                "age_s",
                facts->started_usec > 0 && facts->pid > 0
                        ? seconds(usec_sub(view->now_usec, facts->started_usec))
                        : json_null(),
                "state_age_s",
                facts->state_since_usec > 0
                        ? seconds(usec_sub(view->now_usec, facts->state_since_usec))
                        : json_null(),
                "memory_bytes",
                count_or_null(facts->memory_bytes >= 0 && facts->pid > 0, facts->memory_bytes),
                "fds", count_or_null(facts->descriptors >= 0 && facts->pid > 0, facts->descriptors),
                "fds_limit",
                count_or_null(facts->descriptors_limit > 0 && facts->pid > 0,
                              facts->descriptors_limit),
                "connections",
                count_or_null(facts->connections >= 0 && facts->pid > 0, facts->connections),
                "threads", count_or_null(facts->threads > 0 && facts->pid > 0, facts->threads));
        json_t *more = json_pack(
                "{s:o, s:i, s:i, s:o, s:{s:i, s:i, s:o, s:o}, s:o, s:b, s:b, s:s, s:s}", "checks",
                checks, "failures", (int) judge_peek_failures(view->judge, view->config, index),
                "failures_limit", (int) view->config->watch.failures, "next_act_s",
                has_next ? seconds(next_usec) : json_null(), "restarts", "used", (int) used,
                "limit", (int) view->config->watch.max_restarts, "per_s",
                seconds(view->config->watch.per_usec), "cooldown_left_s",
                seconds(cooldown_left_usec), "paused_until", paused_until(view, judgement), "held",
                (int) judgement->is_held, "operator_stopped",
                (int) (facts->is_operator_stopped || judgement->is_operator_stopped), "refusal",
                refusal_to_string(judgement->refusal), "reason", reason_text);

        if (json_object_update(json, more) < 0) {
                json_decref(json);
                json = NULL;
        }
        json_decref(more);
        return json;
}

Level status_level(const StatusView *view) {
        Level level = view->judge->host_level;

        for (unsigned i = 0; i < view->config->n_services; i++)
                level = level_worse(level, view->judge->services[i].level);

        return level;
}

int status_render_json(const StatusView *view, char **ret_text) {
        char now[TIME_TEXT_SIZE];
        json_t *services = json_array();

        for (unsigned i = 0; i < view->config->n_services; i++)
                services = append(services, service_render(view, i));

        json_t *json =
                json_pack("{s:i, s:s, s:s, s:o, s:o, s:{s:i, s:o, s:o, s:I, s:s}}", "version", 1,
                          "time", time_render_utc(now, view->realtime_usec), "level",
                          level_to_string(status_level(view)), "host", host_render(view),
                          "services", services, "watchdog", "pid", (int) getpid(), "clerk_pid",
                          count_or_null(view->clerk_pid > 0, view->clerk_pid), "uptime_s",
                          seconds(view->uptime_usec), "memory_bytes",
                          (json_int_t) view->own_memory_bytes, "reason", view->trouble);
        char *text = json_text(json, JSON_COMPACT | JSON_REAL_PRECISION(STATUS_DIGITS));

        json_decref(json);
        if (!text)
                return -ENOMEM;

        *ret_text = text;
        return 0;
}

const char *status_render_line(const StatusView *view, char buffer[static STATUS_LINE_SIZE]) {
        Buf buf;

        buf_init(&buf, buffer, STATUS_LINE_SIZE);
        for (unsigned i = 0; i < view->config->n_services; i++) {
                char reason_text[EVENT_TEXT_SIZE] = "";
                Buf reason = BUF_OVER(reason_text);
                const ServiceFacts *facts = &view->snapshot->services[i];

                reason_render(view, i, &reason);
                buf_printf(
                        &buf, "%s%s: %s%s%s%s", i > 0 ? "; " : "", view->config->services[i].name,
                        service_state_to_words(
                                status_service_state(facts, &view->judge->services[i])),
                        reason.length > 0 ? " (" : "", reason_text, reason.length > 0 ? ")" : "");
        }

        return buffer;
}
