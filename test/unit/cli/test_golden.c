/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Golden screens: status documents and events in, the bytes of the screen out.
 *
 * Each NAME.json of the folder is shown at 80 columns, without and with colour, and compared with
 * NAME.txt and NAME.colour.txt; NAME.events are the events beside it. A story-NAME.json is told by
 * `explain` instead, and a ko-NAME.json is shown in Korean, from the catalogue that was built. With
 * ALBRAGUARD_GOLDEN_UPDATE=1 the files are written anew, to be looked at before they are committed.
 * Whatever the input, nothing that steers a terminal may come out but our own colours.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/i18n.h"
#include "base/text.h"
#include "cli/field.h"
#include "cli/status_screen.h"
#include "cli/story.h"
#include "unit.h"

static const char *folder;
static const char *catalogues;

typedef struct GoldenCase {
        const char *name;
        const char *service;
        const char *hint;
        CliExit code;
} GoldenCase;

static const GoldenCase cases[] = {
        { "normal", "", "", CLI_WELL },
        { "warning", "", "", CLI_FINDINGS },
        { "critical", "", "", CLI_FINDINGS },
        { "refused", "", " --config /etc/bot.yaml", CLI_FINDINGS },
        { "held", "", "", CLI_FINDINGS },
        { "paused", "", "", CLI_WELL },
        { "operator-stopped", "", "", CLI_WELL },
        { "clerk-gone", "", "", CLI_FINDINGS },
        { "three", "", "", CLI_FINDINGS },
        { "forty", "", "", CLI_FINDINGS },
        { "hostile", "", "", CLI_FINDINGS },
        { "empty", "", "", CLI_WELL },
        { "ko-normal", "", "", CLI_WELL },
        { "ko-critical", "", "", CLI_FINDINGS },
        { "ko-held", "", "", CLI_FINDINGS },
};

static void choose_language(const char *name) {
        i18n_open_at(strncmp(name, "ko-", 3) == 0 ? "ko" : "en", catalogues);
}

static char *read_text(const char *name, const char *ending, size_t *ret_length) {
        char path[1024];
        char *text = NULL;

        (void) snprintf(path, sizeof(path), "%s/%s%s", folder, name, ending);
        return file_read_alloc(path, 1 << 22, &text, ret_length) < 0 ? NULL : text;
}

static void compare(const char *name, const char *ending, const char *seen, size_t length) {
        char path[1024];
        size_t n = 0;

        if (getenv("ALBRAGUARD_GOLDEN_UPDATE")) {
                (void) snprintf(path, sizeof(path), "%s/%s%s", folder, name, ending);
                assert_int_equal(file_write_atomic(path, seen, length, 0644), 0);
                return;
        }

        char *expected = read_text(name, ending, &n);
        assert_non_null(expected);
        assert_string_equal(seen, expected);
        assert_int_equal(length, n);
        free(expected);
}

/* Only "\033[" digits and ';' then 'm' may remain, and only with colours; no other control character at all. */
static void check_harmless(const char *seen, bool has_colour) {
        for (const char *p = seen; *p != '\0'; p++) {
                if (*p == '\033') {
                        assert_true(has_colour);
                        assert_int_equal(p[1], '[');
                        p += 2 + strspn(p + 2, "0123456789;");
                        assert_int_equal(*p, 'm');
                        continue;
                }
                assert_true(*p == '\n' || (unsigned char) *p >= 0x20);
                assert_int_not_equal(*p, 0x7f);
                /* C1 controls, direction overrides and zero-width characters in UTF-8. */
                assert_false((unsigned char) p[0] == 0xc2 && (unsigned char) p[1] < 0xa0 &&
                             p[1] != '\0');
                assert_int_not_equal(strncmp(p, "\xe2\x80\xae", 3), 0);
                assert_int_not_equal(strncmp(p, "\xe2\x80\x8b", 3), 0);
        }
}

static void check_width(const char *seen) {
        char line[4096];

        for (const char *p = seen; *p != '\0';) {
                const char *end = strchrnul(p, '\n');

                (void) snprintf(line, sizeof(line), "%.*s", (int) (end - p), p);
                assert_in_range(screen_width_of(line), 0, 80);
                p = *end == '\0' ? end : end + 1;
        }
}

static void read_events(const char *name, Happened *ret) {
        size_t length;
        char *text = read_text(name, ".events", &length);
        char *rest = text;

        *ret = (Happened){ .most = HAPPENED_MOST };
        for (char *line; text && (line = strsep(&rest, "\n"));) {
                Event event;

                if (line[0] == '\0')
                        continue;
                assert_int_equal(event_parse_json(line, strlen(line), &event), 0);
                assert_int_equal(happened_put(ret, &event), 0);
        }
        free(text);
}

static json_t *read_status(const char *name) {
        size_t length;
        char *text = read_text(name, ".json", &length);

        assert_non_null(text);
        json_t *status = field_parse_object(text, length);
        assert_non_null(status);
        free(text);
        return status;
}

