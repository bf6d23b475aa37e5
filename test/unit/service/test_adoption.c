/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The watchdog is killed, again and again, at whatever instant, while it starts its service; then
 * the next one comes, at once or when the old one is really gone. There must never be two copies.
 *
 * The service is this program in another role: it takes an exclusive lock of its own, which has
 * nothing to do with ours, and whoever finds it taken writes that down. At the end there must be
 * nothing written, and a last watchdog must still be able to run and to stop the thing.
 *
 * ALBRAGUARD_SEED chooses other instants; it is printed.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "io/child.h"
#include "rig.h"
#include "service/launch.h"
#include "service/obituary.h"
#include "service/pidfile.h"
#include "service/roster.h"
#include "unit.h"

#define ROUNDS 100

static uint64_t seed = 20261123;

/* A linear congruential generator (Knuth's constants): the same instants for the same seed. */
static uint64_t random_below(uint64_t limit) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);

        return (seed >> 33) % limit;
}

static void pause_usec(usec_t usec) {
        struct timespec time = { .tv_sec = (time_t) (usec / USEC_PER_SEC),
                                 .tv_nsec = (long) (usec % USEC_PER_SEC) * 1000 };

        (void) ppoll(NULL, 0, &time, NULL);
}

static void on_done(Service *service,
                    ActionKind action,
                    bool is_done,
                    const char *why,
                    usec_t took_usec,
                    void *userdata) {
        (void) service;
        (void) action;
        (void) why;
        (void) took_usec;

        *(bool *) userdata = is_done;
}

/* A watchdog in a process of its own. Ends by itself only with `is_once`, when the start is done. */
static pid_t fork_watchdog(const Rig *rig, bool is_once) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;

        bool is_started = false;
        ServiceHandlers handlers = { .on_done = on_done, .userdata = &is_started };
        ServiceFacts facts;
        Service *service;
        sd_event *event;

        if (sd_event_new(&event) < 0 ||
            service_new(&rig->service_config, &rig->config, event, &handlers, &service) < 0)
                _exit(1);

        service_facts(service, &facts);
        if (facts.state != SERVICE_RUNNING && service_begin_start(service) < 0)
                _exit(2);

        while (!is_once || !is_started)
                if (sd_event_run(event, UINT64_MAX) < 0)
                        _exit(3);

        _exit(0);
}

static void kill_bot(const Rig *rig) {
        char path[PATH_SIZE];
        PidFile pidfile;
        ProcessStat stat;

        (void) snprintf(path, sizeof(path), "%s/bot.pid", rig->dir);
        if (pidfile_read(path, &pidfile) < 0)
                return;

        int pidfd = child_open_pidfd(pidfile.pid);
        if (pidfd < 0)
                return;

        if (roster_read_stat(pidfile.pid, &stat) >= 0 && stat.start_ticks == pidfile.start_ticks)
                (void) child_signal_pidfd(pidfd, SIGKILL);
        (void) close(pidfd);
}

/* A copy that got past our lock comes to its own sooner or later, or falls with its watchdog. */
static bool is_one_alive(const Rig *rig) {
        usec_t since_usec = clock_boottime_usec();
        char lock[192];

        (void) snprintf(lock, sizeof(lock), "%s/bot.lock", rig->dir);
        while (rig_is_locked(lock)) {
                if (rig_is_locked(rig->marker))
                        return true;

                pause_usec(USEC_PER_MSEC);
                if (clock_boottime_usec() - since_usec > 60 * USEC_PER_SEC)
                        fail_msg("who holds the lock does not run");
        }

        return false;
}

static usec_t measure_start(const Rig *rig) {
        usec_t since_usec = clock_boottime_usec();
        int status;

        pid_t pid = fork_watchdog(rig, /* is_once= */ true);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        kill_bot(rig);
        return clock_boottime_usec() - since_usec;
}

