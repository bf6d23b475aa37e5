/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stories about a service that runs and does not answer.
 *
 * Counting, restarting, cooling down, holding: what is no failure (silence, grace, an earlier life) is
 * tried as carefully as what is one, because a false restart costs an open order.
 */

#include <string.h>

#include "story.h"
#include "unit.h"

static Story story; /* too large for a stack that sanitizers fill */

static void fail_api(Cause cause) {
        story.api = OUTCOME_FAIL;
        story.api_cause = cause;
}

static void test_all_is_well_and_nothing_is_told(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 86400);
        assert_int_equal(story.n_lines, 0);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);
}

static void test_three_failures_in_a_row_restart_it_once(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 300);
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 360);
        assert_int_equal(story_when(&story, EVENT_CHECK_FAILED, 0), 330);
        assert_int_equal(judge_peek_failures(&story.state, &story.config, 0), 2);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story.state.services[0].level, LEVEL_WARNING);

        story_until(&story, 390);
        assert_int_equal(story_count_intents(&story, ACTION_RESTART, REASON_CONSECUTIVE_FAILURES),
                         1);
        assert_int_equal(story_intent(&story, ACTION_RESTART, 0)->second, 390);
        assert_int_equal(story_intent(&story, ACTION_RESTART, 0)->intent.check, CHECK_API);
        assert_true(story_has_reason(&story, EVENT_RESTART_DECIDED,
                                     "{\"code\":\"consecutive-failures\",\"check\":\"api\""));
        assert_int_equal(story.state.services[0].level, LEVEL_CRITICAL);

        story.api = OUTCOME_OK;
        story_until(&story, 3600);
        assert_int_equal(story_count(&story, EVENT_RESTART_DONE), 1);
        assert_int_equal(story_count(&story, EVENT_CHECK_FAILED), 1);
        assert_int_equal(story_count(&story, EVENT_CHECK_RECOVERED), 1);
        assert_int_equal(story_count(&story, EVENT_SERVICE_UP), 1);
        assert_int_equal(story_count(&story, EVENT_SERVICE_DOWN), 0);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);
}

static void test_two_failures_and_a_success_restart_nothing(void **unused) {
        (void) unused;
        story_init(&story);

        for (unsigned i = 0; i < 100; i++) {
                story.api = i % 3 == 2 ? OUTCOME_OK : OUTCOME_FAIL;
                story.api_cause = CAUSE_REFUSED;
                story_until(&story, (i + 1) * 30);
        }

        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story_count(&story, EVENT_CHECK_FAILED), 1);
}

static void test_a_reading_counts_once_however_often_one_asks(void **unused) {
        (void) unused;
        story_init(&story);
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 30);

        for (unsigned i = 0; i < 1000; i++)
                story_step(&story);

        assert_int_equal(judge_peek_failures(&story.state, &story.config, 0), 1);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
}

static void test_silence_is_unknown_and_never_a_failure(void **unused) {
        (void) unused;
        story_init(&story);
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 60);
        assert_int_equal(judge_peek_failures(&story.state, &story.config, 0), 2);

        story.is_api_silent = true;
        story_until(&story, 7200);
        assert_int_equal(judge_peek_check(&story.state, &story.config, &story.snapshot, 0,
                                          CHECK_API, story.now_usec),
                         LEVEL_UNKNOWN);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);

        /* Two failures two hours ago and one now are not three in a row. */
        story.is_api_silent = false;
        story_until(&story, 7230);
        assert_int_equal(judge_peek_failures(&story.state, &story.config, 0), 1);
        story_until(&story, 7260);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        story_until(&story, 7290);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_an_unknown_outcome_is_never_a_failure(void **unused) {
        (void) unused;
        story_init(&story);
        story.api = OUTCOME_UNKNOWN;
        story_until(&story, 86400);
        assert_int_equal(story.n_lines, 0);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);
}

