/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Peek: questions to the judge that change nothing.
 *
 * What a status screen shows is derived from the same state and by the same functions as what is
 * decided, so that the screen and the acts can not tell two different stories.
 */

#include <assert.h>

#include "base/macro.h"
#include "judge/judge.h"
#include "judge/look.h"

void judge_peek_budget(const JudgeState *state,
                       const Config *config,
                       unsigned service,
                       usec_t now_usec,
                       unsigned *ret_used,
                       usec_t *ret_cooldown_left_usec) {
        assert(state);
        assert(service < state->n_services);

        const Budget *budget = &state->services[service].budget;
        const WatchConfig *watch = &config->watch;

        *ret_used = budget_used(budget, watch->per_usec, now_usec);
        *ret_cooldown_left_usec =
                usec_sub(budget_cooldown_end_usec(budget, watch->cooldown_usec), now_usec);
}

unsigned judge_peek_failures(const JudgeState *state, const Config *config, unsigned service) {
        assert(state);
        assert(service < state->n_services);

        unsigned most = 0;

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                if (look_may_restart(&config->services[service], kind))
                        most = MAX(most, state->services[service].checks[kind].streak.failures);

        return most;
}

Level judge_peek_check(const JudgeState *state,
                       const Config *config,
                       const Snapshot *snapshot,
                       unsigned service,
                       CheckKind kind,
                       usec_t now_usec) {
        assert(state);
        assert(service < state->n_services);
        assert(kind < _CHECK_MAX);

        Case c = {
                .index = service,
                .config = config,
                .service = &config->services[service],
                .host = &snapshot->host,
                .facts = &snapshot->services[service],
                .now_usec = now_usec,
        };

        /* look_level() only reads; a copy keeps that a promise of the types as well. */
        ServiceJudgement judgement = state->services[service];

        c.judgement = &judgement;
        return look_level(&c, kind);
}
