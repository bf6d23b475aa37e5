/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tell: what the judge says, in words.
 *
 * Every sentence begins with the name of the service, because it is read on the lock screen of a
 * telephone, and says what was seen before what will be done. Beside the sentence goes the same in a
 * flat JSON object for programs, "code" first.
 *
 * Nothing here decides anything; what does not fit is cut or, when the decision is full, counted.
 */

#include "judge/tell.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/i18n.h"
#include "base/macro.h"
#include "base/text.h"
#include "judge/look.h"
#include "judge/phrase.h"

typedef struct Telling {
        Buf text;
        Buf reason;
} Telling;

static bool
tell(Decision *decision, EventKind kind, Level level, const char *service, Telling *ret) {
        if (decision->n_events >= DECISION_EVENTS_MAX) {
                decision->n_events_dropped++;
                return false;
        }

        Event *event = &decision->events[decision->n_events++];

        event->seq = 0;
        event->realtime_usec = 0;
        event->kind = kind;
        event->level = level;
        (void) text_copy(event->service, sizeof(event->service),
                         service); /* names are checked to fit */
        buf_init(&ret->text, event->text, sizeof(event->text));
        buf_init(&ret->reason, event->reason, sizeof(event->reason));
        return true;
}

static bool begin(const Case *c, EventKind kind, Level level, Telling *ret) {
        return tell(c->decision, kind, level, c->service->name, ret);
}

static uint64_t seconds(usec_t usec) {
        return usec / USEC_PER_SEC;
}

void tell_died(const Case *c, usec_t lived_usec, bool is_known) {
        const ServiceFacts *facts = c->facts;
        char words[EXIT_WORDS_SIZE];
        char lived[DURATION_TEXT_SIZE];
        Telling t;

        if (!begin(c, EVENT_SERVICE_DOWN, LEVEL_CRITICAL, &t))
                return;

        (void) exit_to_words(words, facts->exit_cause, facts->exit_value);
        (void) text_render_duration(lived, lived_usec);

        if (facts->exit_cause == EXIT_CAUSE_NONE)
                buf_printf(&t.text, _("%s is down: it could not be started."), c->service->name);
        else if (is_known)
                buf_printf(&t.text, _("%s is down: %s, after running for %s."), c->service->name,
                           words, lived);
        else
                buf_printf(&t.text, _("%s is down: %s."), c->service->name, words);

        buf_printf(&t.reason, "{\"code\":\"died\",\"exit\":\"%s\",\"value\":%d",
                   exit_cause_to_string(facts->exit_cause), facts->exit_value);
        if (is_known)
                buf_printf(&t.reason, ",\"lived_s\":%" PRIu64, seconds(lived_usec));
        buf_printf(&t.reason, ",\"same_exits\":%u}", c->judgement->n_same_exits);
}

void tell_ended(const Case *c, usec_t lived_usec) {
        char lived[DURATION_TEXT_SIZE];
        Telling t;

        if (!begin(c, EVENT_SERVICE_DOWN, LEVEL_WARNING, &t))
                return;

        if (lived_usec > 0)
                buf_printf(
                        &t.text,
                        _("%s ended by itself with status 0, after running for %s. It is left alone."),
                        c->service->name, text_render_duration(lived, lived_usec));
        else
                buf_printf(&t.text, _("%s ended by itself with status 0. It is left alone."),
                           c->service->name);

        buf_printf(&t.reason,
                   "{\"code\":\"ended\",\"exit\":\"%s\",\"value\":%d,\"lived_s\":%" PRIu64 "}",
                   exit_cause_to_string(c->facts->exit_cause), c->facts->exit_value,
                   seconds(lived_usec));
}

void tell_up(const Case *c) {
        usec_t age_usec = usec_sub(c->now_usec, c->facts->started_usec);
        char age[DURATION_TEXT_SIZE];
        Telling t;

        if (!begin(c, EVENT_SERVICE_UP, LEVEL_NORMAL, &t))
                return;

        buf_printf(&t.text, _("%s is up and well, %s after its start."), c->service->name,
                   text_render_duration(age, age_usec));
        buf_printf(&t.reason, "{\"code\":\"up\",\"age_s\":%" PRIu64 "}", seconds(age_usec));
}

