/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stories of one health check: answers come, clocks step, work stops.
 *
 * Time is ours, so a story of half an hour is a loop. The bodies are what frameworks really send: dates
 * with and without a zone, counters, NaN, byte order marks; and what an attacker might: a megabyte of
 * opening brackets.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "hear/probe.h"
#include "model/event.h"
#include "unit.h"

static const usec_t S = USEC_PER_SEC;

/* Ten o'clock on 2026-11-23, and two days since boot. */
static const usec_t REALTIME = UINT64_C(1795428000) * USEC_PER_SEC;
static const usec_t BOOT = 2 * USEC_PER_DAY;

static const ApiConfig config = {
        .url = "http://localhost/",
        .fresh_field = "last_update",
        .fresh_max_age_usec = 300 * USEC_PER_SEC,
};

static CheckReading judge(const ApiConfig *api,
                          ProbeMemory *memory,
                          usec_t after_usec,
                          int64_t step_usec,
                          const char *body) {
        FetchResult result = {
                .outcome = FETCH_OK,
                .http_status = 200,
                .body = body,
                .body_length = strlen(body),
                .latency_usec = 12345,
                .error = "",
        };
        CheckReading reading;

        probe_judge(api, &result, (usec_t) ((int64_t) (REALTIME + after_usec) + step_usec),
                    BOOT + after_usec, memory, &reading);
        return reading;
}

/* A body dated `at_usec` after ten o'clock by a right clock. */
static const char *dated(usec_t at_usec) {
        static char body[160];
        char utc[TIME_TEXT_SIZE];

        (void) snprintf(body, sizeof(body), "{\"status\": \"ok\", \"last_update\": \"%s\"}",
                        time_render_utc(utc, REALTIME + at_usec));
        return body;
}

static void test_the_work_stops(void **state) {
        ProbeMemory memory = { 0 };

        (void) state;
        for (usec_t t = 0; t <= 600 * S; t += 30 * S) {
                CheckReading reading = judge(&config, &memory, t, 0, dated(t));

                assert_int_equal(reading.outcome, OUTCOME_OK);
                assert_int_equal(reading.value, 12345);
                assert_int_equal(reading.at_usec, BOOT + t);
        }

        for (usec_t t = 630 * S; t <= 900 * S; t += 30 * S)
                assert_int_equal(judge(&config, &memory, t, 0, dated(600 * S)).outcome, OUTCOME_OK);

        CheckReading reading = judge(&config, &memory, 901 * S, 0, dated(600 * S));
        assert_int_equal(reading.outcome, OUTCOME_FAIL);
        assert_int_equal(reading.cause, CAUSE_STALE_BODY);
        assert_int_equal(reading.detail, 301 * S);

        assert_int_equal(judge(&config, &memory, 930 * S, 0, dated(929 * S)).outcome, OUTCOME_OK);
}

static void test_first_sight(void **state) {
        ProbeMemory memory = { 0 };

        (void) state;
        CheckReading reading = judge(&config, &memory, 400 * S, 0, dated(0));
        assert_int_equal(reading.cause, CAUSE_STALE_BODY);
        assert_int_equal(reading.detail, 400 * S);
        assert_int_equal(judge(&config, &memory, 430 * S, 0, dated(0)).cause, CAUSE_STALE_BODY);
        assert_int_equal(judge(&config, &memory, 460 * S, 0, dated(459 * S)).cause, CAUSE_NONE);

        memory = (ProbeMemory){ 0 };
        assert_int_equal(judge(&config, &memory, 200 * S, 0, dated(0)).cause, CAUSE_NONE);
        assert_int_equal(judge(&config, &memory, 301 * S, 0, dated(0)).cause, CAUSE_STALE_BODY);
}

/* An hour forward and an hour back; a service that works is well all along, one that stands still is not. */
static void test_the_wall_clock_steps(void **state) {
        static const int64_t steps[] = { 3600 * 1000000LL, -3600 * 1000000LL };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                ProbeMemory memory = { 0 };

                assert_int_equal(judge(&config, &memory, 0, 0, dated(0)).cause, CAUSE_NONE);
                /* A slow worker, whose next value is written just before the step and read just after it. */
                assert_int_equal(judge(&config, &memory, 290 * S, 0, dated(0)).cause, CAUSE_NONE);
                assert_int_equal(judge(&config, &memory, 320 * S, steps[i], dated(295 * S)).cause,
                                 CAUSE_NONE);

                memory = (ProbeMemory){ 0 };
                assert_int_equal(judge(&config, &memory, 0, 0, dated(0)).cause, CAUSE_NONE);
                /* Written before the step, read after it. */
                assert_int_equal(judge(&config, &memory, 30 * S, steps[i], dated(25 * S)).cause,
                                 CAUSE_NONE);
                for (usec_t t = 60 * S; t < 900 * S; t += 30 * S)
                        assert_int_equal(judge(&config, &memory, t, steps[i],
                                               dated((usec_t) ((int64_t) t + steps[i])))
                                                 .cause,
                                         CAUSE_NONE);

                usec_t last = (usec_t) ((int64_t) (870 * S) + steps[i]);
                assert_int_equal(judge(&config, &memory, 1170 * S, steps[i], dated(last)).cause,
                                 CAUSE_NONE);
                assert_int_equal(judge(&config, &memory, 1171 * S, 0, dated(last)).cause,
                                 CAUSE_STALE_BODY);
        }
}

