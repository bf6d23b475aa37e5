/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stories about one embedded service, with real processes. Those about leftovers are told twice:
 * with a control group, where there is one to be had, and without (fence_place() is replaced, so
 * that it can say that there is none).
 */

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/macro.h"
#include "base/text.h"
#include "io/child.h"
#include "rig.h"
#include "service/pidfile.h"
#include "service/roster.h"
#include "unit.h"

/* Waits for its end without a child of its own; the shell's builtin would need one. */
#define FOR_EVER "exec sleep 1000"

static bool has_fences = true;

int __real_fence_place(const char *run_dir, const char *name, char *ret_path);
int __wrap_fence_place(const char *run_dir, const char *name, char *ret_path);

int __wrap_fence_place(const char *run_dir, const char *name, char *ret_path) {
        return has_fences ? __real_fence_place(run_dir, name, ret_path) : -ENOENT;
}

static int without_fences(void **unused) {
        (void) unused;
        has_fences = false;
        return 0;
}

static int with_fences(void **unused) {
        (void) unused;
        has_fences = true;
        return 0;
}

static void signal_main(const Rig *rig, int signal_number) {
        assert_int_equal(child_signal_pidfd(service_pidfd(rig->service), signal_number), 0);
}

static void pid_path(const Rig *rig, char ret_path[static PATH_SIZE]) {
        (void) snprintf(ret_path, PATH_SIZE, "%s/bot.pid", rig->dir);
}

static bool has_pidfile(const Rig *rig) {
        char path[PATH_SIZE];

        pid_path(rig, path);
        return access(path, F_OK) == 0;
}

static void it_starts_runs_and_stops(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        assert_int_equal(rig.facts.state, SERVICE_STOPPED);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_NONE);
        assert_int_equal(rig.facts.pid, 0);
        assert_false(rig.facts.is_busy);

        service_set_incarnation(rig.service, 41);
        service_set_clock_offset(rig.service, USEC_PER_DAY);
        rig_start(&rig);
        assert_int_equal(rig.facts.state, SERVICE_RUNNING);
        assert_int_equal(rig.facts.incarnation, 42);
        assert_true(rig_is_alive(rig.facts.pid));
        assert_true(rig.facts.started_usec > USEC_PER_DAY);
        assert_true(rig.facts.started_usec <= USEC_PER_DAY + clock_boottime_usec());
        assert_true(rig.facts.state_since_usec >= rig.facts.started_usec);
        assert_false(rig.facts.is_operator_stopped);
        assert_string_equal(rig.why, "");
        assert_true(has_pidfile(&rig));

        pid_t pid = rig.facts.pid;
        rig_stop(&rig);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_CLEAN);
        assert_true(rig.facts.is_operator_stopped);
        assert_int_equal(rig.facts.started_usec, 0);
        assert_string_equal(rig.why, "");
        assert_false(rig_is_alive(pid));
        assert_false(has_pidfile(&rig));

        /* Started again, the person's word is spent. */
        rig_start(&rig);
        assert_false(rig.facts.is_operator_stopped);
        assert_int_equal(rig.facts.incarnation, 43);
        rig_close(&rig);
}

static void what_cannot_be_executed_says_why(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, "");
        rig.service_config.command[0] = "/nonexistent/python";
        assert_int_equal(service_begin_start(rig.service), 0);
        rig_wait_done(&rig);
        assert_false(rig.is_done);
        assert_string_equal(rig.why, "cannot run /nonexistent/python: No such file or directory");
        assert_int_equal(rig.facts.state, SERVICE_FAILED);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_EXEC);
        assert_int_equal(rig.facts.exit_value, ENOENT);
        assert_int_equal(rig.facts.pid, 0);
        assert_int_equal(rig.facts.incarnation, 0);

        rig.service_config.command[0] = "/etc/passwd";
        assert_int_equal(service_begin_start(rig.service), 0);
        rig_wait_done(&rig);
        assert_string_equal(rig.why, "cannot run /etc/passwd: Permission denied");
        assert_int_equal(rig.facts.exit_value, EACCES);

        rig.service_config.command[0] = "/bin/sh";
        rig.service_config.directory = "/nonexistent/folder";
        assert_int_equal(service_begin_start(rig.service), 0);
        rig_wait_done(&rig);
        assert_string_equal(rig.why,
                            "cannot enter folder /nonexistent/folder: No such file or directory");

        rig.service_config.directory = "";
        rig.service_config.output = "/nonexistent/output";
        assert_int_equal(service_begin_start(rig.service), 0);
        rig_wait_done(&rig);
        assert_string_equal(
                rig.why,
                "cannot open /nonexistent/output for its output: No such file or directory");

        rig.service_config.output = "";
        rig.service_config.user = "no-such-user-here";
        assert_int_equal(service_begin_start(rig.service), 0);
        rig_wait_done(&rig);
        assert_string_equal(rig.why, "there is no user no-such-user-here");
        assert_false(rig.is_done);
        rig_close(&rig);
}