static void test_nobody_is_restarted_on_stale_evidence(void **unused) {
        (void) unused;
        story_init(&story);

        /* The third failure falls into the cool-down after a restart, and then the clerk goes silent. */
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 90 + 60 + 120);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
        assert_int_equal(story.state.services[0].refusal, REFUSAL_COOLDOWN);
        story.is_api_silent = true;
        story_until(&story, 3600);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_grace_is_not_judged(void **unused) {
        (void) unused;
        story_init_stopped(&story);
        story.service.api.timeout_usec = 10 * USEC_PER_SEC;
        story.config.watch.grace_usec = 120 * USEC_PER_SEC;
        fail_api(CAUSE_REFUSED);
        story_until(&story, 120); /* started at 30, refuses until it has warmed up */
        assert_int_equal(story_when(&story, EVENT_RESTART_DECIDED, 0), 30);
        assert_int_equal(story_count(&story, EVENT_CHECK_FAILED), 0);
        assert_int_equal(judge_peek_check(&story.state, &story.config, &story.snapshot, 0,
                                          CHECK_API, story.now_usec),
                         LEVEL_UNKNOWN);

        story.api = OUTCOME_OK;
        story_until(&story, 600);
        assert_int_equal(story_count(&story, EVENT_CHECK_FAILED), 0);
        assert_int_equal(story_count(&story, EVENT_SERVICE_UP), 1);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_a_restart_makes_the_row_start_anew(void **unused) {
        (void) unused;
        story_init(&story);
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 60);
        assert_int_equal(judge_peek_failures(&story.state, &story.config, 0), 2);

        /* Somebody else restarts it; the next failure is the first of the new life, after grace. */
        story.facts->incarnation++;
        story.facts->started_usec = story.now_usec;
        story_until(&story, 60 + 90);
        assert_int_equal(judge_peek_failures(&story.state, &story.config, 0), 2);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
}

static void test_answers_of_an_earlier_life_do_not_count(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 60);

        /* A probe begun before the restart comes back after it, and says what it saw then. */
        story.facts->incarnation++;
        story.facts->started_usec = story.now_usec + 10 * USEC_PER_SEC;
        story.facts->checks[CHECK_API].outcome = OUTCOME_FAIL;
        story.facts->checks[CHECK_API].at_usec = story.now_usec + 5 * USEC_PER_SEC;
        story.now_usec += 20 * USEC_PER_SEC;
        story.config.watch.grace_usec = 0;
        story_step(&story);
        assert_int_equal(story_count(&story, EVENT_CHECK_FAILED), 0);
}

static void test_a_hang_that_restarts_do_not_cure_is_held_once(void **unused) {
        const Line *held;

        (void) unused;
        story_init(&story);
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 6 * 3600);

        held = story_event(&story, EVENT_HELD, 0);
        assert_int_equal(story_count(&story, EVENT_HELD), 1);
        assert_non_null(held);
        assert_non_null(strstr(held->text, "albraguard release bot"));
        assert_non_null(strstr(held->reason, "{\"code\":\"budget\""));
        assert_int_equal(story_count_intents(&story, ACTION_RESTART, REASON_CONSECUTIVE_FAILURES),
                         3);

        /* The wait between restarts that do not help doubles: 5, then 10 minutes. */
        assert_int_equal(story_intent(&story, ACTION_RESTART, 0)->second, 90);
        assert_in_range(story_intent(&story, ACTION_RESTART, 1)->second, 90 + 300, 90 + 330);
        assert_in_range(story_intent(&story, ACTION_RESTART, 2)->second, 390 + 600, 420 + 630);

        /* Watching goes on, and so do attempts: slowly, one an hour. */
        assert_in_range(story_count_intents(&story, ACTION_RESTART, REASON_SLOW_RETRY), 4, 6);
        assert_true(story.state.services[0].is_held);
        assert_int_equal(story_count(&story, EVENT_CHECK_FAILED), 1);
}

static void test_a_hold_ends_by_itself_when_it_is_well_for_a_while(void **unused) {
        (void) unused;
        story_init(&story);
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 3600);
        assert_true(story.state.services[0].is_held);

        story.api = OUTCOME_OK;
        story_until(&story, 3600 + 200);
        assert_true(story.state.services[0].is_held);
        assert_int_equal(story.state.services[0].level, LEVEL_WARNING);
        story_until(&story, 3600 + 30 + 30 + 330);
        assert_false(story.state.services[0].is_held);
        assert_int_equal(story_count(&story, EVENT_RELEASED), 1);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);
}

