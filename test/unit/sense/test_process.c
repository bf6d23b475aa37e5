/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Processes: names that lie, and the truth about live ones.
 *
 * The captured lines bear names that imitate what follows them. The live part compares what is read
 * of this process and of children with what is known otherwise: descriptors opened, memory touched,
 * a death, a number given to another process.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sense/process.h"
#include "support.h"

static int stat_of(const char *literal, ProcessStat *ret) {
        Text text = text_of(literal);
        int r = process_parse_stat(text.data, text.length, ret);

        text_done(&text);
        return r;
}

static void hostile_names_do_not_lie(void **state) {
        (void) state;
        static const struct {
                const char *path;
                const char *name;
        } cases[] = {
                { "proc/hostile/stat-forged", "a) R 1 (b" },
                { "proc/hostile/stat-bracket", ")" },
                { "proc/hostile/stat-empty", "" },
                { "proc/hostile/stat-zombie", "x) Z 1 1 1" },
                { "proc/hostile/stat-escaped", "\\n(\\n" },
                { "proc/hostile/stat-bytes", "\001\377\376 \t" },
                { "proc/hostile/stat-nested", "4242 (bot) S" },
                { "proc/hostile/stat-long", "kworker/u64:3-e" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                Text text = fixture_text(cases[i].path);
                ProcessStat stat;

                assert_int_equal(process_parse_stat(text.data, text.length, &stat), 0);
                assert_int_equal(stat.pid, 4242);
                assert_string_equal(stat.name, cases[i].name);
                assert_int_equal(stat.state, 'S');
                assert_int_equal(stat.parent, 1);
                assert_int_equal(stat.group, 4242);
                assert_int_equal(stat.session, 4243);
                assert_int_equal(stat.cpu_ticks, 1234 + 567);
                assert_int_equal(stat.threads, 7);
                assert_int_equal(stat.start_ticks, 987654);
                assert_int_equal(stat.rss_pages, 25600);
                text_done(&text);
        }
}

/* Wherever it is cut, it is either refused or gives the whole numbers. */
static void cut_stats_are_whole_or_refused(void **state) {
        (void) state;
        Text text = fixture_text("proc/linux-5.4/4242/stat");
        size_t n_whole = 0;

        for (size_t length = 0; length < text.length; length++) {
                Text head = text_head(text, length);
                ProcessStat stat;

                if (process_parse_stat(head.data, head.length, &stat) == 0) {
                        n_whole++;
                        assert_int_equal(stat.start_ticks, 987654);
                        assert_int_equal(stat.rss_pages, 25600);
                }
                text_done(&head);
        }

        assert_true(n_whole > 0 && n_whole < text.length);
        text_done(&text);
}

static void odd_stats_are_refused(void **state) {
        (void) state;
        ProcessStat stat = { .pid = 77 };

#define TAIL " 1 1 0 -1 0 0 0 0 0 5 5 0 0 20 0 1 0 9 9 9 0\n"
        assert_int_equal(stat_of("", &stat), -EINVAL);
        assert_int_equal(stat_of(")", &stat), -EINVAL);
        assert_int_equal(stat_of(") (", &stat), -EINVAL);
        assert_int_equal(stat_of("1 (a)", &stat), -EINVAL);
        assert_int_equal(stat_of("1 (a) S", &stat), -EINVAL);
        assert_int_equal(stat_of("(a) S 1" TAIL, &stat), -EINVAL);
        assert_int_equal(stat_of("x (a) S 1" TAIL, &stat), -EINVAL);
        assert_int_equal(stat_of("1  (a) S 1" TAIL, &stat), -EINVAL);
        assert_int_equal(stat_of("1 (a) SS 1" TAIL, &stat), -EINVAL);
        assert_int_equal(stat_of("1 (a) S x" TAIL, &stat), -EINVAL);
        assert_int_equal(stat_of("1 (a) S -" TAIL, &stat), -EINVAL);
        assert_int_equal(stat_of("99999999999 (a) S 1" TAIL, &stat), -EINVAL);
        assert_int_equal(stat_of("1 (a) S 99999999999" TAIL, &stat), -EINVAL);
        assert_int_equal(stat_of("1 (a) S 99999999999999999999" TAIL, &stat), -EINVAL);
        assert_int_equal(stat.pid, 77); /* untouched */
        assert_int_equal(stat_of("1 (a) S 1" TAIL, &stat), 0);
        assert_int_equal(stat.pid, 1);
#undef TAIL
}

static void presence_follows_the_letter(void **state) {
        (void) state;
        ProcessStat stat = { .state = 'R', .threads = 1 };

        assert_int_equal(process_presence(&stat), PROCESS_ALIVE);
        stat.state = 'D';
        assert_int_equal(process_presence(&stat), PROCESS_ALIVE);
        stat.state = 'T';
        assert_int_equal(process_presence(&stat), PROCESS_STOPPED);
        stat.state = 't';
        assert_int_equal(process_presence(&stat), PROCESS_STOPPED);
        stat.state = 'Z';
        assert_int_equal(process_presence(&stat), PROCESS_ZOMBIE);
        stat.threads = 2; /* the main thread has ended, the others work on */
        assert_int_equal(process_presence(&stat), PROCESS_ALIVE);
        stat.state = 'X';
        assert_int_equal(process_presence(&stat), PROCESS_GONE);
}

static void shares_are_read(void **state) {
        (void) state;
        Text text = fixture_text("proc/linux-5.4/4242/smaps_rollup");
        uint64_t bytes;

        assert_int_equal(process_parse_smaps_rollup(text.data, text.length, &bytes), 0);
        assert_int_equal(bytes, (81920ULL + 4096) * 1024);
        text_done(&text);

        text = fixture_text("proc/linux-6.18/4242/smaps_rollup");
        assert_int_equal(process_parse_smaps_rollup(text.data, text.length, &bytes), 0);
        assert_int_equal(bytes, 12747ULL * 1024);
        text_done(&text);

        text = text_of("Pss_Dirty: 1 kB\nPss: 12");
        assert_int_equal(process_parse_smaps_rollup(text.data, text.length, &bytes), -EINVAL);
        text_done(&text);
        text = text_of("Pss: many kB\n");
        assert_int_equal(process_parse_smaps_rollup(text.data, text.length, &bytes), -EINVAL);
        text_done(&text);
        text = text_of("Pss: 18014398509481983 kB\nSwapPss: 18014398509481983 kB\n");
        assert_int_equal(process_parse_smaps_rollup(text.data, text.length, &bytes), -EINVAL);
        text_done(&text);
}

static int limit_of(const char *literal, int64_t *ret) {
        Text text = text_of(literal);
        int r = process_parse_limits(text.data, text.length, ret);

        text_done(&text);
        return r;
}

static void limits_are_read(void **state) {
        (void) state;
        Text text = fixture_text("proc/linux-5.4/4242/limits");
        int64_t limit;

        assert_int_equal(process_parse_limits(text.data, text.length, &limit), 0);
        assert_int_equal(limit, 1024);
        text_done(&text);

        assert_int_equal(limit_of("Max open files unlimited unlimited files\n", &limit), 0);
        assert_int_equal(limit, INT64_MAX);
        assert_int_equal(limit_of("Max open files 10", &limit), -EINVAL);
        assert_int_equal(limit_of("Max open files \n", &limit), -EINVAL);
        assert_int_equal(limit_of("Max open files few\n", &limit), -EINVAL);
        assert_int_equal(limit_of("Max open file locks 7 7 files\n", &limit), -EINVAL);
        assert_int_equal(limit_of("", &limit), -EINVAL);
}

static void *wait_for_end(void *userdata) {
        char byte;

        return read(*(int *) userdata, &byte, 1) == 0 ? NULL : userdata;
}

static void own_numbers_are_true(void **state) {
        (void) state;
        Kernel kernel;
        ProcessSense self;
        ProcessStat before;
        ProcessStat after;
        ProcessDepth depth;

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        assert_int_equal(process_open(&kernel, getpid(), &self), PROCESS_ALIVE);
        assert_false(self.is_other_net);
        assert_int_equal(process_read_light(&self, &before), PROCESS_ALIVE);
        assert_int_equal(before.pid, getpid());
        assert_int_equal(before.parent, getppid());
        assert_int_equal(before.session, getsid(0));
        assert_int_equal(before.group, getpgrp());

        /* Descriptors: as many as a listing finds, and ten more when ten are opened. */
        int fds[10];
        process_read_full(&self, /* is_pss_wanted= */ true, &depth);
        assert_int_equal(depth.descriptors, open_descriptors());
        for (size_t i = 0; i < 10; i++)
                assert_true((fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
        int64_t n_before = depth.descriptors;
        process_read_full(&self, /* is_pss_wanted= */ false, &depth);
        assert_int_equal(depth.descriptors, n_before + 10);
        assert_int_equal(depth.pss_bytes, -1);
        for (size_t i = 0; i < 10; i++)
                assert_int_equal(close(fds[i]), 0);

        struct rlimit limit;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(depth.descriptors_limit, (int64_t) limit.rlim_cur);

        /* Memory: 64 MB touched are 64 MB more, give or take what else moves. */
        const size_t size = 64UL << 20;
        process_read_full(&self, /* is_pss_wanted= */ true, &depth);
        int64_t pss_before = depth.pss_bytes;
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        memset(memory, 1, size);
        process_read_full(&self, /* is_pss_wanted= */ true, &depth);
        assert_int_equal(process_read_light(&self, &after), PROCESS_ALIVE);
        assert_in_range(depth.pss_bytes - pss_before, 60UL << 20, 72UL << 20);
        assert_in_range((after.rss_pages - before.rss_pages) * kernel.page_bytes, 56UL << 20,
                        76UL << 20);
        assert_int_equal(munmap(memory, size), 0);

        /* Threads: one more while it lives. */
        int ends[2];
        pthread_t thread;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(pthread_create(&thread, NULL, wait_for_end, &ends[0]), 0);
        assert_int_equal(process_read_light(&self, &after), PROCESS_ALIVE);
        assert_int_equal(after.threads, before.threads + 1);
        assert_int_equal(close(ends[1]), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(close(ends[0]), 0);

        process_close(&self);
        kernel_close(&kernel);
}

static void descriptors_can_be_counted_by_listing(void **state) {
        (void) state;
        char dir[] = "/tmp/test-sense-XXXXXX";
        char path[64];
        Kernel kernel;
        ProcessStat stat;
        ProcessDepth depth;

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        assert_non_null(mkdtemp(dir));
        int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(dir_fd >= 0);

        /* Nothing there: nothing known. */
        process_read_depth(dir_fd, /* is_pss_wanted= */ true, &depth);
        assert_int_equal(depth.descriptors, -1);
        assert_int_equal(depth.pss_bytes, -1);
        assert_int_equal(depth.descriptors_limit, -1);

        /* Old kernels say that the folder has no size. So does the one of threads, whose names we
         * know how many there are of. */
        (void) snprintf(path, sizeof(path), "%s/fd", dir);
        assert_int_equal(symlink("/proc/self/task", path), 0);
        process_read_depth(dir_fd, /* is_pss_wanted= */ true, &depth);
        assert_int_equal(process_peek_stat(&kernel, getpid(), &stat), 0);
        assert_int_equal(depth.descriptors, stat.threads);

        assert_int_equal(unlink(path), 0);
        assert_int_equal(close(dir_fd), 0);
        assert_int_equal(rmdir(dir), 0);
        kernel_close(&kernel);
}

static void dead_children_are_gone(void **state) {
        (void) state;
        Kernel kernel;
        ProcessSense child;
        ProcessSense late;
        ProcessStat stat;
        ProcessIdentity identity;
        unsigned n_before;

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        n_before = open_descriptors();
        pid_t pid = child_start(/* is_leader= */ false, NULL, NULL);

        assert_int_equal(process_open(&kernel, pid, &child), PROCESS_ALIVE);
        assert_int_equal(process_read_light(&child, &stat), PROCESS_ALIVE);
        assert_in_range(process_age_usec(&kernel, &stat, clock_boottime_usec()), 0,
                        USEC_PER_MINUTE);
        assert_int_equal(process_identify(&kernel, pid, &identity), PROCESS_ALIVE);
        assert_true(process_identity_is_same(&identity, &child.identity));

        assert_int_equal(kill(pid, SIGSTOP), 0);
        assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
        assert_int_equal(process_read_light(&child, &stat), PROCESS_STOPPED);

        child_kill(pid);
        assert_int_equal(process_read_light(&child, &stat), PROCESS_ZOMBIE);
        child_end(pid);
        assert_int_equal(process_read_light(&child, &stat), PROCESS_GONE);
        assert_int_equal(process_peek_stat(&kernel, pid, &stat), -ESRCH);
        assert_int_equal(process_identify(&kernel, pid, &identity), PROCESS_GONE);
        assert_int_equal(process_open(&kernel, pid, &late), PROCESS_GONE);
        assert_int_equal(late.dir_fd, -1);

        /* What is read of the dead is unknown, not an error. */
        ProcessDepth depth;
        process_read_full(&child, /* is_pss_wanted= */ true, &depth);
        assert_int_equal(depth.pss_bytes, -1);
        assert_int_equal(depth.descriptors_limit, -1);

        process_close(&child);
        process_close(&child); /* twice does no harm */
        assert_int_equal(open_descriptors(), n_before);
        kernel_close(&kernel);
}

/* A child with the number we choose (clone3(2), needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE). */
static pid_t child_start_as(pid_t pid) {
        struct clone_args arguments = {
                .exit_signal = SIGCHLD,
                .set_tid = (uintptr_t) &pid,
                .set_tid_size = 1,
        };
        long r = syscall(SYS_clone3, &arguments, sizeof(arguments));

        if (r == 0)
                for (;;)
                        (void) pause();

        return (pid_t) r;
}

static void a_reused_number_is_another_process(void **state) {
        (void) state;
        Kernel kernel;
        ProcessSense child;
        ProcessStat stat;
        ProcessIdentity identity;

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        pid_t pid = child_start(/* is_leader= */ false, NULL, NULL);
        assert_int_equal(process_open(&kernel, pid, &child), PROCESS_ALIVE);
        child_end(pid);
        wait_ticks();

        pid_t stranger = child_start_as(pid);
        if (stranger < 0) {
                process_close(&child);
                kernel_close(&kernel);
                skip(); /* not permitted here, or the number went to somebody else */
        }
        assert_int_equal(stranger, pid);

        /* The held one stays dead, though its number lives. */
        assert_int_equal(process_read_light(&child, &stat), PROCESS_GONE);
        assert_int_equal(process_identify(&kernel, pid, &identity), PROCESS_ALIVE);
        assert_int_equal(identity.pid, child.identity.pid);
        assert_false(process_identity_is_same(&identity, &child.identity));

        child_end(stranger);
        process_close(&child);
        kernel_close(&kernel);
}

static void identities_differ_in_each_part(void **state) {
        (void) state;
        ProcessIdentity a = { .pid = 42, .start_ticks = 7, .boot_id = "one" };
        ProcessIdentity b = a;

        assert_true(process_identity_is_same(&a, &b));
        b.start_ticks++;
        assert_false(process_identity_is_same(&a, &b));
        b = a;
        b.pid++;
        assert_false(process_identity_is_same(&a, &b));
        b = a;
        b.boot_id[0] = 'x';
        assert_false(process_identity_is_same(&a, &b));
        a.pid = b.pid = 0; /* nobody is not the same as nobody */
        b = a;
        assert_false(process_identity_is_same(&a, &b));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hostile_names_do_not_lie),
                cmocka_unit_test(cut_stats_are_whole_or_refused),
                cmocka_unit_test(odd_stats_are_refused),
                cmocka_unit_test(presence_follows_the_letter),
                cmocka_unit_test(shares_are_read),
                cmocka_unit_test(limits_are_read),
                cmocka_unit_test(own_numbers_are_true),
                cmocka_unit_test(descriptors_can_be_counted_by_listing),
                cmocka_unit_test(dead_children_are_gone),
                cmocka_unit_test(a_reused_number_is_another_process),
                cmocka_unit_test(identities_differ_in_each_part),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