static void a_folder_that_cannot_be_written_says_why(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        rig.config.run_dir = "/proc/nowhere";
        rig_renew(&rig);
        assert_int_equal(service_begin_start(rig.service), 0);
        rig_wait_done(&rig);
        assert_false(rig.is_done);
        assert_string_equal(rig.why,
                            "cannot lock /proc/nowhere/bot.lock: No such file or directory");

        rig.config.run_dir = rig.dir;
        rig_renew(&rig);
        rig_close(&rig);
}

static void each_end_has_its_cause(void **unused) {
        static const struct {
                const char *script;
                ServiceState state;
                ExitCause cause;
                int value;
        } ends[] = {
                { "exit 0", SERVICE_STOPPED, EXIT_CAUSE_CLEAN, 0 },
                { "exit 3", SERVICE_FAILED, EXIT_CAUSE_FAILURE, 3 },
                { "exit 143", SERVICE_FAILED, EXIT_CAUSE_FAILURE, 143 },
                { "kill -SEGV $$", SERVICE_FAILED, EXIT_CAUSE_SIGNAL, SIGSEGV },
                { "kill -TERM $$", SERVICE_FAILED, EXIT_CAUSE_SIGNAL, SIGTERM },
                { "kill -KILL $$", SERVICE_FAILED, EXIT_CAUSE_SIGNAL, SIGKILL },
        };

        (void) unused;

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                Rig rig;

                print_message("%s\n", ends[i].script);
                rig_open(&rig, ends[i].script);
                rig_start(&rig);
                rig_wait_state(&rig, ends[i].state);
                assert_int_equal(rig.facts.exit_cause, ends[i].cause);
                assert_int_equal(rig.facts.exit_value, ends[i].value);
                assert_int_equal(rig.facts.pid, 0);
                assert_int_equal(rig.facts.incarnation, 1);
                assert_int_equal(has_pidfile(&rig), ends[i].state == SERVICE_FAILED);
                rig_close(&rig);
        }
}

static void the_deaf_are_killed(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, "trap '' TERM; echo $$ > $1; while :; do sleep 1000; done");
        rig.service_config.stop_timeout_usec = 100 * USEC_PER_MSEC;
        rig_start(&rig);
        pid_t pid = rig_wait_pid(&rig, rig.marker, 1);

        rig_stop(&rig);
        assert_string_equal(rig.why, "it did not end within 100 ms and was killed");
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_SIGNAL);
        assert_int_equal(rig.facts.exit_value, SIGKILL);
        assert_false(rig_is_alive(pid));
        rig_close(&rig);
}

static void the_halted_hear_the_signal(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        rig_start(&rig);
        signal_main(&rig, SIGSTOP);
        rig_wait_halted(&rig, rig.facts.pid);
        rig_stop(&rig);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_CLEAN);
        rig_close(&rig);
}

static void the_halted_and_deaf_are_killed(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, "trap '' TERM; echo $$ > $1; while :; do kill -STOP $$; done");
        rig.service_config.stop_timeout_usec = 100 * USEC_PER_MSEC;
        rig_start(&rig);
        rig_wait_halted(&rig, rig_wait_pid(&rig, rig.marker, 1));
        rig_stop(&rig);
        assert_int_equal(rig.facts.exit_value, SIGKILL);
        rig_close(&rig);
}

static void a_shell_that_ends_by_the_signal_is_clean(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, "trap 'kill $!; exit 143' TERM; sleep 1000 & echo $$ > $1; wait");
        rig_start(&rig);
        (void) rig_wait_pid(&rig, rig.marker, 1);
        rig_stop(&rig);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_CLEAN);
        rig_close(&rig);
}

