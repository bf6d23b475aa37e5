/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdint.h>

#include "base/time.h"
#include "model/config.h"
#include "model/level.h"

/* Edges of the staircase. A level is left only `gap` below the edge it was entered by. An edge of INT64_MAX is never
 * reached. */
typedef struct LevelRule {
        int64_t enter[LEVEL_UNKNOWN]; /* by level; the one of LEVEL_NORMAL is not looked at */
        int64_t gap;
        usec_t rise_usec; /* how long a worse value must last */
        usec_t fall_usec; /* how long a better one; grows while the level flaps */
} LevelRule;

typedef struct LevelState {
        Level level;
        int direction;
        Level nearest;
        usec_t since_usec;
        usec_t changes_since_usec; /* start of the window in which changes are counted */
        unsigned
                n_changes; /* in that window: a level that flaps must be calm for longer before it falls */
} LevelState;

/* The rule for these thresholds, zero meaning none, looked at every `interval_usec`. */
LevelRule level_rule(const Thresholds *thresholds, usec_t interval_usec);

/* Feeds one value and returns the level it now stands at; `now_usec` must not go back. */
Level level_step(LevelState *state, const LevelRule *rule, int64_t value, usec_t now_usec);

/* Nothing was seen for too long: what began before does not count as having lasted. The level stays. */
void level_forget_departure(LevelState *state);