static void there_are_never_two(void **unused) {
        unsigned n_alive = 0;
        Rig rig;

        (void) unused;
        rig_open_bot(&rig);

        print_message("ALBRAGUARD_SEED=%" PRIu64 "\n", seed);
        usec_t start_usec = measure_start(&rig);
        print_message("a start takes %" PRIu64 " us\n", start_usec);

        pid_t previous = 0;
        for (unsigned round = 0; round < ROUNDS; round++) {
                pid_t watchdog = fork_watchdog(&rig, /* is_once= */ false);

                assert_true(watchdog > 0);
                pause_usec(random_below(start_usec + start_usec / 2));
                assert_int_equal(kill(watchdog, SIGKILL), 0);

                if (previous > 0)
                        assert_int_equal(waitpid(previous, NULL, 0), previous);
                previous = watchdog;

                /* Every other time the next one comes while this one is still falling. */
                if (random_below(2) == 0) {
                        assert_int_equal(waitpid(previous, NULL, 0), previous);
                        previous = 0;
                        n_alive += is_one_alive(&rig);
                }

                if (access(rig.complaints, F_OK) == 0)
                        fail_msg("two copies at once, in round %u", round);

                if (random_below(2) == 0)
                        kill_bot(&rig);
        }
        if (previous > 0)
                assert_int_equal(waitpid(previous, NULL, 0), previous);

        print_message("%u of about %u watchdogs left a running service\n", n_alive, ROUNDS / 2);

        rig_renew(&rig);
        if (rig.facts.state != SERVICE_RUNNING)
                rig_start(&rig);
        rig_stop(&rig);
        assert_false(is_one_alive(&rig));
        assert_int_equal(access(rig.complaints, F_OK), -1);
        rig_close(&rig);
}

static void lock_path(const Rig *rig, char ret_path[static PATH_SIZE]) {
        (void) snprintf(ret_path, PATH_SIZE, "%s/bot.lock", rig->dir);
}

static void what_cannot_be_found_yet_dies_with_its_watchdog(void **unused) {
        usec_t since_usec = clock_boottime_usec();
        char lock[PATH_SIZE];
        char fifo[192];
        Rig rig;

        (void) unused;
        rig_open(&rig, "exec sleep 1000");
        lock_path(&rig, lock);

        /* Opening a pipe that nobody reads waits: the child gets no further than its lock. */
        (void) snprintf(fifo, sizeof(fifo), "%s/bot.pid.new", rig.dir);
        assert_int_equal(mkfifo(fifo, 0644), 0);

        pid_t watchdog = fork_watchdog(&rig, /* is_once= */ false);
        while (!rig_is_locked(lock)) {
                pause_usec(USEC_PER_MSEC);
                assert_true(clock_boottime_usec() - since_usec < 60 * USEC_PER_SEC);
        }

        assert_int_equal(kill(watchdog, SIGKILL), 0);
        assert_int_equal(waitpid(watchdog, NULL, 0), watchdog);
        while (rig_is_locked(lock)) {
                pause_usec(USEC_PER_MSEC);
                if (clock_boottime_usec() - since_usec > 60 * USEC_PER_SEC)
                        fail_msg("it lives, and nobody can know which it is");
        }

        assert_int_equal(unlink(fifo), 0);
        rig_close(&rig);
}

static const Rig *interrupted;
static pid_t intruder;

int __real_launch(const LaunchPlan *plan, Launched *ret_launched);
int __wrap_launch(const LaunchPlan *plan, Launched *ret_launched);

/* Between the look at what is left and the start, another copy comes in. */
int __wrap_launch(const LaunchPlan *plan, Launched *ret_launched) {
        if (interrupted) {
                char lock[PATH_SIZE];
                int ready[2];
                char byte;

                lock_path(interrupted, lock);
                interrupted = NULL;

                assert_int_equal(pipe(ready), 0);
                intruder = fork();
                assert_true(intruder >= 0);
                if (intruder == 0) {
                        int fd = open(lock, O_RDWR | O_CREAT, 0644);

                        if (fd < 0 || flock(fd, LOCK_EX) < 0 || write(ready[1], "x", 1) != 1)
                                _exit(1);
                        for (;;)
                                (void) pause();
                }

                assert_int_equal(read(ready[0], &byte, 1), 1);
                (void) close(ready[0]);
                (void) close(ready[1]);
        }

        return __real_launch(plan, ret_launched);
}

static void a_copy_that_comes_in_between_is_not_joined(void **unused) {
        Rig rig;
        int status;

        (void) unused;
        rig_open(&rig, "exec sleep 1000");
        interrupted = &rig;
        rig_start(&rig);
        assert_int_equal(waitpid(intruder, &status, WNOHANG), intruder);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGTERM);
        assert_int_equal(rig.facts.incarnation, 1);
        rig_close(&rig);
}

