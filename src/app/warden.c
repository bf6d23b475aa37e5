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

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "app/checkpoint.h"
#include "app/clerk_link.h"
#include "app/clerk_protocol.h"
#include "app/clockwork.h"
#include "app/control.h"
#include "app/eventlog.h"
#include "app/gather.h"
#include "app/herald.h"
#include "app/status.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/text.h"
#include "config/load.h"
#include "io/writer.h"
#include "judge/judge.h"
#include "service/service.h"

/* How long an act waits for its intent to be on disk. */
#define INTENT_PATIENCE_USEC (2 * USEC_PER_SEC)

/* A checkpoint without news, so that the policy clock of a long calm is not lost with a reboot. */
#define CHECKPOINT_IDLE_USEC (10 * USEC_PER_MINUTE)

/* The loop may bundle its timers this far to wake up less often. */
#define TIMER_ACCURACY_USEC (20 * USEC_PER_MSEC)

enum {
        EXIT_WELL = 0,
        EXIT_FINDINGS = 1,
        EXIT_CONFIGURATION = 2,
};

typedef struct Warden Warden;

/* A service with what is under way for it. */
typedef struct Ward {
        Warden *warden;
        unsigned index;
        Service *service;
        uint64_t ticket; /* of the checkpoint that holds the pending act */
        bool is_begun;
} Ward;

struct Warden {
        const WardenOptions *options;
        char *config_text;
        size_t config_length;
        Config *config;
        Clockwork clock;
        sd_event *loop;
        sd_event_source *sample_timer;
        sd_event_source *judge_timer;  /* when the judge asked to be asked */
        sd_event_source *intent_timer; /* the disk is late */
        Gather *gather;
        Writer *writer;
        EventLog *events;
        Control *control;
        ClerkLink *clerk;
        Herald herald;
        int lock_fd;

        JudgeState *judge;
        Snapshot *snapshot;
        Decision *decision;
        PendingAct *pending;
        Ward *wards;

        char checkpoint_path[PATH_SIZE];
        uint64_t n_tickets;
        uint64_t durable_ticket;
        uint64_t ticket_seqs[WRITER_QUEUE_MAX]; /* last event in the checkpoint of that ticket */
        bool is_checkpoint_failing;
        usec_t checkpoint_usec; /* policy clock, of the last one */
        unsigned failures_saved;

        usec_t started_usec; /* boot clock */
        usec_t tick_usec;    /* policy clock, of the next full check */
        uint64_t sent_seq;   /* to the clerk */
        uint64_t acknowledged_seq;
        bool is_history_failing;
        bool is_clerk_lost; /* told; its return is owed */
        bool is_stopping;   /* Ctrl-C: services are being stopped */
        int exit_code;
};

static void warden_step(Warden *warden);
static void begin_act(Ward *ward);

static usec_t now_of(const Warden *warden) {
        return clockwork_now(&warden->clock);
}

static Checkpoint checkpoint_of(Warden *warden) {
        return (Checkpoint){
                .config = warden->config,
                .clock = &warden->clock,
                .events = warden->events,
                .judge = warden->judge,
                .pending = warden->pending,
        };
}

static void pump_clerk(Warden *warden);

/* What was admitted is durable, or as durable as it gets: show it, and do what waited for it. */
static void show_event(void *userdata, const Event *event) {
        Warden *warden = userdata;

        if (warden->control)
                control_show_event(warden->control, event);
}

static void release(Warden *warden, uint64_t ticket) {
        warden->durable_ticket = MAX(warden->durable_ticket, ticket);
        eventlog_release(warden->events, warden->ticket_seqs[ticket % WRITER_QUEUE_MAX], show_event,
                         warden);
        pump_clerk(warden);

        for (unsigned i = 0; i < warden->config->n_services; i++) {
                Ward *ward = &warden->wards[i];

                if (warden->pending[i].action != ACTION_NONE && !ward->is_begun &&
                    ward->ticket <= ticket)
                        begin_act(ward);
        }
}

static void note_checkpoint(Warden *warden, int r) {
        if (r < 0 && !warden->is_checkpoint_failing)
                log_errno(
                        LOG_LEVEL_ERROR, r,
                        _("cannot write %s; the watch goes on, but would forget its budget if it were "
                          "killed now"),
                        warden->checkpoint_path);
        else if (r >= 0 && warden->is_checkpoint_failing)
                log_notice(_("%s can be written again"), warden->checkpoint_path);

        warden->is_checkpoint_failing = r < 0;
}

static void on_written(void *userdata, uint64_t ticket, int r) {
        Warden *warden = userdata;

        /* Appends to the spool and the log have no ticket; the checkpoint in front of them told of the same disk. */
        if (ticket == 0) {
                if (r < 0 && !warden->is_checkpoint_failing)
                        log_errno(LOG_LEVEL_WARNING, r, _("cannot write beside %s"),
                                  warden->checkpoint_path);
                return;
        }

        note_checkpoint(warden, r);
        release(warden, ticket);
}

