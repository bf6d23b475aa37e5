/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where a story begins and where it ends, told as rows of (minute, kind, level, check).
 *
 * Each row is one event of one service; beside the row stands which events belong together. Missing
 * words, several checks at once and a hold that lasts for days are what makes it hard.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "cli/incident.h"
#include "unit.h"

typedef struct Row {
        unsigned minute;
        EventKind kind;
        Level level;
        const char *check;
        const char *service; /* NULL: "bot" */
} Row;

static Happened happened;

static void tell(const Row *rows, size_t n) {
        happened = (Happened){ .most = 1000 };
        for (size_t i = 0; i < n; i++) {
                Event event = {
                        .seq = i + 1,
                        .realtime_usec = USEC_PER_DAY + rows[i].minute * USEC_PER_MINUTE,
                        .kind = rows[i].kind,
                        .level = rows[i].level,
                };

                (void) snprintf(event.service, sizeof(event.service), "%s",
                                rows[i].service ? rows[i].service : "bot");
                (void) snprintf(event.reason, sizeof(event.reason),
                                "{\"code\":\"x\",\"check\":\"%s\"}",
                                rows[i].check ? rows[i].check : "");
                assert_int_equal(happened_put(&happened, &event), 0);
        }
}

#define AT(at_minute, of_kind, at_level, ...) \
        { .minute = (at_minute), .kind = (of_kind), .level = (at_level), __VA_ARGS__ }

#define TELL(...)                                   \
        do {                                        \
                const Row rows[] = { __VA_ARGS__ }; \
                tell(rows, ELEMENTSOF(rows));       \
        } while (0)

static void expect(const char *service, uint64_t seq, uint64_t first, uint64_t last, bool is_open) {
        Incident incident;

        assert_int_equal(incident_find(&happened, service, seq, &incident), 0);
        assert_int_equal(incident.first_seq, first);
        assert_int_equal(incident.last_seq, last);
        assert_int_equal(incident.is_open, is_open);
}

static void expect_none(const char *service, uint64_t seq) {
        Incident incident;

        assert_int_equal(incident_find(&happened, service, seq, &incident), -ENOENT);
}

static int teardown(void **state) {
        (void) state;
        free(happened.events);
        happened.events = NULL;
        return 0;
}

static void test_a_hang_from_first_sign_to_well(void **state) {
        (void) state;
        TELL(AT(0, EVENT_SERVICE_UP, LEVEL_NORMAL),
             AT(100, EVENT_CHECK_FAILED, LEVEL_WARNING, .check = "api"),
             AT(101, EVENT_CHECK_FAILED, LEVEL_WARNING, .check = "api"),
             AT(102, EVENT_RESTART_DECIDED, LEVEL_CRITICAL, .check = "api"),
             AT(103, EVENT_RESTART_DONE, LEVEL_NORMAL), AT(104, EVENT_SERVICE_UP, LEVEL_NORMAL),
             AT(500, EVENT_CHECK_FAILED, LEVEL_WARNING, .check = "api"),
             AT(501, EVENT_CHECK_RECOVERED, LEVEL_NORMAL, .check = "api"));
        expect("bot", 0, 7, 8, /* is_open= */ false);
        expect("", 0, 7, 8, /* is_open= */ false);
        expect("", 4, 2, 6, /* is_open= */ false);
        expect("", 2, 2, 6, /* is_open= */ false);
        expect("", 6, 2, 6, /* is_open= */ false); /* that it is up again is its last word */
        expect_none("", 1);
        expect_none("", 99);
        expect_none("nobody", 0);
}

static void test_it_is_over_when_all_checks_are(void **state) {
        (void) state;
        TELL(AT(0, EVENT_CHECK_FAILED, LEVEL_WARNING, .check = "api"),
             AT(1, EVENT_CHECK_FAILED, LEVEL_WARNING, .check = "heartbeat"),
             AT(2, EVENT_CHECK_RECOVERED, LEVEL_NORMAL, .check = "api"));
        expect("bot", 0, 1, 3, /* is_open= */ true);
        (void) teardown(state);
        TELL(AT(0, EVENT_LEVEL_CHANGED, LEVEL_WARNING, .check = "memory"),
             AT(1, EVENT_LEVEL_CHANGED, LEVEL_CRITICAL, .check = "memory"),
             AT(2, EVENT_LEVEL_CHANGED, LEVEL_WARNING, .check = "memory"),
             AT(3, EVENT_LEVEL_CHANGED, LEVEL_NORMAL, .check = "memory"));
        expect("bot", 0, 1, 4, /* is_open= */ false);
}

