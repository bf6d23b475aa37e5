/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verbs, from the words on the command line to the exit code.
 *
 * What arrives at the warden, what a person reads, and what a script can rely on when something is
 * not as it should be: no daemon, a daemon that refuses, one that dies while we wait.
 */

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "capture.h"
#include "cli/field.h"
#include "fake_warden.h"
#include "unit.h"

static const char status_well[] =
        "{\"version\":1,\"time\":\"2026-11-23T04:00:00.000000Z\",\"level\":\"normal\",\"host\":{\"level\":\"normal\"},"
        "\"services\":[{\"name\":\"albratrading-multi\",\"state\":\"running\",\"level\":\"normal\",\"held\":true},"
        "{\"name\":\"second\",\"state\":\"running\",\"level\":\"normal\"}],\"watchdog\":{\"pid\":1,\"clerk_pid\":2}}";

static Capture capture;
static FakeWarden fake;
static int n_stored;
static char got_name[64];
static char got_word[64];

static int fake_run(const char *name, char *const *command) {
        (void) snprintf(got_name, sizeof(got_name), "%s", name);
        (void) snprintf(got_word, sizeof(got_word), "%s", command[1] ? command[1] : "");
        return 7;
}

static int fake_watch(const char *config_path) {
        (void) snprintf(got_name, sizeof(got_name), "%s", config_path);
        return CLI_WELL;
}

static int fake_list(const char *state_dir,
                     uint64_t since_seq,
                     usec_t since_realtime_usec,
                     const char *service,
                     unsigned limit,
                     CliEventFunction function,
                     void *userdata) {
        Event old = { .seq = 1,
                      .realtime_usec = 1,
                      .kind = EVENT_READY,
                      .text = "from the store",
                      .reason = "{}" };

        (void) since_seq;
        (void) since_realtime_usec;
        (void) service;
        (void) limit;
        assert_string_equal(state_dir, fake.folder);
        n_stored++;
        return function(&old, userdata);
}

static Level fake_match(const ServiceConfig *service, const char *line, size_t length) {
        (void) service;
        return memmem(line, length, "Traceback", 9) ? LEVEL_CRITICAL : LEVEL_NORMAL;
}

static const CliApp app = {
        .version = "1.2.3",
        .run = fake_run,
        .watch = fake_watch,
        .match_line = fake_match,
};

static int group_setup(void **state) {
        (void) state;
        (void) setenv("TZ", "UTC", 1);
        (void) setenv("LANG", "C.UTF-8", 1);
        (void) unsetenv("LC_ALL");
        (void) unsetenv("LC_MESSAGES");
        (void) setenv("COLUMNS", "80", 1);
        fake_warden_init(&fake);
        (void) setenv("XDG_RUNTIME_DIR", fake.folder, 1);
        return 0;
}

static int group_teardown(void **state) {
        (void) state;
        fake_warden_done(&fake);
        return 0;
}

static int start(void **state) {
        (void) state;
        fake_warden_start(&fake, status_well);
        return 0;
}

static int stop(void **state) {
        (void) state;
        fake_warden_stop(&fake);
        return 0;
}

static void test_help_lists_every_verb(void **state) {
        static const char *const names[] = { "status", "events", "explain", "pause",   "resume",
                                             "start",  "stop",   "restart", "release", "ack",
                                             "logs",   "watch",  "run" };

        (void) state;
        assert_int_equal(CAPTURE(&capture, &app, "help"), CLI_WELL);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char help[CAPTURE_SIZE / 16];

                assert_non_null(strstr(capture.out, names[i]));
                assert_int_equal(CAPTURE(&capture, &app, names[i], "--help"), CLI_WELL);
                (void) snprintf(help, sizeof(help), "Usage: albraguard %s", names[i]);
                assert_non_null(strstr(capture.out, help));
                assert_int_equal(CAPTURE(&capture, &app, "help", names[i]), CLI_WELL);
                assert_non_null(strstr(capture.out, help));
                assert_int_equal(CAPTURE(&capture, &app, "help"), CLI_WELL);
        }
        assert_null(strstr(capture.out, "clerk"));
}

