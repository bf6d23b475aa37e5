/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stories about one value: (second, value, the level it then stands at).
 *
 * The values are the processor's of the guide, in per cent. Each story is a way in which a naive
 * comparison with a threshold would have rung a bell too early, too late or too often.
 */

#include "base/macro.h"
#include "judge/level.h"
#include "unit.h"

typedef struct Moment {
        unsigned second;
        int64_t value;
        Level expected;
} Moment;

/* CPU of the guide: warning from 70, critical from 85, looked at every 15 s: rises after 30 s, falls after 60 s. */
static void tell_story(const Moment *moments, size_t n) {
        const Thresholds thresholds = { .warning = 70, .critical = 85 };
        LevelRule rule = level_rule(&thresholds, 15 * USEC_PER_SEC);
        LevelState state = { 0 };

        for (size_t i = 0; i < n; i++) {
                usec_t now_usec = USEC_PER_DAY + moments[i].second * USEC_PER_SEC;
                Level level = level_step(&state, &rule, moments[i].value, now_usec);

                if (level != moments[i].expected)
                        fail_msg("at %u s with %lld: %s instead of %s", moments[i].second,
                                 (long long) moments[i].value, level_to_string(level),
                                 level_to_string(moments[i].expected));
        }
}

#define STORY(...)                                        \
        do {                                              \
                const Moment moments[] = { __VA_ARGS__ }; \
                tell_story(moments, ELEMENTSOF(moments)); \
        } while (0)

static const Level N = LEVEL_NORMAL;
static const Level W = LEVEL_WARNING;
static const Level C = LEVEL_CRITICAL;

static void test_a_rise_must_last(void **unused) {
        (void) unused;
        STORY({ 0, 75, N }, { 15, 75, N }, { 30, 75, W });
        STORY({ 0, 75, N }, { 15, 75, N }, { 20, 60, N }, { 30, 75, N }, { 45, 75, N },
              { 60, 75, W });
}

static void test_a_fall_must_last_longer(void **unused) {
        (void) unused;
        STORY({ 0, 75, N }, { 30, 75, W }, { 60, 50, W }, { 90, 50, W }, { 119, 50, W },
              { 120, 50, N });
}

static void test_the_edge_of_a_step_is_deeper_from_above(void **unused) {
        (void) unused;

        /* The gap is a twentieth of 70: 3. At 68 it is not off the step, at 66 it is. */
        STORY({ 0, 75, N }, { 30, 75, W }, { 45, 68, W }, { 300, 68, W });
        STORY({ 0, 75, N }, { 30, 75, W }, { 45, 66, W }, { 105, 66, N });
}

static void test_a_spike_at_the_end_does_not_ride_on_a_long_warning(void **unused) {
        (void) unused;
        STORY({ 0, 75, N }, { 15, 75, N }, { 30, 99, W }, { 45, 99, W }, { 60, 99, W },
              { 75, 99, C });
}

static void test_it_goes_straight_to_critical_when_all_of_it_was(void **unused) {
        (void) unused;
        STORY({ 0, 90, N }, { 15, 95, N }, { 30, 90, C });
}

static void test_exactly_the_edge_counts(void **unused) {
        (void) unused;
        STORY({ 0, 70, N }, { 30, 70, W });
        STORY({ 0, 69, N }, { 30, 69, N }, { 300, 69, N });
}

static void test_flapping_makes_the_fall_slow(void **unused) {
        const Thresholds thresholds = { .warning = 70, .critical = 85 };
        LevelRule rule = level_rule(&thresholds, 15 * USEC_PER_SEC);
        LevelState state = { 0 };
        unsigned n_changes = 0;

        (void) unused;

        /* A minute and a half above, a minute and a half below, for a day: without damping 960 changes. */
        for (unsigned second = 0; second < 86400; second += 5) {
                Level before = state.level;
                int64_t value = second / 90 % 2 ? 50 : 80;

                if (level_step(&state, &rule, value, USEC_PER_DAY + second * USEC_PER_SEC) !=
                    before)
                        n_changes++;
        }

        assert_in_range(n_changes, 2, 24 * 4);
}

static void test_the_first_fall_of_the_hour_is_not_damped(void **unused) {
        (void) unused;
        STORY({ 0, 75, N }, { 30, 75, W }, { 60, 50, W }, { 120, 50, N }, { 4000, 75, N },
              { 4030, 75, W }, { 4060, 50, W }, { 4120, 50, N });
}

static void test_what_began_before_a_gap_is_forgotten(void **unused) {
        const Thresholds thresholds = { .warning = 70, .critical = 85 };
        LevelRule rule = level_rule(&thresholds, 15 * USEC_PER_SEC);
        LevelState state = { 0 };

        (void) unused;
        assert_int_equal(level_step(&state, &rule, 80, USEC_PER_DAY), N);
        level_forget_departure(&state);
        assert_int_equal(level_step(&state, &rule, 80, USEC_PER_DAY + USEC_PER_HOUR), N);
        assert_int_equal(
                level_step(&state, &rule, 80, USEC_PER_DAY + USEC_PER_HOUR + 30 * USEC_PER_SEC), W);
}

static void test_no_threshold_is_never_reached(void **unused) {
        const Thresholds none = { 0 };
        const Thresholds only_critical = { .critical = 1000 };
        LevelRule rule = level_rule(&none, USEC_PER_SEC);
        LevelState state = { 0 };

        (void) unused;
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(
                        level_step(&state, &rule, INT64_MAX - 1, USEC_PER_DAY + i * USEC_PER_SEC),
                        N);

        rule = level_rule(&only_critical, USEC_PER_SEC);
        state = (LevelState){ 0 };
        assert_int_equal(level_step(&state, &rule, 1000, USEC_PER_DAY), N);
        assert_int_equal(level_step(&state, &rule, 1000, USEC_PER_DAY + 2 * USEC_PER_SEC), C);
}

static void test_patience_is_exact(void **unused) {
        const Thresholds thresholds = { .warning = 70, .critical = 85 };
        LevelRule rule = level_rule(&thresholds, 15 * USEC_PER_SEC);
        LevelState state = { 0 };
        usec_t end_usec = USEC_PER_DAY + 30 * USEC_PER_SEC;

        (void) unused;
        assert_int_equal(level_step(&state, &rule, 80, USEC_PER_DAY), N);
        assert_int_equal(level_step(&state, &rule, 80, end_usec - 1), N);
        assert_int_equal(level_step(&state, &rule, 80, end_usec), W);
}

static void test_the_mildest_of_a_departure_is_where_it_leads(void **unused) {
        (void) unused;

        /* Critical first and milder since: a warning is all that lasted. */
        STORY({ 0, 95, N }, { 15, 75, N }, { 30, 95, W });
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_rise_must_last),
                cmocka_unit_test(test_a_fall_must_last_longer),
                cmocka_unit_test(test_the_edge_of_a_step_is_deeper_from_above),
                cmocka_unit_test(test_a_spike_at_the_end_does_not_ride_on_a_long_warning),
                cmocka_unit_test(test_it_goes_straight_to_critical_when_all_of_it_was),
                cmocka_unit_test(test_exactly_the_edge_counts),
                cmocka_unit_test(test_flapping_makes_the_fall_slow),
                cmocka_unit_test(test_the_first_fall_of_the_hour_is_not_damped),
                cmocka_unit_test(test_what_began_before_a_gap_is_forgotten),
                cmocka_unit_test(test_no_threshold_is_never_reached),
                cmocka_unit_test(test_patience_is_exact),
                cmocka_unit_test(test_the_mildest_of_a_departure_is_where_it_leads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
