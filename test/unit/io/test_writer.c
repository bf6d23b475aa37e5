/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The writer writes in order, says how each write ended, and never holds up the loop.
 *
 * A sick disk is played by a FIFO that nobody reads: open(2) of it sleeps until the test opens the
 * other end, as long as the test likes. A full disk is played by a file size limit, which also takes
 * the first part of what is too long.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "io/writer.h"
#include "scratch.h"
#include "unit.h"

enum {
        ENDS_MAX = 4096,
};

typedef struct Ends {
        Writer *writer;
        unsigned n;
        uint64_t tickets[ENDS_MAX];
        int results[ENDS_MAX];
} Ends;

static void on_done(void *userdata, uint64_t ticket, int r) {
        Ends *ends = userdata;

        assert_true(ends->n < ENDS_MAX);
        ends->tickets[ends->n] = ticket;
        ends->results[ends->n++] = r;
}

static bool is_idle(void *userdata) {
        return writer_peek_backlog(((Ends *) userdata)->writer) == 0;
}

static void writer_begin(sd_event *loop, Ends *ends) {
        *ends = (Ends){ 0 };
        assert_int_equal(writer_new(loop, on_done, ends, &ends->writer), 0);
}

static int
put(const Ends *ends, WriteKind kind, const char *path, const char *text, uint64_t ticket) {
        return writer_put(ends->writer, kind, path, 0600, text, strlen(text), ticket);
}

static void expect_file(const char *path, const char *expected) {
        CLEANUP_FREE char *text = scratch_read(path);

        assert_non_null(text);
        assert_string_equal(text, expected);
}

/* The thread sleeps in open(2) of this until release_thread(). */
static const char *stick_thread(const Scratch *scratch, const Ends *ends) {
        const char *fifo = scratch_path(scratch, "fifo");

        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(put(ends, WRITE_APPEND, fifo, "stuck", 777), 0);
        return fifo;
}

/* The caller closes it when the write has ended. */
static int release_thread(const char *fifo) {
        int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void test_in_order_each_told(void **state) {
        const Scratch *scratch = *state;
        const char *log = scratch_path(scratch, "log");
        const char *whole = scratch_path(scratch, "state");
        Ends ends;

        writer_begin(scratch->loop, &ends);
        assert_int_equal(put(&ends, WRITE_APPEND, log, "one\n", 1), 0);
        assert_int_equal(put(&ends, WRITE_REPLACE, whole, "old", 2), 0);
        assert_int_equal(put(&ends, WRITE_TRUNCATE, log, "", 3), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, log, "two\n", 4), 0);
        assert_int_equal(put(&ends, WRITE_REPLACE, whole, "new", 5), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, log, "three\n", 6), 0);
        assert_int_equal(writer_peek_backlog(ends.writer), 6);
        scratch_turn(scratch->loop, is_idle, &ends);

        assert_int_equal(ends.n, 6);
        for (unsigned i = 0; i < ends.n; i++) {
                assert_int_equal(ends.tickets[i], i + 1);
                assert_int_equal(ends.results[i], 0);
        }
        expect_file(log, "two\nthree\n");
        expect_file(whole, "new");
        (void) writer_free(ends.writer);
}

static void test_a_failure_is_told_and_the_next_goes_on(void **state) {
        const Scratch *scratch = *state;
        const char *file = scratch_path(scratch, "file");
        Ends ends;

        writer_begin(scratch->loop, &ends);
        assert_int_equal(put(&ends, WRITE_REPLACE, file, "x", 1), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, scratch_path(scratch, "none/file"), "x", 2), 0);
        assert_int_equal(put(&ends, WRITE_REPLACE, scratch_path(scratch, "file/below"), "x", 3), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, "/dev/full", "x", 4), 0);
        assert_int_equal(put(&ends, WRITE_TRUNCATE, scratch_path(scratch, "none"), "", 5), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, file, "y", 6), 0);
        scratch_turn(scratch->loop, is_idle, &ends);

        static const int expected[] = { 0, -ENOENT, -ENOTDIR, -ENOSPC, -ENOENT, 0 };
        assert_int_equal(ends.n, ELEMENTSOF(expected));
        assert_memory_equal(ends.results, expected, sizeof(expected));
        expect_file(file, "xy");
        (void) writer_free(ends.writer);
}

