/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Streak: failures in a row, and the episode they make.
 *
 * An episode begins with the first failure and ends after several good looks in a row, so that one
 * lucky answer of a dying service is not good news. Between the two, further failures are more of the
 * same: a person was told and is not told again.
 *
 * A check that keeps falling ill would make an episode a minute. After three in an hour the end has
 * to be better proven each time, twice, four times, up to sixteen times as well: the message "it is
 * well again" is then worth believing, and their number has a bound.
 */

#include "judge/streak.h"

#include <assert.h>

#include "base/macro.h"

/* Three short failures in an hour are told as they are: a person wants to see these. */
static const unsigned FREE_EPISODES = 3;
static const unsigned FLAP_SHIFT_MAX = 4;
static const usec_t FLAP_WINDOW_USEC = USEC_PER_HOUR;

static void count_episode(Streak *streak, usec_t now_usec) {
        if (streak->n_episodes == 0 || now_usec - streak->episodes_since_usec >= FLAP_WINDOW_USEC) {
                streak->episodes_since_usec = now_usec;
                streak->n_episodes = 0;
        }

        streak->n_episodes++;
}

static unsigned successes_needed(const Streak *streak, unsigned successes) {
        unsigned n_over =
                streak->n_episodes > FREE_EPISODES ? streak->n_episodes - FREE_EPISODES : 0;

        return successes << MIN(n_over, FLAP_SHIFT_MAX);
}

StreakChange streak_step(Streak *streak, Outcome outcome, unsigned successes, usec_t now_usec) {
        assert(streak);
        assert(successes > 0);

        if (outcome == OUTCOME_FAIL) {
                streak->failures++;
                streak->successes = 0;

                if (streak->is_failing)
                        return STREAK_SAME;

                streak->is_failing = true;
                count_episode(streak, now_usec);
                return STREAK_BEGAN_FAILING;
        }

        if (outcome == OUTCOME_OK) {
                streak->successes++;
                streak->failures = 0;

                if (!streak->is_failing || streak->successes < successes_needed(streak, successes))
                        return STREAK_SAME;

                streak->is_failing = false;
                return STREAK_RECOVERED;
        }

        return STREAK_SAME;
}

void streak_break(Streak *streak) {
        assert(streak);

        streak->failures = 0;
        streak->successes = 0;
}