void tell_operator_stop(const Case *c) {
        Telling t;

        if (!begin(c, EVENT_OPERATOR_STOP, LEVEL_NORMAL, &t))
                return;

        buf_printf(&t.text, _("%s was stopped by a person. It stays stopped and does not alarm."),
                   c->service->name);
        buf_put(&t.reason, "{\"code\":\"operator-stop\"}");
}

void tell_stop_reminder(const Case *c) {
        usec_t since_usec = usec_sub(c->now_usec, c->judgement->operator_stop_usec);
        char since[DURATION_TEXT_SIZE];
        Telling t;

        if (!begin(c, EVENT_REMINDER, LEVEL_NORMAL, &t))
                return;

        buf_printf(&t.text, _("%s was stopped by a person %s ago and is still stopped."),
                   c->service->name, text_render_duration(since, since_usec));
        buf_printf(&t.reason, "{\"code\":\"operator-stop\",\"since_s\":%" PRIu64 "}",
                   seconds(since_usec));
}

void tell_check_failed(const Case *c, CheckKind kind) {
        const CheckReading *reading = &c->facts->checks[kind];
        bool may_restart = look_may_restart(c->service, kind);
        unsigned failures = c->judgement->checks[kind].streak.failures;
        Level level = reading->cause == CAUSE_LOG_CRITICAL ? LEVEL_CRITICAL : LEVEL_WARNING;
        char words[CAUSE_WORDS_SIZE];
        Telling t;

        if (!begin(c, EVENT_CHECK_FAILED, level, &t))
                return;

        (void) cause_to_words(words, kind, reading->cause, reading->detail);

        if (may_restart)
                buf_printf(&t.text, _("%s: check %s failed: %s (%u of %u before a restart)."),
                           c->service->name, check_to_words(kind), words, failures,
                           c->config->watch.failures);
        else
                buf_printf(&t.text, _("%s: check %s failed: %s."), c->service->name,
                           check_to_words(kind), words);

        buf_printf(
                &t.reason,
                "{\"code\":\"%s\",\"check\":\"%s\",\"failures\":%u,\"limit\":%u,\"may_restart\":%s,\"detail\":%" PRId64
                "}",
                cause_to_string(reading->cause), check_to_string(kind), failures,
                c->config->watch.failures, may_restart ? "true" : "false", reading->detail);
}

void tell_check_goes_on(const Case *c, CheckKind kind) {
        const CheckReading *reading = &c->facts->checks[kind];
        char words[CAUSE_WORDS_SIZE];
        Telling t;

        if (!begin(c, EVENT_LEVEL_CHANGED, LEVEL_CRITICAL, &t))
                return;

        buf_printf(&t.text,
                   _("%s: check %s goes on failing: %s. It only alarms; nothing is restarted."),
                   c->service->name, check_to_words(kind),
                   cause_to_words(words, kind, reading->cause, reading->detail));
        buf_printf(
                &t.reason,
                "{\"code\":\"%s\",\"check\":\"%s\",\"failures\":%u,\"from\":\"warning\",\"to\":\"critical\"}",
                cause_to_string(reading->cause), check_to_string(kind),
                c->judgement->checks[kind].streak.failures);
}

void tell_check_recovered(const Case *c, CheckKind kind) {
        bool is_configured = c->facts->checks[kind].is_configured;
        Telling t;

        if (!begin(c, EVENT_CHECK_RECOVERED, LEVEL_NORMAL, &t))
                return;

        if (is_configured)
                buf_printf(&t.text, _("%s: check %s is well again."), c->service->name,
                           check_to_words(kind));
        else
                buf_printf(&t.text, _("%s: check %s is no longer made."), c->service->name,
                           check_to_words(kind));

        buf_printf(&t.reason, "{\"code\":\"%s\",\"check\":\"%s\",\"successes\":%u}",
                   is_configured ? "recovered" : "not-configured", check_to_string(kind),
                   c->judgement->checks[kind].streak.successes);
}

