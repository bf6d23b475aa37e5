/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Event log: what happened, numbered, and never lost between two processes.
 *
 *     admit ──► checkpoint ──► release ──► spool (events.jsonl) ──► clerk's store
 *     numbered   state and      shown to     until acknowledged
 *                events in      people
 *                one rename
 *
 * A judgement and the events that tell of it become durable together, in one checkpoint. Only then
 * are the events appended to the spool and shown to anyone. If we are killed before the rename,
 * neither happened and the next watch sees the same facts again; if after it, the checkpoint still
 * holds the events and eventlog_readmit() carries on. Either way each is told once.
 *
 * The clerk acknowledges numbers, not files: when it has the last one, the spool is emptied. If it
 * stays away for thousands of events, the older half of the spool goes, and that is counted.
 *
 * Only the writer's thread changes the spool, in the order asked; here it is only read.
 */

#include "app/eventlog.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/macro.h"

/* Numbers beyond this make no sense: the store could not keep them, and counting on from them would wrap. */
#define SEQ_MOST (UINT64_C(1) << 62)

/* A spool that could not be halved in time is not read back whole. */
#define SPOOL_SIZE_FULL (2 * (size_t) SPOOL_SIZE_MAX)

struct EventLog {
        Writer *writer;
        char path[PATH_SIZE];
        uint64_t next_seq;
        uint64_t released_seq;
        uint64_t acknowledged_seq;
        uint64_t spool_first_seq; /* 0: the spool is empty */
        size_t spool_size;
        uint64_t n_dropped;

        /* Event `seq` lives in slot seq % EVENTLOG_RECENT_MAX as long as it is recent. */
        Event recent[EVENTLOG_RECENT_MAX];
};

static const Event *recent_of(const EventLog *log, uint64_t seq) {
        const Event *event = &log->recent[seq % EVENTLOG_RECENT_MAX];

        return seq > 0 && event->seq == seq ? event : NULL;
}

/* Calls `show` for each event of the spool above `since_seq` and below `end_seq`; returns how many, and how far lines
 * were whole. */
static unsigned spool_read(const EventLog *log,
                           uint64_t since_seq,
                           uint64_t end_seq,
                           unsigned most,
                           EventShow show,
                           void *userdata,
                           off_t *ret_whole) {
        CLEANUP_FILE FILE *file = fopen(log->path, "re");
        CLEANUP_FREE char *line = NULL;
        size_t size = 0;
        off_t whole = 0;
        unsigned n = 0;

        while (file && n < most) {
                ssize_t length = getline(&line, &size, file);
                Event event;

                if (length <= 0 || line[length - 1] != '\n')
                        break;
                whole += length;

                /* A line that makes no sense is skipped: it costs one event, not those behind it. */
                if (event_parse_json(line, (size_t) length - 1, &event) < 0 ||
                    event.seq <= since_seq || event.seq >= end_seq)
                        continue;

                show(userdata, &event);
                n++;
        }

        if (ret_whole)
                *ret_whole = whole;
        return n;
}

static void note_spooled(void *userdata, const Event *event) {
        EventLog *log = userdata;

        if (log->spool_first_seq == 0)
                log->spool_first_seq = event->seq;
        log->released_seq = MAX(log->released_seq, event->seq);
        log->recent[event->seq % EVENTLOG_RECENT_MAX] = *event;
}

int eventlog_new(const char *folder, Writer *writer, EventLog **ret_log) {
        assert(folder);
        assert(writer);

        int r = file_make_dirs(folder, 0750);
        if (r < 0)
                return r;

        EventLog *log = calloc(1, sizeof(*log));
        if (!log)
                return -ENOMEM;

        /* Touched now, so that memory is what it will be from the start and does not creep with the first events. */
        explicit_bzero(log->recent, sizeof(log->recent));

        log->writer = writer;
        (void) snprintf(log->path, sizeof(log->path), "%s/events.jsonl", folder);

        off_t whole = 0;
        (void) spool_read(log, 0, SEQ_MOST, UINT32_MAX, note_spooled, log,
                          &whole); /* the count is not needed */
        log->spool_size = (size_t) whole;
        log->next_seq = log->released_seq + 1;

        /* We died within a line: its event is still in the checkpoint. */
        struct stat st;
        if (stat(log->path, &st) == 0 && st.st_size > whole && truncate(log->path, whole) < 0)
                (void) log_errno(LOG_LEVEL_WARNING, -errno, _("cannot mend %s"), log->path);

        *ret_log = log;
        return 0;
}

EventLog *eventlog_free(EventLog *log) {
        free(log);
        return NULL;
}

void eventlog_set_floor(EventLog *log, uint64_t floor_seq) {
        assert(log);

        if (log->next_seq >= floor_seq || floor_seq >= SEQ_MOST)
                return;

        /* Nobody has seen the numbers of those that wait for the disk, so they can have others. Moved by whole turns
         * of the ring, each stays in its slot. */
        unsigned n_waiting = eventlog_peek_unspooled(log);
        uint64_t first_seq = log->next_seq - n_waiting;
        uint64_t n_turns = (floor_seq - first_seq + EVENTLOG_RECENT_MAX - 1) / EVENTLOG_RECENT_MAX;
        uint64_t moved_seq = n_waiting > 0 ? first_seq + n_turns * EVENTLOG_RECENT_MAX : floor_seq;

        for (unsigned i = 0; i < n_waiting; i++)
                log->recent[(first_seq + i) % EVENTLOG_RECENT_MAX].seq = moved_seq + i;
        log->released_seq = moved_seq - 1;
        log->next_seq = moved_seq + n_waiting;
}

uint64_t eventlog_peek_next_seq(const EventLog *log) {
        return log->next_seq;
}

