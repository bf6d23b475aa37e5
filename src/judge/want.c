/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Want: what the service needs, and what becomes of it.
 *
 *        wanted ──► not yet due ──► asked again then
 *               ──► refused     ──► told once, asked again
 *               ──► budget gone ──► held: told once, tried slowly
 *               ──► decided     ──► charged, told, done by others
 *
 * At most one act comes out of it per service and step, so rules that fire together make one restart.
 * Charging comes before doing: an act that is lost on the way has cost its share, and no way of losing
 * it, not even our own death, makes room for one too many.
 */

#include "judge/want.h"

#include <assert.h>

#include "base/macro.h"
#include "judge/life.h"
#include "judge/look.h"
#include "judge/policy.h"
#include "judge/tell.h"

/* A stop that did not work is asked for again after a minute, not at every step. */
static const usec_t STOP_AGAIN_USEC = USEC_PER_MINUTE;

static usec_t stop_due_usec(const Case *c) {
        usec_t stop_usec = c->judgement->stop_usec;

        return stop_usec > 0 ? usec_add(stop_usec, STOP_AGAIN_USEC) : 0;
}

/* Over its ceiling where no kernel holds it: judged by the level, so it is seen again in the next life at once. */
static bool wants_memory_stop(const Case *c) {
        return !c->facts->is_memory_enforced && life_is_over_memory(c);
}

/* A person's stop was lost in the middle of another act, or systemd is about to undo it. */
static bool wants_person_stop(const Case *c) {
        const ServiceJudgement *j = c->judgement;
        bool is_undone = c->facts->state == SERVICE_RUNNING || c->facts->is_backend_restarting;

        return j->is_operator_stopped && !j->is_stop_seen && is_undone;
}

static bool want_when_up(const Case *c, Intent *ret_wanted, usec_t *ret_due_usec) {
        CheckKind kind;

        if (wants_memory_stop(c)) {
                *ret_wanted = (Intent){ .action = ACTION_STOP,
                                        .reason = REASON_MEMORY_MAX,
                                        .check = CHECK_MEMORY };
                *ret_due_usec = stop_due_usec(c);
                return true;
        }

        if (look_find_failed(c, &kind)) {
                *ret_wanted = (Intent){ .action = ACTION_RESTART,
                                        .reason = REASON_CONSECUTIVE_FAILURES,
                                        .check = kind };
                return true;
        }

        return false;
}

/* What only ever was down while we looked is started when the configuration says so; what was up once is ours to keep. */
static bool is_ours_to_start(const Case *c) {
        return c->service->is_started || c->judgement->has_run;
}

bool want_find(const Case *c, Intent *ret_wanted, usec_t *ret_due_usec) {
        const ServiceJudgement *j = c->judgement;

        *ret_due_usec = 0;

        if (wants_person_stop(c)) {
                *ret_wanted = (Intent){ .action = ACTION_STOP, .reason = REASON_OPERATOR };
                *ret_due_usec = stop_due_usec(c);
                return true;
        }

        if (c->facts->state == SERVICE_RUNNING)
                return want_when_up(c, ret_wanted, ret_due_usec);

        if (j->down == DOWN_NEVER && c->service->is_started) {
                *ret_wanted = (Intent){ .action = ACTION_START, .reason = REASON_FIRST_START };
                return true;
        }

        if (j->down == DOWN_FAILED && is_ours_to_start(c)) {
                *ret_wanted = (Intent){ .action = ACTION_START, .reason = REASON_CRASH };
                *ret_due_usec =
                        usec_add(MAX(j->died_usec, j->act_usec), c->service->restart_delay_usec);
                return true;
        }

        return false;
}

static bool is_charged(const Intent *wanted) {
        return wanted->reason != REASON_FIRST_START &&
               !(wanted->action == ACTION_START && wanted->reason == REASON_OPERATOR);
}

void want_decide(const Case *c, const Intent *wanted) {
        ServiceJudgement *j = c->judgement;
        Intent *intent = &c->decision->intents[c->index];
        bool is_start = wanted->action != ACTION_STOP;
        bool is_retry = j->is_held && is_start && wanted->reason != REASON_OPERATOR;

        *intent = *wanted;
        if (is_retry)
                intent->reason = REASON_SLOW_RETRY;

        if (is_start) {
                if (is_charged(intent))
                        budget_charge_restart(&j->budget, c->now_usec);
                budget_charge_start(&j->budget, c->now_usec);
                j->is_start_charged = true;
                j->is_down_told = true;
        } else
                j->stop_usec = c->now_usec;

        if (is_retry) {
                j->n_retries++;
                j->retry_usec = policy_retry_usec(c);
        }

        /* A stop for memory is half a restart. */
        j->is_start_owed = is_start || wanted->reason == REASON_MEMORY_MAX;
        j->act_usec = c->now_usec;
        j->refusal = REFUSAL_NONE;
        j->wanted = REASON_NONE;
        j->refusals_told = 0;

        tell_decided(c, intent, wanted->reason);
}

static void hold(const Case *c, const Intent *wanted) {
        ServiceJudgement *j = c->judgement;

        j->is_held = true;
        j->held_since_usec = c->now_usec;
        j->n_retries = 0;
        j->retry_usec = policy_retry_usec(c);
        tell_held(c, wanted);
}

/* Each code is told once, and again when an hour later it still, or again, stands in the way. */
static void refuse(const Case *c, const Intent *wanted, RefusalCode refusal, usec_t until_usec) {
        ServiceJudgement *j = c->judgement;
        uint32_t bit = UINT32_C(1) << refusal;

        j->refusal = refusal;
        j->wanted = wanted->reason;

        if (c->now_usec - j->refusals_since_usec >= USEC_PER_HOUR)
                j->refusals_told = 0;
        if (j->refusals_told == 0)
                j->refusals_since_usec = c->now_usec;
        if (j->refusals_told & bit)
                return;

        j->refusals_told |= bit;
        tell_refused(c, wanted, refusal, until_usec);
}

/* The hold itself was told, loudly; that it goes on is for those who ask. */
static void refuse_quietly(const Case *c, const Intent *wanted, RefusalCode refusal) {
        c->judgement->refusal = refusal;
        c->judgement->wanted = wanted->reason;
}

void want_step(const Case *c) {
        ServiceJudgement *j = c->judgement;
        Intent wanted;
        usec_t due_usec;

        if (c->facts->is_busy)
                return;

        if (!want_find(c, &wanted, &due_usec)) {
                j->refusal = j->down == DOWN_OPERATOR ? REFUSAL_OPERATOR_STOP : REFUSAL_NONE;
                j->wanted = REASON_NONE;
                return;
        }

        if (c->now_usec < due_usec) {
                refuse_quietly(c, &wanted, REFUSAL_NONE);
                case_wake(c, due_usec);
                return;
        }

        usec_t until_usec = USEC_INFINITY;
        RefusalCode refusal = policy_weigh(c, &wanted, &until_usec);

        if (refusal == REFUSAL_BUDGET) {
                hold(c, &wanted);
                refusal = REFUSAL_HELD;
                until_usec = j->retry_usec;
        }

        if (refusal != REFUSAL_NONE)
                case_wake(c, until_usec);

        if (refusal == REFUSAL_HELD)
                refuse_quietly(c, &wanted, refusal);
        else if (refusal != REFUSAL_NONE)
                refuse(c, &wanted, refusal, until_usec);
        else
                want_decide(c, &wanted);
}
