/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Embedded: services we fork and execute ourselves, where there is no systemd to do it.
 *
 * An act is a walk through phases, each with a deadline of its own, driven by three kinds of news:
 * the main process ended (its pidfd), the new one reports (a pipe), time is up.
 *
 *      stop      TERM ──ended──▶ leftovers? ──none──▶ done
 *                  └─too late──▶ KILL to all ──none left──▶ done
 *                                   └─too late──▶ given up, and said so
 *      start     leftovers? ──none──▶ EXEC ──report closed──▶ done
 *      restart   a stop, and where that would be done, a start
 *
 * So a start is never issued while a process of the last life exists, and what the last life left
 * behind (forked workers, say) is ended first. Which processes those are, roster.c knows; that a
 * second copy cannot be started even by a second watchdog, launch.c sees to.
 *
 * Where the process was started by an earlier watchdog, it is taken over by its pid file: same
 * boot, same number, same moment of birth, or else it is a stranger and gets no signal.
 *
 * News is told to the owner from a source of its own, so that no handler runs inside a call of his.
 */

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/text.h"
#include "io/child.h"
#include "service/backend.h"
#include "service/fence.h"
#include "service/launch.h"
#include "service/machine.h"
#include "service/obituary.h"
#include "service/pidfile.h"
#include "service/roster.h"

/* Deaths before everything else in the loop, and the telling of them right behind. */
#define DEATH_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT - 100)
#define NOTIFY_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT - 90)

/* Between fork and execve there are files to open, maybe on a slow disk; longer than this and something hangs. */
#define START_TIMEOUT_USEC (30 * USEC_PER_SEC)

/* Leftovers have lost their main process and with it their purpose: they get a word, not a wait. */
#define LEFTOVER_GRACE_USEC (5 * USEC_PER_SEC)

/* What SIGKILL does not end in this time hangs in the kernel. */
#define KILL_WAIT_USEC (10 * USEC_PER_SEC)

/* Most ends come within milliseconds of the signal; those that do not, take long. */
#define POLL_LEAST_USEC (5 * USEC_PER_MSEC)
#define POLL_MOST_USEC (100 * USEC_PER_MSEC)

/* Init waits for its adopted children at once; when it has not by now, it never will. */
#define OBITUARY_WAIT_USEC (200 * USEC_PER_MSEC)

/* The kernel counts the kill first, and a large process takes a while to fall. */
#define OOM_FALL_USEC (5 * USEC_PER_SEC)

/* The lock was taken although nobody was seen: a copy was just dying. More often than this, it is not that. */
#define LOCK_TRIES 20

typedef enum Phase {
        PHASE_IDLE,
        PHASE_TERM, /* asked to end */
        PHASE_KILL, /* made to end */
        PHASE_EXEC, /* forked, not yet executed */
        PHASE_OVER, /* the outcome waits to be told */
} Phase;

typedef struct Act {
        ActionKind kind; /* ACTION_NONE: nothing is under way */
        StopWhy why;
        Phase phase;
        usec_t began_usec;
        usec_t deadline_usec; /* of the phase */
        usec_t poll_usec;
        unsigned n_lock_tries;
        bool is_done;
        char words[EVENT_TEXT_SIZE];
} Act;

typedef struct Embedded {
        Service *service;
        Machine machine;
        usec_t state_since_usec;
        bool is_operator_stopped;
        bool has_changed; /* since it was told last */

        pid_t pid; /* 0: there is no main process */
        int pidfd;
        usec_t started_usec;
        usec_t obituary_until_usec; /* 0: it has not ended */
        uint64_t incarnation;

        Act act;
        int report_fd;
        LaunchReport report;

        Fence fence;
        bool is_fence_refused; /* a process may not move there */
        uint64_t oom_base;     /* counter when this life began */
        uint64_t oom_seen;
        usec_t oom_usec;

        sd_event_source *death_source;
        sd_event_source *report_source;
        sd_event_source *oom_source;
        sd_event_source *timer;
        sd_event_source *obituary_timer;
        sd_event_source *notify_source;

        char boot_id[BOOT_ID_SIZE];
        char lock_path[PATH_SIZE];
        char pid_path[PATH_SIZE];
        char mark[PATH_SIZE];
} Embedded;