static void put_level_reason(Buf *reason,
                             const char *name,
                             const char *path,
                             int64_t value,
                             const Thresholds *thresholds,
                             Level before,
                             Level after) {
        buf_printf(
                reason,
                "{\"code\":\"%s\",\"check\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"value\":%" PRId64
                ",\"warning\":%" PRId64 ",\"critical\":%" PRId64,
                after > before ? "threshold" : "back", name, level_to_string(before),
                level_to_string(after), value, thresholds->warning, thresholds->critical);

        if (path) {
                buf_put(reason, ",\"path\":");
                buf_put_json(reason, path);
        }
}

void tell_check_level(const Case *c, CheckKind kind, const Thresholds *thresholds, Level before) {
        const CheckReading *reading = &c->facts->checks[kind];
        Level after = c->judgement->checks[kind].level.level;
        Telling t;

        if (!begin(c, EVENT_LEVEL_CHANGED, after, &t))
                return;

        buf_printf(&t.text, "%s: ", c->service->name);
        phrase_value(&t.text, kind, reading->value);
        phrase_edges(&t.text, kind, thresholds, after);
        if (kind == CHECK_MEMORY)
                phrase_slope(&t.text, c->facts->memory_slope_per_hour);
        buf_put(&t.text, ".");

        put_level_reason(&t.reason, check_to_string(kind), NULL, reading->value, thresholds, before,
                         after);
        buf_put(&t.reason, "}");
}

void tell_host_level(Decision *decision,
                     const Config *config,
                     const Snapshot *snapshot,
                     const char *metric,
                     const char *path,
                     int64_t value,
                     const Thresholds *thresholds,
                     Level before,
                     Level after) {
        bool is_memory = strcmp(metric, "memory") == 0;
        unsigned culprit;
        int64_t share;
        Telling t;

        if (!tell(decision, EVENT_LEVEL_CHANGED, after, "", &t))
                return;

        phrase_host_value(&t.text, metric, path, value);
        put_level_reason(&t.reason, metric, path, value, thresholds, before, after);

        if (!path && phrase_find_culprit(snapshot, is_memory, value, &culprit, &share)) {
                const char *name = config->services[culprit].name;

                buf_put(&t.text, _(", of which "));
                phrase_permille(&t.text, share);
                buf_printf(&t.text, " %s", name);
                if (is_memory)
                        phrase_slope(&t.text, snapshot->services[culprit].memory_slope_per_hour);
                buf_printf(&t.reason, ",\"culprit\":\"%s\",\"share\":%" PRId64, name, share);
        }

        phrase_edges(&t.text, CHECK_CPU, thresholds, after);
        buf_put(&t.text, ".");
        buf_put(&t.reason, "}");
}

static Level level_of_decision(const Intent *intent, ReasonCode wanted) {
        return intent->reason == REASON_OPERATOR || wanted == REASON_FIRST_START ? LEVEL_NORMAL
                                                                                 : LEVEL_CRITICAL;
}

static EventKind kind_of_decision(const Intent *intent) {
        if (intent->action != ACTION_STOP)
                return EVENT_RESTART_DECIDED;

        return intent->reason == REASON_OPERATOR ? EVENT_OPERATOR_STOP : EVENT_OOM_KILL;
}