static void test_usage_errors_end_with_2(void **state) {
        (void) state;
        assert_int_equal(CAPTURE(&capture, &app, "statsu"), CLI_USAGE);
        assert_non_null(strstr(capture.err, "Did you mean “status”?"));
        assert_int_equal(CAPTURE(&capture, &app, "frobnicate"), CLI_USAGE);
        assert_null(strstr(capture.err, "Did you mean"));
        assert_int_equal(CAPTURE(&capture, &app, "status", "--follow"), CLI_USAGE);
        assert_non_null(strstr(capture.err, "--follow"));
        assert_int_equal(CAPTURE(&capture, &app, "status", "--config"), CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "status", "--lang", "de"), CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "status", "a", "b"), CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "reload", "a"), CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "events", "--since", "soon"), CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "events", "-n", "0"), CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "pause", "second", "soon"), CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "run"), CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "status", "--config", "/nonexistent/config.yaml"),
                         CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "--version"), CLI_WELL);
        assert_string_equal(capture.out, "albraguard 1.2.3\n");
}

/* Words, and what must have arrived. */
static const struct {
        const char *words[4];
        const char *arrived;
} requests[] = {
        { { "pause" }, "Pause [] 18446744073709551615\n" },
        { { "pause", "30m" }, "Pause [] 1800000000\n" },
        { { "pause", "second" }, "Pause [second] 18446744073709551615\n" },
        { { "pause", "second", "2h" }, "Pause [second] 7200000000\n" },
        { { "resume" }, "Resume [] 0\n" },
        { { "resume", "second" }, "Resume [second] 0\n" },
        { { "start", "second" }, "Start [second] 0\n" },
        { { "stop", "second" }, "Stop [second] 0\n" },
        { { "restart", "second" }, "Restart [second] 0\n" },
        { { "release" }, "Release [albratrading-multi] 0\n" }, /* the only one that is held */
        { { "reload" }, "Reload [] 0\n" },
};

static void test_requests_arrive(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                const char *const *w = requests[i].words;
                const char *words[8] = { "--config", fake.config };

                for (size_t j = 0; j < ELEMENTSOF(requests[i].words) && w[j]; j++)
                        words[2 + j] = w[j];
                assert_int_equal(capture_cli(&capture, &app, words), CLI_WELL);
                assert_string_equal(capture.out, requests[i].arrived);
        }
}

static void test_refusals_become_exit_codes(void **state) {
        (void) state;
        assert_int_equal(CAPTURE(&capture, &app, "stop", "nosuch", "--config", fake.config),
                         CLI_USAGE);
        assert_non_null(strstr(capture.err, "not nosuch"));
        assert_int_equal(CAPTURE(&capture, &app, "stop", "busy", "--config", fake.config),
                         CLI_FINDINGS);
        assert_int_equal(CAPTURE(&capture, &app, "stop", "refused", "--config", fake.config),
                         CLI_FINDINGS);
        assert_int_equal(CAPTURE(&capture, &app, "stop", "forbidden", "--config", fake.config),
                         CLI_NOT_PERMITTED);
        assert_non_null(strstr(capture.err, "sudo"));
        /* The fake does not know it: a daemon of another version. */
        assert_int_equal(CAPTURE(&capture, &app, "ack", "second", "--config", fake.config),
                         CLI_FINDINGS);
        /* Several could be meant. */
        assert_int_equal(CAPTURE(&capture, &app, "stop", "--config", fake.config), CLI_USAGE);
        assert_non_null(strstr(capture.err, "  second\n"));
        /* It dies while we wait. */
        assert_int_equal(CAPTURE(&capture, &app, "stop", "silent", "--config", fake.config),
                         CLI_UNREACHABLE);
}

static void test_status(void **state) {
        (void) state;
        assert_int_equal(CAPTURE(&capture, &app, "status", "--config", fake.config), CLI_FINDINGS);
        assert_non_null(strstr(capture.out, "● albratrading-multi: held"));
        assert_non_null(strstr(capture.out, "albraguard release albratrading-multi --config"));
        assert_non_null(strstr(capture.out, "check api is well again"));
        assert_null(strchr(capture.out, '\033'));

        assert_int_equal(CAPTURE(&capture, &app, "status", "second", "--config", fake.config),
                         CLI_WELL);
        assert_non_null(strstr(capture.out, "All is well"));
        assert_null(strstr(capture.out, "albratrading-multi"));

        assert_int_equal(CAPTURE(&capture, &app, "status", "secnod", "--config", fake.config),
                         CLI_USAGE);
        assert_non_null(strstr(capture.err, "Did you mean “second”?"));

        /* As it came, byte for byte. */
        assert_int_equal(CAPTURE(&capture, &app, "--json", "status", "--config", fake.config),
                         CLI_FINDINGS);
        assert_int_equal(strncmp(capture.out, status_well, sizeof(status_well) - 1), 0);
        assert_int_equal(
                CAPTURE(&capture, &app, "status", "second", "--json", "--config", fake.config),
                CLI_WELL);
        json_t *json = field_parse_object(capture.out, strlen(capture.out));
        assert_int_equal(json_array_size(json_object_get(json, "services")), 1);
        json_decref(json);
}

