/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Life: one process after the other under the same name.
 *
 *        never ──► up ──► failed   it died: told, and to be started again
 *                  │  ──► ended    it ended cleanly: told, and left alone
 *                  └────► operator a person stopped it: noted, and left alone
 *
 * We do not see every step. A service may die and be back before we look, we may have been restarted
 * in between, and the machine too. What tells lives apart is the number its runner gives them, and the
 * start of the process where both are known; a death that happened behind our back is told late rather
 * than never.
 *
 * While one of our own acts is under way nothing is concluded: a service that is being restarted is
 * down because we took it down.
 */

#include "judge/life.h"

#include <assert.h>

#include "base/macro.h"
#include "judge/look.h"
#include "judge/tell.h"

/* The start of a process is read from /proc in hundredths of a second, or measured by us when we start it: the same
 * life may differ by that, two lives differ by more. */
static const usec_t SAME_START_USEC = USEC_PER_SEC;

/* With a number of its own, less is needed: what is killed as soon as it runs may be back within a second. What remains
 * is the error of the measuring, a hundredth of a second and the time it takes us to look at the clock. */
static const usec_t SAME_START_NUMBERED_USEC = 100 * USEC_PER_MSEC;

/* Whoever has worked for five minutes is through its start-up and dies of something else: no crash loop. */
static const usec_t EARLY_DEATH_USEC = 5 * USEC_PER_MINUTE;

/* An act that was wanted and has not begun after a minute will not begin: we were restarted in between. */
static const usec_t ACT_LOST_USEC = USEC_PER_MINUTE;

/* A person's order to stop is repeated for so long. Later, what runs was started by somebody while we did not look, and
 * an old order must not take it down. */
static const usec_t STOP_WISH_USEC = 10 * USEC_PER_MINUTE;

/* More deaths than this in an hour are somebody else's doing (we have a budget) and are not told one by one. */
static const unsigned DEATHS_TOLD_MAX = 12;

static bool is_new_life(const Case *c) {
        const ServiceJudgement *j = c->judgement;
        const ServiceFacts *facts = c->facts;

        if (facts->started_usec > 0 && j->started_usec > 0) {
                usec_t apart_usec = usec_sub(facts->started_usec, j->started_usec) +
                                    usec_sub(j->started_usec, facts->started_usec);
                bool has_new_number = facts->incarnation > j->incarnation && j->incarnation != 0;

                return apart_usec > (has_new_number ? SAME_START_NUMBERED_USEC : SAME_START_USEC);
        }

        return facts->incarnation != 0 && facts->incarnation != j->incarnation;
}

static bool is_bad_exit(ExitCause cause) {
        return cause != EXIT_CAUSE_NONE && cause != EXIT_CAUSE_CLEAN;
}

void life_forget_operator_stop(ServiceJudgement *judgement) {
        judgement->is_operator_stopped = false;
        judgement->is_stop_seen = false;
        judgement->is_stop_told = false;
        judgement->reminded_usec = 0;
}

static void begin_life(const Case *c) {
        ServiceJudgement *j = c->judgement;
        usec_t start_usec = c->facts->started_usec > 0 ? c->facts->started_usec : c->now_usec;

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                streak_break(&j->checks[kind].streak);

        if (!j->is_start_charged)
                budget_charge_start(&j->budget, MIN(start_usec, c->now_usec));

        j->is_start_charged = false;
        j->is_start_owed = false;
        j->stop_usec = 0;
        j->healthy_since_usec = 0;
        j->refusals_told = 0;

        if (j->is_stop_seen)
                life_forget_operator_stop(j);
}

static void count_death(ServiceJudgement *j, const ServiceFacts *facts, usec_t lived_usec) {
        bool is_early = lived_usec < EARLY_DEATH_USEC;
        bool is_same =
                facts->exit_cause == j->last_exit_cause && facts->exit_value == j->last_exit_value;

        if (!is_early)
                j->n_same_exits = 0;
        else if (is_same)
                j->n_same_exits++;
        else
                j->n_same_exits = 1;

        j->last_exit_cause = facts->exit_cause;
        j->last_exit_value = facts->exit_value;
}

