/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which daemon is meant, and whose folders are used.
 *
 * The folder of `run` may lie in /tmp, where anybody may have been first: a folder of somebody else
 * or a link must not be used. Names become parts of paths, so they are looked at.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/i18n.h"
#include "capture.h"
#include "cli/where.h"
#include "unit.h"

static char folder[64];
static Capture capture;
static const CliApp app = { .version = "1" };

static int setup(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/albraguard-where-XXXXXX");
        assert_non_null(mkdtemp(folder));
        (void) setenv("XDG_RUNTIME_DIR", folder, 1);
        (void) setenv("XDG_STATE_HOME", folder, 1);
        return 0;
}

static void in_folder(char path[static PATH_SIZE], const char *name) {
        (void) snprintf(path, PATH_SIZE, "%s/%s", folder, name);
}

static void remove_in_folder(const char *name) {
        char path[PATH_SIZE];

        in_folder(path, name);
        if (unlink(path) < 0)
                (void) rmdir(path); /* what is not there need not go */
}

static int teardown(void **state) {
        static const char *const names[] = {
                "albraguard/a/warden.sock",
                "albraguard/b/warden.sock",
                "albraguard/a",
                "albraguard/b",
                "albraguard",
                "other",
                "bad.yaml",
                "",
        };

        (void) state;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                remove_in_folder(names[i]);
        return 0;
}

static void test_folders(void **state) {
        Folders folders;
        char expected[PATH_SIZE];

        (void) state;
        assert_int_equal(run_folders("bot", &folders), 0);
        in_folder(expected, "albraguard/bot");
        assert_string_equal(folders.run_dir, expected);
        assert_string_equal(folders.state_dir, expected);

        (void) unsetenv("XDG_RUNTIME_DIR");
        (void) unsetenv("XDG_STATE_HOME");
        (void) setenv("HOME", "/home/user", 1);
        assert_int_equal(run_folders("bot", &folders), 0);
        (void) snprintf(expected, sizeof(expected), "/tmp/albraguard-%u/bot", (unsigned) getuid());
        assert_string_equal(folders.run_dir, expected);
        assert_string_equal(folders.state_dir, "/home/user/.local/state/albraguard/bot");
        (void) unsetenv("HOME");
        assert_int_equal(run_folders("bot", &folders), 0);
        (void) snprintf(expected, sizeof(expected), "/tmp/albraguard-%u/bot/state",
                        (unsigned) getuid());
        assert_string_equal(folders.state_dir, expected);
}

static void test_names(void **state) {
        Folders folders;
        char name[NAME_SIZE];

        (void) state;
        assert_int_equal(run_folders("", &folders), -EINVAL);
        assert_int_equal(run_folders("..", &folders), -EINVAL);
        assert_int_equal(run_folders("a/b", &folders), -EINVAL);
        assert_int_equal(run_folders("-n", &folders), -EINVAL);
        assert_int_equal(run_folders("a b", &folders), -EINVAL);
        assert_string_equal(run_name_of(name, "/usr/bin/python3.11"), "python3.11");
        assert_string_equal(run_name_of(name, "./..hidden bot"), "hiddenbot");
        assert_string_equal(run_name_of(name, "/"), "command");
        assert_string_equal(run_name_of(name, "봇"), "command");
}

static void test_only_our_own_folder_is_used(void **state) {
        Folders folders;
        char path[PATH_SIZE];
        char other[PATH_SIZE];
        struct stat about;

        (void) state;
        assert_int_equal(run_folders("a", &folders), 0);
        assert_int_equal(run_folders_make(&folders), 0);
        assert_int_equal(run_folders_make(&folders), 0);
        assert_int_equal(stat(folders.run_dir, &about), 0);
        assert_int_equal(about.st_mode & 0777, 0700);

        /* Open to others: they could have put a socket there. */
        assert_int_equal(chmod(folders.run_dir, 0777), 0);
        assert_int_equal(run_folders_make(&folders), -EPERM);
        assert_int_equal(chmod(folders.run_dir, 0700), 0);

        in_folder(path, "albraguard/b");
        in_folder(other, "other");
        assert_int_equal(mkdir(other, 0700), 0);
        assert_int_equal(symlink(other, path), 0);
        assert_int_equal(run_folders("b", &folders), 0);
        assert_int_equal(run_folders_make(&folders), -EPERM);
}

