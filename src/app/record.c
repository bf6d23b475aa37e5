/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Record: made durable, then told, then done.
 *
 *     decision ──► admit events, note intents ──► checkpoint ──► writer's thread
 *                                                                    │ "on disk"
 *                  act ◄── intents of that ticket ◄── release ◄──────┘
 *
 * A decision and the events that tell of it go to disk in one file. Until that file is there, nobody
 * is shown the events and no act is begun: whoever kills us at any instant leaves either the state
 * before the step or the state after it. A disk that does not answer is waited for two seconds, because
 * a bot that is down is worse than a budget that may forget one restart.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/watch.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/text.h"

/* A checkpoint without news, so that the policy clock of a long calm is not lost with a reboot. */
#define CHECKPOINT_IDLE_USEC (10 * USEC_PER_MINUTE)

/* After one that failed, so that what is not on disk yet gets there once the disk has room again. */
#define CHECKPOINT_RETRY_USEC (10 * USEC_PER_SEC)

/* How long an act waits for its intent to be on disk. */
#define INTENT_PATIENCE_USEC (2 * USEC_PER_SEC)

Checkpoint record_checkpoint(Warden *warden) {
        return (Checkpoint){
                .config = warden->config,
                .clock = &warden->clock,
                .events = warden->events,
                .judge = warden->judge,
                .pending = warden->pending,
        };
}

/* What was admitted is durable, or as durable as it gets: show it, and do what waited for it. */
void record_show(void *userdata, const Event *event) {
        Warden *warden = userdata;

        if (warden->control)
                control_show_event(warden->control, event);
}

static void record_release(Warden *warden, uint64_t ticket) {
        eventlog_release(warden->events, warden->ticket_seqs[ticket % WRITER_QUEUE_MAX],
                         record_show, warden);
        desk_pump(warden);

        for (unsigned i = 0; i < warden->config->n_services; i++) {
                Ward *ward = &warden->wards[i];

                if (warden->pending[i].action != ACTION_NONE && !ward->is_begun &&
                    ward->ticket <= ticket)
                        ward_begin_act(ward);
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

void record_on_written(void *userdata, uint64_t ticket, int r) {
        Warden *warden = userdata;

        /* Appends to the spool and the log have no ticket; the checkpoint in front of them told of the same disk. */
        if (ticket == 0) {
                if (r < 0 && !warden->is_checkpoint_failing)
                        log_errno(LOG_LEVEL_WARNING, r, _("cannot write beside %s"),
                                  warden->checkpoint_path);
                return;
        }

        note_checkpoint(warden, r);
        record_release(warden, ticket);
}

static unsigned record_failures(const Warden *warden) {
        unsigned sum = 0;

        for (unsigned i = 0; i < warden->config->n_services; i++)
                for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                        sum += warden->judge->services[i].checks[kind].streak.failures;

        return sum;
}

/* Returns the ticket whose end makes it durable. */
uint64_t record_save(Warden *warden) {
        const Checkpoint checkpoint = record_checkpoint(warden);
        CLEANUP_FREE char *text = NULL;
        uint64_t ticket = ++warden->n_tickets;

        warden->ticket_seqs[ticket % WRITER_QUEUE_MAX] = eventlog_peek_next_seq(warden->events) - 1;
        warden->checkpoint_usec = warden_now(warden);
        warden->failures_saved = record_failures(warden);

        int r = checkpoint_render(&checkpoint, clock_boottime_usec(), clock_realtime_usec(), &text);
        if (r >= 0)
                r = writer_put(warden->writer, WRITE_REPLACE, warden->checkpoint_path, 0640, text,
                               strlen(text), ticket);
        if (r < 0) {
                note_checkpoint(warden, r);
                record_release(warden, ticket);
        }

        return ticket;
}

bool record_is_due(const Warden *warden) {
        usec_t patience_usec =
                warden->is_checkpoint_failing ? CHECKPOINT_RETRY_USEC : CHECKPOINT_IDLE_USEC;

        return record_failures(warden) != warden->failures_saved ||
               warden_now(warden) - warden->checkpoint_usec >= patience_usec;
}

int record_on_intent_late(sd_event_source *source, uint64_t usec, void *userdata) {
        Warden *warden = userdata;

        (void) source;
        (void) usec;
        for (unsigned i = 0; i < warden->config->n_services; i++)
                if (warden->pending[i].action != ACTION_NONE && !warden->wards[i].is_begun) {
                        log_warning(
                                _("%s: the disk does not answer; acting without a record of it"),
                                warden->config->services[i].name);
                        ward_begin_act(&warden->wards[i]);
                }

        return 0;
}

/* Events are numbered and dated, intents become pending acts, and both go to disk in one checkpoint. */
void record_apply(Warden *warden) {
        Decision *decision = warden->decision;
        usec_t realtime_usec = clock_realtime_usec();
        bool has_intent = false;

        for (unsigned i = 0; i < decision->n_events; i++) {
                eventlog_admit(warden->events, &decision->events[i], realtime_usec);
                herald_tell(&warden->herald, &decision->events[i]);
        }
        if (decision->n_events_dropped > 0)
                log_warning(_("%u events of one step did not fit and were dropped"),
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

        (void) record_save(warden);
        if (has_intent)
                warden_arm(warden->intent_timer, clock_boottime_usec() + INTENT_PATIENCE_USEC);
}

void record_tell(
        Warden *warden, EventKind kind, Level level, const char *reason, const char *format, ...) {
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

        record_apply(warden);
}

/* Our numbers are lost, but history may go far: the seconds since 1970 are above any number ever given one by one. */
static void begin_above_history(Warden *warden) {
        char path[PATH_SIZE];

        (void) snprintf(path, sizeof(path), "%s/history.db", warden->config->state_dir);
        if (access(path, F_OK) == 0)
                eventlog_set_floor(warden->events, clock_realtime_usec() / USEC_PER_SEC);
}

void record_load(Warden *warden) {
        const Checkpoint checkpoint = record_checkpoint(warden);
        CLEANUP_FREE char *text = NULL;
        size_t length;

        int r = file_read_alloc(warden->checkpoint_path, 4 * CONFIG_BYTES_MAX, &text, &length);
        if (r == -ENOENT) {
                begin_above_history(warden);
                return; /* the first watch here */
        }
        if (r >= 0)
                r = checkpoint_parse(&checkpoint, text, length, clock_boottime_usec(),
                                     clock_realtime_usec());
        if (r >= 0)
                return;

        begin_above_history(warden);
        log_errno(LOG_LEVEL_WARNING, r, _("cannot take up %s; the watch begins with a full budget"),
                  warden->checkpoint_path);
}
