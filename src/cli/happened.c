/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Happened: one row of events out of two memories.
 *
 * The store remembers for weeks but learns of an event a moment later, and not at all while the
 * clerk is gone. The warden knows everything at once, but only the recent. Their numbers are the
 * same, so both rows are laid into one by number, and where they overlap one is dropped.
 *
 * A person asks for the last so many; so what is held has a ceiling, and the oldest go first.
 */

#include "cli/happened.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "cli/when.h"

bool happened_is_wanted(const HappenedQuery *query, const Event *event) {
        return event->realtime_usec >= query->since_usec &&
               (query->service[0] == '\0' || strcmp(query->service, event->service) == 0);
}

static int make_room(Happened *happened) {
        if (happened->count < happened->room)
                return 0;

        if (happened->count >= happened->most) {
                /* Full: the oldest quarter goes at once, so that moving the rest is paid for seldom. */
                size_t gone = happened->count / 4 + 1;

                happened->count -= gone;
                memmove(happened->events, happened->events + gone, happened->count * sizeof(Event));
                return 0;
        }

        size_t room = MIN(MAX(happened->room * 2, (size_t) 64), happened->most);
        Event *events = reallocarray(happened->events, room, sizeof(Event));
        if (!events)
                return -ENOMEM;

        happened->events = events;
        happened->room = room;
        return 0;
}

int happened_put(Happened *happened, const Event *event) {
        assert(happened->most > 0);

        int r = make_room(happened);
        if (r < 0)
                return r;

        size_t at = happened->count;
        while (at > 0 && happened->events[at - 1].seq > event->seq)
                at--;
        if (at > 0 && happened->events[at - 1].seq == event->seq)
                return 0;

        memmove(happened->events + at + 1, happened->events + at,
                (happened->count - at) * sizeof(Event));
        happened->events[at] = *event;
        happened->count++;
        return 0;
}

typedef struct Gathering {
        const HappenedQuery *query;
        Happened *happened;
        int r;
} Gathering;

static int on_event(const Event *event, void *userdata) {
        Gathering *gathering = userdata;

        if (happened_is_wanted(gathering->query, event))
                gathering->r = happened_put(gathering->happened, event);

        return gathering->r;
}

int happened_gather(const CliApp *app,
                    const Where *where,
                    sd_bus *bus,
                    const HappenedQuery *query,
                    Happened *ret) {
        size_t most = MIN(query->most, (size_t) HAPPENED_MOST);
        Gathering gathering = { .query = query, .happened = ret };
        LinkFault fault;

        /* Making room drops a quarter, and what was asked for must survive that. */
        *ret = (Happened){ .most = most * 2 };

        int r = app->list_events
                        ? app->list_events(where->folders.state_dir,
                                           /* since_seq= */ 0, query->since_usec, query->service,
                                           (unsigned) most, on_event, &gathering)
                        : -ENOENT;
        bool has_store = r >= 0;
        if (gathering.r < 0)
                return gathering.r;

        uint64_t since_seq = ret->count > 0 ? ret->events[ret->count - 1].seq : 0;
        bool has_warden =
                bus && link_list_events(bus, since_seq, on_event, &gathering, &fault) == CLI_WELL;
        if (gathering.r < 0)
                return gathering.r;
        if (!has_store && !has_warden)
                return -ENOENT;

        if (ret->count > most) {
                size_t gone = ret->count - most;

                ret->count = most;
                memmove(ret->events, ret->events + gone, ret->count * sizeof(Event));
        }

        return 0;
}

void happened_show(Screen *screen, const Event *event, usec_t now_usec, bool has_service) {
        char when[WHEN_TEXT_SIZE];
        /* What a person asked for, and what is well, needs no colour to be found. */
        Paint paint = event->level == LEVEL_NORMAL ? PAINT_PLAIN : paint_of(event->level);

        screen_put(screen, PAINT_DIM, when_render(when, event->realtime_usec, now_usec));
        screen_put(screen, PAINT_PLAIN, "  ");

        unsigned indent = screen->column;

        if (has_service && event->service[0] != '\0' &&
            strncmp(event->text, event->service, strlen(event->service)) != 0) {
                screen_put(screen, PAINT_BOLD, event->service);
                screen_put(screen, PAINT_PLAIN, ": ");
        }
        screen_put_wrapped(screen, paint, event->text, indent);
        screen_line_feed(screen);
}
