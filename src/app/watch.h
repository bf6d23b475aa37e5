/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "app/checkpoint.h"
#include "app/clerk_link.h"
#include "app/clockwork.h"
#include "app/control.h"
#include "app/eventlog.h"
#include "app/gather.h"
#include "app/herald.h"
#include "app/status.h"
#include "app/warden.h"
#include "base/clock.h"
#include "base/macro.h"
#include "config/load.h"
#include "io/writer.h"
#include "judge/judge.h"
#include "service/service.h"

/* The watch from inside: what the files of the warden share. Nobody else includes this. */

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
        uint64_t ticket_seqs[WRITER_QUEUE_MAX]; /* last event in the checkpoint of that ticket */
        bool is_checkpoint_failing;
        usec_t checkpoint_usec; /* policy clock, of the last one */
        unsigned failures_saved;

        usec_t started_usec; /* boot clock */
        usec_t tick_usec;    /* policy clock, of the next full check */
        uint64_t sent_seq;   /* to the clerk */
        uint64_t acknowledged_seq;
        bool is_history_failing;
        bool is_clerk_lost;           /* told; its return is owed */
        unsigned n_clerk_deaths_told; /* within the hour that began at: */
        usec_t clerk_hour_usec;
        bool is_reload_owed; /* asked for by a signal while a service was busy */
        bool is_stopping;    /* Ctrl-C: services are being stopped */
};

/* warden.c: the loop. */

/* Policy time. */
usec_t warden_now(const Warden *warden);

/* Sets a timer of ours to one moment, in time since boot. */
void warden_arm(sd_event_source *source, usec_t boottime_usec);

/* Facts, judgement, record: safe to be called from any handler, any number of times. */
void warden_step(Warden *warden);

/* Leaves the loop when nothing is left that would keep us. */
void warden_maybe_exit(Warden *warden);

/* record.c: made durable, then told, then done. */

Checkpoint record_checkpoint(Warden *warden);

/* Takes up the checkpoint of the watch before; a bad one is said and passed over. */
void record_load(Warden *warden);

/* What warden->decision holds: its events are numbered, its intents noted, and both written. */
void record_apply(Warden *warden);

/* An event of our own making, beside what the judge tells. Overwrites warden->decision. */
void record_tell(
        Warden *warden, EventKind kind, Level level, const char *reason, const char *format, ...)
        PRINTF_LIKE(5, 6);

/* Writes a checkpoint now; returns its ticket. */
uint64_t record_save(Warden *warden);

/* Whether there is something worth a checkpoint that no event told of. */
bool record_is_due(const Warden *warden);

/* For eventlog_release(): shows an event to those who listen. */
void record_show(void *userdata, const Event *event);

/* Handlers: a write has ended; an intent has waited for the disk long enough. */
void record_on_written(void *userdata, uint64_t ticket, int r);
int record_on_intent_late(sd_event_source *source, uint64_t usec, void *userdata);

/* ward.c: one service in our care. */

/* Makes the handles of all services of warden->config; those of `old_wards` are let go of first. NULL: there are none. */
int ward_open_all(Warden *warden, const Config *old_config, Ward *old_wards);

/* Brings what the backend knows into the snapshot. */
void ward_refresh(Warden *warden, unsigned index);

/* Begins the pending act, unless the watch is being ended: then it stays for the next one. */
void ward_begin_act(Ward *ward);

/* Acts that were decided and not finished when the last watch ended. */
void ward_resume_acts(Warden *warden);

/* Stops an embedded service because the watch itself is ended from a terminal. */
void ward_stop_for_exit(Ward *ward);

/* desk.c: the clerk. */

int desk_start_clerk(Warden *warden);

/* Sends it as many events as it can take now. */
void desk_pump(Warden *warden);

void desk_send_samples(Warden *warden);

/* Handlers of what it says. */
void desk_on_hello(void *userdata, uint64_t last_seq);
void desk_on_acknowledge(void *userdata, uint64_t seq);
void desk_on_reading(void *userdata,
                     const char *service,
                     CheckKind kind,
                     const CheckReading *reading);
void desk_on_outside(void *userdata, bool is_reachable);
void desk_on_history(void *userdata, bool is_writable, const char *why);
void desk_on_alive(void *userdata);

/* hand.c: a person. */

StatusView hand_view(Warden *warden);
int hand_get_status(void *userdata, char **ret_json);
unsigned hand_list_events(
        void *userdata, uint64_t since_seq, unsigned most, EventShow show, void *show_data);
ControlOutcome hand_command(void *userdata,
                            const BusPeer *by,
                            const char *service,
                            CommandKind command,
                            usec_t for_usec,
                            char ret_answer[static CONTROL_ANSWER_SIZE]);

/* reload.c: the configuration. */

/* Reads the file as it is; the error is filled in on failure. */
int reload_read_text(const char *path,
                     char **ret_text,
                     size_t *ret_length,
                     ConfigError *reterr_error);

/* Fills in what a configuration leaves to the machine it runs on. */
void reload_complete(Config *config);

/* Which checks each service has. */
void reload_init_snapshot(const Config *config, Snapshot *snapshot);

/* Reads the file again and takes it over, or says what is wrong with it. */
ControlOutcome reload_config(void *userdata, char ret_answer[static CONTROL_ANSWER_SIZE]);
