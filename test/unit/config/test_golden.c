/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a person is told about a wrong configuration, byte for byte: each FILE.yaml of the folder is
 * wrong in one way, and FILE.txt beside it holds the message. With --write the messages are written
 * anew, to be read before they are committed.
 */

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "config/load.h"
#include "unit.h"

#define SHOWN_PATH "/etc/albraguard/config.yaml"

static const char *folder;
static bool is_writing;

static void message_path(char ret_path[static PATH_MAX], const char *yaml) {
        int n = snprintf(ret_path, PATH_MAX, "%.*s.txt", (int) (strlen(yaml) - strlen(".yaml")),
                         yaml);

        assert_true(n > 0 && n < PATH_MAX);
}

/* The place in the fields is the place in the message. */
static void check_place(const ConfigError *error) {
        char place[PATH_SIZE + 32];

        assert_string_equal(error->path, SHOWN_PATH);
        (void) snprintf(place, sizeof(place), "%s:%u:%u: ", SHOWN_PATH, error->line, error->column);
        assert_true(error->line > 0);
        assert_memory_equal(error->message, place, strlen(place));
}

static void check_file(const char *yaml) {
        CLEANUP_FREE char *text = NULL;
        CLEANUP_FREE char *expected = NULL;
        CLEANUP_CONFIG Config *config = NULL;
        ConfigError error;
        char path[PATH_MAX];
        size_t length;

        print_message("%s\n", yaml);
        assert_int_equal(file_read_alloc(yaml, CONFIG_BYTES_MAX, &text, &length), 0);
        assert_true(config_parse(text, length, SHOWN_PATH, &config, &error) < 0);
        assert_null(config);
        check_place(&error);

        message_path(path, yaml);
        if (is_writing) {
                char line[CONFIG_ERROR_SIZE + 1];
                int n = snprintf(line, sizeof(line), "%s\n", error.message);

                assert_int_equal(file_write_atomic(path, line, (size_t) n, 0644), 0);
                return;
        }

        assert_int_equal(file_read_alloc(path, CONFIG_ERROR_SIZE, &expected, &length), 0);
        expected[strcspn(expected, "\n")] = '\0';
        assert_string_equal(error.message, expected);
}

static void test_messages(void **state) {
        char pattern[PATH_MAX];
        glob_t files;

        (void) state;
        (void) snprintf(pattern, sizeof(pattern), "%s/*.yaml", folder);
        assert_int_equal(glob(pattern, GLOB_ERR, NULL, &files), 0);
        assert_true(files.gl_pathc > 80); /* a folder that is not found is not a success */
        for (size_t i = 0; i < files.gl_pathc; i++)
                check_file(files.gl_pathv[i]);
        globfree(&files);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages),
        };

        if (argc < 2)
                return 2;
        folder = argv[1];
        is_writing = argc > 2 && strcmp(argv[2], "--write") == 0;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