static int write_without_rights(void *userdata) {
        const Scratch *scratch = userdata;
        sd_event *loop = NULL; /* one does not survive a fork */
        static Ends ends;

        (void) sd_event_new(&loop);
        writer_begin(loop, &ends);
        (void) put(&ends, WRITE_REPLACE, scratch_path(scratch, "state"), "new", 1);
        (void) put(&ends, WRITE_APPEND, scratch_path(scratch, "state"), "new", 2);
        scratch_turn(loop, is_idle, &ends);
        (void) writer_free(ends.writer);
        (void) sd_event_unref(loop);
        return ends.results[0] == -EACCES && ends.results[1] == -EACCES ? 0 : 1;
}

static void test_a_folder_that_is_not_ours(void **state) {
        Scratch *scratch = *state;

        assert_int_equal(chmod(scratch->folder, 0755), 0);
        scratch_write(scratch_path(scratch, "state"), "old", 3);
        int status = scratch_as_nobody(write_without_rights, scratch);
        if (status < 0) {
                print_message("SKIPPED: only root can become somebody without rights\n");
                skip();
        }

        assert_int_equal(status, 0);
        expect_file(scratch_path(scratch, "state"), "old");
}

/* A file size limit answers as a full disk does: with part of the bytes first. */
static void test_a_full_disk_leaves_no_half_line(void **state) {
        const Scratch *scratch = *state;
        const char *log = scratch_path(scratch, "log");
        const char *whole = scratch_path(scratch, "state");
        struct rlimit unlimited;
        Ends ends;

        (void) signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
        const struct rlimit tight = { .rlim_cur = 10, .rlim_max = unlimited.rlim_max };

        writer_begin(scratch->loop, &ends);
        assert_int_equal(put(&ends, WRITE_APPEND, log, "line 1\n", 1), 0);
        assert_int_equal(put(&ends, WRITE_REPLACE, whole, "old", 2), 0);
        scratch_turn(scratch->loop, is_idle, &ends);

        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, log, "line 2\n", 3), 0);
        assert_int_equal(put(&ends, WRITE_REPLACE, whole, "new and longer", 4), 0);
        scratch_turn(scratch->loop, is_idle, &ends);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);

        assert_int_equal(ends.results[2], -EFBIG);
        assert_int_equal(ends.results[3], -EFBIG);
        expect_file(log, "line 1\n");
        expect_file(whole, "old");
        assert_int_equal(access(scratch_path(scratch, "state.new"), F_OK), -1);

        assert_int_equal(put(&ends, WRITE_APPEND, log, "line 3\n", 5), 0);
        scratch_turn(scratch->loop, is_idle, &ends);
        expect_file(log, "line 1\nline 3\n");
        (void) writer_free(ends.writer);
}

static int note_time(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        *(bool *) userdata = true;
        return 0;
}

static bool is_true(void *userdata) {
        return *(bool *) userdata;
}

static void test_a_stuck_disk_does_not_stop_the_loop(void **state) {
        const Scratch *scratch = *state;
        const char *log = scratch_path(scratch, "log");
        bool has_ticked = false;
        Ends ends;

        writer_begin(scratch->loop, &ends);
        const char *fifo = stick_thread(scratch, &ends);
        assert_int_equal(put(&ends, WRITE_APPEND, log, "behind\n", 2), 0);
        assert_true(sd_event_add_time_relative(scratch->loop, NULL, CLOCK_MONOTONIC,
                                               50 * USEC_PER_MSEC, 0, note_time, &has_ticked) >= 0);
        scratch_turn(scratch->loop, is_true, &has_ticked);

        assert_int_equal(ends.n, 0);
        assert_int_equal(writer_peek_backlog(ends.writer), 2);
        assert_int_equal(access(log, F_OK), -1);

        int fd = release_thread(fifo);
        scratch_turn(scratch->loop, is_idle, &ends);
        (void) close(fd);
        assert_int_equal(ends.tickets[0], 777);
        assert_int_equal(ends.results[0], 0);
        expect_file(log, "behind\n");
        (void) writer_free(ends.writer);
}

