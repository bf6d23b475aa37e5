/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The same things said in English, in Korean and in English again.
 *
 * The language can change while the program runs, and the catalogue that was built is the one that
 * is read. Korean takes three bytes where English takes one, so what is said is also looked at for
 * having been cut. Whoever inherits our environment must not inherit our language.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/macro.h"
#include "base/text.h"
#include "model/check.h"
#include "model/decision.h"
#include "model/level.h"
#include "model/service_state.h"
#include "unit.h"

static const char *catalogues;

static void test_levels_as_the_guide_has_them(void **state) {
        (void) state;
        i18n_open_at("ko", catalogues);
        assert_string_equal(level_to_words(LEVEL_NORMAL), "정상");
        assert_string_equal(level_to_words(LEVEL_WARNING), "경고");
        assert_string_equal(level_to_words(LEVEL_CRITICAL), "위험");
        assert_string_equal(level_to_words(LEVEL_UNKNOWN), "알 수 없음");
        assert_string_equal(level_to_string(LEVEL_CRITICAL), "critical");
}

static void test_the_language_changes_at_once(void **state) {
        char text[DURATION_TEXT_SIZE];

        (void) state;
        for (int i = 0; i < 2; i++) {
                i18n_open_at("en", catalogues);
                assert_string_equal(i18n_language(), "en");
                assert_string_equal(text_render_duration(text, 320 * USEC_PER_SEC), "5 m 20 s");
                assert_string_equal(check_to_words(CHECK_MEMORY), "memory");
                i18n_open_at("ko", catalogues);
                assert_string_equal(i18n_language(), "ko");
                assert_string_equal(text_render_duration(text, 320 * USEC_PER_SEC), "5분 20초");
                assert_string_equal(check_to_words(CHECK_MEMORY), "메모리");
        }
}

static void test_durations(void **state) {
        static const struct {
                usec_t usec;
                const char *text;
        } cases[] = {
                { 12 * USEC_PER_MSEC, "12밀리초" },
                { 5200 * USEC_PER_MSEC, "5.2초" },
                { 42 * USEC_PER_SEC, "42초" },
                { 5 * USEC_PER_MINUTE, "5분" },
                { 3 * USEC_PER_HOUR, "3시간" },
                { 90 * USEC_PER_MINUTE, "1시간 30분" },
                { 2 * USEC_PER_DAY, "2일" },
                { 2 * USEC_PER_DAY + 4 * USEC_PER_HOUR, "2일 4시간" },
                { USEC_INFINITY, "213503982일 8시간" },
        };
        char text[DURATION_TEXT_SIZE];

        (void) state;
        i18n_open_at("ko", catalogues);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(text_render_duration(text, cases[i].usec), cases[i].text);
}

/* A text that fills its buffer may have been cut: one more character of four bytes must have found room. */
static void assert_whole(const char *text, size_t size) {
        assert_in_range(strlen(text), 1, size - 5);
}

static void test_nothing_is_cut(void **state) {
        (void) state;
        i18n_open_at("ko", catalogues);

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                for (Cause cause = 0; cause < _CAUSE_MAX; cause++) {
                        char text[CAUSE_WORDS_SIZE];

                        assert_whole(cause_to_words(text, kind, cause, 123456789), sizeof(text));
                }

        for (ExitCause cause = 0; cause < _EXIT_CAUSE_MAX; cause++) {
                char text[EXIT_WORDS_SIZE];

                assert_whole(exit_to_words(text, cause, 15), sizeof(text));
        }
}

/* There is a catalogue, or the cases above would compare English with English. */
static void test_every_refusal_is_translated(void **state) {
        char english[_REFUSAL_MAX][128];

        (void) state;
        i18n_open_at("en", catalogues);
        for (RefusalCode code = 0; code < _REFUSAL_MAX; code++)
                (void) snprintf(english[code], sizeof(english[code]), "%s", refusal_to_words(code));
        i18n_open_at("ko", catalogues);
        for (RefusalCode code = 0; code < _REFUSAL_MAX; code++)
                assert_string_not_equal(refusal_to_words(code), english[code]);
}

static void test_the_environment_is_given_back(void **state) {
        (void) state;
        i18n_open_at("ko", catalogues);
        assert_string_equal(getenv("LANGUAGE"), "ko");
        i18n_leave();
        assert_string_equal(getenv("LANGUAGE"), "de:fr");
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_levels_as_the_guide_has_them),
                cmocka_unit_test(test_the_language_changes_at_once),
                cmocka_unit_test(test_durations),
                cmocka_unit_test(test_nothing_is_cut),
                cmocka_unit_test(test_every_refusal_is_translated),
                cmocka_unit_test(test_the_environment_is_given_back),
        };

        if (argc < 2) {
                (void) fprintf(stderr, "where are the catalogues?\n");
                return 2;
        }
        catalogues = argv[1];
        (void) setenv("LANGUAGE", "de:fr", 1);
        (void) unsetenv("LC_ALL");

        return cmocka_run_group_tests(tests, NULL, NULL);
}
