/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>

#include "app/clockwork.h"
#include "app/eventlog.h"
#include "judge/judge.h"
#include "model/config.h"
#include "model/decision.h"

/* An act that was decided and charged, and whose end is not known yet. */
typedef struct PendingAct {
        ActionKind action; /* ACTION_NONE: nothing is pending */
        ReasonCode reason;
        uint64_t
                incarnation; /* of the service when it was decided: a later one means that the act was done */
} PendingAct;

/* What a checkpoint holds, by reference to where the warden has it. */
typedef struct Checkpoint {
        const Config *config;
        Clockwork *clock;
        EventLog *events;
        JudgeState *judge;
        PendingAct *pending; /* config->n_services of them */
} Checkpoint;

/* The state as one JSON document. The caller frees the text. -ENOMEM. */
int checkpoint_render(const Checkpoint *checkpoint,
                      usec_t boottime_usec,
                      usec_t realtime_usec,
                      char **ret_text);

/* Takes up what such a document says: the clock first, then services by name, then events that had not reached the
 * spool. Unknown fields and services are passed over, missing ones and those that make no sense keep what they have. A
 * service that had ended by itself before a reboot has not run yet after it. -EINVAL when it is no checkpoint of a
 * version we know, or its clock makes no sense: nothing was changed then. */
int checkpoint_parse(const Checkpoint *checkpoint,
                     const char *text,
                     size_t length,
                     usec_t boottime_usec,
                     usec_t realtime_usec);