static void test_status_screen(void **state) {
        const GoldenCase *c = *state;
        json_t *status = read_status(c->name);
        Happened happened;

        choose_language(c->name);
        read_events(c->name, &happened);

        for (int i = 0; i < 2; i++) {
                char *seen = NULL;
                size_t length = 0;
                FILE *file = open_memstream(&seen, &length);
                Screen screen = { .file = file, .width = 80, .has_colour = i == 1 };

                status_render(&screen, &(StatusLook){ .status = status,
                                                      .happened = &happened,
                                                      .service = c->service,
                                                      .hint = c->hint,
                                                      .has_logs = true });
                assert_int_equal(fclose(file), 0);
                check_harmless(seen, screen.has_colour);
                if (!screen.has_colour)
                        check_width(seen);
                compare(c->name, i == 1 ? ".colour.txt" : ".txt", seen, length);
                free(seen);
        }

        assert_int_equal(status_judge(status, c->service), c->code);
        free(happened.events);
        json_decref(status);
}

static void check_story(const char *name, const char *service, uint64_t seq) {
        json_t *status = read_status(name);
        Happened happened;
        Incident incident;
        char *seen = NULL;
        size_t length = 0;
        FILE *file = open_memstream(&seen, &length);
        Screen screen = { .file = file, .width = 80 };

        choose_language(name);
        read_events(name, &happened);
        assert_int_equal(incident_find(&happened, service, seq, &incident), 0);
        /* 2026-11-23T04:05:00Z */
        story_render(&screen, &incident, &happened, status, "", /* has_logs= */ true,
                     1795406700 * USEC_PER_SEC);
        assert_int_equal(fclose(file), 0);
        check_harmless(seen, /* has_colour= */ false);
        check_width(seen);
        compare(name, ".txt", seen, length);

        free(seen);
        free(happened.events);
        json_decref(status);
}

static void test_story_of_a_service(void **state) {
        (void) state;
        check_story("story-over", "albratrading-multi", 0);
}

static void test_story_in_korean(void **state) {
        (void) state;
        check_story("ko-story-over", "albratrading-multi", 0);
}

static void test_story_that_is_not_over(void **state) {
        (void) state;
        check_story("story-open", "", 0);
}

/* However narrow or wide, no line is longer than the terminal. */
static void test_width_is_kept(void **state) {
        json_t *status = read_status("three");

        (void) state;
        choose_language("three");
        for (unsigned width = 40; width <= 200; width++) {
                char *seen = NULL;
                size_t length = 0;
                FILE *file = open_memstream(&seen, &length);
                Screen screen = { .file = file, .width = width };
                char line[4096];

                status_render(&screen,
                              &(StatusLook){ .status = status, .service = "", .hint = "" });
                assert_int_equal(fclose(file), 0);
                for (const char *p = seen; *p != '\0';) {
                        const char *end = strchrnul(p, '\n');

                        (void) snprintf(line, sizeof(line), "%.*s", (int) (end - p), p);
                        if (width >= 60)
                                assert_in_range(screen_width_of(line), 0, width);
                        p = *end == '\0' ? end : end + 1;
                }
                free(seen);
        }
        json_decref(status);
}

static void test_absent(void **state) {
        static const char checkpoint[] =
                "{\"version\": 1, \"services\": [{\"name\": \"albratrading-multi\", \"state\": 2, \"is_held\": 0},"
                "{\"name\": \"second\", \"state\": 4, \"is_held\": 1},"
                "{\"name\": \"third\", \"state\": 0, \"is_operator_stopped\": 1}, {\"name\": \"\\u001b[31m\", \"state\": 99}]}";
        json_t *json = field_parse_object(checkpoint, sizeof(checkpoint) - 1);
        char *seen = NULL;
        size_t length = 0;
        FILE *file = open_memstream(&seen, &length);
        Screen screen = { .file = file, .width = 80 };

        (void) state;
        choose_language("absent");
        status_render_absent(&screen, json, 125 * USEC_PER_SEC);
        status_render_absent(&screen, NULL, 0);
        assert_int_equal(fclose(file), 0);
        assert_string_equal(seen, "What was known 2 m 5 s ago\n"
                                  "  albratrading-multi: running\n"
                                  "  second: held\n"
                                  "  third: stopped by a person\n"
                                  "  ?[31m: state not known\n");
        free(seen);
        json_decref(json);
}

int main(int argc, char **argv) {
        struct CMUnitTest tests[ELEMENTSOF(cases) + 5] = { { 0 } };
        size_t n = 0;

        if (argc < 3) {
                (void) fprintf(stderr, "which folder, and where are the catalogues?\n");
                return 2;
        }
        folder = argv[1];
        catalogues = argv[2];
        (void) setenv("TZ", "UTC", 1);
        (void) unsetenv("LC_ALL");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                tests[n++] = (struct CMUnitTest){
                        .name = cases[i].name,
                        .test_func = test_status_screen,
                        .initial_state = (void *) (uintptr_t) &cases[i],
                };
        tests[n++] = (struct CMUnitTest) cmocka_unit_test(test_story_of_a_service);
        tests[n++] = (struct CMUnitTest) cmocka_unit_test(test_story_that_is_not_over);
        tests[n++] = (struct CMUnitTest) cmocka_unit_test(test_story_in_korean);
        tests[n++] = (struct CMUnitTest) cmocka_unit_test(test_width_is_kept);
        tests[n++] = (struct CMUnitTest) cmocka_unit_test(test_absent);

        return cmocka_run_group_tests(tests, NULL, NULL);
}
