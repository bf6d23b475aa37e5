/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Warden: the loop that senses, has it judged, and acts.
 *
 *     timer, pidfd, clerk ──► snapshot ──► judge_step() ──► decision
 *                                                              │
 *        act ◄── checkpoint on disk ◄── events and intents ────┘
 *
 * Every step is the same: bring the snapshot up to date, ask the judge, make durable what it
 * decided together with what is to be told, and only then tell and act. Nothing here waits: files
 * are written by the writer's thread, acts run in the services, and if the disk does not answer
 * within two seconds the act is done all the same, because a bot that is down is worse than a
 * budget that may forget one restart.
 *
 * What it holds is sized at the start. It opens no network socket and reads nothing a stranger wrote.
 */

#include "app/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "app/watch.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/log.h"

/* The loop may bundle its timers this far to wake up less often. */
#define TIMER_ACCURACY_USEC (20 * USEC_PER_MSEC)

enum {
        EXIT_WELL = 0,
        EXIT_FINDINGS = 1,
        EXIT_CONFIGURATION = 2,
};

usec_t warden_now(const Warden *warden) {
        return clockwork_now(&warden->clock);
}

void warden_arm(sd_event_source *source, usec_t boottime_usec) {
        (void) sd_event_source_set_time(source, boottime_usec);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void warden_step(Warden *warden) {
        if (warden->is_stopping)
                return;

        for (unsigned i = 0; i < warden->config->n_services; i++)
                ward_refresh(warden, i);

        usec_t now_usec = warden_now(warden);
        judge_step(warden->judge, warden->config, warden->snapshot, now_usec, warden->decision);
        usec_t next_usec = warden->decision->next_usec;
        record_apply(warden);

        if (next_usec != USEC_INFINITY)
                warden_arm(warden->judge_timer,
                           clock_boottime_usec() + usec_sub(next_usec, now_usec));

        if (record_is_due(warden))
                (void) record_save(warden);
}

void warden_maybe_exit(Warden *warden) {
        bool is_any_running = false;

        for (unsigned i = 0; i < warden->config->n_services; i++) {
                ward_refresh(warden, i);
                const ServiceFacts *facts = &warden->snapshot->services[i];

                is_any_running |= facts->pid > 0 || facts->is_busy;
        }
        if (is_any_running)
                return;

        const ServiceFacts *only = &warden->snapshot->services[0];
        /* By itself, that is: what a person stopped may be started again. */
        bool has_ended = warden->options->is_single && only->state == SERVICE_STOPPED &&
                         only->incarnation > 0 && only->exit_cause == EXIT_CAUSE_CLEAN &&
                         !only->is_operator_stopped;

        if (warden->is_stopping || has_ended)
                (void) sd_event_exit(warden->loop, 0);
}

static void warden_tell_status(Warden *warden) {
        StatusView view = hand_view(warden);
        char line[STATUS_LINE_SIZE];

        /* Fails only when there is nobody to notify. */
        (void) sd_notifyf(0, "WATCHDOG=1\nSTATUS=%s", status_render_line(&view, line));
}

/* A service that is being started or stopped is not let go of in the middle: then it is the next sample's. */
static void reload_by_signal(Warden *warden) {
        char answer[CONTROL_ANSWER_SIZE] = "";

        (void) sd_notify(0, "RELOADING=1");
        ControlOutcome outcome = reload_config(warden, answer);
        (void) sd_notify(0, "READY=1");

        bool was_owed = warden->is_reload_owed;
        warden->is_reload_owed = outcome == CONTROL_BUSY;

        /* Of what was done or refused an event has told. */
        if (outcome == CONTROL_BUSY && !was_owed)
                log_notice(
                        _("a service is being started or stopped; the configuration is read again "
                          "as soon as that is done"));
        else if (outcome == CONTROL_FAILED)
                log_error(_("the new configuration could not be taken over: %s"), answer);
}

static int on_sample(sd_event_source *source, uint64_t usec, void *userdata) {
        Warden *warden = userdata;
        usec_t boottime_usec = clock_boottime_usec();
        usec_t now_usec = warden_now(warden);
        bool is_tick = now_usec >= warden->tick_usec;

        for (unsigned i = 0; i < warden->config->n_services; i++)
                ward_refresh(warden, i);
        gather_read(warden->gather, warden->snapshot, now_usec, boottime_usec, is_tick);
        warden_step(warden);

        if (is_tick) {
                warden->tick_usec = now_usec + warden->config->watch.interval_usec;
                desk_send_samples(warden);
        }
        if (warden->is_reload_owed)
                reload_by_signal(warden);
        warden_tell_status(warden);

        /* Absolute deadlines do not drift; after a suspend the missed ones are not made up for. */
        warden_arm(source, MAX(usec + warden->config->watch.sample_usec, boottime_usec));
        return 0;
}

static int on_judge_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        warden_step(userdata);
        return 0;
}

