/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Following a file that is rotated: no line lost and none twice.
 *
 * Each way to rotate is played between two looks at the file: renamed, emptied, its head taken off,
 * and the head taken off while it grows beyond its old size again.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/tail.h"
#include "unit.h"

static char folder[64];
static char path[128];
static char other[128];
static Tail tail;
static char got[1 << 16];

static void on_line(const Tail *from, const char *line, size_t length, void *userdata) {
        size_t n = strlen(got);

        (void) userdata;
        assert_ptr_equal(from, &tail);
        assert_int_equal(line[length], '\0');
        (void) snprintf(got + n, sizeof(got) - n, "%.40s%s;", line,
                        from->is_line_cut ? "(cut)" : "");
}

static void append(const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
        (void) close(fd); /* written */
}

static void expect(const char *expected) {
        assert_string_equal(got, expected);
        got[0] = '\0';
}

static void expect_new(const char *expected) {
        assert_int_equal(tail_read_new(&tail, on_line, NULL), 0);
        expect(expected);
}

static int setup(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/albraguard-tail-XXXXXX");
        assert_non_null(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/bot.log", folder);
        (void) snprintf(other, sizeof(other), "%s/bot.log.1", folder);
        tail_init(&tail, path);
        got[0] = '\0';
        return 0;
}

static int teardown(void **state) {
        (void) state;
        tail_done(&tail);
        (void) unlink(path);
        (void) unlink(other);
        (void) rmdir(folder);
        return 0;
}

static void test_last_lines(void **state) {
        (void) state;
        assert_int_equal(tail_read_last(&tail, 3, on_line, NULL), -ENOENT);
        append("");
        assert_int_equal(tail_read_last(&tail, 3, on_line, NULL), 0);
        expect("");
        append("1\n2\n3\n4\n");
        assert_int_equal(tail_read_last(&tail, 3, on_line, NULL), 0);
        expect("2;3;4;");
        assert_int_equal(tail_read_last(&tail, 100, on_line, NULL), 0);
        expect("1;2;3;4;");
        append("5"); /* not ended yet */
        assert_int_equal(tail_read_last(&tail, 2, on_line, NULL), 0);
        expect("4;5;");
        append("\n\n\r\n");
        assert_int_equal(tail_read_last(&tail, 3, on_line, NULL), 0);
        expect("5;;;");
}

static void test_far_from_the_end(void **state) {
        char *big = malloc(5 << 20);

        (void) state;
        assert_non_null(big);
        memset(big, 'x', (5 << 20) - 1);
        big[(5 << 20) - 1] = '\0';
        for (size_t i = 99; i < (5 << 20) - 1; i += 100)
                big[i] = '\n';
        append(big);
        append("\nend\n");
        free(big);
        assert_int_equal(tail_read_last(&tail, 1, on_line, NULL), 0);
        assert_int_equal(strcmp(got + strlen(got) - 4, "end;"), 0);
        got[0] = '\0';
        expect_new("");
}

static void test_growing(void **state) {
        (void) state;
        expect_new(""); /* not there yet */
        append("1\n2");
        expect_new("1;");
        append("2\n3\n");
        expect_new("22;3;");
        expect_new("");
}

static void test_renamed(void **state) {
        (void) state;
        append("1\n");
        assert_int_equal(tail_read_last(&tail, 9, on_line, NULL), 0);
        append("2\n");
        assert_int_equal(rename(path, other), 0);
        expect_new("1;2;");
        append("3\n"); /* the new one */
        expect_new("3;");
        append("4\n");
        expect_new("4;");
}

static void test_emptied(void **state) {
        (void) state;
        append("first line\nsecond line\n");
        assert_int_equal(tail_read_last(&tail, 1, on_line, NULL), 0);
        expect("second line;");
        assert_int_equal(truncate(path, 0), 0);
        append("new\n");
        expect_new("new;");
        /* Emptied and already longer than before. */
        assert_int_equal(truncate(path, 0), 0);
        append("this is a longer line than all that was there\n");
        expect_new("this is a longer line than all that was ;");
}

/* Takes `length` bytes off the head, keeping the file the same file, as a collapsed range does. */
static void take_head(size_t length) {
        static char text[1 << 16];
        size_t n;

        assert_int_equal(file_read(path, text, sizeof(text), &n), 0);
        assert_true(n >= length);
        int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(file_write_all(fd, text + length, n - length), 0);
        (void) close(fd); /* written */
}

/* Lines of 32 bytes, so that blocks end where lines do. */
static void put_numbered(unsigned from, unsigned to) {
        char line[64];

        for (unsigned i = from; i < to; i++) {
                (void) snprintf(line, sizeof(line), "line number %019u\n", i);
                append(line);
        }
}

static void test_head_taken_off(void **state) {
        (void) state;
        put_numbered(0, 300);
        assert_int_equal(tail_read_last(&tail, 1, on_line, NULL), 0);
        got[0] = '\0';
        take_head(8192);
        put_numbered(300, 302);
        expect_new("line number 0000000000000000300;line number 0000000000000000301;");
        /* And grown beyond its old size meanwhile. */
        take_head(512);
        put_numbered(302, 400);
        assert_int_equal(tail_read_new(&tail, on_line, NULL), 0);
        assert_int_equal(strncmp(got,
                                 "line number 0000000000000000302;line number 0000000000000000303;",
                                 64),
                         0);
        assert_int_equal(strlen(got), 98 * 32);
}

static void test_lines_without_end(void **state) {
        static char big[TAIL_LINE_SIZE * 3 + 1];

        (void) state;
        append("1\n");
        assert_int_equal(tail_read_last(&tail, 9, on_line, NULL), 0);
        got[0] = '\0';
        memset(big, 'x', sizeof(big) - 1);
        append(big);
        append("\n2\n");
        expect_new("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx(cut);2;");
}

static void test_only_files(void **state) {
        (void) state;
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(tail_read_last(&tail, 1, on_line, NULL), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_last_lines, setup, teardown),
                cmocka_unit_test_setup_teardown(test_far_from_the_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_growing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_emptied, setup, teardown),
                cmocka_unit_test_setup_teardown(test_head_taken_off, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lines_without_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_only_files, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
