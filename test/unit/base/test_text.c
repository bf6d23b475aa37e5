/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Numbers, durations, sizes and shares, as people write them in the configuration.
 *
 * Strict text: what is read is the whole text, and what is not exactly that is refused. Each row is
 * one text and what must come of it.
 */

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/text.h"
#include "unit.h"

typedef struct Row {
        const char *text;
        int r;
        uint64_t value;
} Row;

#define REFUSED(text) \
        { (text), -EINVAL, 0 }
#define TOO_LARGE(text) \
        { (text), -ERANGE, 0 }

static void check_rows(const Row *rows, size_t n, int (*parse)(const char *text, uint64_t *ret)) {
        for (size_t i = 0; i < n; i++) {
                uint64_t value = 4711;

                print_message("\"%s\"\n", rows[i].text);
                assert_int_equal(parse(rows[i].text, &value), rows[i].r);
                assert_int_equal(value, rows[i].r < 0 ? 4711 : rows[i].value);
        }
}

static void test_u64(void **state) {
        static const Row rows[] = {
                { "0", 0, 0 },
                { "42", 0, 42 },
                { "18446744073709551615", 0, UINT64_MAX },
                TOO_LARGE("18446744073709551616"),
                TOO_LARGE("99999999999999999999999"),
                REFUSED(""),
                REFUSED(" 1"),
                REFUSED("1 "),
                REFUSED("-1"),
                REFUSED("+1"),
                REFUSED("0x10"),
                REFUSED("1\n"),
        };

        (void) state;
        check_rows(rows, ELEMENTSOF(rows), text_parse_u64);
}

static void test_i64(void **state) {
        int64_t value = 4711;

        (void) state;
        assert_int_equal(text_parse_i64("-9223372036854775807", &value), 0);
        assert_int_equal(value, -INT64_MAX);
        assert_int_equal(text_parse_i64("9223372036854775807", &value), 0);
        assert_int_equal(value, INT64_MAX);
        assert_int_equal(text_parse_i64("9223372036854775808", &value), -ERANGE);
        assert_int_equal(text_parse_i64("-", &value), -EINVAL);
        assert_int_equal(text_parse_i64("--1", &value), -EINVAL);
        assert_int_equal(value, INT64_MAX);
}

static void test_duration(void **state) {
        static const Row rows[] = {
                { "30s", 0, 30 * USEC_PER_SEC },
                { "30", 0, 30 * USEC_PER_SEC },
                { "30 s", 0, 30 * USEC_PER_SEC },
                { "5m", 0, 5 * USEC_PER_MINUTE },
                { "5min", 0, 5 * USEC_PER_MINUTE },
                { "250ms", 0, 250 * USEC_PER_MSEC },
                { "1h30m", 0, 90 * USEC_PER_MINUTE },
                { "1h 30m", 0, 90 * USEC_PER_MINUTE },
                { "1.5h", 0, 90 * USEC_PER_MINUTE },
                { "7d", 0, 7 * USEC_PER_DAY },
                { "2w", 0, 14 * USEC_PER_DAY },
                { "0", 0, 0 },
                { "0s", 0, 0 },
                { "10us", 0, 10 },
                TOO_LARGE("99999999999999999999s"),
                TOO_LARGE("18446744073709551615w"),
                REFUSED(""),
                REFUSED("s"),
                REFUSED("30x"),
                REFUSED("30sx"),
                REFUSED("30s "),
                REFUSED(" 30s"),
                REFUSED("30 "),
                REFUSED("1h30"),
                REFUSED("0s30"),
                REFUSED("-5s"),
                REFUSED("1.s"),
                REFUSED("1.2345s"),
                REFUSED("5mi"),
                REFUSED("1e3s"),
        };

        (void) state;
        check_rows(rows, ELEMENTSOF(rows), text_parse_duration);
}

static void test_size(void **state) {
        static const Row rows[] = {
                { "1024", 0, 1024 },
                { "3G", 0, 3ULL << 30 },
                { "100MB", 0, 100ULL << 20 },
                { "512KiB", 0, 512ULL << 10 },
                { "1.5G", 0, 3ULL << 29 },
                { "0", 0, 0 },
                { "8 MB", 0, 8ULL << 20 },
                TOO_LARGE("99999999999999999T"),
                REFUSED(""),
                REFUSED("3GB!"),
                REFUSED("3gb"),
                REFUSED("G"),
                REFUSED("3 "),
                REFUSED("-3G"),
        };

        (void) state;
        check_rows(rows, ELEMENTSOF(rows), text_parse_size);
}

