/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Helper processes, with real ones: what they inherit and what not, how their end is told, that
 * they end in time, and that they end with us. For the last the test forks a parent, which it
 * kills; a pipe that nobody holds any more proves that the helper is gone too.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "io/child.h"
#include "unit.h"

#define PATIENCE_USEC (60 * USEC_PER_SEC)

typedef struct Seen {
        unsigned n;
        ChildExit exit;
        bool is_freed_inside;
} Seen;

static void on_exit_seen(Child *child, const ChildExit *exit, void *userdata) {
        Seen *seen = userdata;

        seen->n++;
        seen->exit = *exit;
        if (seen->is_freed_inside)
                (void) child_free(child);
}

static void wait_seen(sd_event *event, const Seen *seen) {
        usec_t since_usec = clock_boottime_usec();

        while (seen->n == 0) {
                assert_true(sd_event_run(event, 20 * USEC_PER_MSEC) >= 0);
                assert_true(clock_boottime_usec() - since_usec < PATIENCE_USEC);
        }
        assert_int_equal(seen->n, 1);
}

/* Runs a script to its end; returns what it wrote to its descriptor 3. */
static const char *run_script(const char *script, ChildOptions options, Seen *seen) {
        static char text[4096];
        const char *const argv[] = { "sh", "-c", script, NULL };
        sd_event *event;
        Child *child;
        int ends[2];

        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);

        /* Where each must not end up, so that they have to pass one another. */
        int low = fcntl(ends[1], F_DUPFD_CLOEXEC, 4);
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int fds[] = { low, null };

        options.path = "/bin/sh";
        options.argv = argv;
        options.fds = fds;
        options.n_fds = 2;
        options.on_exit = on_exit_seen;
        options.userdata = seen;
        seen->is_freed_inside = true;
        assert_int_equal(child_spawn(event, &options, &child), 0);
        (void) close(ends[1]);
        (void) close(low);
        (void) close(null);
        wait_seen(event, seen);

        ssize_t n = read(ends[0], text, sizeof(text) - 1);
        assert_true(n >= 0);
        text[n] = '\0';
        (void) close(ends[0]);
        (void) sd_event_unref(event);
        return text;
}

static void it_inherits_what_is_named(void **unused) {
        static const char script[] =
                "for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do [ -e /proc/$$/fd/$i ] && all=\"$all $i\"; done;"
                "echo $all >&3; readlink /proc/$$/fd/0 /proc/$$/fd/4 >&3; grep -E '^Sig(Blk|Ign)' /proc/self/status >&3;"
                "echo ${HOME-none} ${ONLY-none} >&3; exit 5";
        static const char *const environment[] = { "ONLY=this", "PATH=/usr/bin:/bin", NULL };
        Seen seen = { 0 };
        sigset_t blocked;
        sigset_t before;

        (void) unused;
        (void) sigemptyset(&blocked);
        (void) sigaddset(&blocked, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &blocked, &before);
        (void) signal(SIGPIPE, SIG_IGN);

        assert_string_equal(
                run_script(script, (ChildOptions){ .environment = environment }, &seen),
                "0 1 2 3 4\n/dev/null\n/dev/null\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
                "none this\n");
        assert_int_equal(seen.exit.code, CLD_EXITED);
        assert_int_equal(seen.exit.status, 5);
        assert_false(seen.exit.is_timed_out);

        (void) signal(SIGPIPE, SIG_DFL);
        (void) sigprocmask(SIG_SETMASK, &before, NULL);
}

static void it_gives_up_its_rights(void **unused) {
        static const char script[] =
                "id -u >&3; id -G >&3; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/$$/status >&3";
        ChildOptions options = {
                .has_identity = true, .uid = 65534, .gid = 65534, .is_confined = true
        };
        Seen seen = { 0 };

        (void) unused;
        if (geteuid() != 0)
                skip();

        assert_string_equal(
                run_script(script, options, &seen),
                "65534\n65534\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n");
}

static void a_signal_is_told(void **unused) {
        Seen seen = { 0 };

        (void) unused;
        assert_string_equal(run_script("kill -KILL $$", (ChildOptions){ 0 }, &seen), "");
        assert_int_equal(seen.exit.code, CLD_KILLED);
        assert_int_equal(seen.exit.status, SIGKILL);
        assert_false(seen.exit.is_timed_out);
}

static void its_time_is_limited(void **unused) {
        ChildOptions options = { .timeout_usec = 50 * USEC_PER_MSEC };
        Seen seen = { 0 };

        (void) unused;
        assert_string_equal(
                run_script("trap '' TERM; kill -STOP $$; exec sleep 1000", options, &seen), "");
        assert_int_equal(seen.exit.code, CLD_KILLED);
        assert_true(seen.exit.is_timed_out);
}