static void test_no_restarts_allowed_only_alarms(void **unused) {
        (void) unused;
        story_init(&story);
        story.config.watch.max_restarts = 0;
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 86400);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story_count(&story, EVENT_HELD), 1);
}

static void test_a_check_that_only_alarms_restarts_nothing(void **unused) {
        (void) unused;
        story_init(&story);
        story.service.api.may_restart = false;
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 86400);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story_count(&story, EVENT_CHECK_FAILED), 1);
        assert_int_equal(story_count(&story, EVENT_LEVEL_CHANGED), 1);
        assert_int_equal(story.state.services[0].level, LEVEL_CRITICAL);
}

static void test_slow_answers_change_the_level_and_restart_nothing(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 60);
        story.api_usec = 2 * (int64_t) USEC_PER_SEC;
        story_until(&story, 600);
        assert_int_equal(story_count(&story, EVENT_LEVEL_CHANGED), 1);
        assert_int_equal(story.state.services[0].level, LEVEL_WARNING);
        story.api_usec = 9 * (int64_t) USEC_PER_SEC;
        story_until(&story, 1200);
        assert_int_equal(story.state.services[0].level, LEVEL_CRITICAL);
        story.api_usec = 1000;
        story_until(&story, 3600);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);
        assert_int_equal(story_count(&story, EVENT_LEVEL_CHANGED), 3);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
}

static void test_a_frozen_process_is_restarted_but_not_in_grace(void **unused) {
        (void) unused;
        story_init(&story);
        story.config.watch.grace_usec = 2 * USEC_PER_HOUR; /* it is an hour old */
        story.is_api_silent = true;
        story_until(&story, 30);

        for (unsigned i = 1; i <= 10; i++) {
                CheckReading *process = &story.facts->checks[CHECK_PROCESS];

                story.now_usec += 30 * USEC_PER_SEC;
                *process = (CheckReading){ .is_configured = true,
                                           .outcome = OUTCOME_FAIL,
                                           .cause = CAUSE_STOPPED,
                                           .at_usec = story.now_usec };
                story_step(&story);
        }

        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story.state.services[0].refusal, REFUSAL_GRACE);
        assert_int_equal(story_count(&story, EVENT_RESTART_REFUSED), 1);
        story.config.watch.grace_usec = 0;
        story_step(&story);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_memory_and_api_in_the_same_tick_make_one_act(void **unused) {
        (void) unused;
        story_init(&story);
        story.service.memory_max_bytes = 100 << 20;
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 89);
        story.facts->memory_bytes = 101 << 20;
        story_until(&story, 90);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_MEMORY_MAX), 1);
        assert_int_equal(story_count_intents(&story, ACTION_RESTART, REASON_CONSECUTIVE_FAILURES),
                         0);

        story.api = OUTCOME_OK;
        story_until(&story, 92);
        story.facts->memory_bytes = 50 << 20;
        story_until(&story, 3600);
        assert_int_equal(story_count(&story, EVENT_OOM_KILL), 1);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);
        assert_int_equal(story_intent(&story, ACTION_START, 0)->second, 91 + 30);
}

static void test_over_memory_right_after_the_restart_is_seen_at_once(void **unused) {
        (void) unused;
        story_init(&story);
        story.service.memory_max_bytes = 100 << 20;
        story_until(&story, 60);
        story.facts->memory_bytes = 101 << 20; /* and stays so in every life */
        story_until(&story, 200);

        /* Three starts, and in each life it is stopped a second after it began, in grace and never seen healthy. */
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 3);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_MEMORY_MAX), 4);
        story_until(&story, 3600);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 3);
        assert_int_equal(story_count(&story, EVENT_HELD), 1);
}

static void test_the_kernel_is_left_to_enforce_what_it_can(void **unused) {
        (void) unused;
        story_init(&story);
        story.service.memory_max_bytes = 100 << 20;
        story.facts->is_memory_enforced = true;
        story.facts->memory_bytes = 101 << 20;
        story_until(&story, 3600);
        assert_int_equal(story.n_lines, 0);
}

static void test_the_latency_of_a_failure_is_no_latency(void **unused) {
        (void) unused;
        story_init(&story);
        story.service.api.may_restart = false;
        story.api_usec = 2 * (int64_t) USEC_PER_SEC;
        story_until(&story, 300);
        assert_int_equal(story.state.services[0].checks[CHECK_API].level.level, LEVEL_WARNING);
        fail_api(CAUSE_REFUSED);
        story.api_usec = 0;
        story_until(&story, 3600);
        assert_int_equal(story.state.services[0].checks[CHECK_API].level.level, LEVEL_WARNING);
}

