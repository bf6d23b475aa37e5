/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Instants as text, which the event line carries both ways.
 *
 * Dates: what is written is what was meant (libc agrees on every day), comes back to the microsecond,
 * and a day that does not exist is refused.
 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "model/event.h"
#include "model/time_text.h"
#include "unit.h"

static void test_known_instants(void **state) {
        static const struct {
                usec_t usec;
                const char *text;
        } rows[] = {
                { 0, "1970-01-01T00:00:00.000000Z" },
                { 1, "1970-01-01T00:00:00.000001Z" },
                { 951782399999999, "2000-02-28T23:59:59.999999Z" },
                { 951782400000000, "2000-02-29T00:00:00.000000Z" },
                { 4107542400000000, "2100-03-01T00:00:00.000000Z" },
                { 1795428000123456, "2026-11-23T10:00:00.123456Z" },
                { 253402300799999999, "9999-12-31T23:59:59.999999Z" },
        };
        char text[TIME_TEXT_SIZE];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                usec_t back;

                assert_string_equal(time_render_utc(text, rows[i].usec), rows[i].text);
                assert_int_equal(time_parse_utc(rows[i].text, &back), 0);
                assert_int_equal(back, rows[i].usec);
        }
        assert_string_equal(time_render_utc(text, USEC_INFINITY), "9999-12-31T23:59:59.999999Z");
}

static void test_every_day_agrees_with_libc(void **state) {
        (void) state;

        /* 150 years, two of them divisible by 100. */
        for (usec_t day = 0; day < 366 * 150; day++) {
                usec_t usec = day * USEC_PER_DAY + day * 7919 % USEC_PER_DAY;
                time_t seconds = (time_t) (usec / USEC_PER_SEC);
                char expected[TIME_TEXT_SIZE];
                char text[TIME_TEXT_SIZE];
                struct tm tm;
                usec_t back;

                assert_non_null(gmtime_r(&seconds, &tm));
                assert_true(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.", &tm) > 0);
                (void) time_render_utc(text, usec);
                assert_memory_equal(text, expected, strlen(expected));
                assert_int_equal(time_parse_utc(text, &back), 0);
                assert_int_equal(back, usec);
        }
}

static void test_refuses(void **state) {
        static const char *const texts[] = {
                "",
                "2026-11-23",
                "2026-11-23T10:00:00Z",
                "2026-11-23T10:00:00.123456",
                "2026-11-23T10:00:00.123456Z ",
                "2026-11-23 10:00:00.123456Z",
                "2026-02-29T10:00:00.123456Z",
                "2100-02-29T10:00:00.123456Z",
                "2026-04-31T10:00:00.123456Z",
                "2026-00-10T10:00:00.123456Z",
                "2026-13-10T10:00:00.123456Z",
                "2026-01-00T10:00:00.123456Z",
                "2026-01-32T10:00:00.123456Z",
                "2026-01-10T24:00:00.123456Z",
                "2026-01-10T10:60:00.123456Z",
                "2026-01-10T10:00:60.123456Z",
                "1969-12-31T23:59:59.999999Z",
                "202x-01-10T10:00:00.123456Z",
                "2026-01-10T10:00:-1.123456Z",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                usec_t usec = 4711;

                print_message("\"%s\"\n", texts[i]);
                assert_int_equal(time_parse_utc(texts[i], &usec), -EINVAL);
                assert_int_equal(usec, 4711);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_instants),
                cmocka_unit_test(test_every_day_agrees_with_libc),
                cmocka_unit_test(test_refuses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
