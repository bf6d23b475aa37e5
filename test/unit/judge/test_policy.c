/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stories about "no": whose fault it is not, and that each reason is told once.
 *
 * And about the machine, whose levels only alarm. Each excuse is tried in both directions: that it
 * explains what it can explain, and that it excuses nothing else.
 */

#include <string.h>

#include "story.h"
#include "unit.h"

static Story story;

static void fail_api(Cause cause) {
        story.api = OUTCOME_FAIL;
        story.api_cause = cause;
}

static void assert_refused(const char *code) {
        char part[64] = "{\"code\":\"";

        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story_count(&story, EVENT_RESTART_REFUSED), 1);
        strncat(part, code, sizeof(part) - strlen(part) - 1);
        assert_true(story_has_reason(&story, EVENT_RESTART_REFUSED, part));
}

static void test_a_starved_machine_explains_a_timeout(void **unused) {
        (void) unused;
        story_init(&story);
        story.facts->cpu_permille = 100;
        fail_api(CAUSE_TIMEOUT);
        story_host(&story, 990, 0, 800);
        story_until(&story, 1800);
        assert_refused("host-starved");
        assert_true(story_has_reason(&story, EVENT_RESTART_REFUSED, "\"psi_cpu_permille\":800"));

        /* When there is air again and it still does not answer, it is its own fault. */
        story_host(&story, 200, 0, 10);
        story_until(&story, 1860);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_steal_explains_a_timeout(void **unused) {
        (void) unused;
        story_init(&story);
        story.facts->cpu_permille = 100;
        fail_api(CAUSE_TIMEOUT);
        story_host(&story, 300, 250, 0);
        story_until(&story, 1800);
        assert_refused("host-starved");
}

static void test_it_is_no_excuse_to_starve_the_machine_oneself(void **unused) {
        (void) unused;
        story_init(&story);
        story.facts->cpu_permille = 900;
        fail_api(CAUSE_TIMEOUT);
        story_host(&story, 990, 0, 800);
        story_until(&story, 120);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_a_starved_machine_does_not_explain_a_refused_connection(void **unused) {
        (void) unused;
        story_init(&story);
        story.facts->cpu_permille = 10;
        fail_api(CAUSE_REFUSED);
        story_host(&story, 990, 0, 800);
        story_until(&story, 120);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_a_starved_machine_does_not_excuse_the_dead(void **unused) {
        (void) unused;
        story_init(&story);
        story.facts->cpu_permille = 10;
        story_host(&story, 990, 0, 800);
        story_until(&story, 60);
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 120);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);
}

static void test_old_evidence_excuses_nothing(void **unused) {
        (void) unused;
        story_init(&story);
        story.facts->cpu_permille = 10;
        story_host(&story, 990, 0, 800);
        story.snapshot.host.psi_cpu_permille.is_valid = false;
        story.snapshot.host.cpu_permille.is_valid = false;
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 120);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_pressure_on_the_disk_explains_a_timeout(void **unused) {
        (void) unused;
        story_init(&story);
        story.snapshot.host.psi_io_permille = (Metric){ true, story.now_usec, 600 };
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 1800);
        assert_refused("host-starved");
}

static void test_pressure_on_memory_is_weighed_by_who_makes_it(void **unused) {
        HostFacts *host = &story.snapshot.host;

        (void) unused;
        story_init(&story);
        host->psi_memory_permille = (Metric){ true, story.now_usec, 700 };
        host->memory_permille = (Metric){ true, story.now_usec, 600 };
        host->memory_total_bytes = (Metric){ true, story.now_usec, INT64_C(4) << 30 };
        story.facts->memory_bytes = 100 << 20;
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 600);
        assert_refused("host-starved");

        story.facts->memory_bytes = INT64_C(2) << 30;
        story_until(&story, 660);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_a_dead_exchange_explains_stale_data_and_nothing_else(void **unused) {
        (void) unused;
        story_init(&story);
        story.snapshot.host.is_outside_reachable = (Metric){ true, story.now_usec, 0 };
        fail_api(CAUSE_STALE_BODY);
        story_until(&story, 1800);
        assert_refused("outside-unreachable");

        story.snapshot.host.is_outside_reachable.value = 1;
        story_until(&story, 1830);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);

        story_init(&story);
        story.snapshot.host.is_outside_reachable = (Metric){ true, story.now_usec, 0 };
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 120);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_an_outside_nobody_looks_at_explains_nothing(void **unused) {
        (void) unused;
        story_init(&story);
        fail_api(CAUSE_STALE_BODY);
        story_until(&story, 120);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_a_full_disk_makes_it_wait(void **unused) {
        (void) unused;
        story_init(&story);
        story.snapshot.host.root_free_bytes = (Metric){ true, story.now_usec, 1 << 20 };
        story_until(&story, 60);
        story_die(&story, EXIT_CAUSE_FAILURE, 1);
        story_until(&story, 1800);
        assert_refused("disk-full");

        story.snapshot.host.root_free_bytes.value = INT64_C(1) << 30;
        story_until(&story, 1860);
        assert_int_equal(story_count_intents(&story, ACTION_START, REASON_CRASH), 1);

        story_init(&story);
        story.snapshot.host.disks[0].inodes_permille = (Metric){ true, story.now_usec, 995 };
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 600);
        assert_refused("disk-full");
}