static unsigned failures_of(const Warden *warden) {
        unsigned sum = 0;

        for (unsigned i = 0; i < warden->config->n_services; i++)
                for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                        sum += warden->judge->services[i].checks[kind].streak.failures;

        return sum;
}

/* Returns the ticket whose end makes it durable. */
static uint64_t save(Warden *warden) {
        const Checkpoint checkpoint = checkpoint_of(warden);
        CLEANUP_FREE char *text = NULL;
        uint64_t ticket = ++warden->n_tickets;

        warden->ticket_seqs[ticket % WRITER_QUEUE_MAX] = eventlog_peek_next_seq(warden->events) - 1;
        warden->checkpoint_usec = now_of(warden);
        warden->failures_saved = failures_of(warden);

        int r = checkpoint_render(&checkpoint, clock_boottime_usec(), clock_realtime_usec(), &text);
        if (r >= 0)
                r = writer_put(warden->writer, WRITE_REPLACE, warden->checkpoint_path, 0640, text,
                               strlen(text), ticket);
        if (r < 0) {
                note_checkpoint(warden, r);
                release(warden, ticket);
        }

        return ticket;
}

static int on_intent_late(sd_event_source *source, uint64_t usec, void *userdata) {
        Warden *warden = userdata;

        (void) source;
        (void) usec;
        for (unsigned i = 0; i < warden->config->n_services; i++)
                if (warden->pending[i].action != ACTION_NONE && !warden->wards[i].is_begun) {
                        log_warning(
                                _("%s: the disk does not answer; acting without a record of it"),
                                warden->config->services[i].name);
                        begin_act(&warden->wards[i]);
                }

        return 0;
}