static int
on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Warden *warden = userdata;

        (void) source;
        (void) info;
        for (unsigned i = 0; i < warden->config->n_services; i++)
                if (warden->snapshot->services[i].pid > 0)
                        log_notice(_("%s keeps running (pid %d); the next watch takes it over"),
                                   warden->config->services[i].name,
                                   (int) warden->snapshot->services[i].pid);

        return sd_event_exit(warden->loop, 0);
}

static int
on_interrupt(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Warden *warden = userdata;

        (void) source;
        (void) info;
        if (warden->is_stopping) {
                log_notice(_("asked twice: leaving at once"));
                return sd_event_exit(warden->loop, 0);
        }

        /* Whoever ends the watch does not say that the bot shall stay down: nothing is judged or noted any more. */
        warden->is_stopping = true;
        for (unsigned i = 0; i < warden->config->n_services; i++)
                ward_stop_for_exit(&warden->wards[i]);

        warden_maybe_exit(warden);
        return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        (void) source;
        (void) info;
        reload_by_signal(userdata);
        return 0;
}

static int add_signal(Warden *warden, int signal_number, sd_event_signal_handler_t handler) {
        sigset_t mask;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, signal_number);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);

        return sd_event_add_signal(warden->loop, NULL, signal_number, handler, warden);
}

static int add_timer(Warden *warden,
                     usec_t boottime_usec,
                     sd_event_time_handler_t handler,
                     sd_event_source **ret) {
        return sd_event_add_time(warden->loop, ret, CLOCK_BOOTTIME, boottime_usec,
                                 TIMER_ACCURACY_USEC, handler, warden);
}

static int take_lock(Warden *warden) {
        char path[PATH_SIZE + 16];
        char pid[32] = "";
        size_t length;

        /* No service can be called so, and NAME.lock is what each has here: one descriptor of ours closed on this file
         * would give the lock up (fcntl(2)). */
        (void) snprintf(path, sizeof(path), "%s/.warden.lock", warden->config->run_dir);
        warden->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (warden->lock_fd < 0)
                return log_errno(LOG_LEVEL_ERROR, -errno, _("cannot open %s"), path);

        /* Not flock(2): a service between fork and execve would share that lock, and survive us with it for a moment. */
        const struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (fcntl(warden->lock_fd, F_SETLK, &lock) < 0) {
                (void) file_read_fd(warden->lock_fd, pid, sizeof(pid),
                                    &length); /* only for the message */
                pid[strcspn(pid, "\n")] = '\0';
                log_error(
                        _("another albraguard (pid %s) already watches with this run_dir (%s); this one "
                          "ends. Look at it with: albraguard status"),
                        pid[0] != '\0' ? pid : "?", warden->config->run_dir);
                return -EBUSY;
        }

        int n = snprintf(pid, sizeof(pid), "%d\n", (int) getpid());
        (void) ftruncate(warden->lock_fd, 0);
        (void) pwrite(warden->lock_fd, pid, (size_t) n,
                      0); /* the lock counts, the number is for people */
        return 0;
}

static int make_folder(const char *path, mode_t mode) {
        int r = file_make_dirs(path, mode);

        return r < 0 ? log_errno(LOG_LEVEL_ERROR, r, _("cannot make %s"), path) : 0;
}

static int open_state(Warden *warden) {
        char boot_id[BOOT_ID_SIZE] = "";
        char spool[PATH_SIZE + 16];

        int r = make_folder(warden->config->run_dir, 0755);
        if (r >= 0)
                r = take_lock(warden);
        if (r >= 0)
                r = make_folder(warden->config->state_dir, 0750);
        if (r < 0)
                return r;

        /* Without one every start is taken for a reboot, which is the safe side. */
        (void) clock_boot_id(boot_id);
        clockwork_init(&warden->clock, boot_id);

        (void) snprintf(spool, sizeof(spool), "%s/spool", warden->config->state_dir);
        (void) snprintf(warden->checkpoint_path, sizeof(warden->checkpoint_path),
                        "%s/watchdog_state.json", warden->config->state_dir);

        r = writer_new(warden->loop, record_on_written, warden, &warden->writer);
        if (r < 0)
                return log_errno(LOG_LEVEL_ERROR, r, _("cannot start the writer"));
        r = eventlog_new(spool, warden->writer, &warden->events);
        if (r < 0)
                return log_errno(LOG_LEVEL_ERROR, r, _("cannot use %s"), spool);

        judge_init(warden->judge, warden->config);
        record_load(warden);
        return 0;
}

static int open_control(Warden *warden) {
        const ControlHandlers handlers = {
                .get_status = hand_get_status,
                .list_events = hand_list_events,
                .command = hand_command,
                .reload = reload_config,
                .on_hello = desk_on_hello,
                .on_acknowledge = desk_on_acknowledge,
                .on_reading = desk_on_reading,
                .on_outside = desk_on_outside,
                .on_history = desk_on_history,
                .on_alive = desk_on_alive,
                .userdata = warden,
        };
        char path[PATH_SIZE + 16];

        (void) snprintf(path, sizeof(path), "%s/warden.sock", warden->config->run_dir);
        int r = control_new(warden->loop, path, &handlers, &warden->control);

        return r < 0 ? log_errno(LOG_LEVEL_ERROR, r, _("cannot listen at %s"), path) : 0;
}

