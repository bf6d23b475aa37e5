/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stories about dying and being started.
 *
 * The restart delay, the start limit, crash loops, clean ends, and deaths that nobody saw. The numbers
 * are those that the guide promises of the unit: 30 s, three starts in ten minutes.
 */

#include <string.h>

#include "story.h"
#include "unit.h"

static Story story;

static void test_it_is_started_when_it_never_ran(void **unused) {
        (void) unused;
        story_init_stopped(&story);
        story_until(&story, 600);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_FIRST_START), 1);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
        assert_int_equal(story_count(&story, EVENT_SERVICE_UP), 1);
        assert_int_equal(story.state.services[0].budget.n_restarts, 0);
        assert_int_equal(story.state.services[0].budget.n_starts, 1);
}

static void test_what_is_only_guarded_is_not_started_first(void **unused) {
        (void) unused;
        story_init_stopped(&story);
        story.service.is_started = false;
        story_until(&story, 600);
        assert_int_equal(story.n_lines, 0);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);

        story_die(&story, EXIT_CAUSE_FAILURE,
                  1); /* found failed, from before our time: alarms, and no more */
        story_until(&story, 1200);
        assert_int_equal(story_count(&story, EVENT_SERVICE_DOWN), 1);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
}

static void test_a_crash_is_known_at_once_and_started_after_the_delay(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 100);
        story_die(&story, EXIT_CAUSE_SIGNAL, 11);
        story_step(&story);
        assert_int_equal(story_when(&story, EVENT_SERVICE_DOWN, 0), 100);
        assert_non_null(strstr(story_event(&story, EVENT_SERVICE_DOWN, 0)->text, "SIGSEGV"));
        assert_int_equal(story.state.services[0].level, LEVEL_CRITICAL);
        assert_int_equal((story.decision.next_usec - story.now_usec) / USEC_PER_SEC, 30);

        story_until(&story, 129);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        story_until(&story, 130);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);
        story_until(&story, 300);
        assert_int_equal(story_count(&story, EVENT_SERVICE_UP), 1);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);
        assert_int_equal(story.state.services[0].budget.n_restarts, 1);
}

static void test_a_crash_just_after_a_restart_does_not_wait_for_the_cooldown(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 100);
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 140);
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 170);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 2);
        assert_int_equal(story_intent(&story, ACTION_START, 1)->second, 170);
}

static void test_the_fourth_start_in_ten_minutes_is_refused(void **unused) {
        (void) unused;
        story_init_stopped(&story);
        story.config.watch.max_restarts = 10;
        story.dies_after_seconds = 20;
        story_until(&story, 30 + 599);

        unsigned n_first = story_count_intents(&story, ACTION_START, REASON_FIRST_START);
        unsigned n_crash = story_count_intents(&story, ACTION_START, REASON_CRASH);

        assert_int_equal(n_first, 1);
        assert_int_equal(n_crash, 2);
        assert_int_equal(story_count(&story, EVENT_RESTART_REFUSED), 1);
        assert_true(story_has_reason(&story, EVENT_RESTART_REFUSED, "{\"code\":\"cooldown\""));

        /* It was refused for the cool-down after a restart that did not help, ten minutes from 132 on. */
        story_until(&story, 731);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 2);
        story_until(&story, 732);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 3);

        /* With a short cool-down it is the window that has to pass. */
        story_init_stopped(&story);
        story.config.watch.max_restarts = 10;
        story.config.watch.cooldown_usec = USEC_PER_SEC;
        story.dies_after_seconds = 20;
        story_until(&story, 30 + 599);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 2);
        story_until(&story, 30 + 600);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 3);
}

static void test_a_limit_hit_by_systemd_is_cleared_within_our_patience(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 100);
        story.facts->is_start_limited = true;
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 100 + 299);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_true(story_has_reason(&story, EVENT_RESTART_REFUSED, "cooldown"));
        story_until(&story, 100 + 300);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);
        assert_int_equal(story.state.services[0].budget.n_restarts, 1);
}

static void test_dying_every_20_seconds_for_an_hour(void **unused) {
        const Line *held;

        (void) unused;
        story_init_stopped(&story);
        story.dies_after_seconds = 20;
        story_until(&story, 3600);

        held = story_event(&story, EVENT_HELD, 0);
        assert_int_equal(story_count(&story, EVENT_HELD), 1);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 3);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_SLOW_RETRY), 0);

        /* It says what the loop is made of. */
        assert_non_null(held);
        assert_non_null(strstr(held->text,
                               "It died 4 times soon after its start, each time: exit status 1"));

        /* And goes on trying, without ever going beyond the budget. */
        story_until(&story, 86400);
        assert_int_equal(story_count(&story, EVENT_HELD), 1);
        assert_in_range(story_count_intents(&story, ACTION_START, REASON_SLOW_RETRY), 20, 24);

        story.dies_after_seconds = 0;
        story_until(&story, 2 * 86400);
        assert_int_equal(story_count(&story, EVENT_RELEASED), 1);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);
}

