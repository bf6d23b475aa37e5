/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one way out to a terminal.
 *
 * Nothing that steers it gets through, whatever the bytes; columns are counted as a terminal counts
 * them; lines are broken at blanks and nothing is lost on the way.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/i18n.h"
#include "cli/screen.h"
#include "unit.h"

static char *seen;
static size_t n_seen;
static Screen screen;

static void begin(unsigned width) {
        screen = (Screen){ .file = open_memstream(&seen, &n_seen), .width = width };
}

static void expect(const char *expected) {
        assert_int_equal(fclose(screen.file), 0);
        assert_string_equal(seen, expected);
        free(seen);
}

static void test_controls_are_shown_not_obeyed(void **state) {
        (void) state;
        begin(80);
        screen_put(&screen, PAINT_PLAIN, "a\033[2Jb\a\x7f\r\n\tc");
        expect("a?[2Jb???  c");
        begin(80);
        screen_put(&screen, PAINT_PLAIN,
                   "\xc2\x9b"
                   "31m");                        /* C1 CSI in UTF-8 */
        screen_put(&screen, PAINT_PLAIN, "\x9b"); /* and as a byte */
        screen_put(&screen, PAINT_PLAIN,
                   "\xe2\x80\xae"
                   "evil");                                   /* right-to-left override */
        screen_put(&screen, PAINT_PLAIN, "\xf3\xa0\x81\xa1"); /* tag characters */
        screen_put(&screen, PAINT_PLAIN, "\xef\xbb\xbf");     /* byte order mark */
        expect("?31m??evil??");
}

static void test_broken_utf8(void **state) {
        (void) state;
        begin(80);
        screen_put(&screen, PAINT_PLAIN,
                   "\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82|\xff|\xc3");
        expect("??|???|????|??|?|?");
}

static void test_columns(void **state) {
        (void) state;
        assert_int_equal(screen_width_of("abc"), 3);
        assert_int_equal(screen_width_of("정상"), 4);
        assert_int_equal(screen_width_of("e\xcc\x81"), 1); /* with a combining accent */
        assert_int_equal(screen_width_of("\033"), 1);
        assert_int_equal(screen_width_of(""), 0);
}

static void test_fields(void **state) {
        (void) state;
        begin(80);
        screen_put_field(&screen, PAINT_PLAIN, "abc", 5, /* to_right= */ false);
        screen_put_field(&screen, PAINT_PLAIN, "abc", 5, /* to_right= */ true);
        screen_put_field(&screen, PAINT_PLAIN, "abcdef", 5, /* to_right= */ true);
        screen_put_field(&screen, PAINT_PLAIN, "정상입니다", 6, /* to_right= */ false);
        screen_put_field(&screen, PAINT_PLAIN, "위험", 6, /* to_right= */ true);
        screen_put_field(&screen, PAINT_PLAIN, "x", 0, /* to_right= */ false);
        assert_int_equal(screen.column, 27);
        expect("abc    abcabcd…정상…   위험");
}

static void test_wrapping(void **state) {
        (void) state;
        begin(24);
        screen_put_wrapped(&screen, PAINT_PLAIN, "one two three  four five six seven", 2);
        expect("one two three four five\n  six seven");
        /* A word that ends exactly at the edge, and one that is one too long. */
        begin(20);
        screen_put_wrapped(&screen, PAINT_PLAIN, "1234567890 123456789 x", 0);
        expect("1234567890 123456789\nx");
        begin(20);
        screen_put_wrapped(&screen, PAINT_PLAIN, "1234567890 1234567890", 0);
        expect("1234567890\n1234567890");
        /* A word longer than a line is broken, and what follows goes on behind it. */
        begin(20);
        screen_put_wrapped(&screen, PAINT_PLAIN, "aaaaaaaaaaaaaaaaaaaaaaaaa bb", 0);
        expect("aaaaaaaaaaaaaaaaaaaa\naaaaa bb");
        /* Behind something that stands on the line already. */
        begin(20);
        screen_put(&screen, PAINT_PLAIN, "0123456789012345 ");
        screen_put_wrapped(&screen, PAINT_PLAIN, "word", 2);
        expect("0123456789012345 \nword");
        begin(40);
        screen_put_wrapped(&screen, PAINT_PLAIN, "", 2);
        screen_put_wrapped(&screen, PAINT_PLAIN, "   ", 2);
        expect("");
}

static void test_bars(void **state) {
        (void) state;
        begin(80);
        screen_put_bar(&screen, PAINT_GREEN, 0, 4);
        screen_put_bar(&screen, PAINT_GREEN, 1, 4);
        screen_put_bar(&screen, PAINT_GREEN, 500, 4);
        screen_put_bar(&screen, PAINT_GREEN, 1000, 4);
        screen_put_bar(&screen, PAINT_GREEN, 5000, 4);
        screen_put_bar(&screen, PAINT_GREEN, -1, 4);
        expect("░░░░█░░░██░░████████░░░░");
}

static void test_colours_only_on_a_terminal(void **state) {
        FILE *file = tmpfile();

        (void) state;
        (void) setenv("COLUMNS", "100", 1);
        screen_open(&screen, file);
        assert_false(screen.has_colour);
        assert_false(screen.is_terminal);
        assert_int_equal(screen.width, 100);
        (void) setenv("COLUMNS", "7", 1);
        screen_open(&screen, file);
        assert_int_equal(screen.width, 40);
        (void) setenv("COLUMNS", "many", 1);
        screen_open(&screen, file);
        assert_int_equal(screen.width, 80);
        (void) fclose(file);

        /* A pseudo-terminal: colours, unless they are not wanted. */
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        char name[64];

        if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
            ptsname_r(master, name, sizeof(name)) != 0)
                skip();
        /* Not as the controlling terminal: its end would be ours. */
        file = fdopen(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC), "r+");
        assert_non_null(file);
        (void) setenv("TERM", "xterm", 1);
        (void) unsetenv("NO_COLOR");
        screen_open(&screen, file);
        assert_true(screen.has_colour);
        (void) setenv("NO_COLOR", "1", 1);
        screen_open(&screen, file);
        assert_false(screen.has_colour);
        (void) setenv("NO_COLOR", "", 1); /* set but empty counts as not set */
        screen_open(&screen, file);
        assert_true(screen.has_colour);
        (void) setenv("TERM", "dumb", 1);
        screen_open(&screen, file);
        assert_false(screen.has_colour);
        (void) fclose(file);
        (void) close(master);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_controls_are_shown_not_obeyed),
                cmocka_unit_test(test_broken_utf8),
                cmocka_unit_test(test_columns),
                cmocka_unit_test(test_fields),
                cmocka_unit_test(test_wrapping),
                cmocka_unit_test(test_bars),
                cmocka_unit_test(test_colours_only_on_a_terminal),
        };

        (void) unsetenv("LC_ALL");
        (void) setenv("LANG", "C.UTF-8", 1);
        i18n_open("en");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