static void test_status_without_daemon(void **state) {
        static const char checkpoint[] =
                "{\"version\":1,\"services\":[{\"name\":\"second\",\"state\":2,\"is_held\":1}]}";
        char path[128];

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/watchdog_state.json", fake.folder);
        assert_int_equal(file_write_atomic(path, checkpoint, strlen(checkpoint), 0644), 0);
        assert_int_equal(CAPTURE(&capture, &app, "status", "--config", fake.config),
                         CLI_UNREACHABLE);
        assert_non_null(strstr(capture.err, "not running"));
        assert_non_null(strstr(capture.err, "albraguard watch"));
        assert_non_null(strstr(capture.out, "  second: held"));
        assert_int_equal(CAPTURE(&capture, &app, "status", "--json", "--config", fake.config),
                         CLI_UNREACHABLE);
        assert_string_equal(capture.out, "");
}

static void test_events(void **state) {
        CliApp with_store = app;

        (void) state;
        with_store.list_events = fake_list;
        n_stored = 0;
        assert_int_equal(CAPTURE(&capture, &with_store, "events", "--config", fake.config),
                         CLI_WELL);
        assert_int_equal(n_stored, 1);
        /* Event 1 is in both memories: the store's is taken, and once. */
        assert_non_null(strstr(capture.out, "from the store"));
        assert_null(strstr(capture.out, "second is up"));
        assert_non_null(strstr(capture.out, "check api failed"));

        assert_int_equal(
                CAPTURE(&capture, &app, "events", "-n", "1", "--json", "--config", fake.config),
                CLI_WELL);
        assert_int_equal(strncmp(capture.out, "{\"seq\": 3, ", 11), 0);
        assert_int_equal(
                CAPTURE(&capture, &app, "events", "second", "--json", "--config", fake.config),
                CLI_WELL);
        assert_int_equal(strncmp(capture.out, "{\"seq\": 1, ", 11), 0);
        assert_null(strstr(capture.out, "\"seq\": 2"));
        assert_int_equal(CAPTURE(&capture, &app, "events", "--since", "2026-11-23 03:02:30",
                                 "--json", "--config", fake.config),
                         CLI_WELL);
        assert_int_equal(strncmp(capture.out, "{\"seq\": 3, ", 11), 0);
}

static void test_events_without_daemon(void **state) {
        CliApp with_store = app;

        (void) state;
        assert_int_equal(CAPTURE(&capture, &app, "events", "--config", fake.config),
                         CLI_UNREACHABLE);
        with_store.list_events = fake_list;
        assert_int_equal(CAPTURE(&capture, &with_store, "events", "--config", fake.config),
                         CLI_WELL);
        assert_non_null(strstr(capture.out, "from the store"));
        assert_non_null(strstr(capture.err, "not running"));
}

/* Waits for a line with `what` in it. */
static void expect_line(FILE *file, const char *what) {
        char line[4096];

        do
                assert_non_null(fgets(line, sizeof(line), file));
        while (!strstr(line, what));
}

static void test_events_are_followed(void **state) {
        int ends[2];

        (void) state;
        assert_int_equal(pipe(ends), 0);
        (void) fflush(NULL); /* or the child has it too */
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                char *argv[] = { (char[]){ "albraguard" },
                                 (char[]){ "events" },
                                 (char[]){ "-f" },
                                 (char[]){ "--json" },
                                 (char[]){ "--config" },
                                 fake.config,
                                 NULL };

                (void) alarm(60); /* a test that hangs is worse than one that fails */
                (void) dup2(ends[1], STDOUT_FILENO);
                _exit(cli_main(6, argv, &app));
        }
        (void) close(ends[1]); /* the child has it */
        FILE *file = fdopen(ends[0], "re");

        expect_line(file, "\"seq\": 1,");
        expect_line(file, "\"seq\": 3,");
        assert_int_equal(CAPTURE(&capture, &app, "restart", "second", "--config", fake.config),
                         CLI_WELL);
        expect_line(file, "\"seq\": 4,");

        (void) kill(pid, SIGKILL); /* ours */
        (void) waitpid(pid, NULL, 0);
        (void) fclose(file);
}

