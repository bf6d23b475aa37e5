/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Level: one number in, one word out.
 *
 * Picture a staircase climbed in the dark. Each step is a level, and each step is a little deeper
 * than it looks from below: you must come down by `gap` before you are off it. That depth is the
 * hysteresis, and it stops a value that hovers on an edge from ringing the bell at every tick.
 *
 * A step also has to be held for a while. We follow a departure in one direction and remember the
 * mildest level seen during it; when it has lasted long enough we move there, and no further. A
 * spike to critical at the end of a long warning is therefore a warning, until it too has lasted.
 *
 * A value that swings wider than the gap still rings, up and down, for ever. So the bell gets
 * heavier: going down takes twice as long for every change of the last hour, up to sixteen times.
 * Going up never gets harder, because late bad news is worse than late good news.
 */

#include "judge/level.h"

#include <assert.h>
#include <stdbool.h>

#include "base/macro.h"

/* Changes are forgotten together at the end of the hour in which the first of them fell. */
static const usec_t FLAP_WINDOW_USEC = USEC_PER_HOUR;

/* Sixteen times: with a fall of two minutes, half an hour of calm ends the worst flapping. */
static const unsigned FLAP_SHIFT_MAX = 4;

static Level level_under(const LevelRule *rule, Level current, int64_t value) {
        Level found = LEVEL_NORMAL;

        for (Level l = LEVEL_WARNING; l < LEVEL_UNKNOWN; l++) {
                int64_t edge = rule->enter[l];

                if (l <= current)
                        edge -= rule->gap;

                if (value >= edge)
                        found = l;
        }

        return found;
}

static int direction_of(Level from, Level to) {
        return (to > from) - (to < from);
}

static usec_t patience_of(const LevelState *state, const LevelRule *rule, usec_t now_usec) {
        if (state->direction > 0)
                return rule->rise_usec;

        bool is_recent = now_usec - state->changes_since_usec < FLAP_WINDOW_USEC;

        /* The rise that is now being left is the first change: on its own it is no flapping. */
        unsigned n_before = is_recent && state->n_changes > 0 ? state->n_changes - 1 : 0;

        return rule->fall_usec << MIN(n_before, FLAP_SHIFT_MAX);
}

static void count_change(LevelState *state, usec_t now_usec) {
        if (state->n_changes == 0 || now_usec - state->changes_since_usec >= FLAP_WINDOW_USEC) {
                state->changes_since_usec = now_usec;
                state->n_changes = 0;
        }

        state->n_changes++;
}

Level level_step(LevelState *state, const LevelRule *rule, int64_t value, usec_t now_usec) {
        assert(state);
        assert(rule);
        assert(now_usec >= state->since_usec);

        Level seen = level_under(rule, state->level, value);
        int direction = direction_of(state->level, seen);

        if (direction == 0 || direction != state->direction) {
                state->direction = direction;
                state->nearest = seen;
                state->since_usec = now_usec;
        } else if (direction_of(state->nearest, seen) == -direction)
                state->nearest = seen;

        if (direction != 0 && now_usec - state->since_usec >= patience_of(state, rule, now_usec)) {
                state->level = state->nearest;
                state->direction = 0;
                count_change(state, now_usec);
        }

        return state->level;
}

void level_forget_departure(LevelState *state) {
        assert(state);

        state->direction = 0;
}

LevelRule level_rule(const Thresholds *thresholds, usec_t interval_usec) {
        assert(thresholds);

        int64_t warning = thresholds->warning > 0 ? thresholds->warning : INT64_MAX;
        int64_t critical = thresholds->critical > 0 ? thresholds->critical : INT64_MAX;
        int64_t lowest = MIN(warning, critical);

        return (LevelRule){
                .enter = { [LEVEL_WARNING] = warning, [LEVEL_CRITICAL] = critical },
                /* A twentieth: wider than the noise of a loaded machine, narrower than the way from one edge to
                 * the next in the guide's table (70 % to 80 %). */
                .gap = lowest < INT64_MAX ? lowest / 20 : 0,
                /* Two full checks: one reading is never enough, three always are. */
                .rise_usec = 2 * interval_usec,
                .fall_usec = 4 * interval_usec,
        };
}
