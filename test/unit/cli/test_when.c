/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Times as people write and read them.
 *
 * Seoul is nine hours ahead and has no summer time; New York has one, and a night in which 02:30
 * comes twice. Nothing may be taken that is not wholly a time.
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "cli/when.h"
#include "unit.h"

/* 2026-11-23T04:00:00Z */
#define NOW (1795406400 * USEC_PER_SEC)

static void zone(const char *name) {
        (void) setenv("TZ", name, 1);
        tzset();
}

static usec_t since(const char *text) {
        usec_t usec = 0;

        if (when_parse_since(text, NOW, &usec) < 0)
                fail_msg("%s is no time", text);
        return usec;
}

static void test_since(void **state) {
        (void) state;
        zone("UTC");
        assert_int_equal(since("2h"), NOW - 2 * USEC_PER_HOUR);
        assert_int_equal(since("1h30m"), NOW - 90 * USEC_PER_MINUTE);
        assert_int_equal(since("today"), NOW - 4 * USEC_PER_HOUR);
        assert_int_equal(since("yesterday"), NOW - 28 * USEC_PER_HOUR);
        assert_int_equal(since("03:30"), NOW - 30 * USEC_PER_MINUTE);
        assert_int_equal(since("23:00"), NOW - 5 * USEC_PER_HOUR); /* last night's */
        assert_int_equal(since("2026-11-22"), NOW - 28 * USEC_PER_HOUR);
        assert_int_equal(since("2026-11-23 03:59:58"), NOW - 2 * USEC_PER_SEC);
        assert_int_equal(since("2026-11-23T03:59"), NOW - USEC_PER_MINUTE);
        assert_int_equal(since("2026-11-23T03:59:59.5Z"), NOW - USEC_PER_SEC / 2);

        zone("Asia/Seoul");
        assert_int_equal(since("today"), NOW - 13 * USEC_PER_HOUR);
        assert_int_equal(since("2026-11-23 12:59"), NOW - USEC_PER_MINUTE);
        assert_int_equal(since("2026-11-23T03:59:59Z"), NOW - USEC_PER_SEC); /* Z stays UTC */
        zone("UTC");
}

static void test_what_is_no_time(void **state) {
        static const char *const texts[] = {
                "",
                "soon",
                "10",
                "24:00",
                "10:60",
                "10:3",
                "2026-13-01",
                "2026-00-01",
                "2026-1-1",
                "2026-11-23x",
                "2026-11-23T",
                "2026-11-23T10:00:00.Z",
                "2026-11-23T10:00Zx",
                "-2h",
                "1969-01-01",
                " 2h",
        };
        usec_t usec;

        (void) state;
        zone("UTC");
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (strcmp(texts[i], "10") != 0 && when_parse_since(texts[i], NOW, &usec) >= 0)
                        fail_msg("“%s” was taken for a time", texts[i]);
        /* A bare number is seconds, as everywhere. */
        assert_int_equal(since("10"), NOW - 10 * USEC_PER_SEC);
}

static void test_utc(void **state) {
        usec_t usec;

        (void) state;
        zone("Asia/Seoul");
        assert_int_equal(when_parse_utc("2026-11-23T04:00:00Z", &usec), 0);
        assert_int_equal(usec, NOW);
        assert_int_equal(when_parse_utc("2026-11-23T04:00:00.123456Z", &usec), 0);
        assert_int_equal(usec, NOW + 123456);
        assert_int_not_equal(when_parse_utc("2026-11-23T04:00:00", &usec), 0);
        assert_int_not_equal(when_parse_utc("2026-11-23T04:00:00.1234567Z", &usec), 0);
        zone("UTC");
}

static void test_rendering(void **state) {
        char text[WHEN_TEXT_SIZE];

        (void) state;
        zone("UTC");
        assert_string_equal(when_render(text, NOW - USEC_PER_SEC, NOW), "03:59:59");
        assert_string_equal(when_render(text, NOW - USEC_PER_DAY, NOW), "11-22 04:00:00");
        assert_string_equal(when_render(text, NOW - 365 * USEC_PER_DAY, NOW),
                            "2025-11-23 04:00:00");
        assert_string_equal(when_render_short(text, NOW, NOW), "04:00");
        zone("Asia/Seoul");
        assert_string_equal(when_render(text, NOW, NOW), "13:00:00");
        zone("UTC");
        assert_string_equal(when_render(text, USEC_INFINITY, NOW),
                            when_render(text, USEC_INFINITY, NOW));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_since),
                cmocka_unit_test(test_what_is_no_time),
                cmocka_unit_test(test_utc),
                cmocka_unit_test(test_rendering),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
