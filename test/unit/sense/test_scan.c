/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lines, words and numbers: only whole ones are given.
 *
 * Each text lies in memory of exactly its size, so that the sanitizer sees every reader that steps
 * over its end.
 */

#include "sense/dirents.h"
#include "sense/scan.h"
#include "support.h"

static void lines_without_newline_are_not_given(void **state) {
        (void) state;
        Text text = text_of("one\n\ntwo 12");
        const char *p = text.data;
        const char *end = text.data + text.length;
        Span line;

        assert_true(scan_line(&p, end, &line));
        assert_true(scan_is(line, "one"));
        assert_true(scan_line(&p, end, &line));
        assert_true(scan_is(line, ""));
        assert_false(scan_line(&p, end, &line));
        text_done(&text);
}

static void words_stand_between_blanks(void **state) {
        (void) state;
        Text text = text_of(" \ta  bc\t");
        const char *p = text.data;
        const char *end = text.data + text.length;
        Span word;

        assert_true(scan_word(&p, end, &word));
        assert_true(scan_is(word, "a"));
        assert_true(scan_word(&p, end, &word));
        assert_true(scan_is(word, "bc"));
        assert_false(scan_word(&p, end, &word));
        text_done(&text);
}

static bool kilobytes_of(const char *literal, uint64_t *ret) {
        Text text = text_of(literal);
        bool is_read = scan_kilobytes((Span){ text.data, text.data + text.length }, ret);

        text_done(&text);
        return is_read;
}

static void sizes_have_their_unit(void **state) {
        (void) state;
        uint64_t bytes;

        assert_true(kilobytes_of("12 kB", &bytes));
        assert_int_equal(bytes, 12 * 1024);
        assert_false(kilobytes_of("12", &bytes));
        assert_false(kilobytes_of("12 MB", &bytes));
        assert_false(kilobytes_of("-1 kB", &bytes));
        assert_false(kilobytes_of("", &bytes));
        assert_false(kilobytes_of("18014398509481984 kB", &bytes)); /* 2^64 bytes */
        assert_false(kilobytes_of("99999999999999999999 kB", &bytes));
}

static void permille_is_rounded_and_bounded(void **state) {
        (void) state;

        assert_int_equal(scan_permille(0, 1), 0);
        assert_int_equal(scan_permille(1, 3), 333);
        assert_int_equal(scan_permille(2, 3), 667);
        assert_int_equal(scan_permille(5, 3), 1000);
        assert_int_equal(scan_permille(UINT64_MAX / 2, UINT64_MAX), 500);
        assert_int_equal(scan_to_i64(UINT64_MAX), INT64_MAX);
}

static void names_of_processes_are_numbers(void **state) {
        (void) state;
        uint64_t number;

        assert_true(dirents_parse_number("4242", &number));
        assert_int_equal(number, 4242);
        assert_false(dirents_parse_number("42x", &number));
        assert_false(dirents_parse_number("self", &number));
        assert_false(dirents_parse_number(".", &number));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lines_without_newline_are_not_given),
                cmocka_unit_test(words_stand_between_blanks),
                cmocka_unit_test(sizes_have_their_unit),
                cmocka_unit_test(permille_is_rounded_and_bounded),
                cmocka_unit_test(names_of_processes_are_numbers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
