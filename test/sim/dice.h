/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Chance from a seed: the same seed throws the same numbers on every machine (splitmix64 by Sebastiano Vigna, public
 * domain; chosen because its whole state is one number). */
typedef struct Dice {
        uint64_t state;
} Dice;

static inline uint64_t dice_throw(Dice *dice) {
        uint64_t z = (dice->state += UINT64_C(0x9E3779B97F4A7C15));

        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return z ^ (z >> 31);
}

/* From `low` to `high`, both included. */
static inline uint64_t dice_between(Dice *dice, uint64_t low, uint64_t high) {
        return low + dice_throw(dice) % (high - low + 1);
}

static inline bool dice_is(Dice *dice, unsigned percent) {
        return dice_throw(dice) % 100 < percent;
}
