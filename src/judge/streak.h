/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>

#include "model/check.h"

/* Failures and successes in a row. Failing lasts from the first failure until `successes` good looks in a row. */
typedef struct Streak {
        unsigned failures;
        unsigned successes;
        bool is_failing;
} Streak;

typedef enum StreakChange {
        STREAK_SAME,
        STREAK_BEGAN_FAILING,
        STREAK_RECOVERED,
} StreakChange;

/* Feeds one look. Unknown changes nothing: what we could not see is no failure and no success. */
StreakChange streak_step(Streak *streak, Outcome outcome, unsigned successes);
