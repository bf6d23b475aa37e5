/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The tail on real files: whatever is done to a log, no line is missed and none is doubled.
 *
 * Lines are numbered, so that each can be ticked off. The last tests let a writer run at full speed in
 * a process of its own while its log is rotated under it.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "hear/tail.h"
#include "unit.h"

#define LINES_MAX 4000000

typedef struct World {
        char folder[64];
        char path[96];
        char former[96];
        Tail tail;
        char *buffer;
        usec_t now_usec;
        usec_t next_usec;

        /* What came out. */
        size_t n_lines;
        size_t n_old;
        size_t n_rests;
        size_t n_bytes;
        char last[128];
        unsigned char *seen; /* times each numbered line came */
        uint64_t n_written;
} World;

/* Reads of the tail pass through here, so that something can happen right before a chosen one. */
static struct {
        int countdown; /* 0: nothing will */
        const char *path;
        off_t head;
} ambush;

static bool collapse(const char *path, off_t bytes);

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): libc's begin with underscores. */
ssize_t pread(int fd, void *data, size_t length, off_t offset) {
        if (ambush.countdown > 0 && --ambush.countdown == 0)
                assert_true(collapse(ambush.path, ambush.head));

        return syscall(SYS_pread64, fd, data, length, offset);
}

static void take_line(World *world, const TailBlock *block, const char *line, size_t length) {
        const char *digits = memmem(line, length, "line ", 5);

        if (block->is_rest) {
                world->n_rests++;
                return;
        }
        if (block->is_old) {
                world->n_old++;
                return;
        }

        world->n_lines++;
        size_t n = length < sizeof(world->last) - 1 ? length : sizeof(world->last) - 1;
        memcpy(world->last, line, n);
        world->last[n] = '\0';

        if (digits) {
                uint64_t number;

                digits += 5;
                assert_true(text_scan_u64(&digits, line + length, &number));
                assert_true(number < LINES_MAX);
                world->seen[number]++;
        }
}

static void on_lines(const TailBlock *block, void *userdata) {
        World *world = userdata;
        const char *end = block->data + block->length;

        assert_true(block->length > 0);
        assert_true(block->length <= TAIL_LINE_MAX);
        world->n_bytes += block->length;

        for (const char *line = block->data; line < end;) {
                const char *line_end = memchr(line, '\n', (size_t) (end - line));

                if (!line_end)
                        line_end = end;
                take_line(world, block, line, (size_t) (line_end - line));
                line = line_end + 1;
        }
}

static bool look(World *world) {
        return tail_read(&world->tail, world->buffer, (size_t) 4 << 20, world->now_usec, on_lines,
                         world, &world->next_usec);
}

static void look_all(World *world) {
        while (look(world))
                continue;
}

static void forget(World *world) {
        world->n_lines = world->n_old = world->n_rests = world->n_bytes = 0;
        world->last[0] = '\0';
}

