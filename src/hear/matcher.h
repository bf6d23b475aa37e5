/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/config.h"

enum {
        MATCHER_BLOCK_SIZE =
                64
                << 10, /* most bytes of one matcher_scan(): small enough for the second-level cache */
        MATCHER_ERROR_SIZE = 320,
        MATCHER_PATTERN_LENGTH_MAX = 1000,
};

/* All patterns of a service, compiled into one automaton (libhs) whose time is linear in the text whatever the
 * patterns. */
typedef struct Matcher Matcher;

/* Compiles. An expression is searched for inside each line (PCRE syntax without back references and look-around, which
 * no linear-time matcher can do). On failure returns -EINVAL and in `reterr` a sentence with the expression, its line in
 * the configuration and the trouble. No patterns is well: nothing matches. */
int matcher_new(const PatternConfig *patterns,
                unsigned n_patterns,
                char reterr[static MATCHER_ERROR_SIZE],
                Matcher **ret_matcher);

Matcher *matcher_free(Matcher *matcher);

/* One line of `data` that matches: without its line feed, with the set of patterns as bits by index. */
typedef void (*MatcherLine)(const char *line, size_t length, uint64_t patterns, void *userdata);

/* Calls back once per matching line, in order. Returns the number of lines; text behind the last line feed is one.
 * `length` is at most MATCHER_BLOCK_SIZE. Allocates nothing. */
size_t matcher_scan(
        Matcher *matcher, const char *data, size_t length, MatcherLine on_line, void *userdata);
