/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Journal: a unit's messages, where it logs to systemd's journal instead of files.
 *
 * The journal is a log like any other, except that it dates its lines itself and finds our place by
 * time. So there is nothing to remember across a restart: we begin one window back, and what is older
 * than our beginning only fills the window again.
 *
 * It can be there and yet not be readable for us (the group systemd-journal may read it); libsystemd
 * then shows an empty journal without an error. No file opened means not followed, and we try again.
 */

#include "hear/journal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-journal.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/macro.h"

#define RETRY_USEC (30 * USEC_PER_SEC)
/* How long messages are gathered before they are read. */
#define GATHER_USEC (100 * USEC_PER_MSEC)

#define POLL_USEC (5 * USEC_PER_SEC)

/* Messages read in one wake-up: a few milliseconds of work. */
#define MESSAGES_MAX 2000

struct Journal {
        sd_event *event;
        sd_event_source *io;
        sd_event_source *timer;
        sd_journal *journal; /* NULL: not open */
        Logs *logs;
        char *match;
        usec_t begun_usec;      /* what was written before this was there before we came */
        usec_t read_until_usec; /* of the last message read */
        bool is_gathering;
        bool is_complained;
};

static void journal_close(Journal *journal) {
        journal->io = sd_event_source_disable_unref(journal->io);
        if (journal->journal)
                sd_journal_close(journal->journal);
        journal->journal = NULL;
        logs_set_journal(journal->logs, /* is_followed= */ false);
}

/* Feeds what is new. Positive when more is waiting. */
static int journal_read(Journal *journal) {
        static const char field[] = "MESSAGE=";
        usec_t realtime_now_usec = clock_realtime_usec();
        usec_t boot_now_usec = clock_boottime_usec();

        for (int i = 0; i < MESSAGES_MAX; i++) {
                const void *data;
                size_t length;
                uint64_t realtime_usec;

                int r = sd_journal_next(journal->journal);
                if (r <= 0)
                        return r;

                /* A message that cannot be read is passed over: the next one may be well. */
                if (sd_journal_get_realtime_usec(journal->journal, &realtime_usec) < 0 ||
                    sd_journal_get_data(journal->journal, "MESSAGE", &data, &length) < 0 ||
                    length < strlen(field))
                        continue;

                journal->read_until_usec = MAX(journal->read_until_usec, (usec_t) realtime_usec);
                logs_feed_dated(journal->logs, (const char *) data + strlen(field),
                                length - strlen(field), realtime_usec,
                                realtime_usec < journal->begun_usec, realtime_now_usec,
                                boot_now_usec);
        }

        return 1;
}

static void arm(Journal *journal, usec_t after_usec) {
        /* These fail only for a source that is gone with its loop. */
        (void) sd_event_source_set_time_relative(journal->timer, after_usec);
        (void) sd_event_source_set_enabled(journal->timer, SD_EVENT_ONESHOT);
}

static void journal_step(Journal *journal) {
        journal->is_gathering = false;

        int r = journal_read(journal);
        if (r < 0) {
                (void) log_errno(LOG_LEVEL_WARNING, r, _("cannot read the journal"));
                journal_close(journal);
                arm(journal, RETRY_USEC);
                return;
        }

        arm(journal, r > 0 ? 0 : POLL_USEC);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Journal *journal = userdata;

        (void) source;
        (void) fd;
        (void) revents;

        /* Whatever it says, the timer reads; this only takes the sign away. */
        int r = sd_journal_process(journal->journal);
        if (r < 0)
                log_debug("the journal could not be processed (%d); it is read by the clock", r);

        /* Not put off by every further message. */
        if (!journal->is_gathering)
                arm(journal, GATHER_USEC);
        journal->is_gathering = true;
        return 0;
}

static int journal_open(Journal *journal) {
        usec_t window_usec = logs_config(journal->logs)->window_usec;
        usec_t now_usec = clock_realtime_usec();
        usec_t from_usec = usec_sub(now_usec, window_usec);

        /* Opened again after a fault: nothing twice. */
        if (journal->read_until_usec > 0)
                from_usec = MAX(from_usec, journal->read_until_usec + 1);

        int r = sd_journal_open(&journal->journal, SD_JOURNAL_LOCAL_ONLY);
        if (r < 0) {
                journal->journal = NULL;
                return r;
        }

        r = sd_journal_has_persistent_files(journal->journal);
        if (r == 0)
                r = sd_journal_has_runtime_files(journal->journal);
        if (r <= 0)
                return r < 0 ? r : -ENODATA;

        r = sd_journal_add_match(journal->journal, journal->match, /* size= */ 0);
        if (r < 0)
                return r;

        r = sd_journal_set_data_threshold(journal->journal, MATCHER_BLOCK_SIZE);
        if (r < 0)
                return r;

        r = sd_journal_seek_realtime_usec(journal->journal, from_usec);
        if (r < 0)
                return r;

        if (journal->begun_usec == 0)
                journal->begun_usec = now_usec;

        int fd = sd_journal_get_fd(journal->journal);
        if (fd < 0)
                return fd;

        int events = sd_journal_get_events(journal->journal);
        if (events < 0)
                return events;

        return sd_event_add_io(journal->event, &journal->io, fd, (uint32_t) events, on_io, journal);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Journal *journal = userdata;

        (void) source;
        (void) usec;

        if (!journal->journal) {
                int r = journal_open(journal);
                if (r < 0) {
                        if (!journal->is_complained)
                                (void) log_errno(LOG_LEVEL_WARNING, r,
                                                 _("cannot open the journal"));
                        journal->is_complained = true;
                        journal_close(journal);
                        arm(journal, RETRY_USEC);
                        return 0;
                }

                journal->is_complained = false;
                logs_set_journal(journal->logs, /* is_followed= */ true);
        }

        journal_step(journal);
        return 0;
}

static void journal_cleanup(Journal **journal) {
        *journal = journal_free(*journal);
}

int journal_new(sd_event *event, const char *unit, Logs *logs, Journal **ret_journal) {
        static const char field[] = "_SYSTEMD_UNIT=";

        assert(event);
        assert(unit);
        assert(logs);
        assert(ret_journal);

        CLEANUP(journal_cleanup) Journal *journal = calloc(1, sizeof(*journal));
        if (!journal)
                return -ENOMEM;

        journal->event = sd_event_ref(event);
        journal->logs = logs;
        journal->match = malloc(sizeof(field) + strlen(unit));
        if (!journal->match)
                return -ENOMEM;
        memcpy(journal->match, field, sizeof(field) - 1);
        memcpy(journal->match + sizeof(field) - 1, unit, strlen(unit) + 1);

        int r = sd_event_add_time(event, &journal->timer, CLOCK_BOOTTIME, 0,
                                  /* accuracy= */ 10 * USEC_PER_MSEC, on_timer, journal);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(journal->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;

        r = sd_event_source_set_priority(journal->timer, SD_EVENT_PRIORITY_NORMAL + 10);
        if (r < 0)
                return r;

        *ret_journal = TAKE_PTR(journal);
        return 0;
}

Journal *journal_free(Journal *journal) {
        if (!journal)
                return NULL;

        journal_close(journal);
        sd_event_source_disable_unref(journal->timer);
        sd_event_unref(journal->event);
        free(journal->match);
        free(journal);
        return NULL;
}

void journal_start(Journal *journal) {
        assert(journal);

        arm(journal, 0);
}