static int parse_percent(const char *text, uint64_t *ret) {
        uint32_t permille;
        int r = text_parse_percent(text, &permille);

        if (r >= 0)
                *ret = permille;
        return r;
}

static void test_percent(void **state) {
        static const Row rows[] = {
                { "70%", 0, 700 },    { "70", 0, 700 },      { "1.5%", 0, 15 },  { "0", 0, 0 },
                { "100 %", 0, 1000 }, { "1000%", 0, 10000 }, TOO_LARGE("1001%"), REFUSED(""),
                REFUSED("%"),         REFUSED("70%%"),       REFUSED("70% "),    REFUSED("70 "),
                REFUSED("0.05%"), /* would become zero */
                REFUSED("seventy"),
        };

        (void) state;
        check_rows(rows, ELEMENTSOF(rows), parse_percent);
}

static void test_scan_stops_at_the_end(void **state) {
        const char *text = "12345";
        const char *cursor = text;
        uint64_t value;

        (void) state;
        assert_true(text_scan_u64(&cursor, text + 2, &value));
        assert_int_equal(value, 12);
        assert_ptr_equal(cursor, text + 2);
        assert_false(text_scan_u64(&cursor, text + 2, &value));
}

static void test_copy_always_terminates(void **state) {
        char target[4] = "###";

        (void) state;
        assert_true(text_copy(target, sizeof(target), "abc"));
        assert_string_equal(target, "abc");
        assert_false(text_copy(target, sizeof(target), "abcd"));
        assert_string_equal(target, "abc");
        assert_true(text_copy(target, sizeof(target), ""));
        assert_string_equal(target, "");
}

static void test_render_duration(void **state) {
        static const struct {
                usec_t usec;
                const char *text;
        } rows[] = {
                { 0, "0 ms" },
                { 250 * USEC_PER_MSEC, "250 ms" },
                { 1500 * USEC_PER_MSEC, "1.5 s" },
                { 42 * USEC_PER_SEC, "42 s" },
                { 5 * USEC_PER_MINUTE, "5 m" },
                { 61 * USEC_PER_SEC, "1 m 1 s" },
                { USEC_PER_HOUR, "1 h" },
                { 90 * USEC_PER_MINUTE, "1 h 30 m" },
                { 76 * USEC_PER_HOUR, "3 d 4 h" },
                { 7 * USEC_PER_DAY, "7 d" },
        };
        char buffer[DURATION_TEXT_SIZE];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_string_equal(text_render_duration(buffer, rows[i].usec), rows[i].text);
        (void) text_render_duration(buffer, USEC_INFINITY); /* fits */
}

static void test_render_size(void **state) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } rows[] = {
                { 0, "0 B" },
                { 1023, "1023 B" },
                { 1024, "1 KB" },
                { 812ULL << 20, "812 MB" },
                { 3ULL << 30, "3.0 GB" },
        };
        char buffer[SIZE_TEXT_SIZE];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_string_equal(text_render_size(buffer, rows[i].bytes), rows[i].text);
        (void) text_render_size(buffer, UINT64_MAX); /* fits */
}

static void test_distance(void **state) {
        static const char long_word[] =
                "0123456789012345678901234567890123456789012345678901234567890123456789";

        (void) state;
        assert_int_equal(text_distance("", ""), 0);
        assert_int_equal(text_distance("interval", "interval"), 0);
        assert_int_equal(text_distance("intervall", "interval"), 1);
        assert_int_equal(text_distance("abc", ""), 3);
        assert_int_equal(text_distance("kitten", "sitting"), 3);
        assert_int_equal(text_distance(long_word, "a"), UINT32_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_u64),
                cmocka_unit_test(test_i64),
                cmocka_unit_test(test_duration),
                cmocka_unit_test(test_size),
                cmocka_unit_test(test_percent),
                cmocka_unit_test(test_scan_stops_at_the_end),
                cmocka_unit_test(test_copy_always_terminates),
                cmocka_unit_test(test_render_duration),
                cmocka_unit_test(test_render_size),
                cmocka_unit_test(test_distance),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