static void test_a_full_queue_refuses(void **state) {
        const Scratch *scratch = *state;
        const char *log = scratch_path(scratch, "log");
        char expected[WRITER_QUEUE_MAX * 4] = "";
        Ends ends;

        writer_begin(scratch->loop, &ends);
        const char *fifo = stick_thread(scratch, &ends);
        for (unsigned i = 1; i < WRITER_QUEUE_MAX; i++) {
                char line[8];

                (void) snprintf(line, sizeof(line), "%u\n", i);
                (void) strncat(expected, line, sizeof(expected) - strlen(expected) - 1);
                assert_int_equal(put(&ends, WRITE_APPEND, log, line, i), 0);
        }
        assert_int_equal(put(&ends, WRITE_APPEND, log, "too much", 99), -ENOBUFS);
        assert_int_equal(put(&ends, WRITE_APPEND, log, "too much", 0), -ENOBUFS);
        assert_int_equal(writer_peek_backlog(ends.writer), WRITER_QUEUE_MAX);

        int fd = release_thread(fifo);
        scratch_turn(scratch->loop, is_idle, &ends);
        (void) close(fd);
        assert_int_equal(ends.n, WRITER_QUEUE_MAX);
        expect_file(log, expected);

        assert_int_equal(put(&ends, WRITE_TRUNCATE, log, "", 100), 0);
        scratch_turn(scratch->loop, is_idle, &ends);
        expect_file(log, "");
        (void) writer_free(ends.writer);
}

/* As many lines as a bad minute has: they need one place in the queue, not hundreds. */
static void test_lines_of_one_file_go_together(void **state) {
        const Scratch *scratch = *state;
        const char *log = scratch_path(scratch, "log");
        const char *other = scratch_path(scratch, "other");
        unsigned n_lines = 0;
        Ends ends;

        writer_begin(scratch->loop, &ends);
        const char *fifo = stick_thread(scratch, &ends);
        for (unsigned i = 0; i < 500; i++) {
                char line[16];

                (void) snprintf(line, sizeof(line), "%u\n", i);
                assert_int_equal(put(&ends, WRITE_APPEND, log, line, 0), 0);
        }
        assert_int_equal(writer_peek_backlog(ends.writer), 2);

        /* Order is kept, and one that must be told about by itself stays by itself. */
        assert_int_equal(put(&ends, WRITE_REPLACE, other, "state", 1), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, log, "500\n", 0), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, log, "501\n", 2), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, log, "502\n", 0), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, other, "!", 0), 0);
        assert_int_equal(writer_peek_backlog(ends.writer), 7);

        int fd = release_thread(fifo);
        scratch_turn(scratch->loop, is_idle, &ends);
        (void) close(fd);

        CLEANUP_FREE char *text = scratch_read(log);
        char *rest = text;
        for (char *line = strsep(&rest, "\n"); line && *line; line = strsep(&rest, "\n")) {
                char expected[16];

                (void) snprintf(expected, sizeof(expected), "%u", n_lines++);
                assert_string_equal(line, expected);
        }
        assert_int_equal(n_lines, 503);
        expect_file(other, "state!");
        (void) writer_free(ends.writer);
}

static bool is_written(const char *path) {
        return access(path, F_OK) == 0;
}