static void test_a_clean_end_is_left_alone(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 100);
        story_die(&story, EXIT_CAUSE_CLEAN, 0);
        story_until(&story, 86400);
        assert_int_equal(story.n_lines, 1);
        assert_int_equal(story_count(&story, EVENT_SERVICE_DOWN), 1);
        assert_int_equal(story.lines[0].level, LEVEL_WARNING);
        assert_int_equal(story.state.services[0].level, LEVEL_WARNING);
}

static void test_a_death_behind_our_back_is_told(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 100);

        /* systemd restarts it between two looks. */
        story.facts->exit_cause = EXIT_CAUSE_SIGNAL;
        story.facts->exit_value = 6;
        story.facts->incarnation++;
        story.facts->started_usec = story.now_usec;
        story_step(&story);
        assert_int_equal(story_count(&story, EVENT_SERVICE_DOWN), 1);
        story_until(&story, 300);
        assert_int_equal(story_count(&story, EVENT_SERVICE_UP), 1);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
}

static void test_restarts_of_others_spend_the_same_budget(void **unused) {
        (void) unused;
        story_init(&story);

        for (unsigned i = 0; i < 3; i++)
                judge_count_restart(&story.state, 0, story.now_usec);

        story_until(&story, 100);
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 3000);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story_count(&story, EVENT_HELD), 1);
}

static void test_it_is_left_to_systemd_when_systemd_will(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 100);
        story.facts->is_backend_restarting = true;
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 600);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story_count(&story, EVENT_RESTART_REFUSED), 1);
        assert_true(story_has_reason(&story, EVENT_RESTART_REFUSED, "systemd-pending"));
}

static void test_a_start_that_fails_is_tried_again_after_the_delay(void **unused) {
        (void) unused;
        story_init_stopped(&story);
        story.is_obeyed = false;
        story_until(&story, 30);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_FIRST_START), 1);
        judge_outcome(&story.state, &story.config, 0, ACTION_START, /* is_done= */ false,
                      "no such file", USEC_PER_SEC, story.now_usec, &story.decision);
        assert_int_equal(story.decision.events[0].kind, EVENT_RESTART_FAILED);
        assert_non_null(strstr(story.decision.events[0].text, "no such file"));
        story_until(&story, 59);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 0);
        story_until(&story, 60);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);
        story_until(&story, 89);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);

        /* It must neither spin nor give up: the start limit holds, then the budget. */
        story_until(&story, 4000);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_FIRST_START), 1);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 3);
        assert_int_equal(story_count(&story, EVENT_HELD), 1);
}

static void test_nothing_is_concluded_while_we_act(void **unused) {
        (void) unused;
        story_init(&story);
        story.act_seconds = 40; /* a slow stop */
        story_until(&story, 60);
        story.api = OUTCOME_FAIL;
        story.api_cause = CAUSE_TIMEOUT;
        story_until(&story, 150);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);

        story.facts->state = SERVICE_STOPPED;
        story.facts->exit_cause = EXIT_CAUSE_CLEAN;
        story_until(&story, 180);
        assert_int_equal(story_count(&story, EVENT_SERVICE_DOWN), 0);
        story.api = OUTCOME_OK;
        story_until(&story, 600);
        assert_int_equal(story_count(&story, EVENT_SERVICE_DOWN), 0);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
        assert_int_equal(story_count(&story, EVENT_SERVICE_UP), 1);
}

static void test_our_own_restart_changes_nothing(void **unused) {
        static Story other;

        (void) unused;
        story_init(&story);
        story.dies_after_seconds = 200;
        story_until(&story, 500);

        /* The checkpoint is the state as it is; the service has been adopted with the same number and start. */
        memcpy(&other, &story, sizeof(other));
        other.config.services = &other.service;
        other.facts = &other.snapshot.services[0];
        story_until(&story, 7200);
        story_until(&other, 7200);
        assert_int_equal(story.n_lines, other.n_lines);
        assert_memory_equal(story.lines, other.lines, story.n_lines * sizeof(story.lines[0]));
}

