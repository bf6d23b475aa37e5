/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The store on a disk that is full, read-only, slow to let go, damaged or taken away.
 *
 * Whatever happens, a call comes back with an error that says it, what was acknowledged before is
 * still there, and when the trouble is over the next call works, without anybody having been told.
 * The last test lets each single system call of SQLite's fail in turn.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "store/store.h"
#include "unit.h"

static const usec_t NOW = UINT64_C(1795428000) * USEC_PER_SEC;
static const StoreLimits limits = { .max_bytes = 64 << 20, .keep_usec = 30 * USEC_PER_DAY };

typedef struct World {
        char folder[64];
        char path[96];
        Store *store;
        uint64_t seq;   /* of the last event tried */
        uint64_t acked; /* of the last event acknowledged */
        uint64_t next_listed;
} World;

static int set_up(void **state) {
        World *world = calloc(1, sizeof(*world));

        (void) signal(SIGXFSZ, SIG_IGN);
        log_open("test", LOG_LEVEL_ERROR, /* has_journal= */ false);
        (void) snprintf(world->folder, sizeof(world->folder), "/tmp/test-store-XXXXXX");
        assert_non_null(mkdtemp(world->folder));
        (void) snprintf(world->path, sizeof(world->path), "%s/history.db", world->folder);
        *state = world;
        return 0;
}

static unsigned count_files(const World *world, const char *part, bool may_delete) {
        CLEANUP_DIR DIR *dir = opendir(world->folder);
        const struct dirent *entry;
        unsigned n = 0;

        while (dir && (entry = readdir(dir))) {
                n += strstr(entry->d_name, part) != NULL;
                if (may_delete)
                        (void) unlinkat(dirfd(dir), entry->d_name, 0);
        }

        return n;
}

static void clear(World *world) {
        world->store = store_close(world->store);
        (void) count_files(world, "", /* may_delete= */ true);
        world->seq = world->acked = 0;
}

static int tear_down(void **state) {
        World *world = *state;

        clear(world);
        (void) rmdir(world->folder);
        free(world);
        return 0;
}

static int put(World *world) {
        Event event = {
                .seq = ++world->seq, .realtime_usec = NOW, .kind = EVENT_STARTED, .reason = "{}"
        };
        uint64_t last = 0;

        /* Long enough to fill a small disk soon. */
        memset(event.text, 'x', sizeof(event.text) - 1);
        int r = store_put_events(world->store, &event, 1, &last);
        if (r == 0)
                world->acked = last;
        return r;
}

/* Each event that was tried is put again, as the warden's spool does until it is acknowledged. */
static int put_again(World *world) {
        world->seq = world->acked;
        return put(world);
}

static bool on_event(const Event *event, void *userdata) {
        World *world = userdata;

        assert_int_equal(event->seq, world->next_listed);
        world->next_listed++;
        return true;
}

/* All that was acknowledged is there, without a gap. */
static void expect_all(World *world) {
        EventQuery query = { .limit = 1000000 };

        world->next_listed = 1;
        assert_int_equal(store_list_events(world->store, &query, on_event, world), 0);
        assert_true(world->next_listed > world->acked);
}

static void test_a_folder_that_is_not_there_yet(void **state) {
        World *world = *state;

        assert_int_equal(rmdir(world->folder), 0);
        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        assert_int_equal(put_again(world), -EROFS);
        assert_int_equal(put_again(world), -EROFS);
        assert_int_equal(mkdir(world->folder, 0755), 0);
        assert_int_equal(put_again(world), 0);
        expect_all(world);
}

