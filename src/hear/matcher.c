/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Matcher: many patterns, one pass, linear time.
 *
 * The automaton runs over a whole block at once, not line by line: almost all of a log matches
 * nothing, and that part should cost one pass at the speed of memory. It reports where a match ends;
 * only there do we look for the line around it.
 *
 *   block    ...\n a line that is fine \n ERROR: Connection lost \n ...
 *                                                             ^ end of a match
 *
 * Run over a block, an expression could also match across line ends: `ERROR\s+Timeout` could take the
 * end of one line and the beginning of the next. An expression that has anything that may match a
 * line feed is therefore asked a second time, of the line alone. It never works the other way round:
 * what matches a line alone matches it inside the block too, because ^ and $ hold at line ends and
 * anchors to the ends of the text (\A, \z) are refused.
 *
 * An expression such as `.*` matches everywhere. When a block reports more than it has room for, it
 * is done again line by line with a second automaton that reports each expression once a line.
 */

#include "hear/matcher.h"

#include <assert.h>
#include <errno.h>
#include <hs/hs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/i18n.h"
#include "base/macro.h"

enum {
        LINES_MAX = 1024, /* matching lines of a block: every line of one with lines of 64 bytes */
        REPORTS_MAX = 16 << 10, /* of a block: one for every fourth byte */
        DATABASE_BYTES_MAX = 32 << 20,
};

typedef struct MatchedLine {
        uint32_t start;
        uint32_t end; /* of its line feed, or of the block */
        uint64_t patterns;
} MatchedLine;

struct Matcher {
        hs_database_t *block;
        hs_database_t *line;
        hs_scratch_t *scratch;
        uint64_t crossing; /* patterns that may match a line feed */

        /* The block being scanned. */
        const char *data;
        uint32_t length;
        uint32_t n_reports;
        uint32_t n_lines;
        bool is_unordered;
        MatchedLine lines[LINES_MAX];
};

/* What an expression contains, as far as it matters to lines. */
typedef struct Traits {
        bool is_crossing;
        bool is_anchored_to_text;
        bool has_verb; /* (*UTF8) and its like: the data must then be valid, and ours may be anything */
} Traits;

/* "(?im-s:" and so on; `at` stands behind the question mark. */
static void traits_of_group(const char *at, Traits *traits) {
        bool is_off = false;

        if (*at == ':' || *at == 'P' || *at == '<' || *at == '\'')
                return;

        for (; *at && *at != ')' && *at != ':'; at++) {
                if (*at == '-')
                        is_off = true;
                else if (*at == 's' && !is_off)
                        traits->is_crossing = true;
                else if (*at == 'm' && is_off)
                        traits->is_anchored_to_text = true;
        }
}