static void one_act_at_a_time(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        assert_int_equal(service_begin_start(rig.service), 0);
        assert_int_equal(rig.n_changes, 0);
        assert_int_equal(service_begin_start(rig.service), -EALREADY);
        assert_int_equal(service_begin_stop(rig.service, STOP_WHY_OPERATOR), -EALREADY);
        assert_int_equal(service_begin_restart(rig.service), -EALREADY);
        service_facts(rig.service, &rig.facts);
        assert_true(rig.facts.is_busy);
        assert_int_equal(rig.facts.state, SERVICE_STARTING);
        assert_false(rig.facts.is_operator_stopped);
        rig_wait_done(&rig);

        assert_int_equal(service_begin_start(rig.service), -EALREADY);
        assert_int_equal(service_begin_stop(rig.service, STOP_WHY_OPERATOR), 0);
        assert_int_equal(service_begin_start(rig.service), -EALREADY);
        rig_wait_done(&rig);
        assert_int_equal(rig.n_done, 0);
        rig_close(&rig);
}

static void a_stop_for_memory_is_a_failure(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        rig_start(&rig);
        assert_int_equal(service_begin_stop(rig.service, STOP_WHY_MEMORY), 0);
        rig_wait_done(&rig);
        assert_true(rig.is_done);
        assert_int_equal(rig.facts.state, SERVICE_FAILED);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_OOM);
        assert_false(rig.facts.is_operator_stopped);
        rig_close(&rig);
}

/* The marker is a folder, which only one can make; a slow one is still in it when the next comes too early. */
#define EXCLUSIVE                                            \
        "mkdir $1 || { echo double >> $1.double; exit 9; };" \
        "trap 'sleep 0.3; rmdir $1; exit 0' TERM; echo $$ >> $1.pids; while :; do sleep 0.01; done"

static void a_restart_waits_until_the_old_one_is_gone(void **unused) {
        char pids[192];
        char doubles[192];
        Rig rig;

        (void) unused;
        rig_open(&rig, EXCLUSIVE);
        (void) snprintf(pids, sizeof(pids), "%s.pids", rig.marker);
        (void) snprintf(doubles, sizeof(doubles), "%s.double", rig.marker);

        rig_start(&rig);
        pid_t first = rig_wait_pid(&rig, pids, 1);
        assert_int_equal(service_begin_restart(rig.service), 0);
        service_facts(rig.service, &rig.facts);
        assert_int_equal(rig.facts.state, SERVICE_STOPPING);
        rig_wait_done(&rig);
        assert_true(rig.is_done);
        assert_int_equal(rig.action, ACTION_RESTART);
        assert_int_equal(rig.facts.state, SERVICE_RUNNING);
        assert_int_equal(rig.facts.incarnation, 2);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_NONE);
        assert_int_not_equal(rig.facts.pid, first);
        assert_int_equal(rig_wait_pid(&rig, pids, 2), rig.facts.pid);
        assert_false(rig_is_alive(first));
        assert_int_equal(access(doubles, F_OK), -1);
        rig_close(&rig);
}

static void a_restart_of_what_is_down_is_a_start(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        assert_int_equal(service_begin_restart(rig.service), 0);
        rig_wait_done(&rig);
        assert_true(rig.is_done);
        assert_int_equal(rig.facts.state, SERVICE_RUNNING);
        rig_close(&rig);
}

/* Two workers: one stays in the session, one leaves it; both outlive the main process. */
#define WITH_WORKERS                                                                    \
        "sleep 1000 & echo $! >> $1; setsid sleep 1000 & echo $! >> $1; echo $$ >> $1;" \
        "while :; do sleep 1000; done"

static void read_workers(Rig *rig, pid_t ret_pids[static 2]) {
        const char *text = rig_wait_lines(rig, rig->marker, 3);
        uint64_t first;
        uint64_t second;

        assert_true(text_scan_u64(&text, text + strlen(text), &first));
        text++;
        assert_true(text_scan_u64(&text, text + strlen(text), &second));
        ret_pids[0] = (pid_t) first;
        ret_pids[1] = (pid_t) second;
        assert_true(rig_is_alive(ret_pids[0]) && rig_is_alive(ret_pids[1]));
}