/* A socket nobody listens at is enough to be found. */
static void make_instance(const char *name) {
        char path[PATH_SIZE];
        Folders folders;

        assert_int_equal(run_folders(name, &folders), 0);
        assert_int_equal(run_folders_make(&folders), 0);
        (void) snprintf(path, sizeof(path), "%.900s/warden.sock", folders.run_dir);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        (void) fclose(file);
}

static void test_instances(void **state) {
        (void) state;
        if (access(WHERE_DEFAULT_CONFIG, F_OK) == 0)
                skip(); /* an installed daemon comes first, as it should */

        assert_int_equal(CAPTURE(&capture, &app, "status"), CLI_UNREACHABLE);
        assert_non_null(strstr(capture.err, "nothing is guarded here"));

        make_instance("a");
        assert_int_equal(CAPTURE(&capture, &app, "status"), CLI_UNREACHABLE);
        assert_non_null(strstr(capture.err, "/albraguard/a/warden.sock"));

        make_instance("b");
        assert_int_equal(CAPTURE(&capture, &app, "status"), CLI_USAGE);
        assert_non_null(strstr(capture.err, "  --name a\n  --name b\n"));
        assert_int_equal(CAPTURE(&capture, &app, "status", "--name", "b"), CLI_UNREACHABLE);
        assert_non_null(strstr(capture.err, "/albraguard/b/warden.sock"));
        assert_int_equal(CAPTURE(&capture, &app, "status", "--name", "../b"), CLI_USAGE);
}

/* Who reads the message about it is who wrote it. */
static void test_language_of_a_bad_file(void **state) {
        static const struct {
                const char *text;
                const char *language;
        } cases[] = {
                { "language: ko\nno_such_key: 1\n", "ko" },
                { "# a comment\nlanguage:   'ko'\n\tx\n", "ko" },
                { "language: en\nno_such_key: 1\n", "en" },
                { "watch:\n  language: ko\n", "en" },
                { "#language: ko\nno_such_key: 1\n", "en" },
                { "no_such_key: 1\nlanguage:", "en" },
        };
        char path[PATH_SIZE];

        (void) state;
        in_folder(path, "bad.yaml");
        (void) setenv("LC_ALL", "C.UTF-8", 1);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(
                        file_write_atomic(path, cases[i].text, strlen(cases[i].text), 0600), 0);
                assert_int_equal(CAPTURE(&capture, &app, "status", "--config", path), CLI_USAGE);
                assert_string_equal(i18n_language(), cases[i].language);
        }

        assert_int_equal(file_write_atomic(path, cases[0].text, strlen(cases[0].text), 0600), 0);
        assert_int_equal(CAPTURE(&capture, &app, "status", "--lang", "en", "--config", path),
                         CLI_USAGE);
        assert_string_equal(i18n_language(), "en");
        (void) unsetenv("LC_ALL");
}

/* A daemon runs on under its old configuration while somebody spoils the file: it must still be found. */
static void test_folders_of_a_bad_file(void **state) {
        static const struct {
                const char *text;
                bool is_found;
        } cases[] = {
                { "run_dir: %s # here\nstate_dir: \"%s\"\nwatch: [\n", true },
                { "watch: { failures: x }\nstate_dir: %s\nrun_dir: '%s'\n", true },
                { "run_dir: %s\nwatch: [\n#%s\n", false },
                { "  run_dir: %s\n  state_dir: %s\nx", false },
                { "run_dir: run%s\nstate_dir: %s\nx: [", false },
        };
        char path[PATH_SIZE];
        char text[512];

        (void) state;
        in_folder(path, "bad.yaml");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Buf buf = BUF_OVER(text);
                const char *rest = cases[i].text;

                /* The format is a table's: each %s is the folder. */
                for (const char *at; (at = strstr(rest, "%s")); rest = at + 2) {
                        buf_put_n(&buf, rest, (size_t) (at - rest));
                        buf_put(&buf, folder);
                }
                buf_put(&buf, rest);
                assert_int_equal(file_write_atomic(path, text, buf.length, 0600), 0);
                assert_int_equal(CAPTURE(&capture, &app, "status", "--config", path),
                                 cases[i].is_found ? CLI_UNREACHABLE : CLI_USAGE);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_folders, setup, teardown),
                cmocka_unit_test(test_names),
                cmocka_unit_test_setup_teardown(test_only_our_own_folder_is_used, setup, teardown),
                cmocka_unit_test_setup_teardown(test_instances, setup, teardown),
                cmocka_unit_test_setup_teardown(test_language_of_a_bad_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_folders_of_a_bad_file, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