/* A date that moves but is always too old: work on yesterday's data. */
static void test_always_too_old(void **state) {
        ProbeMemory memory = { 0 };

        (void) state;
        for (usec_t t = 1000 * S; t < 2000 * S; t += 30 * S)
                assert_int_equal(judge(&config, &memory, t, 0, dated(t - 400 * S)).cause,
                                 CAUSE_STALE_BODY);
        assert_int_equal(judge(&config, &memory, 2000 * S, 0, dated(1999 * S)).cause, CAUSE_NONE);
}

static void test_dates_without_a_zone(void **state) {
        static const char *const fresh[] = { "2026-11-23T09:59:58.123456", "2026-11-23 18:59:58",
                                             "2026-11-23T18:59:58+09:00",
                                             "Mon, 23 Nov 2026 09:59:58 GMT",
                                             "2026-11-23T10:59:00" };
        char body[128];

        (void) state;
        assert_int_equal(setenv("TZ", "KST-9", 1), 0);
        tzset();

        for (size_t i = 0; i < ELEMENTSOF(fresh); i++) {
                ProbeMemory memory = { 0 };

                (void) snprintf(body, sizeof(body), "{\"last_update\": \"%s\"}", fresh[i]);
                if (judge(&config, &memory, 0, 0, body).cause != CAUSE_NONE)
                        fail_msg("not fresh: %s", fresh[i]);
        }

        /* Neither here nor UTC: New York's clock, fourteen hours behind. First sight cannot know; then it moves. */
        ProbeMemory memory = { 0 };
        assert_int_equal(
                judge(&config, &memory, 0, 0, "{\"last_update\": \"2026-11-23T05:00:00\"}").cause,
                CAUSE_STALE_BODY);
        assert_int_equal(
                judge(&config, &memory, 30 * S, 0, "{\"last_update\": \"2026-11-23T05:00:30\"}")
                        .cause,
                CAUSE_NONE);
        assert_int_equal(
                judge(&config, &memory, 60 * S, 0, "{\"last_update\": \"2026-11-23T05:00:55\"}")
                        .cause,
                CAUSE_NONE);
        assert_int_equal(
                judge(&config, &memory, 400 * S, 0, "{\"last_update\": \"2026-11-23T05:00:55\"}")
                        .cause,
                CAUSE_STALE_BODY);

        assert_int_equal(setenv("TZ", "UTC", 1), 0);
        tzset();
}

static void test_numbers(void **state) {
        static const struct {
                const char *body;
                Cause cause;
        } cases[] = {
                { "{\"last_update\": 1795427999}", CAUSE_NONE },
                { "{\"last_update\": 1795427999.75}", CAUSE_NONE },
                { "{\"last_update\": 1795427999750}", CAUSE_NONE },
                { "{\"last_update\": 1795427999750000}", CAUSE_NONE },
                { "{\"last_update\": 1795427999750000000}", CAUSE_NONE },
                { "{\"last_update\": 1795427000}", CAUSE_STALE_BODY },
                { "{\"last_update\": 1795427000000}", CAUSE_STALE_BODY },
                { "{\"last_update\": 17}", CAUSE_NONE },
                { "{\"last_update\": 99999999999999999999999999}", CAUSE_NONE },
        };
        ProbeMemory memory;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                memory = (ProbeMemory){ 0 };
                if (judge(&config, &memory, 0, 0, cases[i].body).cause != cases[i].cause)
                        fail_msg("%s", cases[i].body);
        }

        /* A counter is fresh while it counts. */
        memory = (ProbeMemory){ 0 };
        assert_int_equal(judge(&config, &memory, 0, 0, "{\"last_update\": 17}").cause, CAUSE_NONE);
        assert_int_equal(judge(&config, &memory, 200 * S, 0, "{\"last_update\": 18}").cause,
                         CAUSE_NONE);
        assert_int_equal(judge(&config, &memory, 400 * S, 0, "{\"last_update\": 18}").cause,
                         CAUSE_NONE);
        assert_int_equal(judge(&config, &memory, 501 * S, 0, "{\"last_update\": 18}").cause,
                         CAUSE_STALE_BODY);
}

