/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "dice.h"
#include "model/config.h"
#include "model/decision.h"
#include "model/snapshot.h"

enum {
        BOTS_MAX = 3
};

/* What troubles a service, each until its time. */
typedef struct Trouble {
        usec_t hang_until_usec; /* answers wrongly, in this way: */
        Cause hang_cause;
        bool is_cured_by_restart;
        usec_t loop_until_usec; /* dies `loop_life_usec` after each start */
        usec_t loop_life_usec;
        usec_t frozen_until_usec;
        usec_t slow_until_usec; /* answers rightly, but late */
        usec_t errors_until_usec;
        usec_t silent_until_usec;  /* no readings arrive */
        usec_t no_exec_until_usec; /* cannot be started */
        int64_t leak_bytes_per_hour;
} Trouble;

/* A false service with whoever runs it. */
typedef struct Bot {
        ServiceConfig config;
        char name[NAME_SIZE];
        bool is_systemd;
        Trouble trouble;
        usec_t dies_usec; /* USEC_INFINITY: not planned */
        bool dies_cleanly;
        usec_t warm_usec; /* it does not answer for this long after a start */
        int64_t base_bytes;
        bool is_person_stopped; /* truth, for the checker */

        ActionKind act; /* under way */
        ReasonCode act_reason;
        bool is_act_half; /* of a restart: the stop is done */
        usec_t act_usec;  /* the next thing in it happens then */
        usec_t act_begin_usec;
        usec_t backend_restart_usec; /* systemd will; USEC_INFINITY: it will not */
        unsigned n_backend_starts;   /* within its own limit's window, which began at: */
        usec_t backend_window_usec;
} Bot;

typedef struct World {
        Dice dice;
        usec_t now_usec;
        Config config;
        ServiceConfig services[BOTS_MAX];
        unsigned n_bots;
        Bot bots[BOTS_MAX];
        Snapshot snapshot;
        usec_t clerk_silent_until_usec; /* hangs: nothing it looks at is told */
        usec_t senses_silent_until_usec;
        usec_t starved_until_usec;
        int starved_how;
        usec_t disk_full_until_usec;
        usec_t outside_gone_until_usec;
        usec_t hot_until_usec;
        usec_t next_trouble_usec;
        usec_t fair_usec; /* from then on the weather is good */
} World;

/* A machine and one to three services, as the seed has it, at the beginning of time. */
void world_init(World *world, uint64_t seed);

/* When the next thing happens by itself. */
usec_t world_next_usec(const World *world);

typedef void (*WorldTold)(void *userdata, unsigned bot, const char *what);

/* Lets happen what is due. Calls back for acts that ended and for restarts by others. */
typedef struct WorldHandlers {
        void (*on_act_end)(void *userdata, unsigned bot, ActionKind action, bool is_done);
        void (*on_backend_restart)(void *userdata, unsigned bot);
        WorldTold on_told;
        void *userdata;
} WorldHandlers;
void world_move(World *world, const WorldHandlers *handlers);

/* Readings of everything that is not silent. */
void world_read(World *world);

/* Nothing is wrong, is going wrong, or is being done. */
bool world_is_calm(const World *world);

/* One new trouble, and when the next comes. */
void world_make_trouble(World *world, const WorldHandlers *handlers);

/* All troubles end; also those of old. */
void world_clear(World *world);

/* An act begins; false when one is under way. */
bool world_begin_act(World *world, unsigned bot, ActionKind action, ReasonCode reason);

/* A person uses systemctl, or a signal, behind our back. */
void world_person_stops(World *world, unsigned bot);
void world_person_starts(World *world, unsigned bot);

/* The watchdog is gone, and with it what it was doing. */
void world_drop_acts(World *world);
