/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Logs: what a service's lines come to.
 *
 * A block of lines goes through the matcher. Only lines that match are dated one by one; all others
 * are a number, counted at the date of the last dated line of their block. Dates are turned into an
 * age as the line arrives and kept on the boot clock from then on, so that a later step of the wall
 * clock neither forgets nor revives anything.
 *
 * A line without a date (the inside of a traceback) has the date of the nearest dated line above it.
 * Where there is none it has just been written; unless it was there before we came, then it could be
 * of any age and does not count.
 *
 * A date without a zone is local time, as Python's logging writes it. A program that logs in UTC on a
 * machine that does not live in UTC would seem hours off, for ever outside the window; so a line that
 * has just come and is wrong as local time, but right to the minute as UTC, is UTC.
 */

#include "hear/logs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "hear/log_time.h"

/* How far up a date is looked for: a deep traceback has some dozens of lines. */
#define LOOK_BACK_LINES 64
#define LOOK_BACK_BYTES ((size_t) 8 << 10)

/* A line that was there before we came and is dated later than this from now has another clock than we. */
#define FUTURE_MAX_USEC USEC_PER_MINUTE

typedef struct LogFile {
        Tail tail;
        usec_t last_usec; /* date of the last dated line while reading on without a pause; 0: none */
} LogFile;

struct Logs {
        const LogsConfig *config;
        Matcher *matcher;
        uint64_t critical_patterns;
        uint64_t warning_patterns;
        LogWindow window;
        ZoneCache zone;
        bool is_journal_followed;
        LogFile files[LOG_FILES_MAX];

        SevereCallback on_severe;
        void *userdata;
        usec_t told_since_usec;
        unsigned n_told;

        uint64_t n_severe;
        SevereLine
                severe[SEVERE_LINES_MAX]; /* a ring: number N stands at (N - 1) modulo its size */
};

/* One block on its way through. */
typedef struct Feed {
        Logs *logs;
        unsigned file;
        const TailBlock *block;
        usec_t above_usec; /* date of the last dated line above the block; 0: none */
        usec_t given_usec; /* date known from elsewhere; 0: read it from the line */
        usec_t realtime_now_usec;
        usec_t boot_now_usec;
} Feed;

static usec_t distance(usec_t a, usec_t b) {
        return a > b ? a - b : b - a;
}

/* The line's own date; 0: none. */
static usec_t own_time(Feed *feed, const char *line, size_t length) {
        LogTime time;

        /* A file that was truncated under a writer that does not append begins with zeroes. */
        while (length > 0 && *line == '\0') {
                line++;
                length--;
        }

        if (!log_time_parse(line, length, feed->realtime_now_usec, &time))
                return 0;

        usec_t realtime = log_time_to_realtime(&time, &feed->logs->zone);

        if (time.zone == LOG_TIME_NAIVE && !feed->block->is_old &&
            distance(realtime, feed->realtime_now_usec) > 10 * USEC_PER_MINUTE) {
                usec_t utc = time.civil_usec > 0 ? (usec_t) time.civil_usec : 0;

                if (distance(utc, feed->realtime_now_usec) < USEC_PER_MINUTE)
                        return utc;
        }

        return realtime;
}

/* The date of the nearest dated line above `at`, which is the start of a line or the end of the block. */
static usec_t time_above(Feed *feed, const char *at) {
        const char *begin = feed->block->data;

        if ((size_t) (at - begin) > LOOK_BACK_BYTES)
                begin = at - LOOK_BACK_BYTES;

        for (int i = 0; i < LOOK_BACK_LINES && at > begin; i++) {
                const char *end = at[-1] == '\n' ? at - 1 : at;
                const char *before = memrchr(begin, '\n', (size_t) (end - begin));
                const char *line = before ? before + 1 : begin;

                /* Cut by the look-back, not a beginning. */
                if (!before && begin != feed->block->data)
                        break;

                usec_t found = own_time(feed, line, (size_t) (end - line));
                if (found != 0)
                        return found;
                at = line;
        }

        return feed->above_usec;
}

static usec_t line_time(Feed *feed, const char *line, size_t length) {
        if (feed->given_usec != 0)
                return feed->given_usec;

        usec_t found = own_time(feed, line, length);
        return found != 0 ? found : time_above(feed, line);
}

/* Turns a date into an instant on the boot clock. False when it does not count: too old to matter, or not believable. */
static bool to_boot_time(const Feed *feed, usec_t realtime, usec_t *ret_boot) {
        usec_t age = 0;

        if (realtime == 0) {
                if (feed->block->is_old)
                        return false;
        } else if (realtime > feed->realtime_now_usec) {
                if (feed->block->is_old && realtime - feed->realtime_now_usec > FUTURE_MAX_USEC)
                        return false;
        } else
                age = feed->realtime_now_usec - realtime;

        if (age >= feed->logs->window.window_usec)
                return false;

        *ret_boot = usec_sub(feed->boot_now_usec, age);
        return true;
}

