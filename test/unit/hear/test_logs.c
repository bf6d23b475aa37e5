/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stories of a service's logs: lines come, some are severe, some are old; what does the check say?
 *
 * The lines are handed over as a tail would hand them, and the two clocks are ours: it is ten o'clock
 * UTC on 2026-11-23, two days after boot. So an hour-old line, a stepped clock and another time zone
 * cost nothing.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "hear/logs.h"
#include "unit.h"

static const usec_t S = USEC_PER_SEC;

/* Ten o'clock UTC on 2026-11-23. */
static const usec_t REALTIME = UINT64_C(1795428000) * USEC_PER_SEC;
static const usec_t BOOT = 2 * USEC_PER_DAY;

static const LogsConfig config = {
        .n_files = 2,
        .files = { "/nonexistent/trading.log", "/nonexistent/error.log" },
        .window_usec = 5 * USEC_PER_MINUTE,
        .n_patterns = 4,
        .patterns = { { .match = "CRITICAL", .level = LEVEL_CRITICAL },
                      { .match = "Traceback", .level = LEVEL_CRITICAL },
                      { .match = "ERROR.*Connection lost", .level = LEVEL_WARNING },
                      { .match = "SystemExit", .level = LEVEL_WARNING } },
        .error_rate = { 10, 50 },
};

typedef struct World {
        Logs *logs;
        unsigned n_told;
        SevereLine told;
} World;

static void on_severe(Logs *logs, const SevereLine *line, void *userdata) {
        World *world = userdata;

        assert_ptr_equal(logs, world->logs);
        world->n_told++;
        world->told = *line;
}

static int set_up(void **state) {
        World *world = calloc(1, sizeof(*world));
        char error[MATCHER_ERROR_SIZE];

        assert_int_equal(setenv("TZ", "UTC", 1), 0);
        tzset();
        assert_int_equal(logs_new(&config, on_severe, world, error, &world->logs), 0);
        logs_tail(world->logs, 0)->state = TAIL_FOLLOWED;
        *state = world;
        return 0;
}

static int tear_down(void **state) {
        World *world = *state;

        (void) logs_free(world->logs);
        free(world);
        return 0;
}

static void feed_at(World *world, const char *text, bool is_old, usec_t after_usec) {
        TailBlock block = { .data = text, .length = strlen(text), .is_old = is_old };

        logs_feed(world->logs, 0, &block, REALTIME + after_usec, BOOT + after_usec);
        logs_feed_ended(world->logs, 0);
}

static void feed(World *world, const char *text) {
        feed_at(world, text, /* is_old= */ false, 0);
}

static LogCounts counts_at(const World *world, usec_t after_usec) {
        LogCounts counts;

        logs_read(world->logs, BOOT + after_usec, &counts);
        return counts;
}

static CheckReading check_at(const World *world, usec_t after_usec) {
        CheckReading reading;

        logs_check(world->logs, BOOT + after_usec, &reading);
        return reading;
}

static void test_a_critical_line_fails_for_a_window(void **state) {
        World *world = *state;

        feed(world, "2026-11-23 09:59:58,001 INFO all is well\n"
                    "2026-11-23 09:59:59,002 CRITICAL out of money\r\n"
                    "2026-11-23 09:59:59,003 INFO all is well\n"
                    "2026-11-23 09:59:59,004 ERROR x: Connection lost\n");

        CheckReading reading = check_at(world, 0);
        assert_int_equal(reading.outcome, OUTCOME_FAIL);
        assert_int_equal(reading.cause, CAUSE_LOG_CRITICAL);
        assert_int_equal(reading.detail, 1);
        assert_int_equal(reading.value, 500);
        assert_int_equal(counts_at(world, 0).lines, 4);

        assert_int_equal(world->n_told, 2);
        assert_int_equal(world->told.level, LEVEL_WARNING);
        assert_int_equal(world->told.pattern, 2);

        const SevereLine *lines[8];
        assert_int_equal(logs_list_severe(world->logs, 0, lines, ELEMENTSOF(lines)), 2);
        assert_string_equal(lines[0]->text, "2026-11-23 09:59:59,002 CRITICAL out of money");
        assert_int_equal(lines[0]->realtime_usec, REALTIME - S + 2000);
        assert_int_equal(lines[0]->level, LEVEL_CRITICAL);
        assert_int_equal(logs_list_severe(world->logs, 1, lines, ELEMENTSOF(lines)), 1);
        assert_int_equal(lines[0]->number, 2);

        assert_int_equal(check_at(world, 298 * S).outcome, OUTCOME_FAIL);
        reading = check_at(world, 310 * S);
        assert_int_equal(reading.outcome, OUTCOME_OK);
        assert_int_equal(reading.cause, CAUSE_NONE);
}

static void test_warnings_alone(void **state) {
        World *world = *state;

        feed(world, "2026-11-23 10:00:00 SystemExit\n2026-11-23 10:00:00 x\n");
        assert_int_equal(check_at(world, 0).outcome, OUTCOME_OK);
        assert_int_equal(check_at(world, 0).cause, CAUSE_LOG_WARNING);
        assert_int_equal(check_at(world, 0).detail, 1);
        assert_int_equal(check_at(world, 0).value, 500);
}

