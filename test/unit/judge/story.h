/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "judge/judge.h"

/* A small world for stories about one service: it ticks, obeys what is decided, and writes down all that is told. */

enum {
        STORY_LINES_MAX = 512
};

typedef struct Line {
        unsigned second;
        bool is_intent;
        Intent intent;
        EventKind kind;
        Level level;
        char text[EVENT_TEXT_SIZE];
        char reason[EVENT_REASON_SIZE];
} Line;

typedef struct Story {
        Config config;
        ServiceConfig service;
        JudgeState state;
        Snapshot snapshot;
        Decision decision;
        ServiceFacts *facts; /* of the one service */
        usec_t now_usec;

        /* The weather. */
        bool is_obeyed; /* acts are done, in `act_seconds` */
        unsigned act_seconds;
        Outcome api; /* what the next looks give */
        Cause api_cause;
        int64_t api_usec;
        bool is_api_silent; /* no new readings come */
        bool is_host_silent;
        unsigned dies_after_seconds; /* of its start; zero: it does not */
        ExitCause exit_cause;
        int exit_value;

        /* What is under way. */
        ActionKind act;
        usec_t act_end_usec;

        unsigned n_lines;
        Line lines[STORY_LINES_MAX];
} Story;

/* The defaults of the guide; the service runs and answers, started an hour before second zero. */
void story_init(Story *story);

/* The same, but it has not been started yet. */
void story_init_stopped(Story *story);

/* Goes on until that second: full checks every 30 s, and whenever the judge asked to be asked. */
void story_until(Story *story, unsigned second);

/* One step now, without new readings. */
void story_step(Story *story);

void story_die(Story *story, ExitCause cause, int value);
void story_command(Story *story, CommandKind command, usec_t until_usec);

/* Fresh readings of the machine, in permille. */
void story_host(Story *story, int64_t cpu, int64_t steal, int64_t psi_cpu);

/* How many such lines there are, and when the n-th of them (from 0) was written; -1 when there is none. */
unsigned story_count(const Story *story, EventKind kind);
int story_when(const Story *story, EventKind kind, unsigned n);
const Line *story_event(const Story *story, EventKind kind, unsigned n);
unsigned story_count_intents(const Story *story, ActionKind action, ReasonCode reason);
const Line *story_intent(const Story *story, ActionKind action, unsigned n);

/* Some event of that kind has this text in its reason. */
bool story_has_reason(const Story *story, EventKind kind, const char *part);

/* For a failed test: all of it. */
void story_print(const Story *story);
