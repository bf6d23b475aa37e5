/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The matcher: each line once, with all its patterns, and nothing across line ends.
 *
 * What it reports is written down as "line:patterns|" words and compared as text. Twenty thousand
 * blocks of dice are also read by a patient reader that takes one line and one word at a time; both
 * must say the same.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/macro.h"
#include "hear/matcher.h"
#include "unit.h"

/* What was reported, as "line:bits" words. */
typedef struct Report {
        Buf buf;
        char text[4096];
        size_t n;
} Report;

static void on_line(const char *line, size_t length, uint64_t patterns, void *userdata) {
        Report *report = userdata;

        report->n++;
        buf_put_n(&report->buf, line, length);
        buf_printf(&report->buf, ":%llx|", (unsigned long long) patterns);
}

static Matcher *matcher_of(const char *const *expressions, unsigned n) {
        PatternConfig patterns[LOG_PATTERNS_MAX] = { 0 };
        char error[MATCHER_ERROR_SIZE];
        Matcher *matcher = NULL;

        for (unsigned i = 0; i < n; i++)
                patterns[i] = (PatternConfig){ .match = expressions[i],
                                               .level = LEVEL_WARNING,
                                               .line = i };
        if (matcher_new(patterns, n, error, &matcher) < 0)
                fail_msg("%s", error);
        return matcher;
}

static size_t scan(Matcher *matcher, const char *data, size_t length, Report *report) {
        report->n = 0;
        buf_init(&report->buf, report->text, sizeof(report->text));
        return matcher_scan(matcher, data, length, on_line, report);
}

static void expect(Matcher *matcher, const char *data, size_t n_lines, const char *expected) {
        Report report;

        assert_int_equal(scan(matcher, data, strlen(data), &report), n_lines);
        assert_string_equal(report.text, expected);
}

static void test_the_patterns_of_the_guide(void **state) {
        static const char *const expressions[] = {
                "CRITICAL",
                "Traceback",
                "ERROR.*Connection lost",
                "ERROR.*API rate limit",
                "SystemExit",
                "KeyboardInterrupt",
        };
        Matcher *matcher = matcher_of(expressions, ELEMENTSOF(expressions));

        (void) state;
        expect(matcher,
               "all is well\n"
               "ERROR a Connection lost\n"
               "ERROR b\n"
               "Connection lost\n"
               "CRITICAL SystemExit\n"
               "ERROR API rate limit, Connection lost\n"
               "Traceback (most recent call last):",
               7,
               "ERROR a Connection lost:4|CRITICAL SystemExit:11|ERROR API rate limit, Connection lost:c|"
               "Traceback (most recent call last)::2|");
        expect(matcher, "", 0, "");
        expect(matcher, "\n\n\n", 3, "");
        expect(matcher, "CRITICAL\r\n", 1, "CRITICAL\r:1|");
        (void) matcher_free(matcher);
}

static void test_nothing_crosses_a_line(void **state) {
        static const char *const expressions[] = {
                "a.b", "a\\sb", "a[^x]b",  "(?s)a.c", "a\\nb", "a\\x0ab",
                "e$",  "^d",    "a[\\s]b", "f\\s",    "a\nb",
        };
        Matcher *matcher = matcher_of(expressions, ELEMENTSOF(expressions));

        (void) state;
        expect(matcher, "a\nb\na\nc\n", 4, "");
        expect(matcher, "a b\na\tb\n", 2, "a b:107|a\tb:107|");
        expect(matcher, "de\nd e\nede\n", 3, "de:c0|d e:c0|ede:40|");
        expect(matcher, "f\n", 1, "");
        expect(matcher, "f \n", 1, "f :200|");
        (void) matcher_free(matcher);
}

static void test_zeroes_and_bytes_that_are_no_text(void **state) {
        static const char *const expressions[] = { "CRITICAL", "x.y", "\xEC\x9C\x84\xED\x97\x98" };
        static const char data[] = "\0\0CRITICAL\n\xFF\xFE\0x\0y\n\xEC\x9C\x84\xED\x97\x98\n";
        Matcher *matcher = matcher_of(expressions, ELEMENTSOF(expressions));
        Report report;

        (void) state;
        assert_int_equal(scan(matcher, data, sizeof(data) - 1, &report), 3);
        assert_int_equal(report.n, 3);
        (void) matcher_free(matcher);
}

/* An expression that matches at every byte: bounded by doing it line by line. */
static void test_an_expression_that_matches_everywhere(void **state) {
        static const char *const expressions[] = { "x.*", "x.+", ".", "(x+x+)+y" };
        Matcher *matcher = matcher_of(expressions, ELEMENTSOF(expressions));
        char *data = malloc(MATCHER_BLOCK_SIZE);
        Report report;

        (void) state;
        memset(data, 'x', MATCHER_BLOCK_SIZE);
        data[99] = data[199] = data[1000] = '\n';
        assert_int_equal(scan(matcher, data, MATCHER_BLOCK_SIZE, &report), 4);
        assert_int_equal(report.n, 4);

        /* More matching lines than a block has room for. */
        for (size_t i = 0; i < MATCHER_BLOCK_SIZE; i++)
                data[i] = i % 2 ? '\n' : 'x';
        assert_int_equal(scan(matcher, data, MATCHER_BLOCK_SIZE, &report), MATCHER_BLOCK_SIZE / 2);
        assert_int_equal(report.n, MATCHER_BLOCK_SIZE / 2);
        free(data);
        (void) matcher_free(matcher);
}

