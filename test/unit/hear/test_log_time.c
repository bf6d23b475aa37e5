/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Dates at the start of log lines: which are read, as which instant, and what is none.
 *
 * The tables hold the spellings of the programs our users run (Python's logging, syslog, gunicorn,
 * HTTP) and lines that only look like a date. 2026-11-23 10:00:00 UTC is 1795428000, and each entry
 * says how far from that it is.
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "hear/log_time.h"
#include "unit.h"

#define TEN_OCLOCK (UINT64_C(1795428000) * USEC_PER_SEC)

typedef struct Case {
        const char *text;
        int64_t seconds; /* from ten o'clock, as civil time for a naive date */
        int64_t usec;
        LogTimeZone zone;
} Case;

static void test_dates_are_read(void **state) {
        static const Case cases[] = {
                { "2026-11-23 10:00:00,123 - bot - ERROR - x", 0, 123000, LOG_TIME_NAIVE },
                { "2026-11-23 10:00:00 ERROR", 0, 0, LOG_TIME_NAIVE },
                { "2026-11-23T10:00:00.5+09:00 x", -9 * 3600, 500000, LOG_TIME_ZONED },
                { "2026-11-23T10:00:00-0530", 5 * 3600 + 1800, 0, LOG_TIME_ZONED },
                { "2026-11-23T10:00:00Z", 0, 0, LOG_TIME_ZONED },
                { "2026-11-23T10:00:00.123456789Z", 0, 123456, LOG_TIME_ZONED },
                { "2026-11-23 10:00:00 UTC x", 0, 0, LOG_TIME_ZONED },
                { "2026-11-23 10:00:00 Zoo", 0, 0, LOG_TIME_NAIVE },
                { "2026-11-23 10:00:00 -051 of them", 0, 0, LOG_TIME_NAIVE },
                { "2026/11/23 10:00:00", 0, 0, LOG_TIME_NAIVE },
                { "20261123T100000Z", 0, 0, LOG_TIME_ZONED },
                { "20261123 10:00:00 x", 0, 0, LOG_TIME_NAIVE },
                { "[2026-11-23 10:00:00] x", 0, 0, LOG_TIME_NAIVE },
                { "<3>2026-11-23 10:00:00 x", 0, 0, LOG_TIME_NAIVE },
                { "2026-11-23 10:00:60", 59, 0, LOG_TIME_NAIVE },
                { "2028-02-29 10:00:00", (463 * 86400), 0, LOG_TIME_NAIVE },
                { "Nov 23 10:00:00 host bot[1]: x", 0, 0, LOG_TIME_NAIVE },
                { "Nov  3 10:00:00 x", -20 * 86400, 0, LOG_TIME_NAIVE },
                { "Jan  1 00:00:00 x", 39 * 86400 - 10 * 3600, 0, LOG_TIME_NAIVE },
                { "Mon, 23 Nov 2026 10:00:00 GMT", 0, 0, LOG_TIME_ZONED },
                { "[23/Nov/2026:10:00:00 +0900] \"GET", -9 * 3600, 0, LOG_TIME_ZONED },
                { "1795428000 x", 0, 0, LOG_TIME_ZONED },
                { "1795428000.25 x", 0, 250000, LOG_TIME_ZONED },
                { "1795428000250: x", 0, 250000, LOG_TIME_ZONED },
                { "1795428000250000", 0, 250000, LOG_TIME_ZONED },
        };

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                LogTime time;

                if (!log_time_parse(cases[i].text, strlen(cases[i].text), TEN_OCLOCK, &time))
                        fail_msg("not read: %s", cases[i].text);

                int64_t expected = (int64_t) TEN_OCLOCK +
                                   cases[i].seconds * (int64_t) USEC_PER_SEC + cases[i].usec;
                if (time.civil_usec != expected || time.zone != cases[i].zone)
                        fail_msg("%s: %lld us off, zone %d", cases[i].text,
                                 (long long) (time.civil_usec - expected), (int) time.zone);
        }
}

static void test_others_are_none(void **state) {
        static const char *const texts[] = {
                "",
                "ERROR",
                "2026-13-23 10:00:00",
                "2026-11-31 10:00:00",
                "2027-02-29 10:00:00",
                "2026-11-23 25:00:00",
                "2026-11-23 10:60:00",
                "2026-11-23",
                "2026-11-23 10:00",
                "2026-11/23 10:00:00",
                "Abc 23 10:00:00 x",
                "Nov 23 10:0",
                "12345",
                "0000000001",
                "17954280000",
                "1795428000abc",
                "  File \"bot.py\", line 2026",
                "[[[[[[[[[[2026-11-23 10:00:00",
        };

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                LogTime time;

                if (log_time_parse(texts[i], strlen(texts[i]), TEN_OCLOCK, &time))
                        fail_msg("taken for a date: %s", texts[i]);
        }
}

/* The text ends where it is said to end, not at a terminator. */
static void test_it_stops_at_the_end(void **state) {
        static const char text[] = "2026-11-23 10:00:00,123";
        LogTime time;

        (void) state;
        assert_false(log_time_parse(text, 18, TEN_OCLOCK, &time));
        assert_true(log_time_parse(text, 19, TEN_OCLOCK, &time));
        assert_int_equal(time.civil_usec, TEN_OCLOCK);
        assert_int_equal(time.length, 19);
        assert_false(log_time_parse(NULL, 0, TEN_OCLOCK, &time));
}

static void set_zone(const char *zone) {
        assert_int_equal(setenv("TZ", zone, 1), 0);
        tzset();
}

static void test_local_time(void **state) {
        static const char text[] = "2026-11-23 10:00:00";
        LogTime time;

        (void) state;
        assert_true(log_time_parse(text, strlen(text), TEN_OCLOCK, &time));

        set_zone("KST-9");
        assert_int_equal(log_time_to_realtime(&time, &(ZoneCache){ 0 }),
                         TEN_OCLOCK - 9 * USEC_PER_HOUR);
        set_zone("UTC");
        assert_int_equal(log_time_to_realtime(&time, &(ZoneCache){ 0 }), TEN_OCLOCK);
}

/* The kept offset must not outlive a change to winter time: 2026-10-25 03:00 in central Europe. */
static void test_the_cache_knows_when_it_ends(void **state) {
        static const char summer[] = "2026-10-25 01:59:59";
        static const char winter[] = "2026-10-25 03:00:01";
        ZoneCache cache = { 0 };
        LogTime before;
        LogTime after;

        (void) state;
        set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
        assert_true(log_time_parse(summer, strlen(summer), TEN_OCLOCK, &before));
        assert_true(log_time_parse(winter, strlen(winter), TEN_OCLOCK, &after));

        usec_t first = log_time_to_realtime(&before, &cache);
        usec_t second = log_time_to_realtime(&after, &cache);
        assert_int_equal(second - first, 2 * USEC_PER_HOUR + 2 * USEC_PER_SEC);
        set_zone("UTC");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dates_are_read),
                cmocka_unit_test(test_others_are_none),
                cmocka_unit_test(test_it_stops_at_the_end),
                cmocka_unit_test(test_local_time),
                cmocka_unit_test(test_the_cache_knows_when_it_ends),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