void tell_decided(const Case *c, const Intent *intent, ReasonCode wanted) {
        const WatchConfig *watch = &c->config->watch;
        const Budget *budget = &c->judgement->budget;
        unsigned used = budget_used(budget, watch->per_usec, c->now_usec);
        char per[DURATION_TEXT_SIZE];
        Telling t;

        if (!begin(c, kind_of_decision(intent), level_of_decision(intent, wanted), &t))
                return;

        Intent cause = { .action = intent->action, .reason = wanted, .check = intent->check };

        phrase_action(&t.text, c->service->name, intent->action);
        phrase_wanted(&t.text, c, &cause);
        buf_put(&t.text, ".");

        if (intent->reason == REASON_SLOW_RETRY)
                buf_put(&t.text, _(" It is held; this is one more attempt."));
        if (intent->action != ACTION_STOP && wanted != REASON_FIRST_START &&
            wanted != REASON_OPERATOR)
                buf_printf(&t.text, _(" Restart %u of %u in %s."), used, watch->max_restarts,
                           text_render_duration(per, watch->per_usec));

        phrase_reason_begin(&t.reason, c, reason_to_string(intent->reason), &cause);
        buf_printf(&t.reason, ",\"action\":\"%s\",\"used\":%u,\"limit\":%u,\"per_s\":%" PRIu64 "}",
                   action_to_string(intent->action), used, watch->max_restarts,
                   seconds(watch->per_usec));
}

void tell_refused(const Case *c, const Intent *wanted, RefusalCode refusal, usec_t until_usec) {
        char left[DURATION_TEXT_SIZE];
        Telling t;

        if (!begin(c, EVENT_RESTART_REFUSED, LEVEL_WARNING, &t))
                return;

        phrase_action_refused(&t.text, c->service->name, wanted->action);
        buf_printf(&t.text, _(": %s. What asked for it: "), refusal_to_words(refusal));
        phrase_wanted(&t.text, c, wanted);
        buf_put(&t.text, ".");

        phrase_reason_begin(&t.reason, c, refusal_to_string(refusal), wanted);

        if (until_usec != USEC_INFINITY) {
                usec_t left_usec = usec_sub(until_usec, c->now_usec);

                buf_printf(&t.text, _(" It is weighed again in %s."),
                           text_render_duration(left, left_usec));
                buf_printf(&t.reason, ",\"left_s\":%" PRIu64, seconds(left_usec));
        }

        if (refusal == REFUSAL_HOST_STARVED)
                phrase_reason_host(&t.reason, c->host);
        if (refusal == REFUSAL_DISK_FULL && c->host->root_free_bytes.is_valid)
                buf_printf(&t.reason, ",\"free_bytes\":%" PRId64, c->host->root_free_bytes.value);

        buf_put(&t.reason, "}");
}

void tell_held(const Case *c, const Intent *wanted) {
        const WatchConfig *watch = &c->config->watch;
        const ServiceJudgement *j = c->judgement;
        unsigned used = budget_used(&j->budget, watch->per_usec, c->now_usec);
        char text[DURATION_TEXT_SIZE];
        Telling t;

        if (!begin(c, EVENT_HELD, LEVEL_CRITICAL, &t))
                return;

        buf_printf(&t.text, _("%s is held after %u restarts in %s: "), c->service->name, used,
                   text_render_duration(text, watch->per_usec));
        phrase_wanted(&t.text, c, wanted);
        buf_put(&t.text, ".");
        phrase_crash_loop(&t.text, j);

        if (j->retry_usec != USEC_INFINITY)
                buf_printf(&t.text, _(" Watching goes on; next attempt in %s."),
                           text_render_duration(text, usec_sub(j->retry_usec, c->now_usec)));
        else
                buf_put(&t.text, _(" Watching goes on."));
        buf_printf(&t.text, _(" To end the hold: albraguard release %s"), c->service->name);

        phrase_reason_begin(&t.reason, c, "budget", wanted);
        buf_printf(&t.reason, ",\"used\":%u,\"limit\":%u,\"per_s\":%" PRIu64, used,
                   watch->max_restarts, seconds(watch->per_usec));
        if (j->retry_usec != USEC_INFINITY)
                buf_printf(&t.reason, ",\"retry_s\":%" PRIu64,
                           seconds(usec_sub(j->retry_usec, c->now_usec)));
        buf_printf(&t.reason, ",\"same_exits\":%u}", j->n_same_exits);
}

