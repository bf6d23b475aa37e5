/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/happened.h"
#include "model/event.h"

/* The part an event plays in a story. */
typedef enum Role {
        ROLE_NONE,
        ROLE_SEEN,
        ROLE_DECIDED,
        ROLE_REFUSED,
        ROLE_TOLD,
        ROLE_ENDED,
        _ROLE_MAX,
} Role;

/* The trouble of one service (or of the machine, ""), from the first sign to the last. */
typedef struct Incident {
        char service[NAME_SIZE];
        uint64_t first_seq;
        uint64_t last_seq;
        usec_t first_usec;
        usec_t last_usec;
        bool is_open; /* something is still not well */
} Incident;

Role incident_role_of(const Event *event);

/* The incident that event number `seq` is part of, or the last one of `service` (seq 0), or the last of all (both not
 * given). -ENOENT when there is none. Pure. */
int incident_find(const Happened *happened, const char *service, uint64_t seq, Incident *ret);

/* Whether the event belongs into its story: its own, and what the machine went through meanwhile. */
bool incident_has(const Incident *incident, const Event *event);