/* Whether this kernel tells how somebody else's child ended. */
static bool does_kernel_tell(void) {
        int code;
        int status;

        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(0);

        int pidfd = child_open_pidfd(pid);
        assert_true(pidfd >= 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        int r = obituary_read(pidfd, &code, &status);
        (void) close(pidfd);
        return r >= 0;
}

static void run_by_another(Rig *rig, const char *script) {
        rig_open(rig, script);
        rig->service = service_free(rig->service);

        pid_t watchdog = fork_watchdog(rig, /* is_once= */ true);
        int status;
        assert_int_equal(waitpid(watchdog, &status, 0), watchdog);
        assert_int_equal(status, 0);

        rig_renew(rig);
        assert_int_equal(rig->facts.state, SERVICE_RUNNING);
        (void) rig_wait_lines(rig, rig->marker, 1);
}

static void the_end_of_one_taken_over_is_known(void **unused) {
        bool is_told = does_kernel_tell();
        Rig rig;

        (void) unused;
        print_message("this kernel %s\n", is_told ? "tells" : "does not tell");

        run_by_another(&rig, "trap 'exit 7' USR1; echo $$ > $1; while :; do sleep 0.01; done");
        assert_int_equal(child_signal_pidfd(service_pidfd(rig.service), SIGUSR1), 0);
        rig_wait_state(&rig, SERVICE_FAILED);
        assert_int_equal(rig.facts.exit_cause, is_told ? EXIT_CAUSE_FAILURE : EXIT_CAUSE_UNKNOWN);
        assert_int_equal(rig.facts.exit_value, is_told ? 7 : 0);
        rig_close(&rig);

        run_by_another(&rig, "echo $$ > $1; exec sleep 1000");
        assert_int_equal(child_signal_pidfd(service_pidfd(rig.service), SIGABRT), 0);
        rig_wait_state(&rig, SERVICE_FAILED);
        assert_int_equal(rig.facts.exit_cause, is_told ? EXIT_CAUSE_SIGNAL : EXIT_CAUSE_UNKNOWN);
        assert_int_equal(rig.facts.exit_value, is_told ? SIGABRT : 0);
        rig_close(&rig);
}

static void one_taken_over_stops_as_any_other(void **unused) {
        Rig rig;

        (void) unused;
        run_by_another(&rig, "echo $$ > $1; exec sleep 1000");
        pid_t pid = rig.facts.pid;
        rig_stop(&rig);
        assert_false(rig_is_alive(pid));
        rig_close(&rig);
}

static void one_that_ended_unseen_is_told(void **unused) {
        Rig rig;

        (void) unused;
        run_by_another(&rig, "echo $$ > $1; exec sleep 1000");
        pid_t pid = rig.facts.pid;
        rig.service = service_free(rig.service);
        kill_bot(&rig);
        rig_wait_gone(&rig, pid);

        rig_renew(&rig);
        assert_int_equal(rig.facts.state, SERVICE_FAILED);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_UNKNOWN);
        assert_int_equal(rig.facts.incarnation, 1);
        rig_start(&rig);
        assert_int_equal(rig.facts.incarnation, 2);
        rig_close(&rig);
}

/* Waits for all orphans at once, as init does; some machines have a lazy one. Returns in the process that tests. */
static void be_init(void) {
        int status = 0;

        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        pid_t tests = fork();
        assert_true(tests >= 0);
        if (tests == 0)
                return;

        while (waitpid(-1, &status, 0) != tests)
                ;
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(there_are_never_two),
                cmocka_unit_test(what_cannot_be_found_yet_dies_with_its_watchdog),
                cmocka_unit_test(a_copy_that_comes_in_between_is_not_joined),
                cmocka_unit_test(the_end_of_one_taken_over_is_known),
                cmocka_unit_test(one_taken_over_stops_as_any_other),
                cmocka_unit_test(one_that_ended_unseen_is_told),
        };
        const char *chosen = getenv("ALBRAGUARD_SEED");

        rig_play_bot(argc, argv);

        if (chosen && text_parse_u64(chosen, &seed) < 0)
                return 2;

        be_init();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
