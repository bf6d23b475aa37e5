/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stories about the ledger and about rows of failures.
 *
 * The windows slide over exact times, so the edges are tried to the microsecond; the cool-down grows
 * while restarts do not help; an episode is told once, and a check that flaps becomes hard to believe.
 */

#include "judge/budget.h"
#include "judge/streak.h"
#include "unit.h"

static const usec_t T = USEC_PER_DAY;
static const usec_t S = USEC_PER_SEC;
static const usec_t M = USEC_PER_MINUTE;

static void test_the_window_slides(void **unused) {
        Budget budget = { 0 };

        (void) unused;
        assert_int_equal(budget_free_usec(&budget, 3, USEC_PER_HOUR), 0);

        budget_charge_restart(&budget, T);
        budget_charge_restart(&budget, T + 10 * M);
        assert_int_equal(budget_free_usec(&budget, 3, USEC_PER_HOUR), 0);
        budget_charge_restart(&budget, T + 50 * M);
        assert_int_equal(budget_free_usec(&budget, 3, USEC_PER_HOUR), T + USEC_PER_HOUR);
        assert_int_equal(budget_used(&budget, USEC_PER_HOUR, T + 59 * M), 3);
        assert_int_equal(budget_used(&budget, USEC_PER_HOUR, T + 60 * M), 2);

        budget_charge_restart(&budget, T + 60 * M);
        assert_int_equal(budget_free_usec(&budget, 3, USEC_PER_HOUR), T + 70 * M);
}

static void test_a_restart_told_late_finds_its_place(void **unused) {
        Budget budget = { 0 };

        (void) unused;
        budget_charge_restart(&budget, T + 20 * M);
        budget_charge_restart(&budget, T + 5 * M);
        budget_charge_restart(&budget, T + 10 * M);
        assert_int_equal(budget.restarts_usec[0], T + 5 * M);
        assert_int_equal(budget.restarts_usec[2], T + 20 * M);
        assert_int_equal(budget_free_usec(&budget, 3, USEC_PER_HOUR), T + 65 * M);
}

static void test_a_full_ledger_forgets_the_oldest_only(void **unused) {
        Budget budget = { 0 };

        (void) unused;
        for (unsigned i = 0; i < 2 * LEDGER_MAX; i++)
                budget_charge_restart(&budget, T + i * S);

        assert_int_equal(budget.n_restarts, LEDGER_MAX);
        assert_int_equal(budget_used(&budget, USEC_PER_HOUR, T + 2 * LEDGER_MAX * S), LEDGER_MAX);

        /* More may be configured than is remembered; then what is remembered is the limit. */
        assert_true(budget_free_usec(&budget, 1000, USEC_PER_HOUR) > T + 2 * LEDGER_MAX * S);
}

static void test_no_restarts_allowed_means_never(void **unused) {
        Budget budget = { 0 };

        (void) unused;
        assert_int_equal(budget_free_usec(&budget, 0, USEC_PER_HOUR), USEC_INFINITY);
}

static void test_the_cooldown_grows_until_it_helps(void **unused) {
        Budget budget = { 0 };

        (void) unused;
        assert_int_equal(budget_cooldown_end_usec(&budget, 5 * M), 0);

        budget_charge_restart(&budget, T);
        assert_int_equal(budget_cooldown_end_usec(&budget, 5 * M), T + 5 * M);
        budget_charge_restart(&budget, T);
        assert_int_equal(budget_cooldown_end_usec(&budget, 5 * M), T + 10 * M);
        budget_charge_restart(&budget, T);
        assert_int_equal(budget_cooldown_end_usec(&budget, 5 * M), T + 20 * M);
        budget_charge_restart(&budget, T);
        assert_int_equal(budget_cooldown_end_usec(&budget, 5 * M), T + 30 * M);
        budget_charge_restart(&budget, T);
        assert_int_equal(budget_cooldown_end_usec(&budget, 5 * M), T + 30 * M);

        budget_prove(&budget);
        assert_int_equal(budget_cooldown_end_usec(&budget, 5 * M), T + 5 * M);
        budget_charge_restart(&budget, T + M);
        assert_int_equal(budget_cooldown_end_usec(&budget, 5 * M), T + 6 * M);

        /* A cool-down configured longer than the ceiling is not shortened. */
        assert_int_equal(budget_cooldown_end_usec(&budget, USEC_PER_HOUR), T + 61 * M);
}

