/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The vocabulary of the program, which scripts and screens share.
 *
 * Words and codes: every name is there, none is there twice, and each comes back as what it was. The
 * names that scripts rely on are spelt out once more here, so that none changes by accident.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/macro.h"
#include "model/check.h"
#include "model/decision.h"
#include "model/event.h"
#include "model/level.h"
#include "model/service_state.h"
#include "unit.h"

static void test_levels(void **state) {
        static const char *const names[] = { "normal", "warning", "critical", "unknown" };

        (void) state;
        for (unsigned i = 0; i < _LEVEL_MAX; i++) {
                assert_string_equal(level_to_string((Level) i), names[i]);
                assert_int_equal(level_from_string(names[i]), i);
                assert_true(*level_to_words((Level) i));
        }
        assert_int_equal(level_from_string("Critical"), -EINVAL);
        assert_int_equal(level_from_string(""), -EINVAL);
}

static void test_worse_of_two_levels(void **state) {
        static const Level order[] = { LEVEL_NORMAL, LEVEL_UNKNOWN, LEVEL_WARNING, LEVEL_CRITICAL };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                for (size_t j = 0; j <= i; j++) {
                        assert_int_equal(level_worse(order[i], order[j]), order[i]);
                        assert_int_equal(level_worse(order[j], order[i]), order[i]);
                }
}

static void test_checks(void **state) {
        static const char *const names[] = {
                "service", "process", "api",         "logs",        "heartbeat", "agent",
                "memory",  "cpu",     "descriptors", "connections", "leak",
        };

        (void) state;
        assert_int_equal(ELEMENTSOF(names), _CHECK_MAX);
        for (unsigned i = 0; i < _CHECK_MAX; i++) {
                const char *unit = check_unit((CheckKind) i);

                assert_string_equal(check_to_string((CheckKind) i), names[i]);
                assert_int_equal(check_from_string(names[i]), i);
                assert_true(strcmp(unit, "s") == 0 || strcmp(unit, "ratio") == 0 || *unit == '\0');
        }
        assert_int_equal(check_from_string("disk"), -EINVAL);
}

static void test_causes(void **state) {
        char words[CAUSE_WORDS_SIZE];

        (void) state;
        for (unsigned i = 0; i < _CAUSE_MAX; i++) {
                assert_int_equal(cause_from_string(cause_to_string((Cause) i)), i);
                for (unsigned kind = 0; kind < _CHECK_MAX; kind++) {
                        (void) cause_to_words(words, (CheckKind) kind, (Cause) i, 503);
                        assert_true(strlen(words) > 5);
                        /* A code in a sentence means that its words were forgotten. */
                        assert_string_not_equal(words, cause_to_string((Cause) i));
                }
        }
        assert_int_equal(cause_from_string("nothing"), -EINVAL);

        assert_string_equal(cause_to_words(words, CHECK_API, CAUSE_HTTP_STATUS, 503),
                            "answered with HTTP status 503");
        assert_string_equal(
                cause_to_words(words, CHECK_API, CAUSE_STALE_BODY, 90 * USEC_PER_MINUTE),
                "answers, but its data is 1 h 30 m old");
        (void) cause_to_words(words, CHECK_LOGS, CAUSE_LOG_CRITICAL, INT64_MIN); /* fits */
        (void) cause_to_words(words, CHECK_HEARTBEAT, CAUSE_HEARTBEAT_OLD, -1);  /* no age */
}

static void test_states(void **state) {
        static const char *const names[] = { "stopped",  "starting", "running",
                                             "stopping", "failed",   "held" };

        (void) state;
        assert_int_equal(ELEMENTSOF(names), _SERVICE_STATE_MAX);
        for (unsigned i = 0; i < _SERVICE_STATE_MAX; i++) {
                assert_string_equal(service_state_to_string((ServiceState) i), names[i]);
                assert_true(*service_state_to_words((ServiceState) i));
        }
}

static void test_endings(void **state) {
        char words[EXIT_WORDS_SIZE];

        (void) state;
        for (unsigned i = 0; i < _EXIT_CAUSE_MAX; i++) {
                assert_true(*exit_cause_to_string((ExitCause) i));
                assert_true(*exit_to_words(words, (ExitCause) i, 2));
        }
        assert_string_equal(exit_to_words(words, EXIT_CAUSE_FAILURE, 1), "exit status 1");
        assert_string_equal(exit_to_words(words, EXIT_CAUSE_SIGNAL, SIGSEGV), "killed by SIGSEGV");
        assert_string_equal(exit_to_words(words, EXIT_CAUSE_SIGNAL, 4711), "killed by signal 4711");
        assert_string_equal(exit_to_words(words, EXIT_CAUSE_EXEC, ENOENT),
                            "could not be executed: No such file or directory");
}

static void test_decisions(void **state) {
        static const char *const refusals[] = {
                "none",          "cooldown",        "budget",
                "grace",         "paused",          "held",
                "operator-stop", "host-starved",    "outside-unreachable",
                "disk-full",     "systemd-pending",
        };

        (void) state;
        assert_int_equal(ELEMENTSOF(refusals), _REFUSAL_MAX);
        for (unsigned i = 0; i < _REFUSAL_MAX; i++) {
                assert_string_equal(refusal_to_string((RefusalCode) i), refusals[i]);
                assert_true(*refusal_to_words((RefusalCode) i));
        }
        for (unsigned i = 0; i < _ACTION_MAX; i++)
                assert_true(*action_to_string((ActionKind) i));
        for (unsigned i = 0; i < _REASON_MAX; i++)
                assert_true(*reason_to_string((ReasonCode) i));
        assert_string_equal(reason_to_string(REASON_CONSECUTIVE_FAILURES), "consecutive-failures");
}

static void test_event_kinds(void **state) {
        static const char *const promised[] = {
                "started",
                "ready",
                "service-down",
                "service-up",
                "operator-stop",
                "check-failed",
                "check-recovered",
                "level-changed",
                "restart-decided",
                "restart-refused",
                "restart-done",
                "restart-failed",
                "held",
                "released",
                "paused",
                "resumed",
                "gc-asked",
                "gc-result",
                "trim-result",
                "leak-suspected",
                "leak-cleared",
                "log-rotated",
                "logs-pruned",
                "backup-made",
                "evidence-captured",
                "oom-kill",
                "config-reloaded",
                "config-rejected",
                "clerk-died",
                "clerk-restarted",
                "alert-sent",
                "alert-failed",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(promised); i++)
                assert_int_equal(event_kind_from_string(promised[i]), i);
        for (unsigned i = 0; i < _EVENT_KIND_MAX; i++)
                assert_int_equal(event_kind_from_string(event_kind_to_string((EventKind) i)), i);
        assert_int_equal(event_kind_from_string("restart"), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_levels),    cmocka_unit_test(test_worse_of_two_levels),
                cmocka_unit_test(test_checks),    cmocka_unit_test(test_causes),
                cmocka_unit_test(test_states),    cmocka_unit_test(test_endings),
                cmocka_unit_test(test_decisions), cmocka_unit_test(test_event_kinds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
