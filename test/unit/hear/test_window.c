/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stories of the window: lines come, age and go.
 *
 * Time is ours: five minutes pass in one call. The ring is sent round often, lines come late and from
 * the future, and the counts are compared at the edges, where a bucket begins to count or ceases to.
 */

#include "hear/window.h"
#include "unit.h"

static const usec_t WINDOW = 5 * USEC_PER_MINUTE;
static const usec_t NOW = USEC_PER_DAY;

static LogCounts read_at(const LogWindow *window, usec_t now_usec) {
        LogCounts counts;

        window_read(window, now_usec, &counts);
        return counts;
}

static void test_lines_age_and_go(void **state) {
        LogWindow window;

        (void) state;
        window_init(&window, WINDOW);
        window_add(&window, NOW, NOW, 100, 2, 3);

        LogCounts counts = read_at(&window, NOW);
        assert_int_equal(counts.lines, 100);
        assert_int_equal(counts.critical, 2);
        assert_int_equal(counts.warning, 3);
        assert_int_equal(counts.error_permille, 50);

        assert_int_equal(read_at(&window, NOW + WINDOW - 1).critical, 2);
        assert_int_equal(read_at(&window, NOW + WINDOW + 5 * USEC_PER_SEC).critical, 0);
        assert_int_equal(read_at(&window, NOW + WINDOW + 5 * USEC_PER_SEC).error_permille, 0);
}

static void test_old_lines_do_not_count(void **state) {
        LogWindow window;

        (void) state;
        window_init(&window, WINDOW);
        window_add(&window, NOW - WINDOW, NOW, 1, 1, 0);
        window_add(&window, NOW - USEC_PER_HOUR, NOW, 1, 1, 0);
        assert_int_equal(read_at(&window, NOW).critical, 0);

        window_add(&window, NOW - WINDOW + USEC_PER_SEC, NOW, 1, 1, 0);
        assert_int_equal(read_at(&window, NOW).critical, 1);
        assert_int_equal(read_at(&window, NOW + 10 * USEC_PER_SEC).critical, 0);
}

static void test_the_future_is_now(void **state) {
        LogWindow window;

        (void) state;
        window_init(&window, WINDOW);
        window_add(&window, NOW + USEC_PER_DAY, NOW, 1, 1, 0);
        assert_int_equal(read_at(&window, NOW).critical, 1);
        assert_int_equal(read_at(&window, NOW + WINDOW + 10 * USEC_PER_SEC).critical, 0);
}

/* A line a second for an hour: the window always holds five minutes of it, however often the ring went round. */
static void test_the_ring_goes_round(void **state) {
        LogWindow window;

        (void) state;
        window_init(&window, WINDOW);

        for (usec_t t = NOW; t < NOW + USEC_PER_HOUR; t += USEC_PER_SEC) {
                window_add(&window, t, t, 1, 0, 1);

                LogCounts counts = read_at(&window, t);
                usec_t written = (t - NOW) / USEC_PER_SEC + 1;

                assert_true(counts.lines <= 306);
                assert_true(counts.lines >= (written < 300 ? written : 300));
                assert_int_equal(counts.error_permille, 1000);
        }
}

static void test_late_lines_find_their_bucket(void **state) {
        LogWindow window;

        (void) state;
        window_init(&window, WINDOW);
        window_add(&window, NOW, NOW, 10, 0, 0);
        window_add(&window, NOW - 4 * USEC_PER_MINUTE, NOW, 0, 1, 0);
        assert_int_equal(read_at(&window, NOW).critical, 1);
        assert_int_equal(read_at(&window, NOW + 70 * USEC_PER_SEC).critical, 0);
        assert_int_equal(read_at(&window, NOW + 70 * USEC_PER_SEC).lines, 10);
}

/* Lines are counted a block at a time and bad ones singly: the rate stays a rate. */
static void test_never_more_than_all(void **state) {
        LogWindow window;

        (void) state;
        window_init(&window, WINDOW);
        window_add(&window, NOW, NOW, 0, 7, 0);
        assert_int_equal(read_at(&window, NOW).error_permille, 1000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines_age_and_go),
                cmocka_unit_test(test_old_lines_do_not_count),
                cmocka_unit_test(test_the_future_is_now),
                cmocka_unit_test(test_the_ring_goes_round),
                cmocka_unit_test(test_late_lines_find_their_bucket),
                cmocka_unit_test(test_never_more_than_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