static void test_a_file_that_was_never_a_database(void **state) {
        World *world = *state;
        CLEANUP_FD int fd = open(world->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        for (int i = 0; i < 1000; i++)
                assert_int_equal(write(fd, "this is no database at all\n", 27), 27);
        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        assert_true(store_was_damaged(world->store));
        assert_false(store_was_damaged(world->store));
        assert_int_equal(put(world), 0);
        assert_int_equal(count_files(world, "history.db.damaged-", /* may_delete= */ false), 1);
        expect_all(world);
}

static void scribble(const World *world, off_t from, off_t to) {
        CLEANUP_FD int fd = open(world->path, O_WRONLY | O_CLOEXEC);

        for (off_t at = from; at < to; at += 8)
                assert_int_equal(pwrite(fd, "scribble", 8, at), 8);
}

static void fill(World *world, int n) {
        for (int i = 0; i < n; i++)
                assert_int_equal(put(world), 0);
}

static void test_pages_that_were_written_over(void **state) {
        World *world = *state;
        struct stat st;

        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        fill(world, 500);
        world->store = store_close(world->store);
        assert_int_equal(stat(world->path, &st), 0);
        scribble(world, 4096 * 8, st.st_size);

        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        assert_true(store_was_damaged(world->store));
        world->acked = 0;
        assert_int_equal(put_again(world), 0);
        expect_all(world);

        /* Again: of damaged files only the last is kept. */
        char earlier[160];
        (void) snprintf(earlier, sizeof(earlier), "%s.damaged-1", world->path);
        assert_int_equal(symlink("nowhere", earlier), 0);
        fill(world, 500);
        world->store = store_close(world->store);
        assert_int_equal(truncate(world->path, 4096 * 5 + 100), 0);
        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        assert_true(store_was_damaged(world->store));
        assert_int_equal(count_files(world, "history.db.damaged-", /* may_delete= */ false), 1);
}

static void test_damaged_while_it_is_open(void **state) {
        World *world = *state;
        struct stat st;
        int r = 0;

        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        fill(world, 5000);
        assert_int_equal(stat(world->path, &st), 0);
        assert_true(st.st_size > 1 << 20);
        scribble(world, 4096, st.st_size);

        EventQuery query = { .limit = 1000000 };
        world->next_listed = 1;
        r = store_list_events(world->store, &query, on_event, world);
        assert_int_equal(r, -EUCLEAN);
        world->acked = 0;
        assert_int_equal(put_again(world), 0);
        assert_true(store_was_damaged(world->store));
        expect_all(world);
}

static void test_deleted_under_us(void **state) {
        World *world = *state;

        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        fill(world, 3);
        (void) count_files(world, "", /* may_delete= */ true);
        world->acked = 0;
        assert_int_equal(put_again(world), 0);
        assert_int_equal(access(world->path, F_OK), 0);
        expect_all(world);
}

static void test_a_file_size_limit(void **state) {
        World *world = *state;
        struct rlimit before;
        struct rlimit small;
        int r = 0;

        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        small = before;
        small.rlim_cur = 300 << 10;
        assert_int_equal(store_open(world->path, &limits, &world->store), 0);

        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        for (int i = 0; i < 10000 && r == 0; i++)
                r = put(world);
        int again = put_again(world);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

        /* SQLite does not always keep the errno that would tell the one from the other. */
        assert_true(r == -ENOSPC || r == -EIO);
        assert_int_equal(again, r);
        expect_all(world);

        assert_int_equal(put_again(world), 0);
        expect_all(world);
        assert_false(store_was_damaged(world->store));
}

static void fill_disk(const char *path) {
        char block[4096];
        CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        memset(block, 'x', sizeof(block));
        while (write(fd, block, sizeof(block)) > 0)
                continue;
}

static int live_on_a_full_disk(World *world) {
        char ballast[128];

        (void) snprintf(ballast, sizeof(ballast), "%s/ballast", world->folder);
        if (store_open(world->path, &limits, &world->store) < 0)
                return 10;
        for (int i = 0; i < 100; i++)
                if (put(world) != 0)
                        return 11;

        fill_disk(ballast);
        int r = 0;
        for (int i = 0; i < 10000 && r == 0; i++)
                r = put(world);
        if (r != -ENOSPC || put_again(world) != -ENOSPC)
                return 12;
        expect_all(world);

        /* Opened anew while it is full: it may be read, and says why it cannot be written. */
        world->store = store_close(world->store);
        if (store_open(world->path, &limits, &world->store) < 0)
                return 13;
        if (put_again(world) >= 0)
                return 14;

        if (unlink(ballast) < 0 || put_again(world) != 0 || store_was_damaged(world->store))
                return 15;
        expect_all(world);
        return 0;
}

static void test_a_full_disk(void **state) {
        World *world = *state;
        int status = -1;
        pid_t pid = fork();

        if (pid == 0) {
                if ((unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) ||
                    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount("tmpfs", world->folder, "tmpfs", 0, "size=6m") < 0)
                        _exit(77);
                _exit(live_on_a_full_disk(world));
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
                print_message("!!! no mount here: A FULL DISK IS NOT TESTED\n");
                skip();
        }
        assert_int_equal(status, 0);
}

static int live_without_rights(World *world) {
        if (getuid() == 0 && setuid(65534) < 0)
                return 77;
        if (store_open(world->path, &limits, &world->store) < 0)
                return 10;
        for (int i = 0; i < 2; i++)
                if (put_again(world) != -EROFS)
                        return 11;
        return store_was_damaged(world->store) ? 12 : 0;
}

static void test_a_file_we_may_not_write(void **state) {
        World *world = *state;
        int status = -1;

        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        fill(world, 3);
        world->store = store_close(world->store);
        assert_int_equal(chmod(world->path, 0444), 0);
        assert_int_equal(chmod(world->folder, 0555), 0);

        pid_t pid = fork();
        if (pid == 0)
                _exit(live_without_rights(world));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(chmod(world->folder, 0755), 0);
        assert_int_equal(status, 0);
        assert_int_equal(count_files(world, "damaged", /* may_delete= */ false), 0);
}

static void test_locked_by_another(void **state) {
        World *world = *state;
        sqlite3 *other = NULL;

        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        fill(world, 3);
        assert_int_equal(sqlite3_open(world->path, &other), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(put_again(world), -EBUSY);
        expect_all(world);
        assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(put_again(world), 0);
        assert_int_equal(sqlite3_close(other), SQLITE_OK);
        expect_all(world);
}

/* Killed at any moment, what was acknowledged is there. */
static void test_killed(void **state) {
        World *world = *state;

        for (int i = 0; i < 10; i++) {
                int pipes[2];
                uint64_t acked = 0;
                uint64_t read_acked;

                assert_int_equal(pipe(pipes), 0);
                pid_t pid = fork();
                if (pid == 0) {
                        world->store = NULL;
                        if (store_open(world->path, &limits, &world->store) < 0)
                                _exit(1);
                        while (put_again(world) == 0)
                                if (write(pipes[1], &world->acked, sizeof(world->acked)) < 0)
                                        _exit(1);
                        _exit(1);
                }
                (void) close(pipes[1]);
                for (int k = 0; k < 100 + i * 50; k++)
                        if (read(pipes[0], &read_acked, sizeof(read_acked)) == sizeof(read_acked))
                                acked = read_acked;
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
                while (read(pipes[0], &read_acked, sizeof(read_acked)) == sizeof(read_acked))
                        acked = read_acked;
                (void) close(pipes[0]);

                world->acked = acked;
                assert_int_equal(store_open(world->path, &limits, &world->store), 0);
                assert_false(store_was_damaged(world->store));
                expect_all(world);
                assert_int_equal(store_last_seq(world->store, &world->acked), 0);
                world->store = store_close(world->store);
        }
}

/* The n-th call of one of SQLite's system calls fails. */
static struct {
        int countdown; /* 0: none fails */
        int error;
        int n_failed;
} injection;

static bool is_hit(void) {
        int left = __atomic_load_n(&injection.countdown, __ATOMIC_SEQ_CST);

        if (left == 0 || __atomic_sub_fetch(&injection.countdown, 1, __ATOMIC_SEQ_CST) != 0)
                return false;

        injection.n_failed++;
        errno = injection.error;
        return true;
}

static int failing_open(const char *path, int flags, int mode) {
        return is_hit() ? -1 : open(path, flags, mode);
}

static ssize_t failing_pread(int fd, void *data, size_t length, off_t offset) {
        return is_hit() ? -1 : pread(fd, data, length, offset);
}

static ssize_t failing_pwrite(int fd, const void *data, size_t length, off_t offset) {
        return is_hit() ? -1 : pwrite(fd, data, length, offset);
}

static int failing_ftruncate(int fd, off_t length) {
        return is_hit() ? -1 : ftruncate(fd, length);
}

static int failing_fstat(int fd, struct stat *st) {
        return is_hit() ? -1 : fstat(fd, st);
}

static const struct {
        const char *name;
        sqlite3_syscall_ptr function;
} calls[] = {
        { "open", (sqlite3_syscall_ptr) failing_open },
        { "pread", (sqlite3_syscall_ptr) failing_pread },
        { "pread64", (sqlite3_syscall_ptr) failing_pread },
        { "pwrite", (sqlite3_syscall_ptr) failing_pwrite },
        { "pwrite64", (sqlite3_syscall_ptr) failing_pwrite },
        { "ftruncate", (sqlite3_syscall_ptr) failing_ftruncate },
        { "fstat", (sqlite3_syscall_ptr) failing_fstat },
};

static bool on_point(const SamplePoint *point, void *userdata) {
        (void) point;
        (void) userdata;
        return true;
}

/* A day in the life of a store. Each call may fail, none may do worse. */
static void live(World *world) {
        Sample sample = { .realtime_usec = NOW, .metric = "cpu", .value = 1 };
        SampleQuery query = { .metric = "cpu" };
        uint64_t number;

        if (store_open(world->path, &limits, &world->store) < 0)
                return;
        for (int i = 0; i < 4; i++) {
                sample.realtime_usec += USEC_PER_SEC;
                (void) put_again(world);
                (void) store_put_samples(world->store, &sample, 1);
                (void) store_put_position(world->store, "a", "b", 1);
        }
        (void) store_list_samples(world->store, &query, on_point, NULL);
        (void) store_prune(world->store, NOW);
        (void) store_last_seq(world->store, &number);
        world->store = store_close(world->store);
}

static void test_each_system_call_fails_in_turn(void **state) {
        World *world = *state;
        sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
        int errors[] = { EIO, ENOSPC };
        int n_runs = 0;

        assert_non_null(vfs);
        for (size_t c = 0; c < ELEMENTSOF(calls); c++) {
                if (vfs->xSetSystemCall(vfs, calls[c].name, calls[c].function) != SQLITE_OK)
                        continue;

                for (size_t e = 0; e < ELEMENTSOF(errors); e++)
                        for (int n = 1;; n++) {
                                clear(world);
                                injection.error = errors[e];
                                injection.n_failed = 0;
                                injection.countdown = n;
                                live(world);
                                injection.countdown = 0;
                                if (injection.n_failed == 0)
                                        break;
                                n_runs++;

                                /* The trouble is over. */
                                if (!world->store)
                                        assert_int_equal(
                                                store_open(world->path, &limits, &world->store), 0);
                                assert_false(store_was_damaged(world->store));
                                assert_int_equal(put_again(world), 0);
                                expect_all(world);
                        }
                assert_int_equal(vfs->xSetSystemCall(vfs, calls[c].name, NULL), SQLITE_OK);
        }
        assert_true(n_runs > 100);
        print_message("%d calls failed in turn\n", n_runs);
}

#define WORLD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD_TEST(test_a_folder_that_is_not_there_yet),
                WORLD_TEST(test_a_file_that_was_never_a_database),
                WORLD_TEST(test_pages_that_were_written_over),
                WORLD_TEST(test_damaged_while_it_is_open),
                WORLD_TEST(test_deleted_under_us),
                WORLD_TEST(test_a_file_size_limit),
                WORLD_TEST(test_a_full_disk),
                WORLD_TEST(test_a_file_we_may_not_write),
                WORLD_TEST(test_locked_by_another),
                WORLD_TEST(test_killed),
                WORLD_TEST(test_each_system_call_fails_in_turn),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