static void put(World *world, const char *text) {
        CLEANUP_FD int fd = open(world->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void put_numbered(World *world, size_t n) {
        CLEANUP_FD int fd = open(world->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        while (n-- > 0) {
                char line[96];
                int length = snprintf(
                        line, sizeof(line), "2026-11-23 10:00:00 INFO line %llu%.*s\n",
                        (unsigned long long) world->n_written, (int) (world->n_written * 7 % 31),
                        " and something to make it longer");

                assert_int_equal(write(fd, line, (size_t) length), length);
                world->n_written++;
        }
}

static void each_once_from(const World *world, uint64_t from) {
        for (uint64_t i = from; i < world->n_written; i++)
                if (world->seen[i] != 1)
                        fail_msg("line %llu of %llu came %d times", (unsigned long long) i,
                                 (unsigned long long) world->n_written, world->seen[i]);
}

static int set_up(void **state) {
        World *world = calloc(1, sizeof(*world));

        (void) snprintf(world->folder, sizeof(world->folder), "/tmp/test-tail-XXXXXX");
        assert_non_null(mkdtemp(world->folder));
        (void) snprintf(world->path, sizeof(world->path), "%s/bot.log", world->folder);
        (void) snprintf(world->former, sizeof(world->former), "%s/bot.log.1", world->folder);
        assert_int_equal(tail_init(&world->tail, world->path), 0);
        world->buffer = malloc(TAIL_BUFFER_SIZE);
        world->seen = calloc(1, LINES_MAX);
        world->now_usec = 1000 * USEC_PER_SEC;
        *state = world;
        return 0;
}

static int tear_down(void **state) {
        World *world = *state;

        tail_done(&world->tail);
        (void) unlink(world->path);
        (void) unlink(world->former);
        (void) rmdir(world->folder);
        free(world->buffer);
        free(world->seen);
        free(world);
        return 0;
}

/* Ends one life and begins another with what was saved. */
static void live_again(World *world) {
        FollowPosition position;
        bool has = tail_save(&world->tail, &position);

        tail_done(&world->tail);
        assert_int_equal(tail_init(&world->tail, world->path), 0);
        if (has)
                tail_load(&world->tail, &position);
}

static void test_a_file_that_comes_later(void **state) {
        World *world = *state;

        look_all(world);
        assert_int_equal(world->tail.state, TAIL_ABSENT);

        put_numbered(world, 10);
        look_all(world);
        assert_int_equal(world->tail.state, TAIL_FOLLOWED);
        assert_int_equal(world->n_lines, 10);
        assert_int_equal(world->n_old, 0);

        put_numbered(world, 1);
        look_all(world);
        look_all(world);
        assert_int_equal(world->n_lines, 11);
        each_once_from(world, 0);
}

static void test_a_file_that_is_there_is_old(void **state) {
        World *world = *state;

        put_numbered(world, 100000);
        look_all(world);
        assert_int_equal(world->n_lines, 0);
        assert_true(world->n_old > 1000);
        assert_true(world->n_bytes <= TAIL_REWIND_MAX);

        uint64_t before = world->n_written;
        put_numbered(world, 5);
        look_all(world);
        assert_int_equal(world->n_lines, 5);
        each_once_from(world, before);
}

static void test_a_line_without_an_end(void **state) {
        World *world = *state;

        look_all(world);
        put(world, "half");
        look_all(world);
        assert_int_equal(world->n_lines, 0);
        assert_int_equal(world->next_usec, world->now_usec + TAIL_PARTIAL_WAIT_USEC);

        put(world, " and half\n");
        look_all(world);
        assert_int_equal(world->n_lines, 1);
        assert_string_equal(world->last, "half and half");

        /* Its end does not come: counted once, and the end that comes after all is no line of its own. */
        put(world, "Traceback");
        look_all(world);
        world->now_usec += TAIL_PARTIAL_WAIT_USEC;
        look_all(world);
        assert_int_equal(world->n_lines, 2);
        assert_string_equal(world->last, "Traceback");
        look_all(world);
        put(world, " most recent");
        look_all(world);
        assert_int_equal(world->n_lines, 2);
        put(world, " call last\nnext\n");
        look_all(world);
        assert_int_equal(world->n_lines, 3);
        assert_int_equal(world->n_rests, 1);
        assert_string_equal(world->last, "next");
}

static void test_a_line_of_ten_megabytes(void **state) {
        World *world = *state;
        char *huge = malloc((10 << 20) + 1);

        look_all(world);
        memset(huge, 'x', 10 << 20);
        huge[10 << 20] = '\0';
        put(world, huge);
        look_all(world);
        assert_int_equal(world->n_lines, 1);
        assert_int_equal(world->n_bytes, TAIL_LINE_MAX);

        live_again(world);
        look_all(world);
        put(world, huge);
        put(world, "\nafter\n");
        look_all(world);
        assert_string_equal(world->last, "after");
        assert_int_equal(world->n_lines, 2);
        free(huge);
}

static void test_renamed_and_begun_anew(void **state) {
        World *world = *state;

        look_all(world);
        put_numbered(world, 10);
        look_all(world);
        put_numbered(world, 10);
        assert_int_equal(rename(world->path, world->former), 0);
        look_all(world);
        assert_int_equal(world->tail.state, TAIL_ABSENT);
        put_numbered(world, 10);
        look_all(world);
        assert_int_equal(world->n_lines, 30);
        assert_int_equal(world->tail.n_rotations, 1);

        /* The writer has not let go of the old one yet. */
        FILE *old = fopen(world->former, "ae");
        assert_non_null(old);
        assert_true(fprintf(old, "line %llu\n", (unsigned long long) world->n_written++) > 0);
        assert_int_equal(fclose(old), 0);
        look_all(world);
        assert_int_equal(world->n_lines, 31);
        each_once_from(world, 0);

        /* It is let go when it has been quiet. */
        assert_true(world->tail.former.fd >= 0);
        world->now_usec += TAIL_LINGER_USEC;
        look_all(world);
        assert_true(world->tail.former.fd < 0);
}

static void test_renamed_while_we_were_away(void **state) {
        World *world = *state;

        look_all(world);
        put_numbered(world, 10);
        look_all(world);

        FollowPosition position;
        assert_true(tail_save(&world->tail, &position));
        put_numbered(world, 10);
        assert_int_equal(rename(world->path, world->former), 0);
        put_numbered(world, 10);

        tail_done(&world->tail);
        assert_int_equal(tail_init(&world->tail, world->path), 0);
        tail_load(&world->tail, &position);
        look_all(world);
        each_once_from(world, 0);
        assert_int_equal(world->n_lines, 30);
        assert_int_equal(world->n_old, 10);
}

static void test_truncated_in_place(void **state) {
        World *world = *state;

        look_all(world);
        put_numbered(world, 100);
        look_all(world);
        assert_int_equal(truncate(world->path, 0), 0);
        put_numbered(world, 5);
        look_all(world);
        each_once_from(world, 0);
        assert_int_equal(world->tail.n_truncations, 1);

        /* Grown beyond where we were before we look again. */
        assert_int_equal(truncate(world->path, 0), 0);
        put_numbered(world, 1000);
        look_all(world);
        each_once_from(world, 0);
        assert_int_equal(world->tail.n_truncations, 2);

        /* A writer that does not append leaves a hole. */
        CLEANUP_FD int fd = open(world->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_true(fd >= 0);
        char line[64];
        int length = snprintf(line, sizeof(line), "line %llu\n",
                              (unsigned long long) world->n_written++);
        assert_int_equal(pwrite(fd, line, (size_t) length, 1 << 20), length);
        look_all(world);
        each_once_from(world, 0);
}

static void test_deleted_and_made_again(void **state) {
        World *world = *state;

        look_all(world);
        for (int i = 0; i < 5; i++) {
                put_numbered(world, 10);
                look_all(world);
                put_numbered(world, 3);
                assert_int_equal(unlink(world->path), 0);
                look_all(world);
                world->now_usec += i % 2 ? USEC_PER_MINUTE : USEC_PER_SEC;
                look_all(world);
        }
        put_numbered(world, 1);
        look_all(world);
        each_once_from(world, 0);
        world->now_usec += USEC_PER_MINUTE;
        look_all(world);
        assert_true(world->tail.former.fd < 0);
}

static void test_a_new_life_takes_up(void **state) {
        World *world = *state;

        look_all(world);
        for (int i = 0; i < 20; i++) {
                put_numbered(world, 1000);
                if (i % 3 != 0)
                        look_all(world);
                live_again(world);
        }
        look_all(world);
        each_once_from(world, 0);
        assert_true(world->n_old > 0);
}

static void test_what_is_not_a_file(void **state) {
        World *world = *state;

        assert_int_equal(mkfifo(world->path, 0644), 0);
        look_all(world);
        assert_int_equal(world->tail.state, TAIL_UNFIT);
        assert_int_equal(unlink(world->path), 0);

        assert_int_equal(symlink("bot.log", world->path), 0);
        look_all(world);
        assert_int_equal(world->tail.state, TAIL_UNREADABLE);
        assert_int_equal(world->tail.error, ELOOP);
        assert_int_equal(unlink(world->path), 0);

        assert_int_equal(symlink("/dev/zero", world->path), 0);
        look_all(world);
        assert_int_equal(world->tail.state, TAIL_UNFIT);
        assert_int_equal(unlink(world->path), 0);

        assert_int_equal(mkdir(world->path, 0755), 0);
        look_all(world);
        assert_int_equal(world->tail.state, TAIL_UNFIT);
        assert_int_equal(rmdir(world->path), 0);

        put_numbered(world, 1);
        look_all(world);
        assert_int_equal(world->tail.state, TAIL_FOLLOWED);
        assert_int_equal(world->n_lines, 1);
}

/* A position from a damaged store harms nobody. */
static void test_a_false_position(void **state) {
        World *world = *state;
        FollowPosition position;

        put_numbered(world, 100);
        look_all(world);
        assert_true(tail_save(&world->tail, &position));

        for (int i = 0; i < 5; i++) {
                FollowPosition wrong = position;

                if (i == 0)
                        wrong.fingerprint_length = UINT32_MAX;
                else if (i == 1)
                        wrong.offset = UINT64_MAX / 2;
                else if (i == 2)
                        wrong.line = 77;
                else if (i == 3)
                        wrong.fingerprint[200] ^= 1;
                else
                        wrong.offset -= 1;

                tail_done(&world->tail);
                assert_int_equal(tail_init(&world->tail, world->path), 0);
                tail_load(&world->tail, &wrong);
                look_all(world);
                assert_int_equal(world->tail.state, TAIL_FOLLOWED);
        }
}

/* Cost follows what was appended, not the size of the file. */
static void test_only_what_is_new_is_read(void **state) {
        World *world = *state;

        put_numbered(world, 200000);
        look_all(world);
        live_again(world);
        look_all(world);
        forget(world);
        put_numbered(world, 3);
        look_all(world);
        assert_int_equal(world->n_lines, 3);
        assert_true(world->n_bytes < 300);
}

/* Whether the head of the file can be taken out here. The kernel refuses a range that reaches the end. */
static bool collapse(const char *path, off_t bytes) {
        CLEANUP_FD int fd = open(path, O_RDWR | O_CLOEXEC);

        assert_true(fd >= 0);
        if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, bytes) == 0)
                return true;
        assert_true(errno == EOPNOTSUPP || errno == EINVAL);
        return false;
}

static off_t size_of(const char *path) {
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_size;
}

static bool can_collapse(World *world) {
        put_numbered(world, 1000);
        if (collapse(world->path, 4096)) {
                look_all(world);
                memset(world->seen, 1, world->n_written);
                return true;
        }

        print_message("!!! the file system of %s cannot collapse ranges: NOT TESTED HERE\n",
                      world->folder);
        return false;
}

static void test_the_head_is_taken_out(void **state) {
        World *world = *state;

        if (!can_collapse(world))
                skip();

        for (int i = 0; i < 60; i++) {
                put_numbered(world, (size_t) (i * 37 % 300 + 60));
                if (i % 4 != 0)
                        look_all(world);
                if (i % 7 == 0) {
                        /* Only what has been read may go: the rotation keeps the rest. */
                        look_all(world);
                        off_t head = (size_of(world->path) - 1) / 4096 * 4096;
                        if (head > 0)
                                assert_true(collapse(world->path, head));
                        put_numbered(world, (size_t) (i * 11 % 500));
                }
                if (i % 9 == 0)
                        live_again(world);
        }
        look_all(world);
        each_once_from(world, 0);
        assert_true(world->tail.n_collapses > 0);
}

/* Between any two reads of one look. */
static void test_taken_out_between_two_reads(void **state) {
        World *world = *state;

        if (!can_collapse(world))
                skip();

        for (int i = 1; i <= 6; i++) {
                put_numbered(world, 500);
                look_all(world);
                ambush.path = world->path;
                /* So little that what was behind our place reaches beyond it still. */
                ambush.head = 4096;
                ambush.countdown = i;
                put_numbered(world, 500);
                look_all(world);
                assert_true(i > 2 || ambush.countdown == 0);
                ambush.countdown = 0;
                look_all(world);
                each_once_from(world, 0);
        }
        assert_true(world->tail.n_collapses >= 2);
}

static void test_taken_out_while_we_were_away(void **state) {
        World *world = *state;

        if (!can_collapse(world))
                skip();

        put_numbered(world, 1000);
        look_all(world);

        FollowPosition position;
        assert_true(tail_save(&world->tail, &position));
        assert_true(collapse(world->path, (size_of(world->path) - 1) / 4096 * 4096));
        put_numbered(world, 3000);

        tail_done(&world->tail);
        assert_int_equal(tail_init(&world->tail, world->path), 0);
        tail_load(&world->tail, &position);
        look_all(world);
        each_once_from(world, 0);
}

/* A writer of its own, as fast as it can, reopening the path when told to. */
static pid_t begin_writer(World *world, const char *mode, uint64_t n) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;

        int fd = -1;
        for (uint64_t i = world->n_written; i < world->n_written + n; i++) {
                char line[128];
                int length =
                        snprintf(line, sizeof(line), "2026-11-23 10:00:00 INFO line %llu%.*s\n",
                                 (unsigned long long) i, (int) (i * 13 % 60),
                                 "............................................................");

                if (fd < 0 || (i % 1000 == 0 && strcmp(mode, "reopen") == 0)) {
                        fd_cleanup(&fd);
                        fd = open(world->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
                        if (fd < 0)
                                _exit(1);
                }
                if (write(fd, line, (size_t) length) != length)
                        _exit(1);
        }

        _exit(0);
}

static void test_collapsed_under_a_writer(void **state) {
        World *world = *state;
        enum {
                N = 600000
        };
        int status = -1;
        int n_collapsed = 0;

        if (!can_collapse(world))
                skip();

        pid_t pid = begin_writer(world, "keep", N);
        assert_true(pid > 0);

        for (int i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
                (void) look(world);

                /* Only what we have read is taken out, so that every line must come. */
                off_t head = (off_t) (world->tail.present.position.offset / 4096 * 4096);
                if (i % 5 == 0 && head > (1 << 20) && head < size_of(world->path))
                        n_collapsed += collapse(world->path, head);
        }
        assert_int_equal(status, 0);
        world->n_written += N;
        look_all(world);
        each_once_from(world, 0);
        assert_true(n_collapsed >= 3);
        print_message("%d collapses under a writer, %llu seen as such\n", n_collapsed,
                      (unsigned long long) world->tail.n_collapses);
}

/* Takes out what has been read, as often as it can, until killed. `given` is shared: all bytes ever given out. */
static void rotate_for_ever(const World *world, const uint64_t *given) {
        CLEANUP_FD int fd = open(world->path, O_RDWR | O_CLOEXEC);
        uint64_t removed = 0;

        for (;;) {
                uint64_t head = (__atomic_load_n(given, __ATOMIC_SEQ_CST) - removed) / 4096 * 4096;

                if (head >= 128 << 10 &&
                    fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, (off_t) head) == 0)
                        removed += head;
                (void) sched_yield();
        }
}

/* A second process takes the head out at any moment, also while we read. */
static void test_collapsed_at_any_moment(void **state) {
        World *world = *state;
        enum {
                N = 600000
        };
        int status = -1;

        if (!can_collapse(world))
                skip();

        uint64_t *given =
                mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(given != MAP_FAILED);
        *given = world->tail.present.position.offset;
        world->n_bytes = *given;

        pid_t writer = begin_writer(world, "keep", N);
        pid_t rotator = fork();
        if (rotator == 0)
                rotate_for_ever(world, given);
        assert_true(writer > 0 && rotator > 0);

        while (waitpid(writer, &status, WNOHANG) == 0) {
                (void) look(world);
                __atomic_store_n(given, world->n_bytes, __ATOMIC_SEQ_CST);
        }
        assert_int_equal(kill(rotator, SIGKILL), 0);
        assert_int_equal(waitpid(rotator, NULL, 0), rotator);
        assert_int_equal(status, 0);

        world->n_written += N;
        look_all(world);
        each_once_from(world, 0);
        assert_true(world->tail.n_collapses > 3);
        print_message("%llu collapses seen\n", (unsigned long long) world->tail.n_collapses);
        assert_int_equal(munmap(given, 4096), 0);
}

static void test_renamed_under_a_writer(void **state) {
        World *world = *state;
        enum {
                N = 600000
        };
        int status = -1;
        int n_renamed = 0;

        look_all(world);
        pid_t pid = begin_writer(world, "reopen", N);
        assert_true(pid > 0);

        while (waitpid(pid, &status, WNOHANG) == 0) {
                const FollowPosition *position = &world->tail.present.position;
                struct stat st;

                look_all(world);

                /* A file that is renamed before anybody looked at it is nobody's to find. */
                if (position->offset > (1 << 20) && stat(world->path, &st) == 0 &&
                    st.st_ino == position->inode && rename(world->path, world->former) == 0)
                        n_renamed++;
        }
        assert_int_equal(status, 0);
        world->n_written += N;
        look_all(world);
        each_once_from(world, 0);
        assert_true(n_renamed >= 3);
}

#define WORLD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD_TEST(test_a_file_that_comes_later),
                WORLD_TEST(test_a_file_that_is_there_is_old),
                WORLD_TEST(test_a_line_without_an_end),
                WORLD_TEST(test_a_line_of_ten_megabytes),
                WORLD_TEST(test_renamed_and_begun_anew),
                WORLD_TEST(test_renamed_while_we_were_away),
                WORLD_TEST(test_truncated_in_place),
                WORLD_TEST(test_deleted_and_made_again),
                WORLD_TEST(test_a_new_life_takes_up),
                WORLD_TEST(test_what_is_not_a_file),
                WORLD_TEST(test_a_false_position),
                WORLD_TEST(test_only_what_is_new_is_read),
                WORLD_TEST(test_the_head_is_taken_out),
                WORLD_TEST(test_taken_out_between_two_reads),
                WORLD_TEST(test_taken_out_while_we_were_away),
                WORLD_TEST(test_collapsed_under_a_writer),
                WORLD_TEST(test_collapsed_at_any_moment),
                WORLD_TEST(test_renamed_under_a_writer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