static void way_is_clear(Embedded *embedded);

/* What the owner gets to see. */

static void notify(Embedded *embedded) {
        (void) sd_event_source_set_enabled(embedded->notify_source,
                                           SD_EVENT_ONESHOT); /* exists since open */
}

static void step(Embedded *embedded, MachineEvent event, int value) {
        ServiceState before = embedded->machine.state;

        (void) machine_step(&embedded->machine, event,
                            value); /* what means nothing here changes nothing */

        if (embedded->machine.state != before)
                embedded->state_since_usec = clock_boottime_usec();

        embedded->has_changed = true;
        notify(embedded);
}

static void disarm(Embedded *embedded) {
        (void) sd_event_source_set_enabled(embedded->timer, SD_EVENT_OFF); /* exists since open */
}

static void finish(Embedded *embedded, bool is_done) {
        assert(embedded->act.kind != ACTION_NONE);

        disarm(embedded);
        embedded->act.phase = PHASE_OVER;
        embedded->act.is_done = is_done;
        notify(embedded);
}

static void say(Embedded *embedded, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(Embedded *embedded, const char *format, ...) {
        Buf buf = BUF_OVER(embedded->act.words);
        va_list arguments;

        va_start(arguments, format);
        buf_vprintf(&buf, format, arguments);
        va_end(arguments);
}

static int on_notify(sd_event_source *source, void *userdata) {
        Embedded *embedded = userdata;
        const ServiceHandlers *handlers = &embedded->service->handlers;

        (void) source;

        if (embedded->has_changed) {
                embedded->has_changed = false;
                if (handlers->on_change)
                        handlers->on_change(embedded->service, handlers->userdata);
        }

        if (embedded->act.phase == PHASE_OVER) {
                Act act = embedded->act;

                embedded->act = (Act){ 0 };
                if (handlers->on_done)
                        handlers->on_done(embedded->service, act.kind, act.is_done, act.words,
                                          usec_sub(clock_boottime_usec(), act.began_usec),
                                          handlers->userdata);
        }

        return 0;
}

static void arm(Embedded *embedded, usec_t usec) {
        /* Both fail only for a source that does not exist. */
        (void) sd_event_source_set_time(embedded->timer, MIN(usec, embedded->act.deadline_usec));
        (void) sd_event_source_set_enabled(embedded->timer, SD_EVENT_ONESHOT);
}

static void enter(Embedded *embedded, Phase phase, usec_t timeout_usec) {
        usec_t now_usec = clock_boottime_usec();

        embedded->act.phase = phase;
        embedded->act.deadline_usec = usec_add(now_usec, timeout_usec);
        embedded->act.poll_usec = POLL_LEAST_USEC;
        arm(embedded, USEC_INFINITY);
}

/* Looks again soon, and each time a little later. */
static void look_again(Embedded *embedded) {
        arm(embedded, usec_add(clock_boottime_usec(), embedded->act.poll_usec));
        embedded->act.poll_usec = MIN(2 * embedded->act.poll_usec, POLL_MOST_USEC);
}

/* The fence and its count of kills for memory. */

static void count_oom_kills(Embedded *embedded) {
        uint64_t seen;

        /* A group that was removed is ready for ever, and would keep the loop turning. */
        if (fence_read_oom_kills(&embedded->fence, &seen) < 0) {
                embedded->oom_source = sd_event_source_disable_unref(embedded->oom_source);
                return;
        }

        if (seen > embedded->oom_seen) {
                embedded->oom_usec = clock_boottime_usec();
                embedded->has_changed = true;
                notify(embedded);
        }

        embedded->oom_seen = seen;
}

static int on_oom(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;

        count_oom_kills(userdata);
        return 0;
}

static void attach_fence(Embedded *embedded, const Fence *fence) {
        const ServiceConfig *config = embedded->service->config;

        embedded->fence = *fence;
        fence_limit(&embedded->fence, config->memory_max_bytes, config->processes_max);

        embedded->oom_base = 0;
        embedded->oom_usec = 0;
        (void) fence_read_oom_kills(&embedded->fence,
                                    &embedded->oom_base); /* untouched when there is none */
        embedded->oom_seen = embedded->oom_base;

        /* Without the watch the count is still looked at when the service dies. */
        if (embedded->fence.events_fd >= 0)
                (void) sd_event_add_io(embedded->service->event, &embedded->oom_source,
                                       embedded->fence.events_fd, EPOLLPRI, on_oom, embedded);
}

static void detach_fence(Embedded *embedded, bool is_removed) {
        embedded->oom_source = sd_event_source_disable_unref(embedded->oom_source);

        if (is_removed)
                fence_remove(&embedded->fence);
        else
                fence_close(&embedded->fence);
}

static void make_fence(Embedded *embedded) {
        char path[PATH_SIZE];
        Fence fence;

        if (embedded->is_fence_refused || fence_place(embedded->service->root_config->run_dir,
                                                      embedded->service->config->name, path) < 0)
                return;

        int r = fence_make(path, &fence);
        if (r < 0)
                (void) log_errno(LOG_LEVEL_DEBUG, r, "%s runs without a control group",
                                 embedded->service->config->name);
        else
                attach_fence(embedded, &fence);
}

/* Where an earlier watchdog put it, or where it belongs. Not being there is well. */
static void find_fence(Embedded *embedded, const char *path) {
        char place[PATH_SIZE];
        Fence fence;

        if (path[0] == '\0') {
                if (fence_place(embedded->service->root_config->run_dir,
                                embedded->service->config->name, place) < 0)
                        return;
                path = place;
        }

        if (fence_open(path, &fence) >= 0)
                attach_fence(embedded, &fence);
}

static bool is_oom(Embedded *embedded) {
        count_oom_kills(embedded);

        return embedded->oom_usec > 0 &&
               usec_sub(clock_boottime_usec(), embedded->oom_usec) < OOM_FALL_USEC;
}

/* All processes, and the ladder of ending them. */

static int stop_signal(const Embedded *embedded) {
        int signal_number = embedded->service->config->stop_signal;

        return signal_number > 0 ? signal_number : SIGTERM;
}

static unsigned signal_all(Embedded *embedded, int signal_number) {
        RosterQuery query = {
                .fence = &embedded->fence,
                .lock_path = embedded->lock_path,
                .mark = embedded->mark,
                .session = embedded->pidfd >= 0 ? embedded->pid : 0,
        };

        return roster_signal(&query, signal_number);
}

static void give_up(Embedded *embedded) {
        if (embedded->pid > 0)
                say(embedded, _("process %d does not end, not even by force"), (int) embedded->pid);
        else
                say(embedded, _("a process it left behind does not end, not even by force"));

        step(embedded, MACHINE_STOP_TIMEOUT, 0);
        finish(embedded, /* is_done= */ false);
}

static void strike(Embedded *embedded) {
        (void) fence_kill(&embedded->fence); /* the others are reached one by one */
        if (embedded->pidfd >= 0)
                (void) child_signal_pidfd(embedded->pidfd, SIGKILL); /* ESRCH is what we want */

        unsigned n_left = signal_all(embedded, SIGKILL);

        if (n_left == 0 && embedded->pidfd < 0)
                way_is_clear(embedded);
        else if (clock_boottime_usec() >= embedded->act.deadline_usec)
                give_up(embedded);
        else
                look_again(embedded);
}

static void begin_kill(Embedded *embedded) {
        enter(embedded, PHASE_KILL, KILL_WAIT_USEC);
        strike(embedded);
}

static void begin_leftovers(Embedded *embedded) {
        unsigned n_left = signal_all(embedded, stop_signal(embedded));

        if (n_left == 0) {
                way_is_clear(embedded);
                return;
        }

        (void) signal_all(embedded, SIGCONT); /* the halted hear nothing */
        enter(embedded, PHASE_TERM, LEFTOVER_GRACE_USEC);
        look_again(embedded);
}

static void begin_term(Embedded *embedded) {
        if (embedded->pidfd < 0) {
                begin_leftovers(embedded);
                return;
        }

        (void) child_signal_pidfd(embedded->pidfd,
                                  stop_signal(embedded)); /* ESRCH: its end is on the way to us */
        (void) child_signal_pidfd(embedded->pidfd, SIGCONT); /* the halted hear nothing */
        enter(embedded, PHASE_TERM, embedded->service->config->stop_timeout_usec);
}

static void term_timed_out(Embedded *embedded) {
        char duration[DURATION_TEXT_SIZE];

        if (embedded->pidfd >= 0)
                say(embedded, _("it did not end within %s and was killed"),
                    text_render_duration(duration, embedded->service->config->stop_timeout_usec));
        else
                say(embedded, _("processes it left behind were killed"));

        begin_kill(embedded);
}

/* The main process. */

static void let_go(Embedded *embedded) {
        embedded->death_source = sd_event_source_disable_unref(embedded->death_source);
        embedded->obituary_timer = sd_event_source_disable_unref(embedded->obituary_timer);
        fd_cleanup(&embedded->pidfd);
        embedded->pidfd = -1;
        embedded->pid = 0;
        embedded->started_usec = 0;
        embedded->obituary_until_usec = 0;
}

static void close_report(Embedded *embedded) {
        embedded->report_source = sd_event_source_disable_unref(embedded->report_source);
        fd_cleanup(&embedded->report_fd);
        embedded->report_fd = -1;
}

static void started(Embedded *embedded) {
        close_report(embedded);
        embedded->incarnation++;
        step(embedded, MACHINE_EXEC_OK, 0);
        finish(embedded, /* is_done= */ true);
}

/* Reads what the new process says. True: it said that it failed; false: not (yet). */
static bool read_report(Embedded *embedded) {
        LaunchReport report;

        if (embedded->report.error == 0 && embedded->report_fd >= 0) {
                ssize_t n = read(embedded->report_fd, &report, sizeof(report));

                if (n == 0)
                        started(embedded);
                else if (n == (ssize_t) sizeof(report)) {
                        embedded->report = report;
                        close_report(embedded);
                }
        }

        return embedded->report.error != 0;
}

static int on_report(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;

        (void) read_report(userdata); /* a failed one ends now, and that is when it is dealt with */
        return 0;
}

static void launch_plan(const Embedded *embedded, LaunchPlan *ret_plan) {
        *ret_plan = (LaunchPlan){
                .config = embedded->service->config,
                .fence = &embedded->fence,
                .lock_path = embedded->lock_path,
                .pid_path = embedded->pid_path,
                .mark = embedded->mark,
                .boot_id = embedded->boot_id,
                .incarnation = embedded->incarnation + 1,
        };
}

static void start_failed(Embedded *embedded, int error) {
        if (embedded->pidfd < 0)
                detach_fence(embedded, /* is_removed= */ true);

        step(embedded, MACHINE_EXEC_FAILED, error);
        finish(embedded, /* is_done= */ false);
}

static int on_death(sd_event_source *source, int fd, uint32_t revents, void *userdata);

/* Takes the descriptor. On failure it is held, but its end will not be told. */
static int hold_take(Embedded *embedded, pid_t pid, int pidfd) {
        embedded->pid = pid;
        embedded->pidfd = pidfd;

        int r = sd_event_add_io(embedded->service->event, &embedded->death_source, pidfd, EPOLLIN,
                                on_death, embedded);
        if (r < 0)
                return r;

        return sd_event_source_set_priority(embedded->death_source, DEATH_PRIORITY);
}

static int hold_launched(Embedded *embedded, const Launched *launched) {
        embedded->started_usec = clock_boottime_usec();
        embedded->report_fd = launched->report_fd;

        int r = hold_take(embedded, launched->pid, launched->pidfd);
        if (r < 0)
                return r;

        return sd_event_add_io(embedded->service->event, &embedded->report_source,
                               embedded->report_fd, EPOLLIN, on_report, embedded);
}

static void begin_exec(Embedded *embedded) {
        LaunchPlan plan;
        Launched launched;

        step(embedded, MACHINE_START_ASKED, 0);
        make_fence(embedded);

        (void) file_make_dirs(embedded->service->root_config->run_dir,
                              0755); /* if not, the lock tells why */

        launch_plan(embedded, &plan);
        embedded->report = (LaunchReport){ 0 };

        int r = launch(&plan, &launched);
        if (r >= 0) {
                r = hold_launched(embedded, &launched);
                if (r >= 0) {
                        enter(embedded, PHASE_EXEC, START_TIMEOUT_USEC);
                        return;
                }

                /* Better no service than one whose end would go unseen. At worst a zombie stays. */
                (void) child_signal_pidfd(embedded->pidfd, SIGKILL);
                close_report(embedded);
                let_go(embedded);
        }

        say(embedded, _("cannot make a process: %s"), strerror(-r));
        start_failed(embedded, -r);
}

static void exec_timed_out(Embedded *embedded) {
        char duration[DURATION_TEXT_SIZE];

        close_report(embedded);
        (void) child_signal_pidfd(embedded->pidfd, SIGKILL); /* its end comes as every other */
        say(embedded, _("it could not be executed within %s"),
            text_render_duration(duration, START_TIMEOUT_USEC));
        start_failed(embedded, ETIMEDOUT);
}

/* All that was to be ended has ended. */
static void way_is_clear(Embedded *embedded) {
        detach_fence(embedded, /* is_removed= */ true);

        if (embedded->act.kind != ACTION_STOP) {
                begin_exec(embedded);
                return;
        }

        /* Otherwise the next watchdog would wonder where it went. */
        (void) unlink(embedded->pid_path);
        step(embedded,
             embedded->act.why == STOP_WHY_MEMORY ? MACHINE_ALL_GONE_OOM : MACHINE_ALL_GONE,
             embedded->machine.exit_value);
        finish(embedded, /* is_done= */ true);
}

/* Taking over. */

/* Dead, and only its entry waits for a parent that does not come: such a one is not taken over. */
static bool has_ended(int pidfd) {
        struct pollfd end = { .fd = pidfd, .events = POLLIN };

        return poll(&end, 1, /* timeout= */ 0) > 0;
}

/* 1 and the main process is held; 0 when there is none (`ret_was_there`: in this boot there was). */
static int adopt(Embedded *embedded, bool *ret_was_there) {
        PidFile pidfile;
        ProcessStat stat;

        *ret_was_there = false;

        int r = pidfile_read(embedded->pid_path, &pidfile);
        if (r < 0) {
                if (r != -ENOENT)
                        (void) log_errno(LOG_LEVEL_DEBUG, r, "%s is not read", embedded->pid_path);
                return 0;
        }

        embedded->incarnation = MAX(embedded->incarnation, pidfile.incarnation);
        if (strcmp(pidfile.boot_id, embedded->boot_id) != 0)
                return 0;

        *ret_was_there = true;

        /* First the hold, then the look: if it is the right one now, it was the right one when we took hold. */
        CLEANUP_FD int pidfd = child_open_pidfd(pidfile.pid);
        bool is_it = pidfd >= 0 && roster_read_stat(pidfile.pid, &stat) >= 0 &&
                     stat.start_ticks == pidfile.start_ticks && !has_ended(pidfd);

        detach_fence(embedded, /* is_removed= */ false);
        if (!is_it || pidfile.fence[0] != '\0')
                find_fence(embedded, pidfile.fence);
        if (!is_it)
                return 0;

        r = hold_take(embedded, pidfile.pid, TAKE_FD(pidfd));
        if (r < 0) {
                let_go(embedded);
                return r;
        }

        embedded->started_usec = stat.start_ticks * USEC_PER_SEC / (uint64_t) sysconf(_SC_CLK_TCK);
        embedded->is_operator_stopped = false;
        step(embedded, MACHINE_ADOPTED, 0);
        return 1;
}

/* The lock is taken: by a main process to be taken over, or by what one left behind. */
static void lock_was_taken(Embedded *embedded) {
        bool was_there;

        detach_fence(embedded, /* is_removed= */ true);

        int r = adopt(embedded, &was_there);
        if (r > 0) {
                say(embedded, _("it runs already, as process %d"), (int) embedded->pid);
                finish(embedded, /* is_done= */ true);
                return;
        }

        if (r == 0 && ++embedded->act.n_lock_tries < LOCK_TRIES) {
                (void) signal_all(embedded, stop_signal(embedded)); /* counted at the next look */
                enter(embedded, PHASE_TERM, LEFTOVER_GRACE_USEC);
                look_again(embedded);
                return;
        }

        say(embedded, _("another copy of it holds %s"), embedded->lock_path);
        start_failed(embedded, EWOULDBLOCK);
}

static void launch_failed(Embedded *embedded) {
        LaunchReport report = embedded->report;
        LaunchPlan plan;

        embedded->report = (LaunchReport){ 0 };

        if (report.stage == LAUNCH_FENCE) {
                embedded->is_fence_refused = true;
                detach_fence(embedded, /* is_removed= */ true);
                begin_exec(embedded);
                return;
        }

        if (report.stage == LAUNCH_LOCK && report.error == EWOULDBLOCK) {
                lock_was_taken(embedded);
                return;
        }

        Buf buf = BUF_OVER(embedded->act.words);
        launch_plan(embedded, &plan);
        launch_report_to_words(&report, &plan, &buf);
        start_failed(embedded, report.error);
}

/* The end of the main process. */

static void ended(Embedded *embedded, MachineEvent event, int value) {
        let_go(embedded);

        if (embedded->act.phase == PHASE_EXEC && read_report(embedded)) {
                launch_failed(embedded);
                return;
        }

        step(embedded, event, value);

        switch (embedded->act.phase) {
        case PHASE_IDLE:
        case PHASE_OVER:
                /* Its own wish, so the next watchdog need not wonder where it went. */
                if (event == MACHINE_EXITED_CLEAN)
                        (void) unlink(embedded->pid_path);
                return;

        case PHASE_TERM:
                begin_leftovers(embedded);
                return;

        case PHASE_KILL:
                strike(embedded);
                return;

        case PHASE_EXEC:
                /* The report could not be read, though the pipe ended with it. */
                close_report(embedded);
                say(embedded, _("it ended before it was executed"));
                start_failed(embedded, EIO);
                return;
        }
}

static void ended_with(Embedded *embedded, int code, int status) {
        bool is_asked = embedded->act.phase == PHASE_TERM || embedded->act.phase == PHASE_KILL;
        int value;

        MachineEvent event =
                machine_event_of_exit(code, status, is_asked ? stop_signal(embedded) : 0,
                                      status == SIGKILL && is_oom(embedded), &value);
        ended(embedded, event, value);
}

static int on_obituary(sd_event_source *source, uint64_t usec, void *userdata);

/* Not our child: the kernel tells once its parent has asked. */
static void ended_elsewhere(Embedded *embedded) {
        usec_t now_usec = clock_boottime_usec();
        int code;
        int status;

        if (embedded->obituary_until_usec == 0)
                embedded->obituary_until_usec = usec_add(now_usec, OBITUARY_WAIT_USEC);

        int r = obituary_read(embedded->pidfd, &code, &status);
        if (r >= 0) {
                ended_with(embedded, code, status);
                return;
        }

        if (r == -EAGAIN && now_usec < embedded->obituary_until_usec) {
                /* The pidfd stays readable: out of the loop with it, or it spins. */
                (void) sd_event_source_set_enabled(embedded->death_source, SD_EVENT_OFF);
                embedded->obituary_timer = sd_event_source_disable_unref(embedded->obituary_timer);
                r = sd_event_add_time(embedded->service->event, &embedded->obituary_timer,
                                      CLOCK_BOOTTIME, usec_add(now_usec, USEC_PER_MSEC),
                                      /* accuracy= */ 1, on_obituary, embedded);
                if (r >= 0)
                        return;
        }

        ended(embedded, MACHINE_VANISHED, 0);
}

static int on_obituary(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;

        ended_elsewhere(userdata);
        return 0;
}

static int on_death(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Embedded *embedded = userdata;
        siginfo_t info;

        (void) source;
        (void) revents;

        int r = child_reap_pidfd(fd, &info);
        if (r > 0)
                ended_with(embedded, info.si_code, info.si_status);
        else if (r < 0)
                ended_elsewhere(embedded);

        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Embedded *embedded = userdata;
        bool is_over = clock_boottime_usec() >= embedded->act.deadline_usec;

        (void) source;
        (void) usec;

        switch (embedded->act.phase) {
        case PHASE_TERM:
                if (is_over)
                        term_timed_out(embedded);
                else if (embedded->pidfd < 0 && signal_all(embedded, 0) == 0)
                        way_is_clear(embedded);
                else
                        look_again(embedded);
                return 0;

        case PHASE_KILL:
                strike(embedded);
                return 0;

        case PHASE_EXEC:
                if (is_over)
                        exec_timed_out(embedded);
                else
                        arm(embedded, USEC_INFINITY);
                return 0;

        case PHASE_IDLE:
        case PHASE_OVER:
                return 0;
        }

        return 0;
}

/* The face. */

static void embedded_close(Service *service) {
        Embedded *embedded = service->backend_state;

        let_go(embedded);
        close_report(embedded);
        detach_fence(embedded, /* is_removed= */ false);
        (void) sd_event_source_disable_unref(embedded->timer);         /* always NULL */
        (void) sd_event_source_disable_unref(embedded->notify_source); /* always NULL */
        free(embedded);
        service->backend_state = NULL;
}

static int make_names(Embedded *embedded) {
        const char *run_dir = embedded->service->root_config->run_dir;
        const char *name = embedded->service->config->name;
        Buf lock = BUF_OVER(embedded->lock_path);
        Buf pid = BUF_OVER(embedded->pid_path);
        Buf mark = BUF_OVER(embedded->mark);

        buf_printf(&lock, "%s/%s.lock", run_dir, name);
        buf_printf(&pid, "%s/%s.pid", run_dir, name);
        buf_printf(&mark, "ALBRAGUARD_SERVICE=%s/%s", run_dir, name);

        return lock.is_truncated || pid.is_truncated || mark.is_truncated ? -ENAMETOOLONG : 0;
}

static int make_sources(Embedded *embedded) {
        sd_event *event = embedded->service->event;

        int r = sd_event_add_time(event, &embedded->timer, CLOCK_BOOTTIME, 0,
                                  /* accuracy= */ USEC_PER_MSEC, on_timer, embedded);
        if (r >= 0)
                r = sd_event_source_set_enabled(embedded->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(event, &embedded->notify_source, on_notify, embedded);
        if (r >= 0)
                r = sd_event_source_set_enabled(embedded->notify_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(embedded->notify_source, NOTIFY_PRIORITY);

        return r;
}

static int look_around(Embedded *embedded) {
        bool was_there;

        int r = adopt(embedded, &was_there);
        if (r != 0)
                return r;

        /* It ended while nobody was looking. */
        if (was_there)
                step(embedded, MACHINE_VANISHED, 0);
        else
                find_fence(embedded, "");

        return 0;
}

static int embedded_open(Service *service) {
        Embedded *embedded = calloc(1, sizeof(*embedded));
        if (!embedded)
                return -ENOMEM;

        service->backend_state = embedded;
        embedded->service = service;
        embedded->pidfd = -1;
        embedded->report_fd = -1;
        embedded->fence = FENCE_NONE;
        embedded->state_since_usec = clock_boottime_usec();

        int r = make_names(embedded);
        if (r >= 0)
                r = clock_boot_id(embedded->boot_id);
        if (r >= 0)
                r = make_sources(embedded);
        if (r >= 0)
                r = look_around(embedded);
        if (r < 0) {
                embedded_close(service);
                return r;
        }

        /* The owner asks for the facts now; only what comes later is news. */
        embedded->has_changed = false;
        return 0;
}

static void embedded_facts(const Service *service, ServiceFacts *ret_facts) {
        const Embedded *embedded = service->backend_state;

        ret_facts->state = embedded->machine.state;
        ret_facts->exit_cause = embedded->machine.exit_cause;
        ret_facts->exit_value = embedded->machine.exit_value;
        ret_facts->state_since_usec = embedded->state_since_usec;
        /* A life begins with its program: before that the process is still a copy of ours, and has no incarnation. */
        ret_facts->started_usec = embedded->act.phase == PHASE_EXEC ? 0 : embedded->started_usec;
        ret_facts->pid = embedded->pid;
        ret_facts->incarnation = embedded->incarnation;
        ret_facts->is_operator_stopped = embedded->is_operator_stopped;
        ret_facts->is_backend_restarting = false;
        ret_facts->is_start_limited = false;
        /* It is dead and how it died is being found out: until then nothing is to be concluded from the corpse. */
        ret_facts->is_busy = embedded->act.kind != ACTION_NONE || embedded->obituary_until_usec > 0;
        ret_facts->is_memory_enforced = embedded->fence.has_memory_max;
}

static void begin(Embedded *embedded, ActionKind kind, StopWhy why) {
        embedded->act = (Act){ .kind = kind, .why = why, .began_usec = clock_boottime_usec() };
        embedded->is_operator_stopped = kind == ACTION_STOP && why == STOP_WHY_OPERATOR;
}

static int embedded_begin_start(Service *service) {
        Embedded *embedded = service->backend_state;

        if (embedded->act.kind != ACTION_NONE || embedded->machine.state == SERVICE_RUNNING)
                return -EALREADY;

        begin(embedded, ACTION_START, STOP_WHY_RESTART);
        step(embedded, MACHINE_START_ASKED, 0);

        /* One that we gave up on earlier may still hang there. */
        if (embedded->pidfd >= 0)
                begin_kill(embedded);
        else
                begin_leftovers(embedded);

        return 0;
}

static int embedded_begin_stop(Service *service, StopWhy why) {
        Embedded *embedded = service->backend_state;

        if (embedded->act.kind != ACTION_NONE)
                return -EALREADY;

        begin(embedded, ACTION_STOP, why);
        step(embedded, MACHINE_STOP_ASKED, 0);
        begin_term(embedded);
        return 0;
}

static int embedded_begin_restart(Service *service) {
        Embedded *embedded = service->backend_state;

        if (embedded->act.kind != ACTION_NONE)
                return -EALREADY;

        begin(embedded, ACTION_RESTART, STOP_WHY_RESTART);
        step(embedded, embedded->pidfd >= 0 ? MACHINE_STOP_ASKED : MACHINE_START_ASKED, 0);
        begin_term(embedded);
        return 0;
}

static void embedded_config_changed(Service *service) {
        Embedded *embedded = service->backend_state;

        fence_limit(&embedded->fence, service->config->memory_max_bytes,
                    service->config->processes_max);
}

static void embedded_set_incarnation(Service *service, uint64_t incarnation) {
        Embedded *embedded = service->backend_state;

        embedded->incarnation = MAX(embedded->incarnation, incarnation);
}

static int embedded_pidfd(const Service *service) {
        const Embedded *embedded = service->backend_state;

        return embedded->pidfd;
}

static uint64_t embedded_oom_kills(const Service *service) {
        const Embedded *embedded = service->backend_state;

        return embedded->fence.has_own_events ? embedded->oom_seen - embedded->oom_base : 0;
}

const ServiceBackend backend_embedded = {
        .open = embedded_open,
        .close = embedded_close,
        .facts = embedded_facts,
        .begin_start = embedded_begin_start,
        .begin_stop = embedded_begin_stop,
        .begin_restart = embedded_begin_restart,
        .config_changed = embedded_config_changed,
        .set_incarnation = embedded_set_incarnation,
        .pidfd = embedded_pidfd,
        .oom_kills = embedded_oom_kills,
};
