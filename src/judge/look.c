/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Look: from readings to streaks and levels, check by check.
 *
 * A reading is a fact with a date. It counts once, however often we are asked; it does not count when
 * it is about an earlier life of the service, when it is too old to speak of now, or when the service
 * has only just started and cannot be expected to answer. What we could not see is never held against
 * the service: no failure without a witness.
 *
 * "In a row" means that we were looking. After a gap in the readings the counting starts anew, while
 * an episode that a person was told about stays open until the service is seen to be well again.
 */

#include "judge/look.h"

#include <assert.h>

#include "base/macro.h"
#include "judge/tell.h"

/* These can only be expected to be right some time after a start; the others show facts of the process itself. */
static bool has_grace(CheckKind kind) {
        return kind == CHECK_API || kind == CHECK_LOGS || kind == CHECK_HEARTBEAT ||
               kind == CHECK_AGENT;
}

/* These answer for the service: that they do is the proof that it is up. */
static bool is_witness(CheckKind kind) {
        return kind == CHECK_API || kind == CHECK_HEARTBEAT || kind == CHECK_AGENT;
}

bool look_may_restart(const ServiceConfig *service, CheckKind kind) {
        switch (kind) {
        case CHECK_SERVICE:
        case CHECK_PROCESS:
        case CHECK_AGENT:
                return true;
        case CHECK_API:
                return service->api.may_restart;
        case CHECK_LOGS:
                return service->logs.may_restart;
        case CHECK_HEARTBEAT:
                return service->heartbeat.may_restart;
        case CHECK_MEMORY:
        case CHECK_CPU:
        case CHECK_DESCRIPTORS:
        case CHECK_CONNECTIONS:
        case CHECK_LEAK:
        case _CHECK_MAX:
                return false;
        }

        return false;
}

static const Thresholds *thresholds_of(const ServiceConfig *service, CheckKind kind) {
        switch (kind) {
        case CHECK_API:
                return &service->api.latency;
        case CHECK_LOGS:
                return &service->logs.error_rate;
        case CHECK_MEMORY:
                return &service->memory;
        case CHECK_CPU:
                return &service->cpu;
        case CHECK_DESCRIPTORS:
                return &service->descriptors;
        case CHECK_CONNECTIONS:
                return &service->connections;
        case CHECK_SERVICE:
        case CHECK_PROCESS:
        case CHECK_HEARTBEAT:
        case CHECK_AGENT:
        case CHECK_LEAK:
        case _CHECK_MAX:
                return NULL;
        }

        return NULL;
}

/* Three checks missed, or one that had to wait out its time twice: one late answer must not make the picture blink. */
usec_t look_stale_usec(const WatchConfig *watch, usec_t timeout_usec) {
        return MAX(3 * watch->interval_usec, watch->interval_usec + 2 * timeout_usec);
}

static usec_t stale_usec_of(const Case *c, CheckKind kind) {
        usec_t timeout_usec = kind == CHECK_API ? c->service->api.timeout_usec : 0;

        return look_stale_usec(&c->config->watch, timeout_usec);
}

static bool is_of_this_life(const Case *c, const CheckReading *reading) {
        return reading->at_usec > 0 && reading->at_usec >= c->facts->started_usec;
}

bool look_is_fresh(const Case *c, CheckKind kind) {
        const CheckReading *reading = &c->facts->checks[kind];

        return reading->is_configured && c->facts->state == SERVICE_RUNNING &&
               reading->outcome != OUTCOME_UNKNOWN && is_of_this_life(c, reading) &&
               usec_sub(c->now_usec, reading->at_usec) <= stale_usec_of(c, kind);
}

static void count_outcome(const Case *c, CheckKind kind) {
        const CheckReading *reading = &c->facts->checks[kind];
        CheckState *check = &c->judgement->checks[kind];
        const WatchConfig *watch = &c->config->watch;

        switch (streak_step(&check->streak, reading->outcome, MAX(watch->successes, 1U),
                            c->now_usec)) {
        case STREAK_BEGAN_FAILING:
                tell_check_failed(c, kind);
                break;
        case STREAK_RECOVERED:
                check->is_worst_told = false;
                tell_check_recovered(c, kind);
                break;
        case STREAK_SAME:
                break;
        }

        /* Nothing will be done about it, so at least a person hears that it was no passing fault. Lines in a log stay in
         * their window by themselves: that they are seen again is no news. */
        if (check->streak.failures >= watch->failures && !check->is_worst_told &&
            kind != CHECK_LOGS && !look_may_restart(c->service, kind)) {
                check->is_worst_told = true;
                tell_check_goes_on(c, kind);
        }
}

