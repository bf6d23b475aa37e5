/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "judge/judge.h"

/* One service before the judge: what is known of it, what is remembered, and where the verdict is written. Made for one
 * step and gone after it. */
typedef struct Case {
        unsigned index;
        const Config *config;
        const ServiceConfig *service;
        const HostFacts *host;
        const ServiceFacts *facts;
        ServiceJudgement *judgement;
        Decision *decision;
        usec_t now_usec;
} Case;

/* `snapshot` is NULL where none is at hand; then there are no facts. */
Case case_make(JudgeState *state,
               const Config *config,
               const Snapshot *snapshot,
               unsigned service,
               usec_t now_usec,
               Decision *decision);

/* Empties a decision. The texts of old events are left where they are: they are not read, and there are many. */
void case_clear(Decision *decision);

/* Asks to be called again at that time at the latest. */
static inline void case_wake(const Case *c, usec_t at_usec) {
        if (at_usec < c->decision->next_usec)
                c->decision->next_usec = at_usec;
}

static inline bool case_is_paused(const Case *c) {
        return c->judgement->paused_until_usec > c->now_usec;
}

/* Just started: what answers slowly is not yet wrong. */
static inline bool case_is_in_grace(const Case *c) {
        return c->facts->started_usec > 0 &&
               c->now_usec < usec_add(c->facts->started_usec, c->config->watch.grace_usec);
}

/* A person wants it down, and said so here or to systemd. */
static inline bool case_is_operator_stopped(const Case *c) {
        return c->judgement->is_operator_stopped || c->facts->is_operator_stopped;
}