static int warden_open(Warden *warden) {
        usec_t boottime_usec = clock_boottime_usec();

        warden->started_usec = boottime_usec;
        warden->judge = calloc(1, sizeof(*warden->judge));
        warden->snapshot = calloc(1, sizeof(*warden->snapshot));
        warden->decision = calloc(1, sizeof(*warden->decision));
        warden->pending = calloc(MAX(warden->config->n_services, 1U), sizeof(*warden->pending));
        warden->wards = calloc(MAX(warden->config->n_services, 1U), sizeof(*warden->wards));
        if (!warden->judge || !warden->snapshot || !warden->decision || !warden->pending ||
            !warden->wards)
                return -ENOMEM;

        int r = sd_event_default(&warden->loop);
        if (r >= 0)
                r = add_signal(warden, SIGTERM, on_terminate);
        if (r >= 0)
                r = add_signal(warden, SIGINT, on_interrupt);
        if (r >= 0)
                r = add_signal(warden, SIGHUP, on_hangup);
        if (r >= 0)
                r = add_timer(warden, boottime_usec, on_sample, &warden->sample_timer);
        if (r >= 0)
                r = add_timer(warden, UINT64_MAX, on_judge_timer, &warden->judge_timer);
        if (r >= 0)
                r = add_timer(warden, UINT64_MAX, record_on_intent_late, &warden->intent_timer);
        if (r >= 0)
                r = open_state(warden);
        if (r >= 0)
                r = gather_new(warden->config, &warden->gather);
        if (r < 0)
                return r;

        reload_init_snapshot(warden->config, warden->snapshot);
        herald_open(&warden->herald, warden->config->root, warden->writer);
        r = ward_open_all(warden, NULL, NULL);
        if (r >= 0)
                r = open_control(warden);
        if (r >= 0)
                r = desk_start_clerk(warden);
        return r;
}

static void warden_begin(Warden *warden) {
        eventlog_release(warden->events, eventlog_peek_next_seq(warden->events) - 1, record_show,
                         warden);
        record_tell(warden, EVENT_STARTED, LEVEL_NORMAL, "{\"code\":\"started\"}",
                    ngettext("albraguard %s watches %u service, a full check every %u s",
                             "albraguard %s watches %u services, a full check every %u s",
                             warden->config->n_services),
                    ALBRAGUARD_VERSION, warden->config->n_services,
                    (unsigned) (warden->config->watch.interval_usec / USEC_PER_SEC));
        ward_resume_acts(warden);
        (void) sd_notify(0, "READY=1");
}

static void warden_done(Warden *warden) {
        warden->clerk = clerk_link_free(warden->clerk);
        if (warden->events)
                (void) record_save(warden);
        /* The writer still writes what is queued; its answers are not waited for. */
        warden->writer = writer_free(warden->writer);
        warden->control = control_free(warden->control);
        for (unsigned i = 0; warden->wards && i < warden->config->n_services; i++)
                (void) service_free(warden->wards[i].service);
        (void) gather_free(warden->gather);
        (void) eventlog_free(warden->events);
        (void) sd_event_source_disable_unref(warden->sample_timer);
        (void) sd_event_source_disable_unref(warden->judge_timer);
        (void) sd_event_source_disable_unref(warden->intent_timer);
        (void) sd_event_unref(warden->loop);
        free(warden->judge);
        free(warden->snapshot);
        free(warden->decision);
        free(warden->pending);
        free(warden->wards);
        free(warden->config_text);
        (void) config_free(warden->config);
        if (warden->lock_fd >= 0)
                (void) close(warden->lock_fd);
}

static int read_config(Warden *warden) {
        const WardenOptions *options = warden->options;
        ConfigError error = { 0 };
        int r = 0;

        if (options->config_text) {
                warden->config_text = strndup(options->config_text, options->config_length);
                warden->config_length = options->config_length;
                r = warden->config_text ? 0 : -ENOMEM;
        } else
                r = reload_read_text(options->config_path, &warden->config_text,
                                     &warden->config_length, &error);

        if (r >= 0)
                r = config_parse(warden->config_text, warden->config_length, options->config_path,
                                 &warden->config, &error);
        if (r < 0) {
                log_error("%s", error.message);
                return r;
        }

        reload_complete(warden->config);
        i18n_open(warden->config->language);
        return 0;
}

int warden_run(const WardenOptions *options) {
        Warden warden = { .options = options, .lock_fd = -1, .sent_seq = UINT64_MAX };

        log_open("albraguard", LOG_LEVEL_INFO, getenv("JOURNAL_STREAM") != NULL);
        (void) signal(SIGPIPE, SIG_IGN);

        if (read_config(&warden) < 0)
                return EXIT_CONFIGURATION;

        int r = warden_open(&warden);
        if (r >= 0) {
                warden_begin(&warden);
                r = sd_event_loop(warden.loop);
                (void) sd_notify(0, "STOPPING=1");
        }

        warden_done(&warden);
        return r < 0 ? EXIT_FINDINGS : EXIT_WELL;
}