static void test_explain(void **state) {
        (void) state;
        assert_int_equal(CAPTURE(&capture, &app, "explain", "--config", fake.config), CLI_WELL);
        assert_non_null(strstr(capture.out, "albratrading-multi: over; it lasted 1 m"));
        assert_int_equal(CAPTURE(&capture, &app, "explain", "2", "--json", "--config", fake.config),
                         CLI_WELL);
        json_t *json = field_parse_object(capture.out, strlen(capture.out));
        assert_int_equal(field_integer(json, "first_seq"), 2);
        assert_int_equal(field_integer(json, "last_seq"), 3);
        assert_int_equal(json_array_size(json_object_get(json, "events")), 2);
        json_decref(json);
        assert_int_equal(CAPTURE(&capture, &app, "explain", "second", "--config", fake.config),
                         CLI_WELL);
        assert_non_null(strstr(capture.out, "Nothing has happened"));
        assert_int_equal(CAPTURE(&capture, &app, "explain", "third", "--config", fake.config),
                         CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "explain", "77", "--config", fake.config),
                         CLI_USAGE);
}

static void test_logs(void **state) {
        static const char text[] = "one\ntwo\nTraceback (most recent call last):\n\033[2Jfour\n";
        char path[128];

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/trading.log", fake.folder);
        assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
        assert_int_equal(CAPTURE(&capture, &app, "logs", "albratrading-multi", "-n", "3",
                                 "--config", fake.config),
                         CLI_WELL);
        assert_non_null(strstr(capture.out,
                               "\n   two\n!! Traceback (most recent call last):\n   ?[2Jfour\n"));
        assert_non_null(strstr(capture.err, "error.log: No such file"));
        assert_int_equal(CAPTURE(&capture, &app, "logs", "--config", fake.config), CLI_USAGE);
        assert_int_equal(CAPTURE(&capture, &app, "logs", "third", "--config", fake.config),
                         CLI_USAGE);
}

static void test_watch_and_run(void **state) {
        char bad[128];

        (void) state;
        assert_int_equal(CAPTURE(&capture, &app, "watch", "-n", "--config", fake.config), CLI_WELL);
        assert_non_null(strstr(capture.out, "the configuration is good: 2 services"));
        assert_int_equal(CAPTURE(&capture, &app, "watch", "--config", fake.config), CLI_WELL);
        assert_string_equal(got_name, fake.config);

        (void) snprintf(bad, sizeof(bad), "%s/bad.yaml", fake.folder);
        assert_int_equal(file_write_atomic(bad, "servces: []\n", 12, 0644), 0);
        assert_int_equal(CAPTURE(&capture, &app, "watch", "-n", "--config", bad), CLI_USAGE);
        assert_non_null(strstr(capture.err, "bad.yaml:1:"));

        assert_int_equal(CAPTURE(&capture, &app, "run", "--", "/usr/bin/my bot!", "--name", "x"),
                         7);
        assert_string_equal(got_name, "mybot");
        assert_string_equal(got_word, "--name");
        assert_int_equal(CAPTURE(&capture, &app, "run", "--name", "b", "python3", "-f"), 7);
        assert_string_equal(got_name, "b");
        assert_string_equal(got_word, "-f");
        assert_int_equal(CAPTURE(&capture, &app, "run", "--name", "../b", "true"), CLI_USAGE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_help_lists_every_verb),
                cmocka_unit_test(test_usage_errors_end_with_2),
                cmocka_unit_test_setup_teardown(test_requests_arrive, start, stop),
                cmocka_unit_test_setup_teardown(test_refusals_become_exit_codes, start, stop),
                cmocka_unit_test_setup_teardown(test_status, start, stop),
                cmocka_unit_test(test_status_without_daemon),
                cmocka_unit_test_setup_teardown(test_events, start, stop),
                cmocka_unit_test(test_events_without_daemon),
                cmocka_unit_test_setup_teardown(test_events_are_followed, start, stop),
                cmocka_unit_test_setup_teardown(test_explain, start, stop),
                cmocka_unit_test(test_logs),
                cmocka_unit_test(test_watch_and_run),
        };

        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