static void test_to_forgive_is_to_forget(void **unused) {
        Budget budget = { 0 };

        (void) unused;
        for (unsigned i = 0; i < 5; i++) {
                budget_charge_restart(&budget, T);
                budget_charge_start(&budget, T);
        }

        budget_forgive(&budget);
        assert_int_equal(budget_free_usec(&budget, 1, USEC_PER_HOUR), 0);
        assert_int_equal(budget_start_free_usec(&budget, 1, USEC_PER_HOUR), 0);
        assert_int_equal(budget_cooldown_end_usec(&budget, M), 0);
}

static void test_an_episode_has_one_beginning_and_one_end(void **unused) {
        Streak streak = { 0 };

        (void) unused;
        assert_int_equal(streak_step(&streak, OUTCOME_OK, 2, T), STREAK_SAME);
        assert_int_equal(streak_step(&streak, OUTCOME_FAIL, 2, T), STREAK_BEGAN_FAILING);
        assert_int_equal(streak_step(&streak, OUTCOME_FAIL, 2, T), STREAK_SAME);
        assert_int_equal(streak.failures, 2);

        /* One lucky answer ends nothing. */
        assert_int_equal(streak_step(&streak, OUTCOME_OK, 2, T), STREAK_SAME);
        assert_int_equal(streak_step(&streak, OUTCOME_FAIL, 2, T), STREAK_SAME);
        assert_int_equal(streak.failures, 1);
        assert_int_equal(streak_step(&streak, OUTCOME_OK, 2, T), STREAK_SAME);
        assert_int_equal(streak_step(&streak, OUTCOME_OK, 2, T), STREAK_RECOVERED);
        assert_false(streak.is_failing);
}

static void test_unknown_is_no_failure_and_no_success(void **unused) {
        Streak streak = { 0 };

        (void) unused;
        (void) streak_step(&streak, OUTCOME_FAIL, 2, T);
        (void) streak_step(&streak, OUTCOME_FAIL, 2, T);

        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(streak_step(&streak, OUTCOME_UNKNOWN, 2, T), STREAK_SAME);

        assert_int_equal(streak.failures, 2);
        assert_true(streak.is_failing);
}

static void test_flapping_episodes_become_rare(void **unused) {
        Streak streak = { 0 };
        unsigned n_told = 0;

        (void) unused;

        /* One failure, two good looks, for a day at 30 s: without damping 1920 messages. */
        for (unsigned i = 0; i < 2880; i++) {
                Outcome outcome = i % 3 == 0 ? OUTCOME_FAIL : OUTCOME_OK;

                if (streak_step(&streak, outcome, 2, T + i * 30 * S) != STREAK_SAME)
                        n_told++;
        }

        assert_in_range(n_told, 6, 24 * 12);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_window_slides),
                cmocka_unit_test(test_a_restart_told_late_finds_its_place),
                cmocka_unit_test(test_a_full_ledger_forgets_the_oldest_only),
                cmocka_unit_test(test_no_restarts_allowed_means_never),
                cmocka_unit_test(test_the_cooldown_grows_until_it_helps),
                cmocka_unit_test(test_to_forgive_is_to_forget),
                cmocka_unit_test(test_an_episode_has_one_beginning_and_one_end),
                cmocka_unit_test(test_unknown_is_no_failure_and_no_success),
                cmocka_unit_test(test_flapping_episodes_become_rare),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
