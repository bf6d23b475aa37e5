/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/writer.h"
#include "model/event.h"

enum {
        /* Kept in memory for status, events and late listeners. One step never tells more, so that its events are
         * all still here when the disk has taken them. */
        EVENTLOG_RECENT_MAX = DECISION_EVENTS_MAX,
        SPOOL_SIZE_MAX =
                8 << 20, /* beyond this the spool is halved, oldest first, and it is counted */
        SPOOL_LINE_MAX = 4 * EVENT_TEXT_SIZE + 4 * EVENT_REASON_SIZE + 512,
};

/* Numbers events, remembers the recent ones, and keeps every one on disk until it is known to be in the store. */
typedef struct EventLog EventLog;

/* Opens the spool folder `folder`/events.jsonl and finds the last number in it. A torn last line is cut off. */
int eventlog_new(const char *folder, Writer *writer, EventLog **ret_log);
EventLog *eventlog_free(EventLog *log);

/* The number the next event gets; never lower than what `floor_seq` says (from the checkpoint, or from a store of an
 * earlier life). Events that wait for the disk are moved above it. */
void eventlog_set_floor(EventLog *log, uint64_t floor_seq);
uint64_t eventlog_peek_next_seq(const EventLog *log);

/* Numbers and dates the event and keeps it in memory. It is not on disk yet and must not be shown yet. Should so many
 * wait for the disk that the oldest of them has no room any more, it is dropped and counted. */
void eventlog_admit(EventLog *log, Event *event, usec_t realtime_usec);

/* Puts back an event from a checkpoint that had not reached the spool when we died; false when it had, or when its
 * number makes no sense behind those we have. */
bool eventlog_readmit(EventLog *log, const Event *event);

/* Events that were admitted but not spooled yet: they belong into the checkpoint. */
unsigned eventlog_peek_unspooled(const EventLog *log);
const Event *eventlog_get_unspooled(const EventLog *log, unsigned index);

/* The checkpoint that holds the events up to `seq` is on disk: appends them to the spool and calls `show` for each. */
typedef void (*EventShow)(void *userdata, const Event *event);
void eventlog_release(EventLog *log, uint64_t seq, EventShow show, void *userdata);

/* Calls `show` for released events above `since_seq`, oldest first, at most `most`; from memory where possible, else
 * from the spool. Returns how many. */
unsigned eventlog_list(
        const EventLog *log, uint64_t since_seq, unsigned most, EventShow show, void *userdata);

/* The store has everything up to `seq`: the spool is emptied when nothing else is in it. */
void eventlog_acknowledge(EventLog *log, uint64_t seq);

/* Events dropped from an overfull spool, or not taken by the disk, since the start. */
uint64_t eventlog_peek_dropped(const EventLog *log);