static void workers_left_behind_go_before_a_start(void **unused) {
        pid_t workers[2];
        Rig rig;

        (void) unused;
        rig_open(&rig, WITH_WORKERS);
        rig_start(&rig);
        read_workers(&rig, workers);
        signal_main(&rig, SIGKILL);
        rig_wait_state(&rig, SERVICE_FAILED);
        assert_true(rig_is_alive(workers[0]) && rig_is_alive(workers[1]));

        assert_int_equal(unlink(rig.marker), 0);
        rig_start(&rig);
        assert_false(rig_is_alive(workers[0]) || rig_is_alive(workers[1]));

        /* The same by a watchdog that was not there. */
        read_workers(&rig, workers);
        signal_main(&rig, SIGKILL);
        rig_renew(&rig);
        rig_wait_state(&rig, SERVICE_FAILED);
        assert_int_equal(unlink(rig.marker), 0);
        rig_start(&rig);
        assert_false(rig_is_alive(workers[0]) || rig_is_alive(workers[1]));
        rig_close(&rig);
}

static void a_stop_takes_all_with_it(void **unused) {
        pid_t workers[2];
        Rig rig;

        (void) unused;
        rig_open(&rig, WITH_WORKERS);
        rig_start(&rig);
        read_workers(&rig, workers);
        rig_stop(&rig);
        assert_false(rig_is_alive(workers[0]) || rig_is_alive(workers[1]));
        rig_close(&rig);
}

static void a_worker_that_dies_is_no_news(void **unused) {
        pid_t workers[2];
        Rig rig;

        (void) unused;
        rig_open(&rig, WITH_WORKERS);
        rig_start(&rig);
        read_workers(&rig, workers);

        unsigned n_changes = rig.n_changes;
        assert_int_equal(kill(workers[0], SIGKILL), 0);
        rig_wait_dead(&rig, workers[0]);
        assert_true(sd_event_run(rig.event, 50 * USEC_PER_MSEC) >= 0);
        assert_int_equal(rig.n_changes, n_changes);
        assert_int_equal(rig.facts.state, SERVICE_RUNNING);
        rig_close(&rig);
}

/* A process that is not of the service, and tells whether it was ever asked to end. */
static pid_t make_stranger(void) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                (void) setsid();
                for (;;)
                        (void) pause();
        }
        return pid;
}

static void end_stranger(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void write_pidfile(const Rig *rig, pid_t pid, int64_t ticks_off, char first_of_boot_id) {
        PidFile pidfile = { .pid = pid, .incarnation = 5 };
        ProcessStat stat;
        char path[PATH_SIZE];

        assert_int_equal(roster_read_stat(pid, &stat), 0);
        assert_int_equal(clock_boot_id(pidfile.boot_id), 0);
        if (first_of_boot_id)
                pidfile.boot_id[0] =
                        (char) (pidfile.boot_id[0] == first_of_boot_id ? 'f' : first_of_boot_id);
        pidfile.start_ticks = (uint64_t) ((int64_t) stat.start_ticks + ticks_off);
        pid_path(rig, path);
        assert_int_equal(pidfile_write(path, &pidfile), 0);
}

static void a_number_used_again_is_a_stranger(void **unused) {
        Rig rig;

        (void) unused;
        pid_t stranger = make_stranger();

        rig_open(&rig, FOR_EVER);
        write_pidfile(&rig, stranger, /* ticks_off= */ -1, 0);
        rig_renew(&rig);
        assert_int_equal(rig.facts.state, SERVICE_FAILED);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_UNKNOWN);
        assert_int_equal(rig.facts.pid, 0);
        assert_int_equal(rig.facts.incarnation, 5);

        rig_stop(&rig);
        write_pidfile(&rig, stranger, /* ticks_off= */ 1, 0);
        rig_renew(&rig);
        rig_start(&rig);
        assert_int_equal(rig.facts.incarnation, 6);
        assert_int_not_equal(rig.facts.pid, stranger);
        rig_close(&rig);
        end_stranger(stranger);
}

static void another_boot_says_nothing(void **unused) {
        Rig rig;

        (void) unused;
        pid_t stranger = make_stranger();

        rig_open(&rig, FOR_EVER);
        write_pidfile(&rig, stranger, /* ticks_off= */ 0, 'e');
        rig_renew(&rig);
        assert_int_equal(rig.facts.state, SERVICE_STOPPED);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_NONE);
        rig_close(&rig);
        end_stranger(stranger);
}