static void arm(sd_event_source *source, usec_t boottime_usec) {
        (void) sd_event_source_set_time(source, boottime_usec);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Events are numbered and dated, intents become pending acts, and both go to disk in one checkpoint. */
static void apply(Warden *warden) {
        Decision *decision = warden->decision;
        usec_t realtime_usec = clock_realtime_usec();
        bool has_intent = false;

        for (unsigned i = 0; i < decision->n_events; i++) {
                eventlog_admit(warden->events, &decision->events[i], realtime_usec);
                herald_tell(&warden->herald, &decision->events[i]);
        }
        if (decision->n_events_dropped > 0)
                log_warning("%u events of one step did not fit and were dropped",
                            decision->n_events_dropped);

        for (unsigned i = 0; i < warden->config->n_services; i++) {
                const Intent *intent = &decision->intents[i];

                if (intent->action == ACTION_NONE || warden->pending[i].action != ACTION_NONE)
                        continue;
                warden->pending[i] = (PendingAct){
                        .action = intent->action,
                        .reason = intent->reason,
                        .incarnation = warden->snapshot->services[i].incarnation,
                };
                warden->wards[i].is_begun = false;
                warden->wards[i].ticket = UINT64_MAX;
                has_intent = true;
        }

        if (decision->n_events == 0 && !has_intent)
                return;

        uint64_t ticket = warden->n_tickets + 1;
        for (unsigned i = 0; i < warden->config->n_services; i++)
                if (warden->wards[i].ticket == UINT64_MAX)
                        warden->wards[i].ticket = ticket;

        (void) save(warden);
        if (has_intent)
                arm(warden->intent_timer, clock_boottime_usec() + INTENT_PATIENCE_USEC);
}

/* An event of our own making, beside what the judge tells. */
static void
tell(Warden *warden, EventKind kind, Level level, const char *reason, const char *format, ...)
        PRINTF_LIKE(5, 6);

static void
tell(Warden *warden, EventKind kind, Level level, const char *reason, const char *format, ...) {
        Decision *decision = warden->decision;
        Event *event = &decision->events[0];
        Buf text;
        va_list arguments;

        decision->n_events = 1;
        decision->n_events_dropped = 0;
        memset(decision->intents, 0, sizeof(decision->intents));

        event->kind = kind;
        event->level = level;
        event->service[0] = '\0';
        (void) text_copy(event->reason, sizeof(event->reason), reason); /* short constants */
        buf_init(&text, event->text, sizeof(event->text));
        va_start(arguments, format);
        buf_vprintf(&text, format, arguments);
        va_end(arguments);

        apply(warden);
}

static void refresh_facts(Warden *warden, unsigned index) {
        ServiceFacts *facts = &warden->snapshot->services[index];
        uint64_t incarnation = facts->incarnation;
        pid_t pid = facts->pid;

        service_facts(warden->wards[index].service, facts);
        facts->is_busy |= warden->pending[index].action != ACTION_NONE;
        if (facts->incarnation != incarnation || facts->pid != pid)
                gather_forget(warden->gather, warden->snapshot, index);
}

static void tell_status(Warden *warden);

static void warden_step(Warden *warden) {
        if (warden->is_stopping)
                return;

        for (unsigned i = 0; i < warden->config->n_services; i++)
                refresh_facts(warden, i);

        usec_t now_usec = now_of(warden);
        judge_step(warden->judge, warden->config, warden->snapshot, now_usec, warden->decision);
        usec_t next_usec = warden->decision->next_usec;
        apply(warden);

        if (next_usec != USEC_INFINITY)
                arm(warden->judge_timer, clock_boottime_usec() + usec_sub(next_usec, now_usec));

        if (failures_of(warden) != warden->failures_saved ||
            now_usec - warden->checkpoint_usec >= CHECKPOINT_IDLE_USEC)
                (void) save(warden);
}

static void
finish_act(Ward *ward, ActionKind action, bool is_done, const char *why, usec_t took_usec) {
        Warden *warden = ward->warden;

        warden->pending[ward->index] = (PendingAct){ 0 };
        ward->is_begun = false;
        refresh_facts(warden, ward->index);
        judge_outcome(warden->judge, warden->config, ward->index, action, is_done, why, took_usec,
                      now_of(warden), warden->decision);
        apply(warden);
        if (warden->decision->n_events == 0)
                (void) save(warden);
}

static void begin_act(Ward *ward) {
        const PendingAct *pending = &ward->warden->pending[ward->index];
        int r = -EINVAL;

        ward->is_begun = true;
        switch (pending->action) {
        case ACTION_NONE:
        case _ACTION_MAX:
                break;
        case ACTION_START:
                r = service_begin_start(ward->service);
                break;
        case ACTION_RESTART:
                r = service_begin_restart(ward->service);
                break;
        case ACTION_STOP:
                r = service_begin_stop(ward->service, pending->reason == REASON_OPERATOR
                                                              ? STOP_WHY_OPERATOR
                                                              : STOP_WHY_MEMORY);
                break;
        }

        if (r < 0)
                finish_act(ward, pending->action, /* is_done= */ false, strerror(-r), 0);
}

static void maybe_exit(Warden *warden) {
        bool is_any_running = false;

        for (unsigned i = 0; i < warden->config->n_services; i++) {
                refresh_facts(warden, i);
                const ServiceFacts *facts = &warden->snapshot->services[i];

                is_any_running |= facts->pid > 0 || facts->is_busy;
        }
        if (is_any_running)
                return;

        const ServiceFacts *only = &warden->snapshot->services[0];
        bool has_ended = warden->options->is_single && only->state == SERVICE_STOPPED &&
                         only->incarnation > 0;

        if (warden->is_stopping || has_ended)
                (void) sd_event_exit(warden->loop, 0);
}

/* An embedded service ends with a watch that is ended from a terminal. */
static void stop_for_exit(Ward *ward) {
        const ServiceConfig *config = &ward->warden->config->services[ward->index];

        refresh_facts(ward->warden, ward->index);
        if (config->n_words == 0 || ward->warden->snapshot->services[ward->index].pid == 0)
                return;

        log_notice(_("stopping %s"), config->name);
        (void) service_begin_stop(ward->service,
                                  STOP_WHY_RESTART); /* -EALREADY: again when that act is done */
}

static void on_service_changed(Service *service, void *userdata) {
        Ward *ward = userdata;

        (void) service;
        warden_step(ward->warden);
        maybe_exit(ward->warden);
}

static void on_service_done(Service *service,
                            ActionKind action,
                            bool is_done,
                            const char *why,
                            usec_t took_usec,
                            void *userdata) {
        Ward *ward = userdata;

        (void) service;
        if (ward->warden->is_stopping)
                stop_for_exit(ward);
        else
                finish_act(ward, action, is_done, why, took_usec);
        warden_step(ward->warden);
        maybe_exit(ward->warden);
}

/* The clerk. */

static void send_to_clerk(void *userdata, const Event *event) {
        Warden *warden = userdata;

        if (control_send_event(warden->control, event) >= 0)
                warden->sent_seq = event->seq;
}

static void pump_clerk(Warden *warden) {
        if (!warden->control || warden->sent_seq == UINT64_MAX)
                return;

        uint64_t outstanding = warden->sent_seq - MIN(warden->sent_seq, warden->acknowledged_seq);
        if (outstanding >= CLERK_WINDOW)
                return;

        (void) eventlog_list(warden->events, warden->sent_seq,
                             (unsigned) (CLERK_WINDOW - outstanding), send_to_clerk, warden);
}

static void on_hello(void *userdata, uint64_t last_seq) {
        Warden *warden = userdata;

        /* A store from another life may be ahead of us: our numbers go on above its. */
        eventlog_set_floor(warden->events, last_seq + 1);
        warden->sent_seq = last_seq;
        warden->acknowledged_seq = last_seq;
        eventlog_acknowledge(warden->events, last_seq);

        if (warden->is_clerk_lost) {
                warden->is_clerk_lost = false;
                tell(warden, EVENT_CLERK_RESTARTED, LEVEL_NORMAL, "{\"code\":\"clerk-restarted\"}",
                     _("the clerk is back"));
        }
        pump_clerk(warden);
}

static void on_acknowledge(void *userdata, uint64_t seq) {
        Warden *warden = userdata;

        warden->acknowledged_seq = MAX(warden->acknowledged_seq, seq);
        eventlog_acknowledge(warden->events, seq);
        pump_clerk(warden);
}

static void
on_reading(void *userdata, const char *service, CheckKind kind, const CheckReading *reading) {
        Warden *warden = userdata;
        int index = config_find_service(warden->config, service);

        if (index < 0 || (kind != CHECK_API && kind != CHECK_LOGS))
                return;

        CheckReading *at = &warden->snapshot->services[index].checks[kind];
        *at = *reading;
        at->at_usec = now_of(warden);
        warden_step(warden);
}

static void on_outside(void *userdata, bool is_reachable) {
        Warden *warden = userdata;

        warden->snapshot->host.is_outside_reachable =
                (Metric){ .is_valid = true, .at_usec = now_of(warden), .value = is_reachable };
}

static void on_history(void *userdata, bool is_writable, const char *why) {
        Warden *warden = userdata;

        if (is_writable != warden->is_history_failing)
                return;

        warden->is_history_failing = !is_writable;
        if (is_writable)
                tell(warden, EVENT_HISTORY_WRITABLE, LEVEL_NORMAL,
                     "{\"code\":\"history-writable\"}", _("history can be written again"));
        else
                tell(warden, EVENT_HISTORY_UNWRITABLE, LEVEL_WARNING,
                     "{\"code\":\"history-unwritable\"}",
                     _("history cannot be written (%s); watching goes on, events wait in %s/spool"),
                     why, warden->config->state_dir);
}

static void on_alive(void *userdata) {
        Warden *warden = userdata;

        clerk_link_note_alive(warden->clerk);
}

static void on_clerk_died(void *userdata, const char *why, usec_t wait_usec) {
        Warden *warden = userdata;
        char wait[DURATION_TEXT_SIZE];

        warden->sent_seq = UINT64_MAX; /* nothing is sent before the next one has said hello */
        (void) text_render_duration(wait, wait_usec);
        if (warden->is_clerk_lost) {
                log_info(_("the clerk ended again (%s); next try in %s"), why, wait);
                return;
        }

        warden->is_clerk_lost = true;
        tell(warden, EVENT_CLERK_DIED, LEVEL_WARNING, "{\"code\":\"clerk-died\"}",
             _("the clerk ended (%s); HTTP and log checks are unknown until it is back, in %s"),
             why, wait);
}

static int start_clerk(Warden *warden) {
        const ClerkHandlers handlers = {
                .on_died = on_clerk_died,
                .userdata = warden,
        };

        warden->sent_seq = UINT64_MAX;
        return clerk_link_new(warden->loop, warden->control, warden->config, warden->config_text,
                              warden->config_length, &handlers, &warden->clerk);
}

static void send_samples(Warden *warden) {
        ControlSample samples[4 + DISKS_MAX + 5 * SERVICES_MAX];
        const HostFacts *host = &warden->snapshot->host;
        unsigned n = 0;

#define ADD_METRIC(name, metric) \
        if ((metric).is_valid)   \
        samples[n++] = (ControlSample){ name, "", (metric).value }
#define ADD_FACT(name, field)                       \
        if (facts->pid > 0 && facts->field >= 0)    \
                samples[n++] = (ControlSample) {    \
                        name, service, facts->field \
                }

        ADD_METRIC("cpu_permille", host->cpu_permille);
        ADD_METRIC("steal_permille", host->steal_permille);
        ADD_METRIC("memory_permille", host->memory_permille);
        ADD_METRIC("swap_permille", host->swap_permille);
        for (unsigned i = 0; i < warden->config->host.n_disk_paths; i++)
                if (host->disks[i].used_permille.is_valid)
                        samples[n++] = (ControlSample){ "disk_permille",
                                                        warden->config->host.disk_paths[i],
                                                        host->disks[i].used_permille.value };

        for (unsigned i = 0; i < warden->config->n_services; i++) {
                const ServiceFacts *facts = &warden->snapshot->services[i];
                const char *service = warden->config->services[i].name;
                const CheckReading *api = &facts->checks[CHECK_API];

                ADD_FACT("cpu_permille", cpu_permille);
                ADD_FACT("memory_bytes", memory_bytes);
                ADD_FACT("descriptors", descriptors);
                ADD_FACT("connections", connections);
                if (api->is_configured && api->outcome == OUTCOME_OK)
                        samples[n++] = (ControlSample){ "api_latency_usec", service, api->value };
        }
#undef ADD_METRIC
#undef ADD_FACT

        /* Without a clerk there is nobody to keep them: history has a gap then. */
        (void) control_send_samples(warden->control, clock_realtime_usec(), samples, n);
}

/* Status. */

static StatusView view_of(Warden *warden) {
        return (StatusView){
                .config = warden->config,
                .snapshot = warden->snapshot,
                .judge = warden->judge,
                .now_usec = now_of(warden),
                .realtime_usec = clock_realtime_usec(),
                .clerk_pid = clerk_link_peek_pid(warden->clerk),
                .uptime_usec = clock_boottime_usec() - warden->started_usec,
                .own_memory_bytes = gather_own_memory_bytes(warden->gather),
                .trouble = warden->is_checkpoint_failing ? _("the state cannot be written to disk")
                           : warden->is_history_failing  ? _("history cannot be written")
                                                         : "",
        };
}

static void tell_status(Warden *warden) {
        StatusView view = view_of(warden);
        char line[STATUS_LINE_SIZE];

        /* Fails only when there is nobody to notify. */
        (void) sd_notifyf(0, "WATCHDOG=1\nSTATUS=%s", status_render_line(&view, line));
}

static int get_status(void *userdata, char **ret_json) {
        Warden *warden = userdata;

        for (unsigned i = 0; i < warden->config->n_services; i++)
                refresh_facts(warden, i);

        StatusView view = view_of(warden);
        return status_render_json(&view, ret_json);
}

static unsigned
list_events(void *userdata, uint64_t since_seq, unsigned most, EventShow show, void *show_data) {
        const Warden *warden = userdata;

        return eventlog_list(warden->events, since_seq, most, show, show_data);
}

/* A person's hand. */

static ControlOutcome command_one(Warden *warden,
                                  unsigned index,
                                  CommandKind command,
                                  usec_t for_usec,
                                  char ret_answer[static CONTROL_ANSWER_SIZE]) {
        const char *name = warden->config->services[index].name;
        usec_t now_usec = now_of(warden);
        bool is_act =
                command == COMMAND_START || command == COMMAND_STOP || command == COMMAND_RESTART;
        Buf answer;

        buf_init(&answer, ret_answer, CONTROL_ANSWER_SIZE);
        refresh_facts(warden, index);
        const ServiceFacts *facts = &warden->snapshot->services[index];

        if (is_act && facts->is_busy) {
                buf_printf(&answer,
                           _("%s: something is being done to it already; try again in a moment"),
                           name);
                return CONTROL_BUSY;
        }
        if (command == COMMAND_START && facts->pid > 0) {
                buf_printf(&answer, _("%s is running already (pid %d)"), name, (int) facts->pid);
                return CONTROL_DONE;
        }

        judge_command(warden->judge, warden->config, warden->snapshot, index, command,
                      for_usec == USEC_INFINITY || for_usec == 0 ? USEC_INFINITY
                                                                 : usec_add(now_usec, for_usec),
                      now_usec, warden->decision);

        if (warden->decision->n_events > 0)
                buf_put(&answer, warden->decision->events[0].text);
        else
                buf_printf(&answer, _("%s: nothing to do"), name);
        apply(warden);
        return CONTROL_DONE;
}

static ControlOutcome run_command(void *userdata,
                                  const BusPeer *by,
                                  const char *service,
                                  CommandKind command,
                                  usec_t for_usec,
                                  char ret_answer[static CONTROL_ANSWER_SIZE]) {
        Warden *warden = userdata;

        log_info("asked by uid %u (pid %d): %s %s", (unsigned) by->uid, (int) by->pid,
                 command == COMMAND_PAUSE     ? "pause"
                 : command == COMMAND_RESUME  ? "resume"
                 : command == COMMAND_START   ? "start"
                 : command == COMMAND_STOP    ? "stop"
                 : command == COMMAND_RESTART ? "restart"
                 : command == COMMAND_RELEASE ? "release"
                                              : "ack",
                 service);

        if (service[0] != '\0') {
                int index = config_find_service(warden->config, service);

                if (index >= 0)
                        return command_one(warden, (unsigned) index, command, for_usec, ret_answer);
                (void) snprintf(ret_answer, CONTROL_ANSWER_SIZE,
                                _("there is no service called %s; albraguard status lists them"),
                                service);
                return CONTROL_NO_SUCH_SERVICE;
        }

        ControlOutcome outcome = CONTROL_DONE;
        for (unsigned i = 0; i < warden->config->n_services && outcome == CONTROL_DONE; i++)
                outcome = command_one(warden, i, command, for_usec, ret_answer);

        return outcome;
}

/* Configuration. */

static int
read_config_text(const char *path, char **ret_text, size_t *ret_length, ConfigError *reterr_error) {
        int r = file_read_alloc(path, CONFIG_BYTES_MAX, ret_text, ret_length);

        if (r < 0)
                (void) snprintf(reterr_error->message, sizeof(reterr_error->message), "%s: %s",
                                path, strerror(-r));
        return r;
}

/* What a configuration leaves to the machine. */
static void complete_config(Config *config) {
        uint64_t total = gather_total_memory_bytes();

        for (unsigned i = 0; i < config->n_services; i++)
                if (config->services[i].memory_max_bytes == 0)
                        config->services[i].memory_max_bytes =
                                total / 1000 * config->max_memory_permille;
}

static int open_wards(Warden *warden, const Config *old_config, Ward *old_wards) {
        const Config *config = warden->config;

        for (unsigned i = 0; i < config->n_services; i++) {
                Ward *ward = &warden->wards[i];
                int old = old_config ? config_find_service(old_config, config->services[i].name)
                                     : -ENOENT;
                const ServiceHandlers handlers = {
                        .on_change = on_service_changed,
                        .on_done = on_service_done,
                        .userdata = ward,
                };

                *ward = (Ward){ .warden = warden, .index = i };
                /* The handle is made anew and takes the running process over, exactly as after our own restart. */
                if (old >= 0)
                        old_wards[old].service = service_free(old_wards[old].service);

                int r = service_new(&config->services[i], config, warden->loop, &handlers,
                                    &ward->service);
                if (r < 0)
                        return log_errno(LOG_LEVEL_ERROR, r, _("cannot guard %s"),
                                         config->services[i].name);

                service_set_clock_offset(ward->service, warden->clock.offset_usec);
                service_set_incarnation(ward->service, warden->judge->services[i].incarnation);
        }

        return 0;
}

static void init_snapshot(const Config *config, Snapshot *snapshot) {
        snapshot->n_services = config->n_services;

        for (unsigned i = 0; i < config->n_services; i++) {
                const ServiceConfig *service = &config->services[i];
                CheckReading *checks = snapshot->services[i].checks;

                checks[CHECK_SERVICE].is_configured = true;
                checks[CHECK_PROCESS].is_configured = true;
                checks[CHECK_API].is_configured = service->api.url[0] != '\0';
                checks[CHECK_LOGS].is_configured =
                        service->logs.n_files > 0 || service->logs.is_journal;
                checks[CHECK_HEARTBEAT].is_configured = service->heartbeat.file[0] != '\0';
                checks[CHECK_MEMORY].is_configured = true;
                checks[CHECK_CPU].is_configured = true;
                checks[CHECK_DESCRIPTORS].is_configured = true;
                checks[CHECK_CONNECTIONS].is_configured = true;
        }
}

static bool is_any_busy(const Warden *warden) {
        for (unsigned i = 0; i < warden->config->n_services; i++)
                if (warden->snapshot->services[i].is_busy)
                        return true;

        return false;
}

/* Replaces everything that hangs on the configuration. Whatever can fail is made before anything is dropped. */
static int adopt_config(Warden *warden, Config *config, char *text, size_t length) {
        JudgeState *judge = calloc(1, sizeof(*judge));
        Snapshot *snapshot = calloc(1, sizeof(*snapshot));
        PendingAct *pending = calloc(MAX(config->n_services, 1U), sizeof(*pending));
        Ward *wards = calloc(MAX(config->n_services, 1U), sizeof(*wards));
        Gather *gather = NULL;

        int r = judge && snapshot && pending && wards ? gather_new(config, &gather) : -ENOMEM;
        if (r < 0) {
                free(judge);
                free(snapshot);
                free(pending);
                free(wards);
                return r;
        }

        Config *old_config = warden->config;
        Ward *old_wards = warden->wards;

        judge_adopt(judge, config, warden->judge, old_config);
        init_snapshot(config, snapshot);
        snapshot->host = warden->snapshot->host;
        for (unsigned i = 0; i < config->n_services; i++) {
                int old = config_find_service(old_config, config->services[i].name);

                for (CheckKind kind = 0; old >= 0 && kind < _CHECK_MAX; kind++) {
                        bool is_configured = snapshot->services[i].checks[kind].is_configured;

                        snapshot->services[i].checks[kind] =
                                warden->snapshot->services[old].checks[kind];
                        snapshot->services[i].checks[kind].is_configured = is_configured;
                }
        }

        warden->clerk = clerk_link_free(warden->clerk);
        free(warden->judge);
        free(warden->snapshot);
        free(warden->pending);
        free(warden->config_text);
        (void) gather_free(warden->gather);
        warden->judge = judge;
        warden->snapshot = snapshot;
        warden->pending = pending;
        warden->wards = wards;
        warden->gather = gather;
        warden->config = config;
        warden->config_text = text;
        warden->config_length = length;

        r = open_wards(warden, old_config, old_wards);
        for (unsigned i = 0; i < old_config->n_services; i++)
                if (old_wards[i].service) {
                        log_notice(_("%s is no longer guarded; it keeps running"),
                                   old_config->services[i].name);
                        (void) service_free(old_wards[i].service);
                }
        free(old_wards);
        (void) config_free(old_config);

        return r < 0 ? r : start_clerk(warden);
}

static ControlOutcome reload(void *userdata, char ret_answer[static CONTROL_ANSWER_SIZE]) {
        Warden *warden = userdata;
        ConfigError error = { 0 };
        Config *config = NULL;
        CLEANUP_FREE char *text = NULL;
        size_t length = 0;

        if (warden->options->config_path[0] == '\0') {
                (void) text_copy(ret_answer, CONTROL_ANSWER_SIZE,
                                 _("there is no configuration file to read again"));
                return CONTROL_REFUSED;
        }
        if (is_any_busy(warden)) {
                (void) text_copy(ret_answer, CONTROL_ANSWER_SIZE,
                                 _("a service is being started or stopped; try again in a moment"));
                return CONTROL_BUSY;
        }

        int r = read_config_text(warden->options->config_path, &text, &length, &error);
        if (r >= 0)
                r = config_parse(text, length, warden->options->config_path, &config, &error);
        if (r >= 0 && (strcmp(config->state_dir, warden->config->state_dir) != 0 ||
                       strcmp(config->run_dir, warden->config->run_dir) != 0)) {
                (void) snprintf(
                        error.message, sizeof(error.message), "%s",
                        _("state_dir and run_dir cannot change while running; restart albraguard"));
                config = config_free(config);
                r = -EINVAL;
        }
        if (r < 0) {
                (void) text_copy(ret_answer, CONTROL_ANSWER_SIZE, error.message);
                tell(warden, EVENT_CONFIG_REJECTED, LEVEL_WARNING, "{\"code\":\"config-rejected\"}",
                     _("the changed configuration is not good and the old one stays in force: %s"),
                     error.message);
                return CONTROL_REFUSED;
        }

        complete_config(config);
        r = adopt_config(warden, config, TAKE_PTR(text), length);
        if (r < 0) {
                (void) snprintf(ret_answer, CONTROL_ANSWER_SIZE, "%s", strerror(-r));
                return CONTROL_FAILED;
        }

        i18n_open(config->language);
        tell(warden, EVENT_CONFIG_RELOADED, LEVEL_NORMAL, "{\"code\":\"config-reloaded\"}",
             _("the configuration was read again: %u services"), config->n_services);
        (void) text_copy(ret_answer, CONTROL_ANSWER_SIZE, _("the configuration was read again"));
        warden_step(warden);
        return CONTROL_DONE;
}

/* Timers and signals. */

static int on_sample(sd_event_source *source, uint64_t usec, void *userdata) {
        Warden *warden = userdata;
        usec_t boottime_usec = clock_boottime_usec();
        usec_t now_usec = now_of(warden);
        bool is_tick = now_usec >= warden->tick_usec;

        for (unsigned i = 0; i < warden->config->n_services; i++)
                refresh_facts(warden, i);
        gather_read(warden->gather, warden->snapshot, now_usec, boottime_usec, is_tick);
        warden_step(warden);

        if (is_tick) {
                warden->tick_usec = now_usec + warden->config->watch.interval_usec;
                send_samples(warden);
        }
        tell_status(warden);

        /* Absolute deadlines do not drift; after a suspend the missed ones are not made up for. */
        arm(source, MAX(usec + warden->config->watch.sample_usec, boottime_usec));
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
                if (warden->config->services[i].n_words > 0 &&
                    warden->snapshot->services[i].pid > 0) {
                        log_notice(_("stopping %s"), warden->config->services[i].name);
                        (void) service_begin_stop(warden->wards[i].service, STOP_WHY_RESTART);
                }

        maybe_exit(warden);
        return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        char answer[CONTROL_ANSWER_SIZE] = "";

        (void) source;
        (void) info;
        (void) sd_notify(0, "RELOADING=1");
        (void) reload(userdata, answer); /* either way an event has told of it */
        (void) sd_notify(0, "READY=1");
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

/* Start. */

static int take_lock(Warden *warden) {
        char path[PATH_SIZE + 16];
        char pid[32] = "";
        size_t length;

        (void) snprintf(path, sizeof(path), "%s/warden.lock", warden->config->run_dir);
        warden->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (warden->lock_fd < 0)
                return log_errno(LOG_LEVEL_ERROR, -errno, _("cannot open %s"), path);

        if (flock(warden->lock_fd, LOCK_EX | LOCK_NB) < 0) {
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

static void load_checkpoint(Warden *warden) {
        const Checkpoint checkpoint = checkpoint_of(warden);
        CLEANUP_FREE char *text = NULL;
        size_t length;

        int r = file_read_alloc(warden->checkpoint_path, 4 * CONFIG_BYTES_MAX, &text, &length);
        if (r == -ENOENT)
                return; /* the first watch here */
        if (r >= 0)
                r = checkpoint_parse(&checkpoint, text, length, clock_boottime_usec(),
                                     clock_realtime_usec());
        if (r < 0)
                log_errno(LOG_LEVEL_WARNING, r,
                          _("cannot take up %s; the watch begins with a full budget"),
                          warden->checkpoint_path);
}

static int make_folder(const char *path, mode_t mode) {
        int r = file_make_dirs(path, mode);

        return r < 0 ? log_errno(LOG_LEVEL_ERROR, r, _("cannot make %s"), path) : 0;
}

static int open_state(Warden *warden) {
        char boot_id[BOOT_ID_SIZE] = "unknown";
        char spool[PATH_SIZE + 16];

        int r = make_folder(warden->config->run_dir, 0755);
        if (r >= 0)
                r = take_lock(warden);
        if (r >= 0)
                r = make_folder(warden->config->state_dir, 0750);
        if (r < 0)
                return r;

        (void) clock_boot_id(
                boot_id); /* without one every start looks like a reboot, which is the safe side */
        clockwork_init(&warden->clock, boot_id);

        (void) snprintf(spool, sizeof(spool), "%s/spool", warden->config->state_dir);
        (void) snprintf(warden->checkpoint_path, sizeof(warden->checkpoint_path),
                        "%s/watchdog_state.json", warden->config->state_dir);

        r = writer_new(warden->loop, on_written, warden, &warden->writer);
        if (r < 0)
                return log_errno(LOG_LEVEL_ERROR, r, "cannot start the writer");
        r = eventlog_new(spool, warden->writer, &warden->events);
        if (r < 0)
                return log_errno(LOG_LEVEL_ERROR, r, _("cannot use %s"), spool);

        judge_init(warden->judge, warden->config);
        load_checkpoint(warden);
        return 0;
}

static int open_control(Warden *warden) {
        const ControlHandlers handlers = {
                .get_status = get_status,
                .list_events = list_events,
                .command = run_command,
                .reload = reload,
                .on_hello = on_hello,
                .on_acknowledge = on_acknowledge,
                .on_reading = on_reading,
                .on_outside = on_outside,
                .on_history = on_history,
                .on_alive = on_alive,
                .userdata = warden,
        };
        char path[PATH_SIZE + 16];

        (void) snprintf(path, sizeof(path), "%s/warden.sock", warden->config->run_dir);
        int r = control_new(warden->loop, path, &handlers, &warden->control);

        return r < 0 ? log_errno(LOG_LEVEL_ERROR, r, _("cannot listen at %s"), path) : 0;
}

/* Acts that were decided and not finished when the last watch ended. */
static void resume_acts(Warden *warden) {
        for (unsigned i = 0; i < warden->config->n_services; i++) {
                PendingAct *pending = &warden->pending[i];
                Ward *ward = &warden->wards[i];

                if (pending->action == ACTION_NONE)
                        continue;
                service_facts(ward->service, &warden->snapshot->services[i]);

                const ServiceFacts *facts = &warden->snapshot->services[i];
                bool is_running = facts->pid > 0;
                bool is_done = pending->action == ACTION_STOP ? !is_running
                               : pending->action == ACTION_START
                                       ? is_running
                                       : is_running && facts->incarnation > pending->incarnation;

                log_notice(
                        is_done ? _("%s: what was being done when the last watch ended is done")
                                : _("%s: going on with what was being done when the last watch ended"),
                        warden->config->services[i].name);
                if (is_done)
                        finish_act(ward, pending->action, /* is_done= */ true, "", 0);
                else
                        begin_act(ward);
        }
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
                r = add_timer(warden, UINT64_MAX, on_intent_late, &warden->intent_timer);
        if (r >= 0)
                r = open_state(warden);
        if (r >= 0)
                r = gather_new(warden->config, &warden->gather);
        if (r < 0)
                return r;

        init_snapshot(warden->config, warden->snapshot);
        herald_open(&warden->herald, warden->config->root, warden->writer);
        r = open_wards(warden, NULL, NULL);
        if (r >= 0)
                r = open_control(warden);
        if (r >= 0)
                r = start_clerk(warden);
        return r;
}

static void warden_begin(Warden *warden) {
        eventlog_release(warden->events, eventlog_peek_next_seq(warden->events) - 1, show_event,
                         warden);
        tell(warden, EVENT_STARTED, LEVEL_NORMAL, "{\"code\":\"started\"}",
             _("albraguard %s watches %u services, a full check every %u s"), ALBRAGUARD_VERSION,
             warden->config->n_services,
             (unsigned) (warden->config->watch.interval_usec / USEC_PER_SEC));
        resume_acts(warden);
        (void) sd_notify(0, "READY=1");
}

static void warden_done(Warden *warden) {
        warden->clerk = clerk_link_free(warden->clerk);
        if (warden->events)
                (void) save(warden);
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
                r = read_config_text(options->config_path, &warden->config_text,
                                     &warden->config_length, &error);

        if (r >= 0)
                r = config_parse(warden->config_text, warden->config_length, options->config_path,
                                 &warden->config, &error);
        if (r < 0) {
                log_error("%s", error.message);
                return r;
        }

        complete_config(warden->config);
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