static void test_a_hold_may_last(void **state) {
        (void) state;
        TELL(AT(0, EVENT_SERVICE_DOWN, LEVEL_CRITICAL), AT(1, EVENT_HELD, LEVEL_CRITICAL),
             AT(60 * 24 * 3, EVENT_RESTART_DECIDED, LEVEL_CRITICAL),
             AT(60 * 24 * 3 + 1, EVENT_RESTART_FAILED, LEVEL_CRITICAL));
        expect("bot", 0, 1, 4, /* is_open= */ true);
}

static void test_a_lost_word_does_not_join_a_month(void **state) {
        (void) state;
        TELL(AT(0, EVENT_CHECK_FAILED, LEVEL_WARNING, .check = "api"),
             AT(60 * 24, EVENT_CHECK_FAILED, LEVEL_WARNING, .check = "api"),
             AT(60 * 24 + 1, EVENT_CHECK_RECOVERED, LEVEL_NORMAL, .check = "api"));
        expect("bot", 0, 2, 3, /* is_open= */ false);
        expect("", 1, 1, 1, /* is_open= */ true);
}

static void test_ends_and_pauses_are_no_stories(void **state) {
        (void) state;
        TELL(AT(0, EVENT_SERVICE_UP, LEVEL_NORMAL), AT(1, EVENT_PAUSED, LEVEL_NORMAL),
             AT(2, EVENT_RESUMED, LEVEL_NORMAL), AT(3, EVENT_BACKUP_MADE, LEVEL_NORMAL),
             AT(4, EVENT_LEVEL_CHANGED, LEVEL_NORMAL, .check = "memory"));
        expect_none("bot", 0);
        expect_none("", 0);
}

static void test_a_person_stops_it(void **state) {
        (void) state;
        TELL(AT(0, EVENT_CHECK_FAILED, LEVEL_WARNING, .check = "api"),
             AT(1, EVENT_OPERATOR_STOP, LEVEL_NORMAL));
        expect("bot", 0, 1, 2, /* is_open= */ false);
}

static void test_others_and_the_machine(void **state) {
        Incident incident;

        (void) state;
        TELL(AT(0, EVENT_CHECK_FAILED, LEVEL_WARNING, .check = "api"),
             AT(1, EVENT_LEVEL_CHANGED, LEVEL_WARNING, .check = "cpu", .service = ""),
             AT(2, EVENT_CHECK_FAILED, LEVEL_WARNING, .check = "api", .service = "other"),
             AT(3, EVENT_CHECK_RECOVERED, LEVEL_NORMAL, .check = "api"),
             AT(4, EVENT_LEVEL_CHANGED, LEVEL_NORMAL, .check = "cpu", .service = ""));
        assert_int_equal(incident_find(&happened, "bot", 0, &incident), 0);
        assert_true(incident_has(
                &incident, &happened.events[1])); /* what the machine went through meanwhile */
        assert_false(incident_has(&incident, &happened.events[2])); /* another service's trouble */
        assert_false(incident_has(&incident, &happened.events[4])); /* after the end */
        expect("", 2, 2, 5, /* is_open= */ false);
        expect("", 0, 3, 3, /* is_open= */ true);
}

static void test_rows_are_merged_by_number(void **state) {
        Happened few = { .most = 8 };

        (void) state;
        for (uint64_t seq = 40; seq > 0; seq -= 2) {
                Event event = { .seq = seq };

                assert_int_equal(happened_put(&few, &event), 0);
                assert_int_equal(happened_put(&few, &event), 0);
        }
        assert_in_range(few.count, 1, 8);
        for (size_t i = 1; i < few.count; i++)
                assert_true(few.events[i].seq > few.events[i - 1].seq);
        free(few.events);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_a_hang_from_first_sign_to_well, teardown),
                cmocka_unit_test_teardown(test_it_is_over_when_all_checks_are, teardown),
                cmocka_unit_test_teardown(test_a_hold_may_last, teardown),
                cmocka_unit_test_teardown(test_a_lost_word_does_not_join_a_month, teardown),
                cmocka_unit_test_teardown(test_ends_and_pauses_are_no_stories, teardown),
                cmocka_unit_test_teardown(test_a_person_stops_it, teardown),
                cmocka_unit_test_teardown(test_others_and_the_machine, teardown),
                cmocka_unit_test(test_rows_are_merged_by_number),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