/* How long the life lasted that ended at `died_usec`; zero, and so an early death, when its start was not seen. */
static usec_t lived_usec_of(const Case *c, usec_t died_usec) {
        usec_t started_usec = c->judgement->started_usec;

        return started_usec > 0 ? usec_sub(died_usec, started_usec) : 0;
}

static void note_death(const Case *c, usec_t died_usec) {
        ServiceJudgement *j = c->judgement;
        usec_t lived_usec = lived_usec_of(c, died_usec);

        count_death(j, c->facts, lived_usec);
        j->died_usec = died_usec;

        if (c->now_usec - j->deaths_since_usec >= USEC_PER_HOUR) {
                j->deaths_since_usec = c->now_usec;
                j->n_deaths_told = 0;
        }

        if (j->n_deaths_told >= DEATHS_TOLD_MAX)
                return;

        j->n_deaths_told++;
        j->is_down_told = true;
        tell_died(c, lived_usec, /* is_known= */ j->started_usec > 0);
}

static DownKind down_of(const Case *c) {
        const ServiceJudgement *j = c->judgement;
        const ServiceFacts *facts = c->facts;

        switch (facts->state) {
        case SERVICE_STARTING:
        case SERVICE_RUNNING:
        case SERVICE_STOPPING:
                return DOWN_NONE;
        case SERVICE_FAILED:
                return case_is_operator_stopped(c) ? DOWN_OPERATOR : DOWN_FAILED;
        case SERVICE_STOPPED:
        case SERVICE_HELD:
        case _SERVICE_STATE_MAX:
                break;
        }

        if (case_is_operator_stopped(c))
                return DOWN_OPERATOR;
        if (j->is_start_owed)
                return DOWN_FAILED;
        /* How it ended is forgotten by its runner when we are restarted, but not by us. */
        if (facts->incarnation == 0 || facts->exit_cause == EXIT_CAUSE_NONE)
                return j->down == DOWN_ENDED ? DOWN_ENDED : DOWN_NEVER;

        /* Only an end known to be clean is left alone; one that nobody saw is taken for a death. */
        return facts->exit_cause == EXIT_CAUSE_CLEAN ? DOWN_ENDED : DOWN_FAILED;
}

static void note_operator_stop(const Case *c) {
        ServiceJudgement *j = c->judgement;

        j->is_operator_stopped = true;
        j->is_stop_seen |= !c->facts->is_backend_restarting;

        if (j->is_stop_told)
                return;

        j->is_stop_told = true;
        j->operator_stop_usec = c->now_usec;
        tell_operator_stop(c);
}

static usec_t died_usec_of(const Case *c) {
        usec_t since_usec = c->facts->state_since_usec;

        /* What did not come up went down when that was found out. */
        if (c->judgement->is_start_owed && c->facts->state == SERVICE_STOPPED)
                since_usec = c->judgement->act_usec;

        return since_usec > 0 && since_usec <= c->now_usec ? since_usec : c->now_usec;
}

static void note_down(const Case *c, bool is_new) {
        ServiceJudgement *j = c->judgement;
        DownKind down = down_of(c);

        if (down == j->down && !(is_new && down != DOWN_NONE))
                return;

        /* Somebody started what a person had stopped: the stop is over. */
        if (j->down == DOWN_OPERATOR && j->is_stop_seen && !c->facts->is_operator_stopped)
                life_forget_operator_stop(j);

        j->down = down;

        switch (down) {
        case DOWN_FAILED:
                note_death(c, died_usec_of(c));
                break;
        case DOWN_ENDED:
                j->died_usec = died_usec_of(c);
                j->is_down_told = true;
                tell_ended(c, lived_usec_of(c, j->died_usec));
                break;
        case DOWN_OPERATOR:
                note_operator_stop(c);
                break;
        case DOWN_NONE:
        case DOWN_NEVER:
        case _DOWN_MAX:
                break;
        }
}

/* It died and lives again, and we saw neither. */
static void note_unseen_death(const Case *c) {
        const ServiceJudgement *j = c->judgement;

        if (j->has_run && j->down == DOWN_NONE && !j->is_start_owed && !c->facts->is_busy &&
            c->facts->state == SERVICE_RUNNING && is_bad_exit(c->facts->exit_cause))
                note_death(c, MIN(c->facts->started_usec, c->now_usec));
}