static void nonsense_says_nothing(void **unused) {
        char path[PATH_SIZE];
        Rig rig;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        pid_path(&rig, path);
        assert_int_equal(file_write_atomic(path, "1234\n", 5, 0644), 0);
        rig_renew(&rig);
        assert_int_equal(rig.facts.state, SERVICE_STOPPED);
        rig_start(&rig);
        rig_close(&rig);
}

static void a_running_one_is_taken_over(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        rig_start(&rig);
        ServiceFacts before = rig.facts;

        rig_renew(&rig);
        assert_int_equal(rig.facts.state, SERVICE_RUNNING);
        assert_int_equal(rig.facts.pid, before.pid);
        assert_int_equal(rig.facts.incarnation, before.incarnation);
        /* Birth is known to a hundredth of a second. */
        assert_true(rig.facts.started_usec <= before.started_usec);
        assert_true(before.started_usec - rig.facts.started_usec < USEC_PER_SEC);
        assert_int_equal(service_begin_start(rig.service), -EALREADY);

        /* Still our own child, so its status is ours to know. */
        signal_main(&rig, SIGSEGV);
        rig_wait_state(&rig, SERVICE_FAILED);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_SIGNAL);
        assert_int_equal(rig.facts.exit_value, SIGSEGV);
        rig_close(&rig);
}

static void who_holds_the_lock_goes_before_a_start(void **unused) {
        char lock[PATH_SIZE];
        Rig rig;
        int status;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        (void) snprintf(lock, sizeof(lock), "%s/bot.lock", rig.dir);

        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t holder = fork();
        assert_true(holder >= 0);
        if (holder == 0) {
                int fd = open(lock, O_RDWR | O_CREAT, 0644);

                if (fd < 0 || flock(fd, LOCK_EX) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1);
        (void) close(ready[0]);
        (void) close(ready[1]);

        rig_start(&rig);
        assert_int_equal(waitpid(holder, &status, 0), holder);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        rig_close(&rig);
}

static void it_gets_a_clean_room(void **unused) {
        char path[192];
        char text[4096];
        size_t length;
        Rig rig;
        sigset_t blocked;
        sigset_t before;

        (void) unused;
        rig_open(
                &rig,
                "for i in 0 1 2 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$i ] && all=\"$all $i\"; done; echo fds$all;"
                "grep -E '^Sig(Blk|Ign):' /proc/self/status | tr -d '\\t';"
                "echo limit $(ulimit -n); echo notify ${NOTIFY_SOCKET-none} ${LISTEN_FDS-none};"
                "echo mark $ALBRAGUARD_SERVICE; readlink /proc/self/fd/0; pwd; echo score $(cat /proc/self/oom_score_adj);"
                "ps -o sid= -p $$ | tr -d ' ' | sed \"s/^$$\\$/leader/\"; umask; echo end");
        (void) snprintf(path, sizeof(path), "%s/output", rig.dir);
        rig.service_config.output = path;
        rig.service_config.directory = "/usr";
        rig.service_config.descriptors_max = 256;
        assert_int_equal(file_write_atomic(path, "before\n", 7, 0644), 0);

        (void) sigemptyset(&blocked);
        (void) sigaddset(&blocked, SIGTERM);
        (void) sigaddset(&blocked, SIGRTMIN);
        (void) sigprocmask(SIG_BLOCK, &blocked, &before);
        (void) signal(SIGPIPE, SIG_IGN);
        assert_int_equal(setenv("NOTIFY_SOCKET", "/run/secret", 1), 0);
        assert_int_equal(setenv("LISTEN_FDS", "3", 1), 0);
        int leaked = open("/dev/null", O_RDONLY);
        assert_true(leaked >= 0);

        rig_start(&rig);
        rig_wait_state(&rig, SERVICE_STOPPED);

        (void) close(leaked);
        (void) unsetenv("NOTIFY_SOCKET");
        (void) unsetenv("LISTEN_FDS");
        (void) signal(SIGPIPE, SIG_DFL);
        (void) sigprocmask(SIG_SETMASK, &before, NULL);

        char expected[1024];
        (void) snprintf(
                expected, sizeof(expected),
                "before\nfds 0 1 2\nSigBlk:0000000000000000\nSigIgn:0000000000000000\nlimit 256\n"
                "notify none none\nmark %s/bot\n/dev/null\n/usr\nscore 0\nleader\n0022\nend\n",
                rig.dir);
        assert_int_equal(file_read(path, text, sizeof(text), &length), 0);
        assert_string_equal(text, expected);
        rig_close(&rig);
}

static void it_becomes_its_user(void **unused) {
        char path[192];
        Rig rig;

        (void) unused;
        if (geteuid() != 0 || !getpwnam("nobody"))
                skip();

        rig_open(&rig, "id -un; id -G | wc -w; echo $USER; " FOR_EVER);
        (void) snprintf(path, sizeof(path), "%s/output", rig.dir);
        rig.service_config.user = "nobody";
        rig.service_config.output = path;

        /* The output is opened with the user's rights, and here he has none. */
        assert_int_equal(service_begin_start(rig.service), 0);
        rig_wait_done(&rig);
        assert_false(rig.is_done);
        assert_int_equal(rig.facts.exit_value, EACCES);

        assert_int_equal(chmod(rig.dir, 0777), 0);
        rig_start(&rig);
        assert_string_equal(rig_wait_lines(&rig, path, 3), "nobody\n1\nnobody\n");
        rig_close(&rig);
}

static void the_configuration_can_change_under_it(void **unused) {
        Rig rig;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        rig_start(&rig);

        ServiceConfig changed = rig.service_config;
        changed.stop_signal = SIGINT;
        service_set_config(rig.service, &changed, &rig.config);
        rig_stop(&rig);
        assert_int_equal(rig.facts.exit_cause, EXIT_CAUSE_CLEAN);
        rig_close(&rig);
}

static void a_name_that_cannot_be_a_file_is_refused(void **unused) {
        static const char *const names[] = { "", ".", "..", ".bot", "a/b", "a\nb" };
        ServiceHandlers handlers = { 0 };
        Rig rig;

        (void) unused;
        rig_open(&rig, FOR_EVER);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                ServiceConfig config = rig.service_config;
                Service *service = NULL;

                config.name = names[i];
                assert_int_equal(service_new(&config, &rig.config, rig.event, &handlers, &service),
                                 -EINVAL);
                assert_null(service);
        }
        rig_close(&rig);
}

