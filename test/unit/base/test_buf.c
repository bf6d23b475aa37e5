/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Text built in fixed memory. A line of the status screen, a log line and an event all pass here, so
 * the promises are held one by one.
 *
 * Text in memory that was there before: it is cut, never overrun, never in the middle of a character,
 * and what is JSON stays JSON whatever bytes go in.
 */

#include <string.h>

#include "base/buf.h"
#include "unit.h"

static void test_appends(void **state) {
        char data[32];
        Buf buf;

        (void) state;
        buf_init(&buf, data, sizeof(data));
        buf_put(&buf, "one ");
        buf_printf(&buf, "%d ", 2);
        buf_put_n(&buf, "three!", 5);
        assert_string_equal(data, "one 2 three");
        assert_int_equal(buf.length, strlen(data));
        assert_false(buf.is_truncated);
}

static void test_exact_fit_is_not_a_cut(void **state) {
        char data[5];
        Buf buf;

        (void) state;
        buf_init(&buf, data, sizeof(data));
        buf_put(&buf, "1234");
        assert_false(buf.is_truncated);
        buf_put(&buf, "");
        assert_false(buf.is_truncated);
        buf_put(&buf, "5");
        assert_true(buf.is_truncated);
        assert_string_equal(data, "1234");
}

static void test_nothing_follows_a_cut(void **state) {
        char data[4];
        Buf buf;

        (void) state;
        buf_init(&buf, data, sizeof(data));
        buf_put(&buf, "abcdef");
        buf_put(&buf, "");
        buf_printf(&buf, "%s", "x");
        assert_string_equal(data, "abc");
        assert_true(buf.is_truncated);
}

static void test_cuts_between_characters(void **state) {
        /* "정상" is twice three bytes. */
        static const char word[] = "\xEC\xA0\x95\xEC\x83\x81";

        (void) state;
        for (size_t size = 1; size <= 8; size++) {
                char by_put[8];
                char by_printf[8];
                Buf buf;

                buf_init(&buf, by_put, size);
                buf_put(&buf, word);
                assert_int_equal(strlen(by_put) % 3, 0);
                assert_int_equal(buf.is_truncated, size < 7);
                assert_int_equal(buf.length, strlen(by_put));

                buf_init(&buf, by_printf, size);
                buf_printf(&buf, "%s", word);
                assert_int_equal(strlen(by_printf) % 3, 0);
                assert_int_equal(buf.length, strlen(by_printf));
        }
}

static void check_json(const char *text, const char *expected) {
        char data[128];
        Buf buf;

        buf_init(&buf, data, sizeof(data));
        buf_put_json(&buf, text);
        assert_string_equal(data, expected);
}

static void test_json(void **state) {
        (void) state;
        check_json("", "\"\"");
        check_json("a\"b\\c", "\"a\\\"b\\\\c\"");
        check_json("a\nb\tc\r\x01\x7F", "\"a\\nb\\tc\\u000d\\u0001\\u007f\"");
        check_json("\xEC\xA0\x95", "\"\xEC\xA0\x95\"");
        /* Not UTF-8: a lone tail, an overlong slash, half of a surrogate pair, a torn end. */
        check_json("\x80", "\"\xEF\xBF\xBD\"");
        check_json("\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
        check_json("\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
        check_json("x\xEC\xA0", "\"x\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_appends),
                cmocka_unit_test(test_exact_fit_is_not_a_cut),
                cmocka_unit_test(test_nothing_follows_a_cut),
                cmocka_unit_test(test_cuts_between_characters),
                cmocka_unit_test(test_json),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