static void test_latency_that_was_not_looked_at_has_not_lasted(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 30);
        story.api_usec = 2 * (int64_t) USEC_PER_SEC;
        story_until(&story, 60);
        story.is_api_silent = true;
        story_until(&story, 600);
        story.is_api_silent = false;
        story_until(&story, 630);
        assert_int_equal(story_count(&story, EVENT_LEVEL_CHANGED), 0);
        story_until(&story, 690);
        assert_int_equal(story_count(&story, EVENT_LEVEL_CHANGED), 1);
}

static void test_nothing_is_counted_in_the_middle_of_an_act(void **unused) {
        (void) unused;
        story_init(&story);
        story.act_seconds = 100;
        story_until(&story, 30);
        story_command(&story, COMMAND_RESTART, 0);
        fail_api(CAUSE_REFUSED);
        story_until(&story, 125);
        assert_int_equal(story_count(&story, EVENT_CHECK_FAILED), 0);
        assert_int_equal(judge_peek_failures(&story.state, &story.config, 0), 0);
}

static void test_a_restart_that_helped_shortens_the_next_cooldown(void **unused) {
        (void) unused;
        story_init(&story);

        for (unsigned i = 0; i < 3; i++) {
                fail_api(CAUSE_TIMEOUT);
                story_until(&story, i * 1200 + 100);
                story.api = OUTCOME_OK;
                story_until(&story, (i + 1) * 1200);
        }

        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 3);
        assert_int_equal(story.state.services[0].budget.n_unhealthy, 0);
        assert_false(story.state.services[0].budget.is_unproven);
}

static void test_over_its_memory_it_is_not_healthy(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 60);
        assert_true(story.state.services[0].healthy_since_usec > 0);
        story.service.memory_max_bytes = 1 << 20;
        story.facts->is_memory_enforced = true;
        story.facts->memory_bytes = 2 << 20;
        story_until(&story, 90);
        assert_int_equal(story.state.services[0].healthy_since_usec, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_is_well_and_nothing_is_told),
                cmocka_unit_test(test_three_failures_in_a_row_restart_it_once),
                cmocka_unit_test(test_two_failures_and_a_success_restart_nothing),
                cmocka_unit_test(test_a_reading_counts_once_however_often_one_asks),
                cmocka_unit_test(test_silence_is_unknown_and_never_a_failure),
                cmocka_unit_test(test_an_unknown_outcome_is_never_a_failure),
                cmocka_unit_test(test_nobody_is_restarted_on_stale_evidence),
                cmocka_unit_test(test_grace_is_not_judged),
                cmocka_unit_test(test_a_restart_makes_the_row_start_anew),
                cmocka_unit_test(test_answers_of_an_earlier_life_do_not_count),
                cmocka_unit_test(test_a_hang_that_restarts_do_not_cure_is_held_once),
                cmocka_unit_test(test_a_hold_ends_by_itself_when_it_is_well_for_a_while),
                cmocka_unit_test(test_no_restarts_allowed_only_alarms),
                cmocka_unit_test(test_a_check_that_only_alarms_restarts_nothing),
                cmocka_unit_test(test_slow_answers_change_the_level_and_restart_nothing),
                cmocka_unit_test(test_a_frozen_process_is_restarted_but_not_in_grace),
                cmocka_unit_test(test_memory_and_api_in_the_same_tick_make_one_act),
                cmocka_unit_test(test_over_memory_right_after_the_restart_is_seen_at_once),
                cmocka_unit_test(test_the_kernel_is_left_to_enforce_what_it_can),
                cmocka_unit_test(test_the_latency_of_a_failure_is_no_latency),
                cmocka_unit_test(test_latency_that_was_not_looked_at_has_not_lasted),
                cmocka_unit_test(test_nothing_is_counted_in_the_middle_of_an_act),
                cmocka_unit_test(test_a_restart_that_helped_shortens_the_next_cooldown),
                cmocka_unit_test(test_over_its_memory_it_is_not_healthy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