static void count_value(const Case *c, CheckKind kind) {
        const CheckReading *reading = &c->facts->checks[kind];
        const Thresholds *thresholds = thresholds_of(c->service, kind);
        LevelState *level = &c->judgement->checks[kind].level;

        /* The value of a failed look is what the failure left behind: a latency of nothing. */
        if (!thresholds || reading->outcome != OUTCOME_OK)
                return;

        Level before = level->level;
        LevelRule rule = level_rule(thresholds, c->config->watch.interval_usec);

        if (level_step(level, &rule, reading->value, c->now_usec) != before)
                tell_check_level(c, kind, thresholds, before);
}

static void look_at(const Case *c, CheckKind kind) {
        const CheckReading *reading = &c->facts->checks[kind];
        CheckState *check = &c->judgement->checks[kind];

        if (!reading->is_configured) {
                if (check->streak.is_failing)
                        tell_check_recovered(c, kind);
                if (check->counted_usec > 0)
                        *check = (CheckState){ 0 };
                return;
        }

        if (reading->at_usec <= check->counted_usec)
                return;

        check->counted_usec = reading->at_usec;

        if (c->facts->is_busy || !look_is_fresh(c, kind))
                return;

        if (reading->outcome == OUTCOME_FAIL && has_grace(kind) && case_is_in_grace(c))
                return;

        if (usec_sub(reading->at_usec, check->known_usec) > stale_usec_of(c, kind)) {
                streak_break(&check->streak);
                level_forget_departure(&check->level);
        }

        check->known_usec = reading->at_usec;
        count_outcome(c, kind);
        count_value(c, kind);
}

void look_step(const Case *c) {
        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                look_at(c, kind);
}

bool look_find_failed(const Case *c, CheckKind *ret_kind) {
        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++) {
                const CheckState *check = &c->judgement->checks[kind];

                if (check->streak.failures > 0 &&
                    check->streak.failures >= c->config->watch.failures &&
                    look_may_restart(c->service, kind) && look_is_fresh(c, kind)) {
                        *ret_kind = kind;
                        return true;
                }
        }

        return false;
}

bool look_is_well(const Case *c) {
        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                if (c->judgement->checks[kind].streak.is_failing &&
                    look_may_restart(c->service, kind))
                        return false;

        return true;
}

bool look_is_proven(const Case *c) {
        unsigned n_witnesses = 0;

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++) {
                if (!is_witness(kind) || !look_may_restart(c->service, kind) ||
                    !look_is_fresh(c, kind))
                        continue;

                n_witnesses++;
                if (c->judgement->checks[kind].streak.successes < c->config->watch.successes)
                        return false;
        }

        return n_witnesses > 0 || !case_is_in_grace(c);
}

static Level level_of_state(const Case *c) {
        switch (c->judgement->down) {
        case DOWN_NONE:
                return LEVEL_NORMAL;
        case DOWN_NEVER:
                return c->service->is_started ? LEVEL_WARNING : LEVEL_NORMAL;
        case DOWN_FAILED:
                return LEVEL_CRITICAL;
        case DOWN_ENDED:
                return LEVEL_WARNING;
        case DOWN_OPERATOR:
                return LEVEL_NORMAL;
        case _DOWN_MAX:
                break;
        }

        return LEVEL_UNKNOWN;
}

static Level level_of_failing(const Case *c, CheckKind kind) {
        Cause cause = c->facts->checks[kind].cause;

        if (cause == CAUSE_LOG_CRITICAL)
                return LEVEL_CRITICAL;
        if (cause == CAUSE_LOG_WARNING)
                return LEVEL_WARNING;

        return c->judgement->checks[kind].streak.failures >= c->config->watch.failures
                       ? LEVEL_CRITICAL
                       : LEVEL_WARNING;
}

Level look_level(const Case *c, CheckKind kind) {
        const CheckState *check = &c->judgement->checks[kind];

        if (kind == CHECK_SERVICE)
                return level_worse(level_of_state(c),
                                   check->streak.is_failing ? LEVEL_WARNING : LEVEL_NORMAL);

        if (!look_is_fresh(c, kind))
                return LEVEL_UNKNOWN;
        if (check->streak.is_failing)
                return level_worse(level_of_failing(c, kind), check->level.level);

        /* A failure that was not counted, in grace, is not yet known to be one. */
        if (c->facts->checks[kind].outcome == OUTCOME_FAIL)
                return LEVEL_UNKNOWN;

        return thresholds_of(c->service, kind) ? check->level.level : LEVEL_NORMAL;
}