static void test_counted_by_the_time_of_the_line(void **state) {
        World *world = *state;

        feed(world, "2026-11-23 09:00:00 CRITICAL an hour ago\n");
        feed(world, "2026-11-23 09:54:59 CRITICAL six minutes ago\n");
        feed(world, "2026-11-22T10:00:00Z CRITICAL a day ago\n");
        assert_int_equal(counts_at(world, 0).critical, 0);
        assert_int_equal(counts_at(world, 0).lines, 0);
        assert_int_equal(world->n_told, 0);

        feed(world, "2026-11-23 09:56:00 CRITICAL four minutes ago\n");
        assert_int_equal(counts_at(world, 0).critical, 1);
        assert_int_equal(counts_at(world, 70 * S).critical, 0);
}

static void test_a_traceback_has_the_time_above_it(void **state) {
        World *world = *state;

        feed(world, "2026-11-23 09:00:00 ERROR an hour ago\n"
                    "Traceback (most recent call last):\n"
                    "  File \"bot.py\", line 12, in main\n"
                    "SystemExit\n");
        assert_int_equal(counts_at(world, 0).critical, 0);
        assert_int_equal(counts_at(world, 0).warning, 0);

        feed(world, "2026-11-23 09:58:00 ERROR two minutes ago\n"
                    "Traceback (most recent call last):\n"
                    "  File \"bot.py\", line 12, in main\n");
        assert_int_equal(counts_at(world, 0).critical, 1);
        assert_int_equal(world->told.realtime_usec, REALTIME - 120 * S);

        /* Nothing above it: it has just been written. */
        feed(world, "Traceback (most recent call last):\n");
        assert_int_equal(counts_at(world, 0).critical, 2);
        assert_int_equal(world->told.realtime_usec, REALTIME);
}

/* While reading on without a pause, the time above may be in the block before. */
static void test_the_time_above_is_in_another_block(void **state) {
        static const char dated[] = "2026-11-23 09:00:00 ERROR an hour ago\n";
        static const char undated[] = "Traceback (most recent call last):\n";
        World *world = *state;
        TailBlock block = { .data = dated, .length = strlen(dated) };

        logs_feed(world->logs, 0, &block, REALTIME, BOOT);
        block.data = undated;
        block.length = strlen(undated);
        logs_feed(world->logs, 0, &block, REALTIME, BOOT);
        assert_int_equal(counts_at(world, 0).critical, 0);

        logs_feed_ended(world->logs, 0);
        logs_feed(world->logs, 0, &block, REALTIME, BOOT);
        assert_int_equal(counts_at(world, 0).critical, 1);
}

static void test_what_was_there_before_we_came(void **state) {
        World *world = *state;

        feed_at(world, "Traceback of unknown age\n", /* is_old= */ true, 0);
        feed_at(world, "2026-11-23 19:00:00 CRITICAL of another clock\n", /* is_old= */ true, 0);
        feed_at(world, "2026-11-23 09:00:00 CRITICAL too old\n", /* is_old= */ true, 0);
        assert_int_equal(counts_at(world, 0).critical, 0);

        feed_at(world, "2026-11-23 09:59:00 CRITICAL a minute ago\n", /* is_old= */ true, 0);
        assert_int_equal(counts_at(world, 0).critical, 1);
        assert_int_equal(counts_at(world, 0).lines, 1);

        /* Kept for a person, but told before. */
        const SevereLine *line;
        assert_int_equal(logs_list_severe(world->logs, 0, &line, 1), 1);
        assert_int_equal(world->n_told, 0);
}

static void test_a_program_that_logs_in_utc(void **state) {
        World *world = *state;

        assert_int_equal(setenv("TZ", "KST-9", 1), 0);
        tzset();
        feed(world, "2026-11-23 10:00:00 CRITICAL in UTC\n");
        assert_int_equal(counts_at(world, 0).critical, 1);
        assert_int_equal(world->told.realtime_usec, REALTIME);
        feed(world, "2026-11-23 18:59:59 CRITICAL in Seoul\n");
        assert_int_equal(counts_at(world, 0).critical, 2);
        assert_int_equal(world->told.realtime_usec, REALTIME - S);
        feed(world, "2026-11-23 17:59:59 CRITICAL in Seoul, an hour ago\n");
        assert_int_equal(counts_at(world, 0).critical, 2);
}

/* What was counted stays counted, and goes when its time is over, whatever the wall clock does meanwhile. */
static void test_the_wall_clock_steps(void **state) {
        static const char text[] = "2026-11-23 10:00:00 CRITICAL x\n";
        World *world = *state;
        TailBlock block = { .data = text, .length = strlen(text) };

        /* The clock was put back an hour just before. */
        logs_feed(world->logs, 0, &block, REALTIME - USEC_PER_HOUR, BOOT);
        assert_int_equal(counts_at(world, 0).critical, 1);
        assert_int_equal(counts_at(world, 299 * S).critical, 1);
        assert_int_equal(counts_at(world, 310 * S).critical, 0);
}