/* A copy a person can read on one line; the cut falls between characters. */
static void put_text(char text[static SEVERE_TEXT_SIZE], const char *line, size_t length) {
        while (length > 0 && (*line == '\0' || *line == ' ')) {
                line++;
                length--;
        }

        size_t n = MIN(length, (size_t) SEVERE_TEXT_SIZE - 1);

        if (n < length)
                while (n > 0 && ((unsigned char) line[n] & 0xC0U) == 0x80U)
                        n--;
        while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' '))
                n--;

        for (size_t i = 0; i < n; i++)
                if ((unsigned char) line[i] < 0x20 || line[i] == 0x7F)
                        text[i] = ' ';
                else
                        text[i] = line[i];
        text[n] = '\0';
}

static bool may_tell(Logs *logs, usec_t boot_now_usec) {
        if (usec_sub(boot_now_usec, logs->told_since_usec) >= USEC_PER_SEC) {
                logs->told_since_usec = boot_now_usec;
                logs->n_told = 0;
        }

        return logs->n_told++ < SEVERE_LINES_MAX;
}

static void on_match(const char *line, size_t length, uint64_t patterns, void *userdata) {
        Feed *feed = userdata;
        Logs *logs = feed->logs;
        bool is_critical = (patterns & logs->critical_patterns) != 0;
        uint64_t worst =
                patterns & (is_critical ? logs->critical_patterns : logs->warning_patterns);
        usec_t at_usec;

        if (worst == 0)
                return;

        usec_t realtime = line_time(feed, line, length);
        if (!to_boot_time(feed, realtime, &at_usec))
                return;

        window_add(&logs->window, at_usec, feed->boot_now_usec,
                   /* lines= */ 0,
                   /* critical= */ is_critical ? 1 : 0,
                   /* warning= */ is_critical ? 0 : 1);

        SevereLine *severe = &logs->severe[logs->n_severe % SEVERE_LINES_MAX];

        /* One by one: the text is written anyway, and to clear it first would cost more than all of this. */
        severe->number = ++logs->n_severe;
        severe->realtime_usec = realtime != 0 ? realtime : feed->realtime_now_usec;
        severe->level = is_critical ? LEVEL_CRITICAL : LEVEL_WARNING;
        severe->pattern = (unsigned) __builtin_ctzll(worst);
        severe->file = feed->file;
        put_text(severe->text, line, length);

        if (logs->on_severe && !feed->block->is_old && may_tell(logs, feed->boot_now_usec))
                logs->on_severe(logs, severe, logs->userdata);
}

static void feed_block(Feed *feed) {
        const TailBlock *block = feed->block;
        usec_t at_usec;

        size_t n_lines =
                matcher_scan(feed->logs->matcher, block->data, block->length, on_match, feed);
        usec_t last_usec = feed->given_usec != 0 ? feed->given_usec
                                                 : time_above(feed, block->data + block->length);

        if (!block->is_rest && to_boot_time(feed, last_usec, &at_usec))
                window_add(&feed->logs->window, at_usec, feed->boot_now_usec, n_lines,
                           /* critical= */ 0,
                           /* warning= */ 0);

        feed->above_usec = last_usec;
}

static void logs_cleanup(Logs **logs) {
        *logs = logs_free(*logs);
}

int logs_new(const LogsConfig *config,
             SevereCallback on_severe,
             void *userdata,
             char reterr[static MATCHER_ERROR_SIZE],
             Logs **ret_logs) {
        assert(config);
        assert(ret_logs);

        CLEANUP(logs_cleanup) Logs *logs = calloc(1, sizeof(*logs));
        if (!logs)
                return -ENOMEM;

        logs->config = config;
        logs->on_severe = on_severe;
        logs->userdata = userdata;
        window_init(&logs->window, config->window_usec);

        for (unsigned i = 0; i < config->n_files; i++) {
                int r = tail_init(&logs->files[i].tail, config->files[i]);
                if (r < 0)
                        return r;
        }

        for (unsigned i = 0; i < config->n_patterns; i++)
                if (config->patterns[i].level == LEVEL_CRITICAL)
                        logs->critical_patterns |= UINT64_C(1) << i;
                else if (config->patterns[i].level == LEVEL_WARNING)
                        logs->warning_patterns |= UINT64_C(1) << i;

        int r = matcher_new(config->patterns, config->n_patterns, reterr, &logs->matcher);
        if (r < 0)
                return r;

        *ret_logs = TAKE_PTR(logs);
        return 0;
}

