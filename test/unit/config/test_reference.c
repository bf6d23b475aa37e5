/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The reference in the documentation is the table of keys. In English it is compared byte for byte;
 * with --print it is written out, to be put between the markers of docs/config.md. In Korean the
 * sentences are a translator's, so there every key must have its row, with its default.
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "config/key.h"
#include "unit.h"

#define FILE_MAX (256 * 1024)
#define BEGIN "<!-- keys: from the table in src/config/key.c -->\n"
#define END "<!-- end of keys -->\n"

static const char *folder;

static const char *const type_names[] = {
        [VALUE_SECTION] = "section",
        [VALUE_RECORDS] = "list of sections",
        [VALUE_TEXT] = "text",
        [VALUE_TEXTS] = "list of texts",
        [VALUE_NAME] = "name",
        [VALUE_UNIT] = "unit",
        [VALUE_PATH] = "path",
        [VALUE_PATHS] = "list of paths",
        [VALUE_URL] = "address",
        [VALUE_URLS] = "list of addresses",
        [VALUE_WORDS] = "list of words",
        [VALUE_DURATION] = "duration",
        [VALUE_SIZE] = "size",
        [VALUE_PERCENT] = "percentage",
        [VALUE_COUNT] = "number",
        [VALUE_SWITCH] = "",
        [VALUE_CHOICE] = "",
        [VALUE_SIGNAL] = "signal",
        [VALUE_LEVEL] = "level",
        [VALUE_LISTEN] = "address and port, or `off`",
};

static_assert(ELEMENTSOF(type_names) == _VALUE_TYPE_MAX, "a name for each type");

static void put_type(Buf *buf, const Key *key) {
        buf_put(buf, type_names[key->type]);
        if (key->choices) {
                for (const char *p = key->choices; *p;) {
                        size_t length = strcspn(p, "|");

                        buf_printf(buf, "%s`%.*s`", p == key->choices ? "" : ", ", (int) length, p);
                        p += length + (p[length] == '|');
                }
                return;
        }
        if (key->max > 0) {
                buf_put(buf, ", ");
                value_put_number(buf, key->type, key->min);
                buf_put(buf, " to ");
                value_put_number(buf, key->type, key->max);
        }
        if (key->most > 0)
                buf_printf(buf, ", at most %u",
                           key->type == VALUE_WORDS ? key->most - 1 : key->most);
}

static void put_default(Buf *buf, const Key *key) {
        if (key->type == VALUE_SECTION)
                return;
        if (key->is_required)
                buf_put(buf, "required");
        else if (key->computed)
                buf_put(buf, key->computed);
        else if (key->fallback)
                buf_printf(buf, "`%s`", key->fallback);
        else
                buf_put(buf, "none");
}

static void put_row(Buf *buf, const Key *key) {
        buf_printf(buf, "| `%s` | ", key->path);
        put_type(buf, key);
        buf_put(buf, " | ");
        put_default(buf, key);
        buf_printf(buf, " | %s |\n", key->help);
}

static void put_all(Buf *buf) {
        buf_put(buf, "| key | value | default | meaning |\n|---|---|---|---|\n");
        for (size_t i = 0; i < n_config_keys; i++)
                put_row(buf, &config_keys[i]);
}

static char *read_document(const char *name) {
        char path[PATH_MAX];
        char *text = NULL;
        size_t length;

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        assert_int_equal(file_read_alloc(path, FILE_MAX, &text, &length), 0);
        return text;
}

static void test_english_is_the_table(void **state) {
        static char expected[FILE_MAX];
        CLEANUP_FREE char *text = read_document("config.md");
        Buf buf;

        (void) state;
        buf_init(&buf, expected, sizeof(expected));
        put_all(&buf);
        assert_false(buf.is_truncated);

        char *begin = strstr(text, BEGIN);
        assert_non_null(begin);
        begin += strlen(BEGIN);
        char *end = strstr(begin, END);
        assert_non_null(end);
        *end = '\0';
        assert_string_equal(begin, expected);
}

/* The file that the documentation begins with is the one that another test holds the defaults to. */
static void test_the_file_shown_is_the_default(void **state) {
        CLEANUP_FREE char *text = read_document("config.md");
        CLEANUP_FREE char *file = read_document("../test/golden/config/whole/default.yaml");

        (void) state;
        assert_non_null(strstr(text, file));
}

static void test_korean_has_every_key(void **state) {
        CLEANUP_FREE char *text = read_document("config.ko.md");

        (void) state;
        for (size_t i = 0; i < n_config_keys; i++) {
                const Key *key = &config_keys[i];
                char start[96];
                char value[96];

                print_message("%s\n", key->path);
                (void) snprintf(start, sizeof(start), "\n| `%s` |", key->path);
                char *row = strstr(text, start);
                assert_non_null(row);

                if (!key->fallback || key->computed)
                        continue;
                (void) snprintf(value, sizeof(value), "| `%s` |", key->fallback);
                char *end = strchr(row + 1, '\n');
                assert_non_null(end);
                *end = '\0';
                assert_non_null(strstr(row, value));
                *end = '\n';
        }
}

/* Everything the documentation needs is in the table. */
static void test_the_table_is_complete(void **state) {
        (void) state;
        for (size_t i = 0; i < n_config_keys; i++) {
                const Key *key = &config_keys[i];
                bool is_number = key->type == VALUE_DURATION || key->type == VALUE_SIZE ||
                                 key->type == VALUE_PERCENT || key->type == VALUE_COUNT;

                print_message("%s\n", key->path);
                assert_non_null(key->help);
                assert_int_equal(key->help[strlen(key->help) - 1], '.');
                assert_ptr_equal(key_find(key->path), key); /* no path twice */
                assert_int_equal(is_number, key->max > key->min);
                assert_true(strncmp(key->path, "services[]", strlen("services[]")) != 0 ||
                            key->scope != SCOPE_CONFIG);
                assert_int_equal(key->type == VALUE_SWITCH || key->type == VALUE_CHOICE,
                                 key->choices != NULL);
        }
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_english_is_the_table),
                cmocka_unit_test(test_the_file_shown_is_the_default),
                cmocka_unit_test(test_korean_has_every_key),
                cmocka_unit_test(test_the_table_is_complete),
        };

        if (argc != 2)
                return 2;

        if (strcmp(argv[1], "--print") == 0) {
                static char text[FILE_MAX];
                Buf buf;

                buf_init(&buf, text, sizeof(text));
                put_all(&buf);
                (void) fputs(text, stdout);
                return 0;
        }

        folder = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