static uint32_t dice_state = 1;

static uint32_t dice(uint32_t sides) {
        dice_state = dice_state * 1664525U + 1013904223U;
        return (dice_state >> 8) % sides;
}

/* What a patient reader would find, line by line. */
static void expect_plain(const char *data, size_t length, Report *report, size_t *ret_lines) {
        static const char *const words[] = { "ab", "ba", "cab", "a", "\x01" };
        const char *end = data + length;

        *ret_lines = 0;
        report->n = 0;
        buf_init(&report->buf, report->text, sizeof(report->text));

        for (const char *line = data; line < end;) {
                const char *line_end = memchr(line, '\n', (size_t) (end - line));
                uint64_t bits = 0;

                if (!line_end)
                        line_end = end;
                for (size_t i = 0; i < ELEMENTSOF(words); i++)
                        if (memmem(line, (size_t) (line_end - line), words[i], strlen(words[i])))
                                bits |= UINT64_C(1) << i;
                if (bits)
                        on_line(line, (size_t) (line_end - line), bits, report);
                (*ret_lines)++;
                line = line_end + 1;
        }
}

static void test_against_a_patient_reader(void **state) {
        static const char *const expressions[] = { "ab", "ba", "cab", "a", "\x01" };
        static const char letters[] = "abc\n\x01zzzzzz";
        Matcher *matcher = matcher_of(expressions, ELEMENTSOF(expressions));

        (void) state;
        for (int round = 0; round < 20000; round++) {
                char data[200];
                Report expected;
                Report found;
                size_t n_lines;
                size_t length = dice(sizeof(data));

                for (size_t i = 0; i < length; i++)
                        data[i] = letters[dice(sizeof(letters) - 1)];

                expect_plain(data, length, &expected, &n_lines);
                assert_int_equal(scan(matcher, data, length, &found), n_lines);
                assert_string_equal(found.text, expected.text);
        }
        (void) matcher_free(matcher);
}

static void test_what_is_refused_and_why(void **state) {
        static const struct {
                const char *match;
                const char *because;
        } cases[] = {
                { "(a)\\1", "refers back" },    { "(?=a)b", "looks ahead" },
                { "(?<!a)b", "looks ahead" },   { "a++b", "possessive" },
                { "(?>a)b", "atomic" },         { "", "empty" },
                { "a*", "matches every line" }, { "^", "matches every line" },
                { "[", "character class" },     { "(", "cannot be used" },
                { "\\Aa", "write ^ and $" },    { "a\\z", "write ^ and $" },
                { "(?-m)^a", "write ^ and $" }, { "(*UTF8)a", "not supported" },
                { "a{40000}", "too large" },    { "((a.{1,50}){1,50}bx?){30}c", "too large" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                PatternConfig patterns[] = {
                        { .match = "CRITICAL", .line = 41 },
                        { .match = cases[i].match, .line = 42 },
                };
                char error[MATCHER_ERROR_SIZE] = "";
                Matcher *matcher = NULL;

                assert_int_equal(matcher_new(patterns, 2, error, &matcher), -EINVAL);
                if (!strstr(error, cases[i].because) || !strstr(error, "line 42") ||
                    !strstr(error, cases[i].match))
                        fail_msg("%s: %s", cases[i].match, error);
        }

        char *longest = calloc(1, MATCHER_PATTERN_LENGTH_MAX + 2);
        char error[MATCHER_ERROR_SIZE];
        Matcher *matcher = NULL;

        memset(longest, 'a', MATCHER_PATTERN_LENGTH_MAX + 1);
        assert_int_equal(matcher_new(&(PatternConfig){ .match = longest }, 1, error, &matcher),
                         -EINVAL);
        free(longest);
}

static void test_no_patterns_count_lines(void **state) {
        Matcher *matcher = matcher_of(NULL, 0);
        char data[1000];
        size_t n = 0;

        (void) state;
        for (size_t i = 0; i < sizeof(data); i++) {
                data[i] = dice(3) == 0 ? '\n' : 'x';
                n += data[i] == '\n';
        }
        data[sizeof(data) - 1] = '\n';
        n = 0;
        for (size_t i = 0; i < sizeof(data); i++)
                n += data[i] == '\n';
        assert_int_equal(matcher_scan(matcher, data, sizeof(data), on_line, NULL), n);
        (void) matcher_free(matcher);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_patterns_of_the_guide),
                cmocka_unit_test(test_nothing_crosses_a_line),
                cmocka_unit_test(test_zeroes_and_bytes_that_are_no_text),
                cmocka_unit_test(test_an_expression_that_matches_everywhere),
                cmocka_unit_test(test_against_a_patient_reader),
                cmocka_unit_test(test_what_is_refused_and_why),
                cmocka_unit_test(test_no_patterns_count_lines),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
