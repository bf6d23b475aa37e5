/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The checkpoint and the spool are kept by these functions, so their promises are held one by one.
 *
 * Small files: read whole or not at all, replaced whole or not at all, also when the writer is killed
 * in the middle of it.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "unit.h"

/* Two contents of different length, so that a mixture of both shows. */
enum {
        SHORT_LENGTH = 70000,
        LONG_LENGTH = 150000,
        READS = 300,
};

static char folder[64];

static int enter_folder(void **state) {
        (void) state;
        assert_true(text_copy(folder, sizeof(folder), "/tmp/albraguard-test-file-XXXXXX"));
        return mkdtemp(folder) ? chdir(folder) : -1;
}

static int leave_folder(void **state) {
        static const char *const left[] = { "file", "file.new", "folder", "a/b/c", "a/b", "a" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(left); i++)
                (void) remove(left[i]); /* whatever the test left behind */

        return chdir("/") < 0 ? -1 : rmdir(folder);
}

static void test_reads_whole(void **state) {
        char buffer[8];
        size_t length = 99;

        (void) state;
        assert_int_equal(file_write_atomic("file", "abcdef", 6, 0600), 0);
        assert_int_equal(file_read("file", buffer, sizeof(buffer), &length), 0);
        assert_int_equal(length, 6);
        assert_string_equal(buffer, "abcdef");

        length = 99;
        assert_int_equal(file_read("file", buffer, 6, &length), -EFBIG);
        assert_int_equal(file_read("absent", buffer, sizeof(buffer), &length), -ENOENT);
        assert_int_equal(length, 99);
}

static void test_reads_a_kernel_file(void **state) {
        char buffer[4096];
        size_t length;
        CLEANUP_FREE char *text = NULL;

        (void) state;
        assert_int_equal(file_read("/proc/self/stat", buffer, sizeof(buffer), &length), 0);
        assert_true(length > 0);
        /* It says that it is empty, and is not. */
        assert_int_equal(file_read_alloc("/proc/self/stat", 4096, &text, &length), 0);
        assert_int_equal(strlen(text), length);
        assert_true(length > 0);
}

static void test_reads_with_an_allowance(void **state) {
        CLEANUP_FREE char *text = NULL;
        size_t length = 99;

        (void) state;
        assert_int_equal(file_write_atomic("file", "abcdef", 6, 0600), 0);
        assert_int_equal(file_read_alloc("file", 5, &text, &length), -EFBIG);
        assert_null(text);
        assert_int_equal(file_read_alloc("file", 6, &text, &length), 0);
        assert_int_equal(length, 6);
        assert_string_equal(text, "abcdef");

        CLEANUP_FREE char *other = NULL;
        assert_int_equal(file_read_alloc("/tmp", 6, &other, &length), -EISDIR);
}

static void test_replaces(void **state) {
        char buffer[16];
        size_t length;
        struct stat st;

        (void) state;
        assert_int_equal(file_write_atomic("file", "old and long", 12, 0644), 0);
        assert_int_equal(file_write_atomic("file", "new", 3, 0640), 0);
        assert_int_equal(file_read("file", buffer, sizeof(buffer), &length), 0);
        assert_string_equal(buffer, "new");
        assert_int_equal(stat("file", &st), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
        assert_int_equal(access("file.new", F_OK), -1);
}

static void test_failure_leaves_nothing_behind(void **state) {
        (void) state;
        assert_int_equal(file_write_atomic("absent/file", "x", 1, 0600), -ENOENT);

        /* A folder in the way stops the last step. */
        assert_int_equal(mkdir("folder", 0700), 0);
        assert_int_equal(file_write_atomic("folder", "x", 1, 0600), -EISDIR);
        assert_int_equal(access("folder.new", F_OK), -1);
}

static void write_for_ever(void) {
        static char data[LONG_LENGTH];

        for (;;) {
                memset(data, 'a', SHORT_LENGTH);
                (void) file_write_atomic("file", data, SHORT_LENGTH, 0600);
                memset(data, 'b', LONG_LENGTH);
                (void) file_write_atomic("file", data, LONG_LENGTH, 0600);
        }
}

static void check_is_whole(void) {
        static char data[LONG_LENGTH + 2];
        size_t length;

        assert_int_equal(file_read("file", data, sizeof(data), &length), 0);
        assert_int_equal(length, data[0] == 'a' ? SHORT_LENGTH : LONG_LENGTH);
        for (size_t i = 1; i < length; i++)
                if (data[i] != data[0])
                        fail_msg("byte %zu is of the other content", i);
}

static void test_is_whole_at_every_moment(void **state) {
        static char data[SHORT_LENGTH];

        (void) state;
        memset(data, 'a', sizeof(data));
        assert_int_equal(file_write_atomic("file", data, sizeof(data), 0600), 0);

        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                /* A failed assertion out here must not leave a writer behind. */
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                write_for_ever();
                _exit(1);
        }

        for (unsigned i = 0; i < READS; i++)
                check_is_whole();

        /* And a kill, wherever it strikes. */
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        check_is_whole();
        /* What the dead writer left does not stand in the way of the next. */
        assert_int_equal(file_write_atomic("file", data, sizeof(data), 0600), 0);
        check_is_whole();
}

static void test_makes_folders(void **state) {
        struct stat st;

        (void) state;
        assert_int_equal(file_make_dirs("a/b/c", 0700), 0);
        assert_int_equal(file_make_dirs("a/b/c", 0700), 0);
        assert_int_equal(stat("a/b/c", &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);

        assert_int_equal(file_write_atomic("file", "", 0, 0600), 0);
        assert_int_equal(file_make_dirs("file/below", 0700), -ENOTDIR);
}

static void test_path_too_long(void **state) {
        static char path[PATH_MAX + 16];

        (void) state;
        memset(path, 'x', sizeof(path) - 1);
        assert_int_equal(file_write_atomic(path, "", 0, 0600), -ENAMETOOLONG);
        assert_int_equal(file_make_dirs(path, 0700), -ENAMETOOLONG);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void) {
        const struct CMUnitTest tests[] = {
                IN_A_FOLDER(test_reads_whole),
                IN_A_FOLDER(test_reads_a_kernel_file),
                IN_A_FOLDER(test_reads_with_an_allowance),
                IN_A_FOLDER(test_replaces),
                IN_A_FOLDER(test_failure_leaves_nothing_behind),
                IN_A_FOLDER(test_is_whole_at_every_moment),
                IN_A_FOLDER(test_makes_folders),
                IN_A_FOLDER(test_path_too_long),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