static void note_up(const Case *c) {
        ServiceJudgement *j = c->judgement;

        j->has_run = true;

        if (j->is_operator_stopped && !j->is_stop_seen &&
            c->now_usec >= usec_add(j->operator_stop_usec, STOP_WISH_USEC))
                life_forget_operator_stop(j);

        if (c->now_usec >= usec_add(j->act_usec, ACT_LOST_USEC))
                j->is_start_owed = false;
}

static void remind(const Case *c) {
        ServiceJudgement *j = c->judgement;
        usec_t remind_usec = c->config->watch.remind_usec;

        if (remind_usec == 0)
                return;

        if (j->down == DOWN_OPERATOR && j->reminded_usec == 0) {
                usec_t due_usec = usec_add(j->operator_stop_usec, remind_usec);

                if (c->now_usec >= due_usec) {
                        j->reminded_usec = c->now_usec;
                        tell_stop_reminder(c);
                } else
                        case_wake(c, due_usec);
        }

        if (case_is_paused(c) && !j->is_pause_reminded) {
                usec_t due_usec = usec_add(j->paused_usec, remind_usec);

                if (c->now_usec >= due_usec) {
                        j->is_pause_reminded = true;
                        tell_pause_reminder(c);
                } else
                        case_wake(c, due_usec);
        }
}

static void end_pause(const Case *c) {
        ServiceJudgement *j = c->judgement;

        if (j->paused_until_usec == 0)
                return;

        if (case_is_paused(c)) {
                case_wake(c, j->paused_until_usec);
                return;
        }

        j->paused_until_usec = 0;
        tell_resumed(c, /* is_by_person= */ false);
}

void life_step(const Case *c) {
        ServiceJudgement *j = c->judgement;
        const ServiceFacts *facts = c->facts;
        bool is_new = is_new_life(c);

        if (is_new) {
                note_unseen_death(c);
                begin_life(c);
                j->started_usec = facts->started_usec;
        } else if (facts->started_usec > 0)
                j->started_usec = facts->started_usec;

        if (facts->incarnation != 0)
                j->incarnation = facts->incarnation;

        end_pause(c);

        if (!facts->is_busy) {
                note_down(c, is_new);
                if (facts->state == SERVICE_RUNNING)
                        note_up(c);
        }

        j->state = facts->state;
        remind(c);
}

bool life_is_up(const Case *c) {
        return c->facts->state == SERVICE_RUNNING && !c->facts->is_busy;
}

bool life_is_over_memory(const Case *c) {
        return c->service->memory_max_bytes > 0 && c->facts->memory_bytes > 0 &&
               (uint64_t) c->facts->memory_bytes > c->service->memory_max_bytes;
}

/* Long enough to be past grace twice, and as long as the cool-down: what fails only then is a new failure. */
static usec_t proof_usec(const WatchConfig *watch) {
        return MAX(2 * watch->grace_usec, watch->cooldown_usec);
}

static void prove_up(const Case *c) {
        ServiceJudgement *j = c->judgement;

        if (!j->is_down_told)
                return;

        if (!look_is_proven(c)) {
                if (case_is_in_grace(c))
                        case_wake(c, c->facts->started_usec + c->config->watch.grace_usec);
                return;
        }

        j->is_down_told = false;
        tell_up(c);
}

static void prove_healthy(const Case *c) {
        ServiceJudgement *j = c->judgement;

        if (!j->budget.is_unproven && !j->is_held && j->n_same_exits == 0)
                return;

        usec_t due_usec = usec_add(j->healthy_since_usec, proof_usec(&c->config->watch));

        if (c->now_usec < due_usec) {
                case_wake(c, due_usec);
                return;
        }

        budget_prove(&j->budget);
        j->n_same_exits = 0;

        if (j->is_held) {
                j->is_held = false;
                j->n_retries = 0;
                j->retry_usec = 0;
                tell_released(c, /* is_by_person= */ false);
        }
}

void life_prove(const Case *c) {
        ServiceJudgement *j = c->judgement;

        if (!life_is_up(c) || !look_is_well(c) || life_is_over_memory(c)) {
                j->healthy_since_usec = 0;
                return;
        }

        /* Zero means never, and the clock may begin there. */
        if (j->healthy_since_usec == 0)
                j->healthy_since_usec = MAX(c->now_usec, (usec_t) 1);

        prove_up(c);
        prove_healthy(c);
}
