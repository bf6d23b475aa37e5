/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the daemon says about its own troubles, caught through a pipe in place of standard error. Two
 * processes write to one journal, so no line may be torn.
 *
 * The log: one call is one line in one write, whatever its length, and errno survives it.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "unit.h"

static char caught[8192];

/* Everything the call writes to standard error. Fits into a pipe, so nobody has to read meanwhile. */
static const char *catch (void (*call)(void)) {
        int ends[2];
        int saved = dup(STDERR_FILENO);

        assert_true(saved >= 0);
        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
        call();
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        (void) close(saved);
        (void) close(ends[1]);

        ssize_t n = read(ends[0], caught, sizeof(caught) - 1);
        (void) close(ends[0]);
        assert_true(n >= 0);
        caught[n] = '\0';
        return caught;
}

static void say_hello(void) {
        log_warning("hello %d", 1);
}

static void say_too_much(void) {
        char word[5000];

        /* Three bytes a character: a cut could fall into one. */
        for (size_t i = 0; i + 3 < sizeof(word); i += 3)
                memcpy(word + i, "\xEC\xA0\x95", 3);
        word[4998] = '\0';
        log_error("%s", word);
}

static void say_error(void) {
        errno = EEXIST;
        assert_int_equal(log_errno(LOG_LEVEL_ERROR, -ENOENT, "cannot open %s", "x"), -ENOENT);
        assert_int_equal(errno, EEXIST);
}

static void say_detail(void) {
        log_debug("not worth it");
}

static void test_journal_gets_the_severity(void **state) {
        (void) state;
        log_open("test", LOG_LEVEL_INFO, /* has_journal= */ true);
        assert_string_equal(catch (say_hello), "<4>hello 1\n");
}

static void test_a_person_gets_time_and_name(void **state) {
        (void) state;
        log_open("test", LOG_LEVEL_INFO, /* has_journal= */ false);
        assert_string_equal(catch (say_hello) + strlen("00:00:00 "), "test: hello 1\n");
}

static void test_a_long_line_is_cut_and_ends(void **state) {
        (void) state;
        log_open("test", LOG_LEVEL_INFO, /* has_journal= */ true);

        const char *line = catch (say_too_much);
        size_t length = strlen(line);

        assert_true(length > 900);
        assert_true(length <= 1024);
        assert_int_equal(line[length - 1], '\n');
        assert_ptr_equal(strchr(line, '\n'), line + length - 1);
        assert_int_equal((length - strlen("<3>") - 1) % 3, 0);
}

static void test_error_is_named(void **state) {
        (void) state;
        log_open("test", LOG_LEVEL_INFO, /* has_journal= */ true);
        assert_string_equal(catch (say_error), "<3>cannot open x: No such file or directory\n");
}

static void test_less_important_is_dropped(void **state) {
        (void) state;
        log_open("test", LOG_LEVEL_INFO, /* has_journal= */ true);
        assert_string_equal(catch (say_detail), "");
        log_open("test", LOG_LEVEL_DEBUG, /* has_journal= */ true);
        assert_string_equal(catch (say_detail), "<7>not worth it\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_journal_gets_the_severity),
                cmocka_unit_test(test_a_person_gets_time_and_name),
                cmocka_unit_test(test_a_long_line_is_cut_and_ends),
                cmocka_unit_test(test_error_is_named),
                cmocka_unit_test(test_less_important_is_dropped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