static void test_a_new_number_for_the_same_process_is_no_new_life(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 100);
        story.facts->incarnation += 5;
        story.facts->started_usec += 10 * USEC_PER_MSEC; /* read to a hundredth of a second */
        story_until(&story, 200);
        assert_int_equal(story.state.services[0].budget.n_starts, 1);
        assert_int_equal(story.n_lines, 0);
}

static void test_lives_within_a_second_are_told_apart(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 100);
        story.facts->incarnation++;
        story.facts->started_usec += USEC_PER_SEC / 2;
        story_until(&story, 200);
        assert_int_equal(story.state.services[0].budget.n_starts, 2);
}

static void test_deaths_that_others_repeat_are_not_told_for_ever(void **unused) {
        (void) unused;
        story_init(&story);

        /* Somebody restarts it every half minute, and it dies as often. */
        for (unsigned i = 1; i <= 120; i++) {
                story.facts->exit_cause = EXIT_CAUSE_SIGNAL;
                story.facts->exit_value = 6;
                story.facts->incarnation++;
                story.facts->started_usec = story.now_usec;
                story_until(&story, i * 30);
        }

        assert_in_range(story_count(&story, EVENT_SERVICE_DOWN), 3, 24);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
}

static void test_a_crash_after_a_long_life_is_no_loop(void **unused) {
        (void) unused;
        story_init_stopped(&story);
        story.dies_after_seconds = 1300; /* less than three times an hour */
        story_until(&story, 86400);
        assert_int_equal(story_count(&story, EVENT_HELD), 0);
        assert_int_equal(story.state.services[0].n_same_exits, 0);
        assert_in_range(story_count_intents(&story, ACTION_START, REASON_CRASH), 63, 66);
}

static void test_the_delay_counts_from_the_end_of_a_failed_start(void **unused) {
        (void) unused;
        story_init_stopped(&story);
        story.is_obeyed = false;
        story_until(&story, 30);
        story.facts->is_busy = true;
        story_until(&story, 50);
        story.facts->is_busy = false;
        story_die(&story, EXIT_CAUSE_EXEC, 2);
        story.facts->state_since_usec = story.now_usec - 20 * USEC_PER_SEC;
        judge_outcome(&story.state, &story.config, 0, ACTION_START, /* is_done= */ false, "",
                      20 * USEC_PER_SEC, story.now_usec, &story.decision);
        story_step(&story);
        story_until(&story, 79);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 0);
        story_until(&story, 80);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);
}

static void test_what_we_stopped_for_memory_is_started_however_it_ended(void **unused) {
        (void) unused;
        story_init(&story);
        story.service.memory_max_bytes = 1 << 20;
        story.facts->memory_bytes = 2 << 20;
        story.is_obeyed = false;
        story_until(&story, 30);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_MEMORY_MAX), 1);

        /* It took the signal kindly, and whoever runs it calls that a clean end. */
        story.facts->memory_bytes = -1;
        story_die(&story, EXIT_CAUSE_CLEAN, 0);
        story_until(&story, 89);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_is_started_when_it_never_ran),
                cmocka_unit_test(test_what_is_only_guarded_is_not_started_first),
                cmocka_unit_test(test_a_crash_is_known_at_once_and_started_after_the_delay),
                cmocka_unit_test(test_a_crash_just_after_a_restart_does_not_wait_for_the_cooldown),
                cmocka_unit_test(test_the_fourth_start_in_ten_minutes_is_refused),
                cmocka_unit_test(test_a_limit_hit_by_systemd_is_cleared_within_our_patience),
                cmocka_unit_test(test_dying_every_20_seconds_for_an_hour),
                cmocka_unit_test(test_a_clean_end_is_left_alone),
                cmocka_unit_test(test_a_death_behind_our_back_is_told),
                cmocka_unit_test(test_restarts_of_others_spend_the_same_budget),
                cmocka_unit_test(test_it_is_left_to_systemd_when_systemd_will),
                cmocka_unit_test(test_a_start_that_fails_is_tried_again_after_the_delay),
                cmocka_unit_test(test_nothing_is_concluded_while_we_act),
                cmocka_unit_test(test_our_own_restart_changes_nothing),
                cmocka_unit_test(test_a_new_number_for_the_same_process_is_no_new_life),
                cmocka_unit_test(test_lives_within_a_second_are_told_apart),
                cmocka_unit_test(test_deaths_that_others_repeat_are_not_told_for_ever),
                cmocka_unit_test(test_a_crash_after_a_long_life_is_no_loop),
                cmocka_unit_test(test_the_delay_counts_from_the_end_of_a_failed_start),
                cmocka_unit_test(test_what_we_stopped_for_memory_is_started_however_it_ended),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
