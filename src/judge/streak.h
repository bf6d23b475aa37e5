/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>

#include "base/time.h"
#include "model/check.h"

/* Failures and successes in a row. Failing lasts from the first failure until `successes` good looks in a row; after
 * several such episodes within an hour, more good looks are asked for. */
typedef struct Streak {
        unsigned failures;
        unsigned successes;
        bool is_failing;
        unsigned n_episodes; /* within the hour that began at: */
        usec_t episodes_since_usec;
} Streak;

typedef enum StreakChange {
        STREAK_SAME,
        STREAK_BEGAN_FAILING,
        STREAK_RECOVERED,
} StreakChange;

/* Feeds one look. Unknown changes nothing: what we could not see is no failure and no success. */
StreakChange streak_step(Streak *streak, Outcome outcome, unsigned successes, usec_t now_usec);

/* What comes next is no longer in a row with what was: a new process, or a long time without a look. An episode that
 * was told stays open until it is seen to be over. */
void streak_break(Streak *streak);
