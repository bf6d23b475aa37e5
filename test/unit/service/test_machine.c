/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every cell of the service machine, written a second time and differently: each state has a line
 * of words, one per event, and "-" for an event that must change nothing. What is remembered of the
 * exit is checked in each cell as well, with a value that nothing else uses.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/macro.h"
#include "service/machine.h"
#include "service/obituary.h"
#include "unit.h"

static const char *const state_words[_SERVICE_STATE_MAX] = {
        [SERVICE_STOPPED] = "stopped", [SERVICE_STARTING] = "starting",
        [SERVICE_RUNNING] = "running", [SERVICE_STOPPING] = "stopping",
        [SERVICE_FAILED] = "failed",   [SERVICE_HELD] = "held",
};

/* In the order of MachineEvent. */
static const char *const expected[_SERVICE_STATE_MAX][_MACHINE_EVENT_MAX] = {
        [SERVICE_STOPPED] = { "starting", "-", "-", "-", "-", "-", "-", "failed", "stopping", "-",
                              "-", "-", "running" },
        [SERVICE_STARTING] = { "-", "running", "failed", "-", "-", "-", "-", "-", "-", "-", "-",
                               "failed", "running" },
        [SERVICE_RUNNING] = { "-", "-", "-", "stopped", "failed", "failed", "failed", "failed",
                              "stopping", "-", "-", "-", "-" },
        [SERVICE_STOPPING] = { "starting", "-", "-", "stopping", "stopping", "stopping", "stopping",
                               "stopping", "-", "stopped", "failed", "failed", "-" },
        [SERVICE_FAILED] = { "starting", "-", "-", "-", "-", "-", "-", "-", "stopping", "-", "-",
                             "-", "running" },
        [SERVICE_HELD] = { "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-" },
};

/* What is known of the last exit after each event that is taken: a new one, none any more, or the old one. */
enum {
        OLD = _EXIT_CAUSE_MAX
};

static const ExitCause remembered[_MACHINE_EVENT_MAX] = {
        [MACHINE_START_ASKED] = EXIT_CAUSE_NONE,       [MACHINE_EXEC_OK] = EXIT_CAUSE_NONE,
        [MACHINE_EXEC_FAILED] = EXIT_CAUSE_EXEC,       [MACHINE_EXITED_CLEAN] = EXIT_CAUSE_CLEAN,
        [MACHINE_EXITED_FAILURE] = EXIT_CAUSE_FAILURE, [MACHINE_EXITED_SIGNAL] = EXIT_CAUSE_SIGNAL,
        [MACHINE_EXITED_OOM] = EXIT_CAUSE_OOM,         [MACHINE_VANISHED] = EXIT_CAUSE_UNKNOWN,
        [MACHINE_STOP_ASKED] = (ExitCause) OLD,        [MACHINE_ALL_GONE] = (ExitCause) OLD,
        [MACHINE_ALL_GONE_OOM] = EXIT_CAUSE_OOM,       [MACHINE_STOP_TIMEOUT] = (ExitCause) OLD,
        [MACHINE_ADOPTED] = EXIT_CAUSE_NONE,
};

static void every_cell_leads_where_it_should(void **unused) {
        (void) unused;

        for (unsigned s = 0; s < _SERVICE_STATE_MAX; s++)
                for (unsigned e = 0; e < _MACHINE_EVENT_MAX; e++) {
                        Machine machine = { .state = (ServiceState) s,
                                            .exit_cause = EXIT_CAUSE_SIGNAL,
                                            .exit_value = 77 };
                        bool is_taken = strcmp(expected[s][e], "-") != 0;

                        print_message("%s, event %u\n", state_words[s], e);
                        assert_int_equal(machine_step(&machine, (MachineEvent) e, 42), is_taken);

                        if (!is_taken || remembered[e] == (ExitCause) OLD) {
                                assert_int_equal(machine.exit_cause, EXIT_CAUSE_SIGNAL);
                                assert_int_equal(machine.exit_value, 77);
                        } else {
                                assert_int_equal(machine.exit_cause, remembered[e]);
                                assert_int_equal(machine.exit_value,
                                                 remembered[e] == EXIT_CAUSE_NONE ? 0 : 42);
                        }

                        assert_string_equal(state_words[machine.state],
                                            is_taken ? expected[s][e] : state_words[s]);
                }
}

static void an_exit_is_read_by_who_asked_for_it(void **unused) {
        static const struct {
                int code;
                int status;
                int stop_signal;
                bool is_oom;
                MachineEvent event;
                int value;
        } cases[] = {
                { CLD_EXITED, 0, 0, false, MACHINE_EXITED_CLEAN, 0 },
                { CLD_EXITED, 1, 0, false, MACHINE_EXITED_FAILURE, 1 },
                { CLD_EXITED, 1, SIGTERM, false, MACHINE_EXITED_FAILURE, 1 },
                { CLD_EXITED, 143, SIGTERM, false, MACHINE_EXITED_CLEAN, 0 },
                { CLD_EXITED, 143, 0, false, MACHINE_EXITED_FAILURE, 143 },
                { CLD_EXITED, 130, SIGTERM, false, MACHINE_EXITED_FAILURE, 130 },
                { CLD_EXITED, 128, 0, false, MACHINE_EXITED_FAILURE, 128 },
                { CLD_KILLED, SIGTERM, SIGTERM, false, MACHINE_EXITED_CLEAN, 0 },
                { CLD_KILLED, SIGTERM, 0, false, MACHINE_EXITED_SIGNAL, SIGTERM },
                { CLD_KILLED, SIGTERM, SIGINT, false, MACHINE_EXITED_SIGNAL, SIGTERM },
                { CLD_KILLED, SIGKILL, SIGTERM, false, MACHINE_EXITED_SIGNAL, SIGKILL },
                { CLD_KILLED, SIGKILL, 0, true, MACHINE_EXITED_OOM, SIGKILL },
                { CLD_KILLED, SIGKILL, SIGKILL, true, MACHINE_EXITED_OOM, SIGKILL },
                { CLD_DUMPED, SIGSEGV, 0, true, MACHINE_EXITED_SIGNAL, SIGSEGV },
        };

        (void) unused;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int value = -1;

                print_message("case %zu\n", i);
                assert_int_equal(machine_event_of_exit(cases[i].code, cases[i].status,
                                                       cases[i].stop_signal, cases[i].is_oom,
                                                       &value),
                                 cases[i].event);
                assert_int_equal(value, cases[i].value);
        }
}

static void a_packed_status_is_unpacked(void **unused) {
        int code = -1;
        int status = -1;

        (void) unused;

        assert_int_equal(obituary_parse(W_EXITCODE(7, 0), &code, &status), 0);
        assert_int_equal(code, CLD_EXITED);
        assert_int_equal(status, 7);

        assert_int_equal(obituary_parse(W_EXITCODE(0, SIGKILL), &code, &status), 0);
        assert_int_equal(code, CLD_KILLED);
        assert_int_equal(status, SIGKILL);

        assert_int_equal(obituary_parse(W_EXITCODE(0, SIGSEGV) | WCOREFLAG, &code, &status), 0);
        assert_int_equal(code, CLD_DUMPED);
        assert_int_equal(status, SIGSEGV);

        assert_int_equal(obituary_parse(W_STOPCODE(SIGSTOP), &code, &status), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_cell_leads_where_it_should),
                cmocka_unit_test(an_exit_is_read_by_who_asked_for_it),
                cmocka_unit_test(a_packed_status_is_unpacked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
