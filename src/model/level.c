/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Level: the words for how bad a reading is.
 *
 * Two sets of words on purpose. One is for programs and never changes; the other is for people and
 * follows the language: the same three words of the guide (정상, 경고, 위험) on every screen.
 */

#include "model/level.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/macro.h"

static const char *const level_names[] = {
        [LEVEL_NORMAL] = "normal",
        [LEVEL_WARNING] = "warning",
        [LEVEL_CRITICAL] = "critical",
        [LEVEL_UNKNOWN] = "unknown",
};

static const char *const level_words[] = {
        [LEVEL_NORMAL] = N_("normal"),
        [LEVEL_WARNING] = N_("warning"),
        [LEVEL_CRITICAL] = N_("critical"),
        [LEVEL_UNKNOWN] = N_("unknown"),
};

static_assert(ELEMENTSOF(level_names) == _LEVEL_MAX, "a name for each level");
static_assert(ELEMENTSOF(level_words) == _LEVEL_MAX, "a word for each level");

const char *level_to_string(Level level) {
        assert(level < _LEVEL_MAX);
        return level_names[level];
}

int level_from_string(const char *name) {
        for (unsigned i = 0; i < _LEVEL_MAX; i++)
                if (strcmp(level_names[i], name) == 0)
                        return (int) i;

        return -EINVAL;
}

const char *level_to_words(Level level) {
        assert(level < _LEVEL_MAX);
        return _(level_words[level]);
}

Level level_worse(Level a, Level b) {
        /* Not knowing is worse than knowing that all is well, and better than knowing that it is not. */
        static const int rank[] = {
                [LEVEL_NORMAL] = 0,
                [LEVEL_UNKNOWN] = 1,
                [LEVEL_WARNING] = 2,
                [LEVEL_CRITICAL] = 3,
        };

        static_assert(ELEMENTSOF(rank) == _LEVEL_MAX, "a rank for each level");
        assert(a < _LEVEL_MAX);
        assert(b < _LEVEL_MAX);

        return rank[a] >= rank[b] ? a : b;
}