void eventlog_admit(EventLog *log, Event *event, usec_t realtime_usec) {
        assert(log);
        assert(event);

        if (log->next_seq - 1 - log->released_seq == EVENTLOG_RECENT_MAX) {
                log->released_seq++;
                log->n_dropped++;
                log_warning(_("too many events wait for the disk: event %llu was dropped"),
                            (unsigned long long) log->released_seq);
        }

        event->seq = log->next_seq++;
        event->realtime_usec = realtime_usec;
        log->recent[event->seq % EVENTLOG_RECENT_MAX] = *event;
}

bool eventlog_readmit(EventLog *log, const Event *event) {
        assert(log);

        if (event->seq < log->next_seq || event->seq >= SEQ_MOST)
                return false;

        /* The spool was emptied since: what lies between is in the store. */
        if (log->released_seq == log->next_seq - 1)
                log->released_seq = event->seq - 1;
        else if (event->seq > log->next_seq || eventlog_peek_unspooled(log) == EVENTLOG_RECENT_MAX)
                return false;

        log->recent[event->seq % EVENTLOG_RECENT_MAX] = *event;
        log->next_seq = event->seq + 1;
        return true;
}

unsigned eventlog_peek_unspooled(const EventLog *log) {
        return (unsigned) (log->next_seq - 1 - log->released_seq);
}

const Event *eventlog_get_unspooled(const EventLog *log, unsigned index) {
        unsigned n = eventlog_peek_unspooled(log);

        return recent_of(log, log->next_seq - n + index);
}

/* The oldest half goes, by whole lines. Rare: the clerk would have to be away for thousands of events. While something
 * is still to be written, what we read would not be all of it: then later. */
static void spool_halve(EventLog *log) {
        CLEANUP_FREE char *text = NULL;
        size_t length;
        uint64_t n_dropped = 0;

        if (writer_peek_backlog(log->writer) > 0)
                return;

        int r = file_read_alloc(log->path, SPOOL_SIZE_FULL, &text, &length);
        const char *cut = r >= 0 ? memchr(text + length / 2, '\n', length - length / 2) : NULL;
        size_t kept = cut ? length - (size_t) (cut + 1 - text) : 0;

        for (const char *p = text; cut && p <= cut; p++)
                n_dropped += *p == '\n';
        if (r >= 0)
                r = writer_put(log->writer, WRITE_REPLACE, log->path, 0640, cut ? cut + 1 : "",
                               kept, 0);
        if (r < 0) {
                (void) log_errno(LOG_LEVEL_ERROR, r, _("cannot shorten %s"), log->path);
                return;
        }

        log->spool_size = kept;
        log->n_dropped += n_dropped;
        log_warning(_("the store has not taken events for long: %llu of the oldest were dropped"),
                    (unsigned long long) n_dropped);
}

static void spool_append(EventLog *log, const Event *event) {
        char line[SPOOL_LINE_MAX];
        Buf buf;

        buf_init(&buf, line, sizeof(line));
        event_render_json(event, &buf);
        buf_put(&buf, "\n");

        if (log->spool_size + buf.length > SPOOL_SIZE_MAX)
                spool_halve(log);

        int r = log->spool_size + buf.length > SPOOL_SIZE_FULL
                        ? -EFBIG
                        : writer_put(log->writer, WRITE_JOURNAL, log->path, 0640, line, buf.length,
                                     0);
        if (r < 0) {
                log->n_dropped++;
                (void) log_errno(LOG_LEVEL_ERROR, r, _("event %llu could not be kept on disk"),
                                 (unsigned long long) event->seq);
                return;
        }

        log->spool_size += buf.length;
        if (log->spool_first_seq == 0)
                log->spool_first_seq = event->seq;
}

void eventlog_release(EventLog *log, uint64_t seq, EventShow show, void *userdata) {
        assert(log);
        assert(seq < log->next_seq);

        while (log->released_seq < seq) {
                const Event *event = recent_of(log, ++log->released_seq);

                if (!event)
                        continue;
                spool_append(log, event);
                show(userdata, event);
        }
}

unsigned eventlog_list(
        const EventLog *log, uint64_t since_seq, unsigned most, EventShow show, void *userdata) {
        assert(log);

        if (since_seq >= log->released_seq)
                return 0;

        /* What is older than the ring goes back to can only be in the spool, and what is in the ring may not have
         * reached the spool yet. */
        uint64_t ring_seq =
                log->next_seq > EVENTLOG_RECENT_MAX ? log->next_seq - EVENTLOG_RECENT_MAX : 1;
        unsigned n = 0;

        if (since_seq + 1 < ring_seq && log->spool_first_seq > 0 && log->spool_first_seq < ring_seq)
                n = spool_read(log, since_seq, ring_seq, most, show, userdata, NULL);

        for (uint64_t seq = MAX(since_seq + 1, ring_seq); seq <= log->released_seq && n < most;
             seq++) {
                const Event *event = recent_of(log, seq);

                if (!event)
                        continue;
                show(userdata, event);
                n++;
        }

        return n;
}

void eventlog_acknowledge(EventLog *log, uint64_t seq) {
        assert(log);

        /* More than there is cannot be in the store: what comes later is not acknowledged by it. */
        log->acknowledged_seq = MAX(log->acknowledged_seq, MIN(seq, log->released_seq));
        if (log->spool_first_seq == 0 || log->acknowledged_seq < log->released_seq)
                return;

        /* In order behind the appends: what was queued before is in the file, and is in the store too. */
        if (writer_put(log->writer, WRITE_TRUNCATE, log->path, 0640, NULL, 0, 0) < 0)
                return;

        log->spool_first_seq = 0;
        log->spool_size = 0;
}

uint64_t eventlog_peek_dropped(const EventLog *log) {
        return log->n_dropped;
}
