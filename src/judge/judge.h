/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "judge/budget.h"
#include "judge/level.h"
#include "judge/streak.h"
#include "model/config.h"
#include "model/decision.h"
#include "model/snapshot.h"

/* What the judge remembers of one check. */
typedef struct CheckState {
        Streak streak;
        usec_t counted_usec; /* the reading counted last: each counts once */
        usec_t known_usec;   /* the last one that said ok or fail */
        bool is_worst_told; /* of a check that only alarms: that it goes on was told in this episode */
        LevelState level; /* of its value */
} CheckState;

/* In which way a service is not up. */
typedef enum DownKind {
        DOWN_NONE,     /* up, or on its way up or down */
        DOWN_NEVER,    /* has not run yet under our eyes */
        DOWN_FAILED,   /* died, or could not be started */
        DOWN_ENDED,    /* ended cleanly by itself: left alone */
        DOWN_OPERATOR, /* a person stopped it: left alone */
        _DOWN_MAX,
} DownKind;

/* What the judge remembers of one service. Plain data: it is kept in the checkpoint as it is. */
typedef struct ServiceJudgement {
        CheckState checks[_CHECK_MAX];
        Budget budget;
        uint64_t incarnation; /* the one last seen */
        usec_t started_usec;  /* when its process was started; zero when that was not seen */
        bool has_run;         /* it was up once */
        ServiceState state;   /* the one last seen, to tell changes */
        DownKind down;        /* as last told */
        usec_t died_usec;     /* when it went down */
        Level level;
        bool is_down_told;      /* service-down was told, service-up is owed */
        unsigned n_deaths_told; /* within the hour that began at: */
        usec_t deaths_since_usec;
        bool is_start_owed;    /* we wanted it started and have not seen it start */
        bool is_start_charged; /* the start that will be seen next is in the ledger already */
        usec_t act_usec;       /* when we last wanted something done to it */
        usec_t stop_usec;      /* when we last wanted it stopped in this life */
        bool is_held;
        usec_t held_since_usec;
        usec_t retry_usec;        /* when held: the next attempt */
        unsigned n_retries;       /* grows the wait between attempts */
        usec_t paused_until_usec; /* 0: not paused; USEC_INFINITY: until resumed */
        usec_t paused_usec;       /* since when */
        bool is_pause_reminded;
        bool is_operator_stopped; /* a person stopped it; survives our restart */
        bool is_stop_seen;        /* and it has been down since */
        bool is_stop_told;
        usec_t operator_stop_usec;
        usec_t reminded_usec;      /* when the stop was mentioned again; 0: not yet */
        usec_t healthy_since_usec; /* 0: not healthy now */
        RefusalCode refusal; /* why what is wanted is not done now; none when nothing is wanted */
        ReasonCode wanted;   /* what was wanted when it was refused */
        uint32_t refusals_told; /* a bit for each code told since refusals_since_usec */
        usec_t refusals_since_usec;
        ExitCause last_exit_cause; /* for the crash loop */
        int last_exit_value;
        unsigned n_same_exits; /* early deaths of the same cause in a row */
} ServiceJudgement;

typedef struct JudgeState {
        unsigned n_services;
        LevelState cpu;
        LevelState memory;
        LevelState disks[DISKS_MAX];
        usec_t cpu_counted_usec;
        usec_t memory_counted_usec;
        usec_t disks_counted_usec[DISKS_MAX];
        Level host_level;
        ServiceJudgement services[SERVICES_MAX];
} JudgeState;

typedef enum CommandKind {
        COMMAND_PAUSE, /* until_usec, USEC_INFINITY for ever */
        COMMAND_RESUME,
        COMMAND_START, /* these three wake the service from an operator's stop or tell of one */
        COMMAND_STOP,
        COMMAND_RESTART,
        COMMAND_RELEASE, /* ends a hold and forgives the budget */
        COMMAND_ACK,
        _COMMAND_MAX,
} CommandKind;

/* A state that has seen nothing yet, for the services of `config`. */
void judge_init(JudgeState *state, const Config *config);

/* Carries what was learnt over to a changed configuration, service by service, by name. */
void judge_adopt(JudgeState *state,
                 const Config *config,
                 const JudgeState *old,
                 const Config *old_config);

/* The one door: looks at the snapshot, moves the state, says what to do and what to tell. Pure: no clock, no memory, no
 * file, no log. An act that comes out of it is already charged to the budget: whoever executes it first makes the state
 * durable. May be called at any time and any number of times; each reading counts once. */
void judge_step(JudgeState *state,
                const Config *config,
                const Snapshot *snapshot,
                usec_t now_usec,
                Decision *ret_decision);

/* What a person asked for. The decision holds what is to be told and, for start, stop and restart, the intent (a person
 * may spend beyond the budget; it is still counted). While the service is busy, start and restart decide nothing. */
void judge_command(JudgeState *state,
                   const Config *config,
                   const Snapshot *snapshot,
                   unsigned service,
                   CommandKind command,
                   usec_t until_usec,
                   usec_t now_usec,
                   Decision *ret_decision);

/* How an act ended: tells restart-done or restart-failed and starts the watch of the new life. */
void judge_outcome(JudgeState *state,
                   const Config *config,
                   unsigned service,
                   ActionKind action,
                   bool is_done,
                   const char *why,
                   usec_t took_usec,
                   usec_t now_usec,
                   Decision *ret_decision);

/* Restarts that someone else made (systemd's own): counted in the same ledger. */
void judge_count_restart(JudgeState *state, unsigned service, usec_t at_usec);

/* What status shows. `ret_used` counts restarts within `per`. */
void judge_peek_budget(const JudgeState *state,
                       const Config *config,
                       unsigned service,
                       usec_t now_usec,
                       unsigned *ret_used,
                       usec_t *ret_cooldown_left_usec);

/* Consecutive failures of the worst check that may restart the service. */
unsigned judge_peek_failures(const JudgeState *state, const Config *config, unsigned service);

/* Level of one check as shown: failing, its value's level, or unknown when it is stale. */
Level judge_peek_check(const JudgeState *state,
                       const Config *config,
                       const Snapshot *snapshot,
                       unsigned service,
                       CheckKind kind,
                       usec_t now_usec);
