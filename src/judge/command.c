/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Command: a person's hand, and how acts ended.
 *
 * A person may do what the judge may not: act while paused, held or out of budget. It is still told and
 * still counted, so that the judge does not add its own restarts on top of theirs. What a person stops
 * stays stopped until a person, or whoever else, starts it.
 *
 * The outcome of an act is told here and changes little: whether it helped is seen by looking, not by
 * believing the one who did it.
 */

#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "judge/case.h"
#include "judge/judge.h"
#include "judge/life.h"
#include "judge/look.h"
#include "judge/tell.h"
#include "judge/want.h"

static bool is_up(const Case *c) {
        return c->facts->state == SERVICE_RUNNING || c->facts->state == SERVICE_STARTING ||
               c->facts->state == SERVICE_STOPPING;
}

static void command_pause(const Case *c, usec_t until_usec) {
        ServiceJudgement *j = c->judgement;

        if (until_usec <= c->now_usec)
                return;

        if (!case_is_paused(c)) {
                j->paused_usec = c->now_usec;
                j->is_pause_reminded = false;
        }

        j->paused_until_usec = until_usec;
        tell_paused(c);
}

static void command_resume(const Case *c) {
        if (c->judgement->paused_until_usec == 0)
                return;

        c->judgement->paused_until_usec = 0;
        tell_resumed(c, /* is_by_person= */ true);
}

/* While another act is under way a start would be lost in it, and with it the person's wish: the one who asks is told to
 * ask again. A stop is not lost, see command_stop(). */
static void command_start(const Case *c) {
        const Intent start = { .action = ACTION_START, .reason = REASON_OPERATOR };

        if (c->facts->is_busy || c->facts->state == SERVICE_RUNNING ||
            c->facts->state == SERVICE_STARTING)
                return;

        life_forget_operator_stop(c->judgement);
        want_decide(c, &start);
}

/* Wanted until it has been seen down: an order given in the middle of another act is given again after it. */
static void command_stop(const Case *c) {
        ServiceJudgement *j = c->judgement;
        const Intent stop = { .action = ACTION_STOP, .reason = REASON_OPERATOR };
        bool was_told = j->is_stop_told;
        bool is_down = c->facts->state == SERVICE_STOPPED && !c->facts->is_busy;

        j->is_operator_stopped = true;
        j->is_stop_seen = is_down;
        j->is_stop_told = true;
        j->operator_stop_usec = c->now_usec;
        j->reminded_usec = 0;

        /* What has failed is stopped as well: systemd may be about to start it again. */
        if (!is_down)
                want_decide(c, &stop);
        else {
                j->down = DOWN_OPERATOR;
                if (!was_told)
                        tell_operator_stop(c);
        }
}

static void command_restart(const Case *c) {
        const Intent restart = { .action = is_up(c) ? ACTION_RESTART : ACTION_START,
                                 .reason = REASON_OPERATOR };

        if (c->facts->is_busy)
                return;

        life_forget_operator_stop(c->judgement);
        want_decide(c, &restart);
}

static void command_release(const Case *c) {
        ServiceJudgement *j = c->judgement;

        j->is_held = false;
        j->n_retries = 0;
        j->retry_usec = 0;
        j->refusals_told = 0;
        budget_forgive(&j->budget);
        tell_released(c, /* is_by_person= */ true);
}

void judge_command(JudgeState *state,
                   const Config *config,
                   const Snapshot *snapshot,
                   unsigned service,
                   CommandKind command,
                   usec_t until_usec,
                   usec_t now_usec,
                   Decision *ret_decision) {
        assert(state);
        assert(service < config->n_services);

        const Case c = case_make(state, config, snapshot, service, now_usec, ret_decision);

        case_clear(ret_decision);

        switch (command) {
        case COMMAND_PAUSE:
                command_pause(&c, until_usec);
                break;
        case COMMAND_RESUME:
                command_resume(&c);
                break;
        case COMMAND_START:
                command_start(&c);
                break;
        case COMMAND_STOP:
                command_stop(&c);
                break;
        case COMMAND_RESTART:
                command_restart(&c);
                break;
        case COMMAND_RELEASE:
                command_release(&c);
                break;
        case COMMAND_ACK: /* about alerts, of which the judge knows nothing */
        case _COMMAND_MAX:
                break;
        }

        case_wake(&c, now_usec);
}

void judge_outcome(JudgeState *state,
                   const Config *config,
                   unsigned service,
                   ActionKind action,
                   bool is_done,
                   const char *why,
                   usec_t took_usec,
                   usec_t now_usec,
                   Decision *ret_decision) {
        assert(state);
        assert(service < config->n_services);

        ServiceJudgement *j = &state->services[service];
        const Case c =
                case_make(state, config, /* snapshot= */ NULL, service, now_usec, ret_decision);

        case_clear(ret_decision);
        case_wake(&c, now_usec);

        if (is_done) {
                if (action == ACTION_STOP) {
                        if (j->is_operator_stopped)
                                j->is_stop_seen = true;
                } else
                        tell_done(&c, action, why, took_usec);

                return;
        }

        /* Counted from the end of the attempt: a start that takes a minute to fail is not tried again at once. */
        j->act_usec = now_usec;
        j->is_start_charged = false;
        tell_not_done(&c, action, why, took_usec);
}

void judge_count_restart(JudgeState *state, unsigned service, usec_t at_usec) {
        assert(state);
        assert(service < state->n_services);

        budget_charge_restart(&state->services[service].budget, at_usec);
}