#define BOTH_WAYS(story)                                                               \
        cmocka_unit_test_setup_teardown(story, with_fences, with_fences), {            \
#                story " (no control group)", story, without_fences, with_fences, NULL \
        }

int main(void) {
        const struct CMUnitTest tests[] = {
                BOTH_WAYS(it_starts_runs_and_stops),
                cmocka_unit_test(what_cannot_be_executed_says_why),
                cmocka_unit_test(a_folder_that_cannot_be_written_says_why),
                cmocka_unit_test(each_end_has_its_cause),
                BOTH_WAYS(the_deaf_are_killed),
                cmocka_unit_test(the_halted_hear_the_signal),
                BOTH_WAYS(the_halted_and_deaf_are_killed),
                cmocka_unit_test(a_shell_that_ends_by_the_signal_is_clean),
                cmocka_unit_test(one_act_at_a_time),
                cmocka_unit_test(a_stop_for_memory_is_a_failure),
                BOTH_WAYS(a_restart_waits_until_the_old_one_is_gone),
                cmocka_unit_test(a_restart_of_what_is_down_is_a_start),
                BOTH_WAYS(workers_left_behind_go_before_a_start),
                BOTH_WAYS(a_stop_takes_all_with_it),
                cmocka_unit_test(a_worker_that_dies_is_no_news),
                BOTH_WAYS(a_number_used_again_is_a_stranger),
                cmocka_unit_test(another_boot_says_nothing),
                cmocka_unit_test(nonsense_says_nothing),
                BOTH_WAYS(a_running_one_is_taken_over),
                BOTH_WAYS(who_holds_the_lock_goes_before_a_start),
                cmocka_unit_test(it_gets_a_clean_room),
                cmocka_unit_test(it_becomes_its_user),
                cmocka_unit_test(the_configuration_can_change_under_it),
                cmocka_unit_test(a_name_that_cannot_be_a_file_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