static void test_a_flood_is_counted_and_told_in_part(void **state) {
        World *world = *state;

        for (int i = 0; i < 1000; i++)
                feed(world, "2026-11-23 10:00:00 CRITICAL again\n");
        assert_int_equal(counts_at(world, 0).critical, 1000);
        assert_int_equal(world->n_told, SEVERE_LINES_MAX);

        feed_at(world, "2026-11-23 10:00:02 CRITICAL again\n", /* is_old= */ false, 2 * S);
        assert_int_equal(world->n_told, SEVERE_LINES_MAX + 1);

        const SevereLine *lines[SEVERE_LINES_MAX + 10];
        assert_int_equal(logs_list_severe(world->logs, 0, lines, ELEMENTSOF(lines)),
                         SEVERE_LINES_MAX);
        assert_int_equal(lines[0]->number, 1001 - SEVERE_LINES_MAX + 1);
        assert_int_equal(logs_list_severe(world->logs, 0, lines, 3), 3);
        assert_int_equal(lines[2]->number, 1001);
        assert_int_equal(logs_list_severe(world->logs, 1001, lines, 3), 0);
}

static void test_text_for_a_person(void **state) {
        World *world = *state;
        char text[1200];

        feed(world, "CRITICAL a\tb\x01\x7f"
                    "c  \r\n");
        assert_string_equal(world->told.text, "CRITICAL a b  c");

        /* Cut between the three bytes of a character: none of them. */
        memset(text, 0, sizeof(text));
        (void) snprintf(text, sizeof(text), "CRITICAL ");
        for (int i = 0; i < 300; i++)
                (void) snprintf(text + 9 + 3 * i, sizeof(text) - 9 - 3 * (size_t) i, "위");
        feed(world, text);
        assert_int_equal(strlen(world->told.text), 9 + 3 * 167);

        TailBlock block = { .data = "\0\0\0"
                                    "2026-11-23 09:00:00 CRITICAL behind a hole\n",
                            .length = 47 };
        unsigned before = world->n_told;
        logs_feed(world->logs, 0, &block, REALTIME, BOOT);
        assert_int_equal(world->n_told, before);
}

static void test_the_rest_of_a_line_is_no_line(void **state) {
        static const char text[] = "CRITICAL at the end of a slow line\n";
        World *world = *state;
        TailBlock block = { .data = text, .length = strlen(text), .is_rest = true };

        logs_feed(world->logs, 0, &block, REALTIME, BOOT);
        assert_int_equal(counts_at(world, 0).critical, 1);
        assert_int_equal(counts_at(world, 0).lines, 0);
}

static void test_nothing_to_read_is_unknown(void **state) {
        World *world = *state;

        logs_tail(world->logs, 0)->state = TAIL_ABSENT;
        assert_int_equal(check_at(world, 0).outcome, OUTCOME_UNKNOWN);
        assert_int_equal(check_at(world, 0).cause, CAUSE_SENSE_FAILED);

        logs_tail(world->logs, 1)->state = TAIL_FOLLOWED;
        assert_int_equal(check_at(world, 0).outcome, OUTCOME_OK);

        logs_tail(world->logs, 1)->state = TAIL_UNREADABLE;
        logs_set_journal(world->logs, /* is_followed= */ true);
        assert_int_equal(check_at(world, 0).outcome, OUTCOME_OK);
}

static void test_messages_of_the_journal(void **state) {
        static const char text[] = "2026-11-23 08:00:00 CRITICAL\nTraceback";
        World *world = *state;

        /* The journal knows when it came; what the text says of itself does not matter. */
        logs_feed_dated(world->logs, text, strlen(text), REALTIME - S, /* is_old= */ false,
                        REALTIME, BOOT);
        assert_int_equal(counts_at(world, 0).critical, 2);
        assert_int_equal(world->told.file, SEVERE_FROM_JOURNAL);
        assert_int_equal(world->told.realtime_usec, REALTIME - S);
        logs_feed_dated(world->logs, text, strlen(text), REALTIME - 400 * S, /* is_old= */ true,
                        REALTIME, BOOT);
        assert_int_equal(counts_at(world, 0).critical, 2);
}

#define WORLD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD_TEST(test_a_critical_line_fails_for_a_window),
                WORLD_TEST(test_warnings_alone),
                WORLD_TEST(test_counted_by_the_time_of_the_line),
                WORLD_TEST(test_a_traceback_has_the_time_above_it),
                WORLD_TEST(test_the_time_above_is_in_another_block),
                WORLD_TEST(test_what_was_there_before_we_came),
                WORLD_TEST(test_a_program_that_logs_in_utc),
                WORLD_TEST(test_the_wall_clock_steps),
                WORLD_TEST(test_a_flood_is_counted_and_told_in_part),
                WORLD_TEST(test_text_for_a_person),
                WORLD_TEST(test_the_rest_of_a_line_is_no_line),
                WORLD_TEST(test_nothing_to_read_is_unknown),
                WORLD_TEST(test_messages_of_the_journal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
