/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Policy time goes on.
 *
 * Within one boot nothing but the boot clock counts. Over a reboot the wall clock is asked how long we
 * were away, and believed only as far as it makes sense: never backwards, never more than 30 days.
 */

#include <string.h>

#include "app/clockwork.h"
#include "unit.h"

static const usec_t WALL_USEC = 1795428000 * USEC_PER_SEC;

static usec_t resumed(const char *saved_boot_id,
                      usec_t saved_offset_usec,
                      usec_t saved_now_usec,
                      usec_t saved_realtime_usec,
                      usec_t boottime_usec,
                      usec_t realtime_usec) {
        Clockwork clock;

        clockwork_init(&clock, "this boot");
        clockwork_resume(&clock, saved_boot_id, saved_offset_usec, saved_now_usec,
                         saved_realtime_usec, boottime_usec, realtime_usec);
        assert_string_equal(clock.boot_id, "this boot");
        return usec_add(boottime_usec, clock.offset_usec);
}

static void test_a_new_clock_begins_at_one_day(void **state) {
        Clockwork clock;

        (void) state;
        clockwork_init(&clock, "this boot");
        assert_int_equal(clock.offset_usec, USEC_PER_DAY);

        usec_t before_usec = clock_boottime_usec();
        usec_t now_usec = clockwork_now(&clock);
        assert_true(now_usec >= before_usec + USEC_PER_DAY);
        assert_true(now_usec <= clock_boottime_usec() + USEC_PER_DAY);
}

static void test_within_one_boot_the_wall_clock_does_not_matter(void **state) {
        static const usec_t walls[] = { 0, WALL_USEC - USEC_PER_DAY, WALL_USEC,
                                        WALL_USEC + 400 * USEC_PER_DAY, USEC_INFINITY };

        (void) state;
        for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++)
                assert_int_equal(resumed("this boot", 3 * USEC_PER_DAY, 99, WALL_USEC,
                                         2 * USEC_PER_HOUR, walls[i]),
                                 3 * USEC_PER_DAY + 2 * USEC_PER_HOUR);
}

static void test_over_a_reboot(void **state) {
        const usec_t saved_usec = 5 * USEC_PER_DAY;
        const usec_t boottime_usec = 20 * USEC_PER_SEC;
        static const struct {
                usec_t wall_usec;
                usec_t away_usec;
        } stories[] = {
                { WALL_USEC + 5 * USEC_PER_MINUTE, 5 * USEC_PER_MINUTE },
                { WALL_USEC, 0 },
                { WALL_USEC - 1, 0 }, /* it went back */
                { 0, 0 },             /* no battery: 1970 */
                { WALL_USEC + 30 * USEC_PER_DAY, 30 * USEC_PER_DAY },
                { WALL_USEC + 31 * USEC_PER_DAY, 30 * USEC_PER_DAY },
                { USEC_INFINITY, 30 * USEC_PER_DAY },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
                assert_int_equal(resumed("the boot before", 123, saved_usec, WALL_USEC,
                                         boottime_usec, stories[i].wall_usec),
                                 saved_usec + stories[i].away_usec);
}

/* The machine has run for a week without us since: policy time is never behind the boot clock. */
static void test_long_since_booted(void **state) {
        (void) state;
        assert_int_equal(resumed("the boot before", 0, USEC_PER_DAY, WALL_USEC, 7 * USEC_PER_DAY,
                                 WALL_USEC - 1),
                         7 * USEC_PER_DAY);
        assert_int_equal(
                resumed("the boot before", 0, USEC_INFINITY, 0, USEC_PER_DAY, USEC_INFINITY),
                USEC_INFINITY);
}

static void test_it_does_not_go_back_over_many_reboots(void **state) {
        char id[BOOT_ID_SIZE] = "0";
        usec_t offset_usec = USEC_PER_DAY;
        usec_t now_usec = USEC_PER_DAY + USEC_PER_HOUR;
        usec_t wall_usec = WALL_USEC;

        (void) state;
        for (unsigned i = 1; i < 200; i++) {
                const usec_t away_usec = (i % 7) * USEC_PER_HOUR;
                const usec_t boottime_usec = (1 + i % 3) * USEC_PER_MINUTE;
                Clockwork clock;

                usec_t now_wall_usec =
                        i % 5 == 0 ? wall_usec - USEC_PER_HOUR : wall_usec + away_usec;
                char saved_id[BOOT_ID_SIZE];
                memcpy(saved_id, id, sizeof(id));
                id[0] = (char) ('0' + i % 10);
                clockwork_init(&clock, id);
                clockwork_resume(&clock, saved_id, offset_usec, now_usec, wall_usec, boottime_usec,
                                 now_wall_usec);
                usec_t resumed_usec = boottime_usec + clock.offset_usec;

                assert_true(resumed_usec >= now_usec);
                assert_true(resumed_usec <= now_usec + away_usec + boottime_usec);
                offset_usec = clock.offset_usec;
                now_usec = resumed_usec + USEC_PER_HOUR;
                wall_usec = now_wall_usec + USEC_PER_HOUR;
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_new_clock_begins_at_one_day),
                cmocka_unit_test(test_within_one_boot_the_wall_clock_does_not_matter),
                cmocka_unit_test(test_over_a_reboot),
                cmocka_unit_test(test_long_since_booted),
                cmocka_unit_test(test_it_does_not_go_back_over_many_reboots),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
