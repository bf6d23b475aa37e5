/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

#include "cli/link.h"
#include "cli/screen.h"
#include "cli/where.h"
#include "model/event.h"

/* Events in the order of their numbers, each once. */
typedef struct Happened {
        Event *events;
        size_t count;
        size_t room;
        size_t most; /* of these the newest are kept */
} Happened;

static inline void happened_cleanup(Happened *happened) {
        free(happened->events);
}

#define CLEANUP_HAPPENED CLEANUP(happened_cleanup)

/* Ceiling of what one command holds, about 15 MB. */
#define HAPPENED_MOST 10000U

typedef struct HappenedQuery {
        usec_t since_usec;   /* not before */
        const char *service; /* "" for all */
        size_t most;         /* the newest; at most HAPPENED_MOST */
} HappenedQuery;

/* Whether the event is asked for; `most` apart. */
bool happened_is_wanted(const HappenedQuery *query, const Event *event);

/* Puts one event to its place. -ENOMEM. */
int happened_put(Happened *happened, const Event *event);

/* Everything that is known: what the store has, and what the warden still remembers. `bus` may be NULL when there is
 * no warden. -ENOENT when neither could be asked, -ENOMEM. The caller cleans up also after a failure. */
int happened_gather(const CliApp *app,
                    const Where *where,
                    sd_bus *bus,
                    const HappenedQuery *query,
                    Happened *ret);

/* One line for people: when, whom, what. With `has_service` the name is put in front of a text that does not
 * begin with it. */
void happened_show(Screen *screen, const Event *event, usec_t now_usec, bool has_service);
