/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stories about a person's hand.
 *
 * Stopping, pausing, releasing, restarting, and a changed configuration. What a person has stopped
 * stays stopped, through lost orders and restarts of ours; what they spend is counted.
 */

#include <string.h>

#include "story.h"
#include "unit.h"

static Story story;

static void fail_api(Cause cause) {
        story.api = OUTCOME_FAIL;
        story.api_cause = cause;
}

static void test_what_systemctl_stopped_stays_stopped(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 100);
        story.facts->state = SERVICE_STOPPED;
        story.facts->exit_cause = EXIT_CAUSE_CLEAN;
        story.facts->is_operator_stopped = true;
        story.facts->started_usec = 0;
        story_until(&story, 6 * 3600 - 60);
        assert_int_equal(story.n_lines, 1);
        assert_int_equal(story_count(&story, EVENT_OPERATOR_STOP), 1);
        assert_int_equal(story.lines[0].level, LEVEL_NORMAL);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);

        /* One reminder, and no second. */
        story_until(&story, 3 * 86400);
        assert_int_equal(story.n_lines, 2);
        assert_int_equal(story_when(&story, EVENT_REMINDER, 0), 120 + 6 * 3600);

        /* Also when a restart of ours has forgotten who did it. */
        story.facts->is_operator_stopped = false;
        story.facts->incarnation = 0;
        story_until(&story, 4 * 86400);
        assert_int_equal(story.n_lines, 2);
}

static void test_our_stop_is_a_persons_stop(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 100);
        story_command(&story, COMMAND_STOP, 0);
        story_until(&story, 3600);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_OPERATOR), 1);
        assert_int_equal(story_count(&story, EVENT_OPERATOR_STOP), 1);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);

        story_command(&story, COMMAND_START, 0);
        story_until(&story, 7200);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_OPERATOR), 1);
        assert_int_equal(story.facts->state, SERVICE_RUNNING);
        assert_int_equal(story_count(&story, EVENT_SERVICE_UP), 1);

        /* And from now on it is guarded again. */
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 7300);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);
}

static void test_a_stop_in_the_middle_of_a_start_is_not_lost(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 90);
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 120); /* the start has just begun */
        assert_true(story.facts->is_busy);

        /* Whoever executes acts has his hands full and drops the order. */
        judge_command(&story.state, &story.config, &story.snapshot, 0, COMMAND_STOP, 0,
                      story.now_usec, &story.decision);
        story_until(&story, 3600);
        assert_int_equal(story.facts->state, SERVICE_STOPPED);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_OPERATOR), 1);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);
}

static void test_to_stop_what_has_failed_ends_the_trying(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 90);
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_step(&story);
        story_command(&story, COMMAND_STOP, 0);
        story_until(&story, 3600);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story_count(&story, EVENT_OPERATOR_STOP), 1);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);
        assert_int_equal(story.state.services[0].refusal, REFUSAL_OPERATOR_STOP);
}

static void test_paused_is_watched_but_not_acted_on(void **unused) {
        (void) unused;
        story_init(&story);
        story_command(&story, COMMAND_PAUSE, story.now_usec + 30 * USEC_PER_MINUTE);
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 1799);
        assert_int_equal(story_count(&story, EVENT_CHECK_FAILED), 1);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story_count(&story, EVENT_RESTART_REFUSED), 1);
        assert_true(story_has_reason(&story, EVENT_RESTART_REFUSED, "{\"code\":\"paused\""));

        story_until(&story, 1800);
        assert_int_equal(story_when(&story, EVENT_RESUMED, 0), 1800);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_paused_for_ever_is_mentioned_once(void **unused) {
        (void) unused;
        story_init(&story);
        story_command(&story, COMMAND_PAUSE, USEC_INFINITY);
        story_until(&story, 60);
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 86400);
        assert_int_equal(story_count(&story, EVENT_REMINDER), 1);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);

        story_command(&story, COMMAND_RESUME, 0);
        story_until(&story, 86500);
        assert_int_equal(story_count(&story, EVENT_RESUMED), 1);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
        story_command(&story, COMMAND_RESUME, 0);
        assert_int_equal(story_count(&story, EVENT_RESUMED), 1);
}

static void test_memory_is_not_enforced_while_paused(void **unused) {
        (void) unused;
        story_init(&story);
        story.service.memory_max_bytes = 1 << 20;
        story.facts->memory_bytes = 2 << 20;
        story_command(&story, COMMAND_PAUSE, USEC_INFINITY);
        story_until(&story, 3600);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_MEMORY_MAX), 0);
}

static void test_release_forgives(void **unused) {
        (void) unused;
        story_init_stopped(&story);
        story.dies_after_seconds = 20;
        story_until(&story, 3000);
        assert_true(story.state.services[0].is_held);

        story.dies_after_seconds = 0;
        story_command(&story, COMMAND_RELEASE, 0);
        assert_int_equal(story_count(&story, EVENT_RELEASED), 1);
        story_until(&story, 3060);
        assert_int_equal(story.facts->state, SERVICE_RUNNING);

        unsigned used;
        usec_t left_usec;

        judge_peek_budget(&story.state, &story.config, 0, story.now_usec, &used, &left_usec);
        assert_int_equal(used, 1);
        assert_in_range(left_usec, 1, 300 * USEC_PER_SEC);
}

static void test_a_person_may_spend_beyond_the_budget_and_is_counted(void **unused) {
        (void) unused;
        story_init(&story);

        for (unsigned i = 0; i < 5; i++) {
                story_until(&story, (i + 1) * 120);
                story_command(&story, COMMAND_RESTART, 0);
        }

        story_until(&story, 900);
        assert_int_equal(story_count_intents(&story, ACTION_RESTART, REASON_OPERATOR), 5);
        assert_int_equal(story.state.services[0].budget.n_restarts, 5);
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 1800);
        assert_int_equal(story_count(&story, EVENT_HELD), 1);
}