/* The loop is busy and hears nothing, the disk is quick: what it has written well takes no place. */
static void test_written_lines_take_no_place(void **state) {
        const Scratch *scratch = *state;
        Ends ends;

        writer_begin(scratch->loop, &ends);
        assert_int_equal(put(&ends, WRITE_REPLACE, scratch_path(scratch, "state"), "x", 1), 0);
        assert_int_equal(put(&ends, WRITE_APPEND, "/dev/full", "x", 0), 0);
        for (unsigned i = 0; i < 5 * WRITER_QUEUE_MAX; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "log%u", i);
                const char *path = scratch_path(scratch, name);
                assert_int_equal(put(&ends, WRITE_APPEND, path, "x", 0), 0);
                while (!is_written(path))
                        (void) sched_yield();
        }
        assert_int_equal(put(&ends, WRITE_REPLACE, scratch_path(scratch, "state"), "y", 2), 0);
        scratch_turn(scratch->loop, is_idle, &ends);

        assert_true(ends.n >= 3 && ends.n <= WRITER_QUEUE_MAX);
        assert_int_equal(ends.tickets[0], 1);
        assert_int_equal(ends.tickets[1], 0);
        assert_int_equal(ends.results[1], -ENOSPC);
        assert_int_equal(ends.tickets[ends.n - 1], 2);
        (void) writer_free(ends.writer);
}

static void test_what_goes_together_has_a_ceiling(void **state) {
        const Scratch *scratch = *state;
        const char *log = scratch_path(scratch, "log");
        enum {
                PIECE = 300 << 10
        };
        CLEANUP_FREE char *piece = malloc(PIECE);
        struct stat st;
        Ends ends;

        assert_non_null(piece);
        memset(piece, 'x', PIECE);
        writer_begin(scratch->loop, &ends);
        const char *fifo = stick_thread(scratch, &ends);
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(writer_put(ends.writer, WRITE_APPEND, log, 0600, piece, PIECE, 0),
                                 0);
        assert_int_equal(writer_peek_backlog(ends.writer), 4);

        int fd = release_thread(fifo);
        scratch_turn(scratch->loop, is_idle, &ends);
        (void) close(fd);
        assert_int_equal(stat(log, &st), 0);
        assert_int_equal(st.st_size, 8 * PIECE);
        (void) writer_free(ends.writer);
}

static void test_freed_while_busy_writes_what_is_queued(void **state) {
        const Scratch *scratch = *state;
        Ends ends;

        writer_begin(scratch->loop, &ends);
        for (unsigned i = 0; i < 20; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "file%u", i);
                assert_int_equal(put(&ends, WRITE_REPLACE, scratch_path(scratch, name), "x", i), 0);
        }
        (void) writer_free(ends.writer);

        assert_int_equal(ends.n, 0);
        for (unsigned i = 0; i < 20; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "file%u", i);
                expect_file(scratch_path(scratch, name), "x");
        }
        assert_null(writer_free(NULL));
}

/* In a process of its own, because the thread and its memory are left to the exit, as the header says. */
static void test_freed_while_stuck_returns(void **state) {
        const Scratch *scratch = *state;
        int status = 0;

        (void) fflush(NULL);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                static Ends ends;
                sd_event *loop = NULL; /* one does not survive a fork */

                (void) sd_event_new(&loop);
                writer_begin(loop, &ends);
                (void) stick_thread(scratch, &ends);
                (void) put(&ends, WRITE_APPEND, scratch_path(scratch, "log"), "x", 1);
                (void) writer_free(ends.writer);
                _exit(0);
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(access(scratch_path(scratch, "log"), F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_in_order_each_told),
                TEST(test_a_failure_is_told_and_the_next_goes_on),
                TEST(test_a_folder_that_is_not_ours),
                TEST(test_a_full_disk_leaves_no_half_line),
                TEST(test_a_stuck_disk_does_not_stop_the_loop),
                TEST(test_a_full_queue_refuses),
                TEST(test_lines_of_one_file_go_together),
                TEST(test_written_lines_take_no_place),
                TEST(test_what_goes_together_has_a_ceiling),
                TEST(test_freed_while_busy_writes_what_is_queued),
                TEST(test_freed_while_stuck_returns),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