static Traits traits_of(const char *expression) {
        Traits traits = { 0 };

        for (const char *p = expression; *p; p++) {
                if (*p == '\\') {
                        p++;
                        if (*p == '\0')
                                break;
                        if (strchr("AzZG", *p))
                                traits.is_anchored_to_text = true;
                        /* Letters and digits other than these may stand for a line feed or a class with one. */
                        else if (((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z' &&
                                  !strchr("dwSbB", *p)) ||
                                 (*p >= '0' && *p <= '9'))
                                traits.is_crossing = true;
                } else if ((unsigned char) *p < 0x20 ||
                           (*p == '[' && strchr("^[:", p[1]) && p[1] != '\0'))
                        traits.is_crossing = true;
                else if (*p == '(' && p[1] == '*')
                        traits.has_verb = true;
                else if (*p == '(' && p[1] == '?')
                        traits_of_group(p + 2, &traits);
        }

        return traits;
}

static void put_error(char reterr[static MATCHER_ERROR_SIZE],
                      const PatternConfig *pattern,
                      const char *trouble) {
        Buf buf;
        char shown[96];
        Buf expression = BUF_OVER(shown);

        buf_put(&expression, pattern->match);
        buf_init(&buf, reterr, MATCHER_ERROR_SIZE);
        buf_printf(&buf, _("line %u: the pattern \"%s%s\" cannot be used: %s"), pattern->line,
                   shown, expression.is_truncated ? "…" : "", trouble);
}

static int
refuse(char reterr[static MATCHER_ERROR_SIZE], const PatternConfig *pattern, const char *trouble) {
        put_error(reterr, pattern, trouble);
        return -EINVAL;
}

/* libhs says "Back-references are unsupported."; what to do about it is for us to say. */
static const char *trouble_of(const char *message) {
        static const struct {
                const char *theirs;
                const char *ours;
        } troubles[] = {
                { "Back-reference",
                  N_("it refers back to a group (\\1); write the alternatives out instead") },
                { "Zero-width assertion",
                  N_("it looks ahead or behind ((?=…), (?!…), (?<=…)); match the whole text instead") },
                { "Possessive",
                  N_("it has a possessive repeat (a++); an ordinary one does the same here") },
                { "Atomic",
                  N_("it has an atomic group ((?>…)); an ordinary one does the same here") },
                { "empty buffer", N_("it matches every line, because it matches nothing at all") },
                { "too large", N_("it is too large; use smaller or fewer counted repeats") },
        };

        for (size_t i = 0; i < ELEMENTSOF(troubles); i++)
                if (strstr(message, troubles[i].theirs))
                        return _(troubles[i].ours);

        return message;
}

static int check_pattern(const PatternConfig *pattern,
                         char reterr[static MATCHER_ERROR_SIZE],
                         Traits *ret_traits) {
        if (pattern->match[0] == '\0')
                return refuse(reterr, pattern, _("it is empty"));
        if (strlen(pattern->match) > MATCHER_PATTERN_LENGTH_MAX)
                return refuse(reterr, pattern, _("it is longer than 1000 characters"));

        Traits traits = traits_of(pattern->match);

        if (traits.is_anchored_to_text)
                return refuse(
                        reterr, pattern,
                        _("each line is matched alone; write ^ and $ for its beginning and end"));
        if (traits.has_verb)
                return refuse(reterr, pattern, _("options such as (*UTF8) are not supported"));

        *ret_traits = traits;
        return 0;
}

static int compile(const PatternConfig *patterns,
                   unsigned n_patterns,
                   unsigned flag,
                   char reterr[static MATCHER_ERROR_SIZE],
                   hs_database_t **ret_database) {
        const char *expressions[LOG_PATTERNS_MAX];
        unsigned flags[LOG_PATTERNS_MAX];
        unsigned ids[LOG_PATTERNS_MAX];
        hs_compile_error_t *error = NULL;
        hs_database_t *database = NULL;
        size_t size = 0;

        for (unsigned i = 0; i < n_patterns; i++) {
                expressions[i] = patterns[i].match;
                flags[i] = HS_FLAG_MULTILINE | flag;
                ids[i] = i;
        }

        hs_error_t code = hs_compile_multi(expressions, flags, ids, n_patterns, HS_MODE_BLOCK,
                                           /* platform= */ NULL, &database, &error);
        if (code != HS_SUCCESS) {
                unsigned culprit =
                        error && error->expression >= 0 ? (unsigned) error->expression : 0;

                put_error(reterr, &patterns[culprit], error ? trouble_of(error->message) : "?");
                (void) hs_free_compile_error(error); /* cannot fail on what they made */
                return -EINVAL;
        }

        if (hs_database_size(database, &size) != HS_SUCCESS || size > DATABASE_BYTES_MAX) {
                (void) hs_free_database(database); /* as above */
                return refuse(reterr, &patterns[0], _("all patterns together are too large"));
        }

        *ret_database = database;
        return 0;
}

/* An expression that can match nothing at all (^, a*) ends where it begins, which may be between two lines. */
static int check_width(const PatternConfig *pattern, char reterr[static MATCHER_ERROR_SIZE]) {
        hs_compile_error_t *error = NULL;
        hs_expr_info_t *info = NULL;

        if (hs_expression_info(pattern->match, HS_FLAG_MULTILINE, &info, &error) != HS_SUCCESS) {
                put_error(reterr, pattern, error ? trouble_of(error->message) : "?");
                (void) hs_free_compile_error(error); /* cannot fail on what they made */
                return -EINVAL;
        }

        unsigned width = info->min_width;
        free(info);
        return width > 0 ? 0 : refuse(reterr, pattern, trouble_of("empty buffer"));
}

static void matcher_cleanup(Matcher **matcher) {
        *matcher = matcher_free(*matcher);
}

int matcher_new(const PatternConfig *patterns,
                unsigned n_patterns,
                char reterr[static MATCHER_ERROR_SIZE],
                Matcher **ret_matcher) {
        assert(patterns || n_patterns == 0);
        assert(n_patterns <= LOG_PATTERNS_MAX);
        assert(ret_matcher);

        CLEANUP(matcher_cleanup) Matcher *matcher = calloc(1, sizeof(*matcher));
        if (!matcher)
                return -ENOMEM;

        for (unsigned i = 0; i < n_patterns; i++) {
                Traits traits;

                int r = check_pattern(&patterns[i], reterr, &traits);
                if (r < 0)
                        return r;

                r = check_width(&patterns[i], reterr);
                if (r < 0)
                        return r;
                if (traits.is_crossing)
                        matcher->crossing |= UINT64_C(1) << i;
        }

        if (n_patterns > 0) {
                if (hs_valid_platform() != HS_SUCCESS)
                        return refuse(reterr, &patterns[0], _("this processor lacks SSSE3"));

                int r = compile(patterns, n_patterns, /* flag= */ 0, reterr, &matcher->block);
                if (r < 0)
                        return r;

                r = compile(patterns, n_patterns, HS_FLAG_SINGLEMATCH, reterr, &matcher->line);
                if (r < 0)
                        return r;

                if (hs_alloc_scratch(matcher->block, &matcher->scratch) != HS_SUCCESS ||
                    hs_alloc_scratch(matcher->line, &matcher->scratch) != HS_SUCCESS)
                        return -ENOMEM;
        }

        *ret_matcher = TAKE_PTR(matcher);
        return 0;
}

Matcher *matcher_free(Matcher *matcher) {
        if (!matcher)
                return NULL;

        /* None of these fails on NULL or on what they made themselves. */
        (void) hs_free_scratch(matcher->scratch);
        (void) hs_free_database(matcher->line);
        (void) hs_free_database(matcher->block);
        free(matcher);
        return NULL;
}

/* Sixteen bytes at a time in eight-bit counters, which are emptied before they can overflow. */
typedef uint8_t Vector __attribute__((vector_size(16)));

static size_t count_line_feeds(const char *data, size_t length) {
        const Vector line_feeds = (Vector){ 0 } + (uint8_t) '\n';
        size_t count = 0;
        size_t at = 0;

        while (length - at >= 4 * sizeof(Vector)) {
                Vector counters[4] = { 0 };
                size_t n_rounds = MIN((length - at) / (4 * sizeof(Vector)), (size_t) UINT8_MAX);

                for (size_t i = 0; i < n_rounds; i++)
                        for (size_t j = 0; j < 4; j++) {
                                Vector bytes;

                                memcpy(&bytes, data + at, sizeof(bytes));
                                counters[j] -= (Vector) (bytes == line_feeds);
                                at += sizeof(bytes);
                        }

                for (size_t j = 0; j < 4; j++)
                        for (size_t k = 0; k < sizeof(Vector); k++)
                                count += counters[j][k];
        }

        for (; at < length; at++)
                count += data[at] == '\n';

        return count;
}

static int on_block_match(unsigned id,
                          unsigned long long from,
                          unsigned long long to,
                          unsigned flags,
                          void *userdata) {
        Matcher *matcher = userdata;
        MatchedLine *last = matcher->n_lines > 0 ? &matcher->lines[matcher->n_lines - 1] : NULL;
        size_t at = to > 0 ? (size_t) to - 1 : 0;

        (void) from;  /* only known when asked for, which is dear */
        (void) flags; /* none are defined */

        if (++matcher->n_reports > REPORTS_MAX)
                return 1;

        if (last && at >= last->start && at <= last->end) {
                last->patterns |= UINT64_C(1) << id;
                return 0;
        }

        if (matcher->n_lines == LINES_MAX)
                return 1;

        const char *before = memrchr(matcher->data, '\n', at);
        const char *after = memchr(matcher->data + at, '\n', matcher->length - at);
        MatchedLine line = {
                .start = before ? (uint32_t) (before - matcher->data) + 1 : 0,
                .end = after ? (uint32_t) (after - matcher->data) : matcher->length,
                .patterns = UINT64_C(1) << id,
        };

        /* libhs promises all matches, not their order. */
        if (last && line.start < last->start)
                matcher->is_unordered = true;

        matcher->lines[matcher->n_lines++] = line;
        return 0;
}

static int on_line_match(unsigned id,
                         unsigned long long from,
                         unsigned long long to,
                         unsigned flags,
                         void *userdata) {
        uint64_t *patterns = userdata;

        (void) from;
        (void) to;
        (void) flags;

        *patterns |= UINT64_C(1) << id;
        return 0;
}

static uint64_t match_line(Matcher *matcher, const char *line, size_t length) {
        uint64_t patterns = 0;

        /* An empty line matches nothing: expressions that match the empty text are refused. */
        if (length > 0) {
                hs_error_t code = hs_scan(matcher->line, line, (unsigned) length, 0,
                                          matcher->scratch, on_line_match, &patterns);
                assert(code == HS_SUCCESS);
        }

        return patterns;
}

/* An insertion sort: the lines come in order but for a few. */
static void put_in_order(Matcher *matcher) {
        uint32_t n = 0;

        for (uint32_t i = 1; i < matcher->n_lines; i++) {
                MatchedLine line = matcher->lines[i];
                uint32_t j = i;

                for (; j > 0 && matcher->lines[j - 1].start > line.start; j--)
                        matcher->lines[j] = matcher->lines[j - 1];
                matcher->lines[j] = line;
        }

        for (uint32_t i = 0; i < matcher->n_lines; i++)
                if (n > 0 && matcher->lines[n - 1].start == matcher->lines[i].start)
                        matcher->lines[n - 1].patterns |= matcher->lines[i].patterns;
                else
                        matcher->lines[n++] = matcher->lines[i];

        matcher->n_lines = n;
}

static void scan_by_line(
        Matcher *matcher, const char *data, size_t length, MatcherLine on_line, void *userdata) {
        const char *end = data + length;

        for (const char *line = data; line < end;) {
                const char *line_end = memchr(line, '\n', (size_t) (end - line));
                if (!line_end)
                        line_end = end;

                uint64_t patterns = match_line(matcher, line, (size_t) (line_end - line));
                if (patterns != 0)
                        on_line(line, (size_t) (line_end - line), patterns, userdata);

                line = line_end + 1;
        }
}

static void
scan_block(Matcher *matcher, const char *data, size_t length, MatcherLine on_line, void *userdata) {
        matcher->data = data;
        matcher->length = (uint32_t) length;
        matcher->n_reports = 0;
        matcher->n_lines = 0;
        matcher->is_unordered = false;

        hs_error_t code = hs_scan(matcher->block, data, (unsigned) length, 0, matcher->scratch,
                                  on_block_match, matcher);
        if (code == HS_SCAN_TERMINATED) {
                scan_by_line(matcher, data, length, on_line, userdata);
                return;
        }

        /* Anything else would be a misuse of the library. */
        assert(code == HS_SUCCESS);

        if (matcher->is_unordered)
                put_in_order(matcher);

        for (uint32_t i = 0; i < matcher->n_lines; i++) {
                const MatchedLine *line = &matcher->lines[i];
                uint64_t patterns = line->patterns;

                if (patterns & matcher->crossing)
                        patterns = (patterns & ~matcher->crossing) |
                                   match_line(matcher, data + line->start, line->end - line->start);
                if (patterns != 0)
                        on_line(data + line->start, line->end - line->start, patterns, userdata);
        }
}

size_t matcher_scan(
        Matcher *matcher, const char *data, size_t length, MatcherLine on_line, void *userdata) {
        assert(matcher);
        assert(data || length == 0);
        assert(length <= MATCHER_BLOCK_SIZE);

        if (length == 0)
                return 0;

        if (matcher->block)
                scan_block(matcher, data, length, on_line, userdata);

        return count_line_feeds(data, length) + (data[length - 1] != '\n');
}
