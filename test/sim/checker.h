/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "judge/judge.h"
#include "world.h"

enum {
        CHECKED_RESTARTS_MAX = 128,
        GAUGES_MAX = 3 + 3 * BOTS_MAX
};

/* What the checker knows of one service, gathered by itself and never from the state of the judge. */
typedef struct CheckedBot {
        unsigned n_restarts;
        usec_t restarts_usec[CHECKED_RESTARTS_MAX];
        usec_t paused_until_usec;
        bool is_held;
        bool is_down_told;
        bool is_failing[_CHECK_MAX];
        usec_t seen_usec[_CHECK_MAX];
        usec_t known_usec[_CHECK_MAX]; /* the last that said ok or fail */
        unsigned fails
                [_CHECK_MAX]; /* in a row, in this life: at the most as many as the judge may count */
        unsigned sure_fails
                [_CHECK_MAX]; /* in a row without any gap: at least as many as it must have counted */
        uint64_t incarnation;
        uint64_t hour;
        unsigned n_events;
} CheckedBot;

/* A value with its edges, and when it was last on each side of them. */
typedef struct CheckedGauge {
        usec_t seen_usec;
        usec_t below_usec[LEVEL_UNKNOWN]; /* last seen below the edge of the level */
        usec_t above_usec[LEVEL_UNKNOWN]; /* last seen not yet off it */
        Level before;
} CheckedGauge;

typedef struct Checker {
        CheckedBot bots[BOTS_MAX];
        CheckedGauge gauges[GAUGES_MAX];
        unsigned most_events_per_hour;
        unsigned n_acts;
        unsigned n_events;
        uint64_t hash;       /* of all that was decided and told */
        char complaint[256]; /* empty: none yet */
} Checker;

void checker_init(Checker *checker, const World *world);

/* Before and after a step of the judge over what the world shows now. */
void checker_before_step(Checker *checker, const World *world, const JudgeState *state);
void checker_after_step(Checker *checker,
                        const World *world,
                        const JudgeState *state,
                        const Decision *decision);

/* Any other decision: a command's or an outcome's. */
void checker_decision(Checker *checker, const World *world, const Decision *decision);

void checker_command(
        Checker *checker, const World *world, unsigned bot, CommandKind command, usec_t until_usec);
void checker_backend_restart(Checker *checker, const World *world, unsigned bot);

/* The watchdog was gone for a while: what it had not written down is forgotten. */
void checker_watchdog_restart(Checker *checker);

/* After a long time of good weather. */
void checker_end(Checker *checker, const World *world, const JudgeState *state);
