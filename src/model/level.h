/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* How bad a reading is. The first three are steps of a staircase; unknown stands beside it and is never a failure. */
typedef enum Level {
        LEVEL_NORMAL,
        LEVEL_WARNING,
        LEVEL_CRITICAL,
        LEVEL_UNKNOWN,
        _LEVEL_MAX,
} Level;

/* The word used in JSON and configuration: normal, warning, critical, unknown. */
const char *level_to_string(Level level);

/* The level of that word, or -EINVAL. */
int level_from_string(const char *name);

/* The word a person reads, translated (정상, 경고, 위험). */
const char *level_to_words(Level level);

/* The worse of two; a known level is worse than unknown only when it is not normal. */
Level level_worse(Level a, Level b);