static void what_cannot_be_executed_ends_so(void **unused) {
        static const char *const argv[] = { "nothing", NULL };
        Seen seen = { 0 };
        ChildOptions options = { .path = "/nonexistent/program",
                                 .argv = argv,
                                 .on_exit = on_exit_seen,
                                 .userdata = &seen };
        sd_event *event;
        Child *child;

        (void) unused;
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(child_spawn(event, &options, &child), 0);
        assert_true(child_pid(child) > 1);
        wait_seen(event, &seen);
        assert_int_equal(seen.exit.code, CLD_EXITED);
        assert_int_equal(seen.exit.status, 127);

        /* Not freed by its handler, it is still there and knows that it has ended. */
        assert_int_equal(child_kill(child), -ESRCH);
        assert_null(child_free(child));
        (void) sd_event_unref(event);
}

/* It runs until its end of the pipe is the last one: then we read the end of file. */
static Child *spawn_sleeper(sd_event *event, int *ret_fd, Seen *seen) {
        static const char *const argv[] = { "sleep", "1000", NULL };
        ChildOptions options = { .path = "/bin/sleep",
                                 .argv = argv,
                                 .n_fds = 1,
                                 .on_exit = on_exit_seen,
                                 .userdata = seen };
        Child *child;
        int ends[2];

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        options.fds = &ends[1];
        assert_int_equal(child_spawn(event, &options, &child), 0);
        (void) close(ends[1]);
        *ret_fd = ends[0];
        return child;
}

/* The next byte, or none when all writers are gone; neither may fail to come. */
static ssize_t wait_byte(int fd) {
        struct pollfd waited = { .fd = fd, .events = POLLIN };
        char byte;

        assert_int_equal(poll(&waited, 1, (int) (PATIENCE_USEC / USEC_PER_MSEC)), 1);
        return read(fd, &byte, 1);
}

static void free_ends_it(void **unused) {
        Seen seen = { 0 };
        sd_event *event;
        int fd;

        (void) unused;
        assert_int_equal(sd_event_new(&event), 0);
        Child *child = spawn_sleeper(event, &fd, &seen);
        assert_null(child_free(child));
        assert_null(child_free(NULL));
        assert_int_equal(wait_byte(fd), 0);
        assert_int_equal(seen.n, 0);
        (void) close(fd);
        (void) sd_event_unref(event);
}

static void kill_ends_it(void **unused) {
        Seen seen = { 0 };
        sd_event *event;
        int fd;

        (void) unused;
        assert_int_equal(sd_event_new(&event), 0);
        Child *child = spawn_sleeper(event, &fd, &seen);
        assert_int_equal(child_signal(child, SIGTERM), 0);
        wait_seen(event, &seen);
        assert_int_equal(seen.exit.status, SIGTERM);
        assert_null(child_free(child));
        (void) close(fd);
        (void) sd_event_unref(event);
}

/* Also when it took another identity, which makes the kernel forget the tie. */
static void it_ends_with_us(void **unused) {
        static const char *const argv[] = { "sh", "-c", "echo x >&3; exec sleep 1000", NULL };
        ChildOptions options = { .path = "/bin/sh", .argv = argv, .n_fds = 1, .is_confined = true };
        int ends[2];

        (void) unused;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        options.fds = &ends[1];
        options.has_identity = geteuid() == 0;
        options.uid = options.gid = 65534;

        pid_t parent = fork();
        assert_true(parent >= 0);
        if (parent == 0) {
                sd_event *event;
                Child *child;

                if (sd_event_new(&event) < 0 || child_spawn(event, &options, &child) < 0)
                        _exit(1);
                for (;;)
                        (void) pause();
        }

        (void) close(ends[1]);
        assert_int_equal(wait_byte(ends[0]), 1);
        assert_int_equal(kill(parent, SIGKILL), 0);
        assert_int_equal(waitpid(parent, NULL, 0), parent);
        assert_int_equal(wait_byte(ends[0]), 1); /* the line feed */
        assert_int_equal(wait_byte(ends[0]), 0);
        (void) close(ends[0]);
}

static void a_process_that_is_gone_has_no_handle(void **unused) {
        (void) unused;

        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(child_open_pidfd(pid), -ESRCH);

        siginfo_t info;
        int pidfd = child_open_pidfd(getpid());
        assert_true(pidfd >= 0);
        assert_int_equal(child_reap_pidfd(pidfd, &info), -ECHILD);
        (void) close(pidfd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_inherits_what_is_named),
                cmocka_unit_test(it_gives_up_its_rights),
                cmocka_unit_test(a_signal_is_told),
                cmocka_unit_test(its_time_is_limited),
                cmocka_unit_test(what_cannot_be_executed_ends_so),
                cmocka_unit_test(free_ends_it),
                cmocka_unit_test(kill_ends_it),
                cmocka_unit_test(it_ends_with_us),
                cmocka_unit_test(a_process_that_is_gone_has_no_handle),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