static void test_each_reason_to_refuse_is_told_once(void **unused) {
        (void) unused;
        story_init(&story);
        story.facts->cpu_permille = 10;
        fail_api(CAUSE_TIMEOUT);

        /* Pressure that comes and goes, while a disk is full: for an hour, two sentences. */
        for (unsigned i = 0; i < 100; i++) {
                story_host(&story, 300, 0, 800);
                story.snapshot.host.root_free_bytes =
                        (Metric){ true, story.now_usec, i % 2 ? 1 : INT64_C(1) << 30 };
                story_until(&story, (i + 1) * 30);
        }

        assert_int_equal(story_count(&story, EVENT_RESTART_REFUSED), 2);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
}

static void test_the_machine_names_who_loads_it(void **unused) {
        const Line *line;

        (void) unused;
        story_init(&story);
        story.facts->cpu_permille = 710;
        story_host(&story, 820, 0, 100);
        story_until(&story, 300);

        line = story_event(&story, EVENT_LEVEL_CHANGED, 0);
        assert_int_equal(story_count(&story, EVENT_LEVEL_CHANGED), 1);
        assert_int_equal(line->level, LEVEL_WARNING);
        assert_non_null(strstr(line->text, "82 %, of which 71 % bot"));
        assert_non_null(strstr(line->reason, "\"culprit\":\"bot\""));
        assert_int_equal(story.state.host_level, LEVEL_WARNING);

        /* A hot machine restarts nobody who answers. */
        story_host(&story, 990, 0, 100);
        story_until(&story, 7200);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        assert_int_equal(story.state.host_level, LEVEL_CRITICAL);
}

static void test_memory_is_told_with_its_slope(void **unused) {
        const Line *line;
        HostFacts *host = &story.snapshot.host;

        (void) unused;
        story_init(&story);
        host->memory_permille = (Metric){ true, story.now_usec, 750 };
        host->memory_total_bytes = (Metric){ true, story.now_usec, INT64_C(4) << 30 };
        story.facts->memory_bytes = INT64_C(2) << 30;
        story.facts->memory_slope_per_hour = 43 << 20;
        story_until(&story, 300);

        line = story_event(&story, EVENT_LEVEL_CHANGED, 0);
        assert_non_null(line);
        assert_non_null(strstr(line->text, "75 %, of which 50 % bot, +43 MB/h"));
}

static void test_what_is_not_known_of_the_machine_has_no_level(void **unused) {
        (void) unused;
        story_init(&story);
        story_until(&story, 60);
        assert_int_equal(story.state.host_level, LEVEL_UNKNOWN);
        story_host(&story, 100, 0, 0);
        story_until(&story, 120);
        assert_int_equal(story.state.host_level, LEVEL_NORMAL);
}

static void test_full_disks_are_told_by_their_path(void **unused) {
        (void) unused;
        story_init(&story);
        story.snapshot.host.disks[0].used_permille = (Metric){ true, story.now_usec, 950 };
        story_until(&story, 300);
        assert_int_equal(story_count(&story, EVENT_LEVEL_CHANGED), 1);
        assert_true(story_has_reason(&story, EVENT_LEVEL_CHANGED, "\"path\":\"/\""));
        assert_int_equal(story.state.host_level, LEVEL_CRITICAL);
}

static void test_evidence_that_is_no_longer_fresh_excuses_nothing(void **unused) {
        (void) unused;
        story_init(&story);
        story.facts->cpu_permille = 10;
        story_host(&story, 990, 0, 800);
        story_until(&story, 30);
        story.is_host_silent = true;
        fail_api(CAUSE_TIMEOUT);
        story_until(&story, 120); /* 90 s old is the last moment */
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 0);
        story_until(&story, 150);
        assert_int_equal(story_count(&story, EVENT_RESTART_DECIDED), 1);
}

static void test_what_began_before_the_senses_failed_has_not_lasted(void **unused) {
        (void) unused;
        story_init(&story);
        story_host(&story, 750, 0, 0);
        story_until(&story, 30);
        story.is_host_silent = true;
        story_until(&story, 600);
        assert_int_equal(story.state.host_level, LEVEL_UNKNOWN);
        story.is_host_silent = false;
        story_until(&story, 630);
        assert_int_equal(story.state.host_level, LEVEL_NORMAL);
        story_until(&story, 690);
        assert_int_equal(story.state.host_level, LEVEL_WARNING);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_starved_machine_explains_a_timeout),
                cmocka_unit_test(test_steal_explains_a_timeout),
                cmocka_unit_test(test_it_is_no_excuse_to_starve_the_machine_oneself),
                cmocka_unit_test(test_a_starved_machine_does_not_explain_a_refused_connection),
                cmocka_unit_test(test_a_starved_machine_does_not_excuse_the_dead),
                cmocka_unit_test(test_old_evidence_excuses_nothing),
                cmocka_unit_test(test_pressure_on_the_disk_explains_a_timeout),
                cmocka_unit_test(test_pressure_on_memory_is_weighed_by_who_makes_it),
                cmocka_unit_test(test_a_dead_exchange_explains_stale_data_and_nothing_else),
                cmocka_unit_test(test_an_outside_nobody_looks_at_explains_nothing),
                cmocka_unit_test(test_a_full_disk_makes_it_wait),
                cmocka_unit_test(test_each_reason_to_refuse_is_told_once),
                cmocka_unit_test(test_the_machine_names_who_loads_it),
                cmocka_unit_test(test_memory_is_told_with_its_slope),
                cmocka_unit_test(test_what_is_not_known_of_the_machine_has_no_level),
                cmocka_unit_test(test_full_disks_are_told_by_their_path),
                cmocka_unit_test(test_evidence_that_is_no_longer_fresh_excuses_nothing),
                cmocka_unit_test(test_what_began_before_the_senses_failed_has_not_lasted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