Logs *logs_free(Logs *logs) {
        if (!logs)
                return NULL;

        for (unsigned i = 0; i < LOG_FILES_MAX; i++)
                if (logs->files[i].tail.path)
                        tail_done(&logs->files[i].tail);

        (void) matcher_free(logs->matcher);
        free(logs);
        return NULL;
}

void logs_feed(Logs *logs,
               unsigned file,
               const TailBlock *block,
               usec_t realtime_now_usec,
               usec_t boot_now_usec) {
        assert(logs);
        assert(file < logs->config->n_files);
        assert(block);

        Feed feed = {
                .logs = logs,
                .file = file,
                .block = block,
                .above_usec = logs->files[file].last_usec,
                .realtime_now_usec = realtime_now_usec,
                .boot_now_usec = boot_now_usec,
        };

        feed_block(&feed);
        logs->files[file].last_usec = feed.above_usec;
}

void logs_feed_dated(Logs *logs,
                     const char *line,
                     size_t length,
                     usec_t realtime_usec,
                     bool is_old,
                     usec_t realtime_now_usec,
                     usec_t boot_now_usec) {
        assert(logs);
        assert(line || length == 0);

        TailBlock block = {
                .data = line,
                .length = MIN(length, (size_t) MATCHER_BLOCK_SIZE),
                .is_old = is_old,
        };
        Feed feed = {
                .logs = logs,
                .file = SEVERE_FROM_JOURNAL,
                .block = &block,
                .given_usec = realtime_usec,
                .realtime_now_usec = realtime_now_usec,
                .boot_now_usec = boot_now_usec,
        };

        feed_block(&feed);
}

void logs_feed_ended(Logs *logs, unsigned file) {
        assert(logs);
        assert(file < logs->config->n_files);

        logs->files[file].last_usec = 0;
}

Tail *logs_tail(Logs *logs, unsigned file) {
        assert(logs);
        assert(file < logs->config->n_files);

        return &logs->files[file].tail;
}

const LogsConfig *logs_config(const Logs *logs) {
        assert(logs);

        return logs->config;
}

void logs_set_journal(Logs *logs, bool is_followed) {
        assert(logs);

        logs->is_journal_followed = is_followed;
}

void logs_read(const Logs *logs, usec_t boot_now_usec, LogCounts *ret_counts) {
        assert(logs);

        window_read(&logs->window, boot_now_usec, ret_counts);
}

TailState logs_file_state(const Logs *logs, unsigned file, int *ret_error) {
        assert(logs);
        assert(file < logs->config->n_files);

        if (ret_error)
                *ret_error = logs->files[file].tail.error;
        return logs->files[file].tail.state;
}

size_t
logs_list_severe(const Logs *logs, uint64_t since, const SevereLine **ret_lines, size_t max) {
        assert(logs);
        assert(ret_lines || max == 0);

        uint64_t kept = MIN(logs->n_severe, (uint64_t) SEVERE_LINES_MAX);
        uint64_t first =
                logs->n_severe - MIN(kept, (uint64_t) max); /* numbers above it are given */
        size_t n = 0;

        for (uint64_t number = MAX(first, since) + 1; number <= logs->n_severe; number++)
                ret_lines[n++] = &logs->severe[(number - 1) % SEVERE_LINES_MAX];

        return n;
}

void logs_judge(const LogCounts *counts,
                bool is_any_followed,
                usec_t boot_now_usec,
                CheckReading *ret_reading) {
        assert(counts);
        assert(ret_reading);

        CheckReading reading = {
                .is_configured = true,
                .outcome = OUTCOME_OK,
                .at_usec = boot_now_usec,
                .value = counts->error_permille,
        };

        /* A critical line stays one even if the file has become unreadable since. */
        if (counts->critical > 0) {
                reading.outcome = OUTCOME_FAIL;
                reading.cause = CAUSE_LOG_CRITICAL;
                reading.detail = (int64_t) counts->critical;
        } else if (!is_any_followed) {
                reading.outcome = OUTCOME_UNKNOWN;
                reading.cause = CAUSE_SENSE_FAILED;
        } else if (counts->warning > 0) {
                reading.cause = CAUSE_LOG_WARNING;
                reading.detail = (int64_t) counts->warning;
        }

        *ret_reading = reading;
}

void logs_check(const Logs *logs, usec_t boot_now_usec, CheckReading *ret_reading) {
        LogCounts counts;

        assert(logs);

        bool is_any_followed = logs->is_journal_followed;

        for (unsigned i = 0; i < logs->config->n_files; i++)
                is_any_followed |= logs->files[i].tail.state == TAIL_FOLLOWED;

        logs_read(logs, boot_now_usec, &counts);
        logs_judge(&counts, is_any_followed, boot_now_usec, ret_reading);
}