static void test_a_changed_configuration_keeps_what_was_learnt(void **unused) {
        static JudgeState adopted;
        static ServiceConfig services[2];

        (void) unused;
        story_init(&story);
        story_until(&story, 90);
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 200);

        Config config = story.config;

        services[0] = story.service;
        services[0].name = "another";
        services[1] = story.service;
        config.n_services = 2;
        config.services = services;
        judge_adopt(&adopted, &config, &story.state, &story.config);
        assert_int_equal(adopted.n_services, 2);
        assert_int_equal(adopted.services[0].budget.n_restarts, 0);
        assert_int_equal(adopted.services[1].budget.n_restarts, 1);
        assert_memory_equal(&adopted.services[1], &story.state.services[0],
                            sizeof(ServiceJudgement));
}

static void test_a_check_no_longer_made_does_not_fail_for_ever(void **unused) {
        (void) unused;
        story_init(&story);
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 60);
        story.facts->checks[CHECK_API].is_configured = false;
        story_until(&story, 600);
        assert_int_equal(story_count(&story, EVENT_CHECK_RECOVERED), 1);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
}

static void test_a_stop_outruns_systemd(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 90);
        story.is_obeyed = false;
        story.facts->is_backend_restarting = true;
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_step(&story);
        story_command(&story, COMMAND_STOP, 0);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_OPERATOR), 1);

        /* Nobody listened, systemd still means to start it: the order is given again. */
        story_until(&story, 90 + 59);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_OPERATOR), 1);
        story_until(&story, 90 + 60);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_OPERATOR), 2);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
}

static void test_whoever_starts_it_ends_a_persons_stop(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 90);
        story_command(&story, COMMAND_STOP, 0);
        story_until(&story, 600);
        assert_int_equal(story.facts->state, SERVICE_STOPPED);

        /* systemctl start */
        story.facts->state = SERVICE_RUNNING;
        story.facts->incarnation++;
        story.facts->started_usec = story.now_usec;
        story.facts->is_operator_stopped = false;
        story_until(&story, 1200);
        assert_false(story.state.services[0].is_operator_stopped);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_OPERATOR), 1);

        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 1260);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);
}

static void test_a_start_in_the_middle_of_an_act_is_not_half_done(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 90);
        story.act_seconds = 20;
        story_command(&story, COMMAND_STOP, 0);
        story_command(&story, COMMAND_START, 0);
        story_command(&story, COMMAND_RESTART, 0);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        story_until(&story, 600);
        assert_int_equal(story.facts->state, SERVICE_STOPPED);
        assert_int_equal(story.state.services[0].level, LEVEL_NORMAL);
}

static void test_an_old_order_does_not_stop_a_new_life(void **unused) {
        static JudgeState checkpoint;

        (void) unused;
        story_init(&story);
        story_until(&story, 90);
        story_command(&story, COMMAND_STOP, 0);
        checkpoint = story.state; /* the last that is written before we are killed */
        story_until(&story, 600);

        /* Meanwhile a person starts it with systemctl; then we are back, and know only of the order. */
        story.facts->state = SERVICE_RUNNING;
        story.facts->incarnation++;
        story.facts->started_usec = story.now_usec;
        story.facts->is_operator_stopped = false;
        story.now_usec += 200 * USEC_PER_SEC;
        story.state = checkpoint;
        story_until(&story, 3600);
        assert_int_equal(story.facts->state, SERVICE_RUNNING);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_OPERATOR), 1);
        assert_false(story.state.services[0].is_operator_stopped);
}

static void test_systemd_does_not_end_a_persons_stop(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 90);
        story.is_obeyed = false;
        story_command(&story, COMMAND_STOP, 0); /* and we are killed before it is done */
        story.facts->is_backend_restarting = true;
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 100);

        /* It is back by systemd's hand, not by a person's. */
        story.facts->is_backend_restarting = false;
        story.facts->state = SERVICE_RUNNING;
        story.facts->incarnation++;
        story.facts->started_usec = story.now_usec;
        story.is_obeyed = true;
        story_until(&story, 600);
        assert_int_equal(story_count_intents(&story, ACTION_STOP, REASON_OPERATOR), 2);
        assert_int_equal(story.facts->state, SERVICE_STOPPED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_systemctl_stopped_stays_stopped),
                cmocka_unit_test(test_our_stop_is_a_persons_stop),
                cmocka_unit_test(test_a_stop_in_the_middle_of_a_start_is_not_lost),
                cmocka_unit_test(test_to_stop_what_has_failed_ends_the_trying),
                cmocka_unit_test(test_paused_is_watched_but_not_acted_on),
                cmocka_unit_test(test_paused_for_ever_is_mentioned_once),
                cmocka_unit_test(test_memory_is_not_enforced_while_paused),
                cmocka_unit_test(test_release_forgives),
                cmocka_unit_test(test_a_person_may_spend_beyond_the_budget_and_is_counted),
                cmocka_unit_test(test_a_changed_configuration_keeps_what_was_learnt),
                cmocka_unit_test(test_a_check_no_longer_made_does_not_fail_for_ever),
                cmocka_unit_test(test_a_stop_outruns_systemd),
                cmocka_unit_test(test_whoever_starts_it_ends_a_persons_stop),
                cmocka_unit_test(test_a_start_in_the_middle_of_an_act_is_not_half_done),
                cmocka_unit_test(test_an_old_order_does_not_stop_a_new_life),
                cmocka_unit_test(test_systemd_does_not_end_a_persons_stop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