void tell_released(const Case *c, bool is_by_person) {
        Telling t;

        if (!begin(c, EVENT_RELEASED, LEVEL_NORMAL, &t))
                return;

        if (is_by_person)
                buf_printf(&t.text,
                           _("%s was released by a person; its restart budget is whole again."),
                           c->service->name);
        else
                buf_printf(&t.text, _("%s has been well for a while and is no longer held."),
                           c->service->name);

        buf_printf(&t.reason, "{\"code\":\"%s\"}", is_by_person ? "operator" : "healthy");
}

void tell_paused(const Case *c) {
        usec_t until_usec = c->judgement->paused_until_usec;
        usec_t left_usec = usec_sub(until_usec, c->now_usec);
        char left[DURATION_TEXT_SIZE];
        Telling t;

        if (!begin(c, EVENT_PAUSED, LEVEL_NORMAL, &t))
                return;

        if (until_usec == USEC_INFINITY) {
                buf_printf(&t.text,
                           _("%s is paused until a person resumes it: watched, but not acted on."),
                           c->service->name);
                buf_put(&t.reason, "{\"code\":\"operator\"}");
        } else {
                buf_printf(&t.text, _("%s is paused for %s: watched, but not acted on."),
                           c->service->name, text_render_duration(left, left_usec));
                buf_printf(&t.reason, "{\"code\":\"operator\",\"for_s\":%" PRIu64 "}",
                           seconds(left_usec));
        }
}

void tell_resumed(const Case *c, bool is_by_person) {
        Telling t;

        if (!begin(c, EVENT_RESUMED, LEVEL_NORMAL, &t))
                return;

        if (is_by_person)
                buf_printf(&t.text, _("%s is no longer paused."), c->service->name);
        else
                buf_printf(&t.text, _("%s is no longer paused: its time is over."),
                           c->service->name);

        buf_printf(&t.reason, "{\"code\":\"%s\"}", is_by_person ? "operator" : "time-over");
}

void tell_pause_reminder(const Case *c) {
        usec_t since_usec = usec_sub(c->now_usec, c->judgement->paused_usec);
        char since[DURATION_TEXT_SIZE];
        Telling t;

        if (!begin(c, EVENT_REMINDER, LEVEL_NORMAL, &t))
                return;

        buf_printf(
                &t.text,
                _("%s was paused by a person %s ago and still is. To end it: albraguard resume %s"),
                c->service->name, text_render_duration(since, since_usec), c->service->name);
        buf_printf(&t.reason, "{\"code\":\"paused\",\"since_s\":%" PRIu64 "}", seconds(since_usec));
}

/* What else there is to say of an act, behind what became of it. */
static void put_why(Buf *text, const char *why) {
        if (why && *why) {
                buf_put(text, _(": "));
                buf_put(text, why);
        }
        buf_put(text, ".");
}

void tell_done(const Case *c, ActionKind action, const char *why, usec_t took_usec) {
        char took[DURATION_TEXT_SIZE];
        Telling t;

        if (!begin(c, EVENT_RESTART_DONE, LEVEL_NORMAL, &t))
                return;

        (void) text_render_duration(took, took_usec);

        if (action == ACTION_RESTART)
                buf_printf(&t.text, _("%s was restarted in %s"), c->service->name, took);
        else
                buf_printf(&t.text, _("%s was started in %s"), c->service->name, took);
        put_why(&t.text, why);
        buf_printf(&t.reason, "{\"code\":\"done\",\"action\":\"%s\",\"took_ms\":%" PRIu64 "}",
                   action_to_string(action), took_usec / USEC_PER_MSEC);
}

void tell_not_done(const Case *c, ActionKind action, const char *why, usec_t took_usec) {
        Telling t;

        if (!begin(c, EVENT_RESTART_FAILED, LEVEL_CRITICAL, &t))
                return;

        phrase_action_failed(&t.text, c->service->name, action);
        put_why(&t.text, why);
        buf_printf(&t.reason, "{\"code\":\"failed\",\"action\":\"%s\",\"took_ms\":%" PRIu64 "}",
                   action_to_string(action), took_usec / USEC_PER_MSEC);
}