static void test_bodies(void **state) {
        static const struct {
                const char *body;
                Cause cause;
        } cases[] = {
                { "", CAUSE_BAD_BODY },
                { "OK", CAUSE_BAD_BODY },
                { "{}", CAUSE_BAD_BODY },
                { "[]", CAUSE_BAD_BODY },
                { "null", CAUSE_BAD_BODY },
                { "{\"last_update\": null}", CAUSE_BAD_BODY },
                { "{\"last_update\": {}}", CAUSE_BAD_BODY },
                { "{\"last_update\": 5", CAUSE_BAD_BODY },
                { "{\"last_update\": 5} x", CAUSE_BAD_BODY },
                { "<html>", CAUSE_BAD_BODY },
                { "{\"last_update\": 5, \"last_update\": 6}", CAUSE_NONE },
                { "\xEF\xBB\xBF{\"last_update\": 5}", CAUSE_NONE },
                { "{\"pnl\": NaN, \"x\": [-Infinity, Infinity], \"last_update\": 5}", CAUSE_NONE },
                { "{\"a\": \"\\\"NaN\", \"last_update\": \"NaN\"}", CAUSE_NONE },
                { "{\"last_update\": 5, \"x\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                  "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
                  CAUSE_BAD_BODY },
                { "{\"wei\": 123456789012345678901234567890, \"last_update\": 5}", CAUSE_NONE },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ProbeMemory memory = { 0 };

                if (judge(&config, &memory, 0, 0, cases[i].body).cause != cases[i].cause)
                        fail_msg("%s", cases[i].body);
        }

        /* Deep enough to end a stack. */
        char *deep = malloc(1 << 20);
        ProbeMemory memory = { 0 };
        memset(deep, '[', (1 << 20) - 1);
        deep[(1 << 20) - 1] = '\0';
        assert_int_equal(judge(&config, &memory, 0, 0, deep).cause, CAUSE_BAD_BODY);
        free(deep);
}

static void test_paths_into_the_body(void **state) {
        ApiConfig api = config;
        ProbeMemory memory = { 0 };

        (void) state;
        api.fresh_field = "accounts.1.seen";
        assert_int_equal(judge(&api, &memory, 0, 0, "{\"accounts\": [{}, {\"seen\": 5}]}").cause,
                         CAUSE_NONE);
        assert_int_equal(judge(&api, &memory, 0, 0, "{\"accounts\": [{}]}").cause, CAUSE_BAD_BODY);
        assert_int_equal(judge(&api, &memory, 0, 0, "{\"accounts.1.seen\": 5}").cause, CAUSE_NONE);

        /* Without a field, any 2xx is well, whatever is in it. */
        api.fresh_field = "";
        assert_int_equal(judge(&api, &memory, 0, 0, "pong").cause, CAUSE_NONE);
}

static void test_what_the_transport_says(void **state) {
        static const struct {
                FetchOutcome outcome;
                unsigned status;
                Outcome expected;
                Cause cause;
        } cases[] = {
                { FETCH_OK, 204, OUTCOME_OK, CAUSE_NONE },
                { FETCH_OK, 301, OUTCOME_FAIL, CAUSE_HTTP_STATUS },
                { FETCH_OK, 500, OUTCOME_FAIL, CAUSE_HTTP_STATUS },
                { FETCH_REFUSED, 0, OUTCOME_FAIL, CAUSE_REFUSED },
                { FETCH_TIMEOUT, 0, OUTCOME_FAIL, CAUSE_TIMEOUT },
                { FETCH_CONNECTION, 0, OUTCOME_FAIL, CAUSE_CONNECTION },
                { FETCH_TOO_LARGE, 200, OUTCOME_FAIL, CAUSE_BODY_TOO_LARGE },
                { FETCH_FORBIDDEN, 0, OUTCOME_UNKNOWN, CAUSE_FORBIDDEN },
        };
        ApiConfig api = config;

        (void) state;
        api.fresh_field = "";
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                FetchResult result = { .outcome = cases[i].outcome,
                                       .http_status = cases[i].status,
                                       .body = "",
                                       .error = "" };
                ProbeMemory memory = { 0 };
                CheckReading reading;

                probe_judge(&api, &result, REALTIME, BOOT, &memory, &reading);
                assert_int_equal(reading.outcome, cases[i].expected);
                assert_int_equal(reading.cause, cases[i].cause);
                assert_int_equal(reading.detail,
                                 reading.cause == CAUSE_HTTP_STATUS ? cases[i].status : 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_work_stops),
                cmocka_unit_test(test_first_sight),
                cmocka_unit_test(test_the_wall_clock_steps),
                cmocka_unit_test(test_always_too_old),
                cmocka_unit_test(test_dates_without_a_zone),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_bodies),
                cmocka_unit_test(test_paths_into_the_body),
                cmocka_unit_test(test_what_the_transport_says),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
