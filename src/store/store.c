/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Store: what happened, on a disk that may fail.
 *
 * The store is a convenience of a program that must go on without it. So a Store exists whether its
 * file does or not: every call first sees to it that the file is open, and a call that cannot says
 * why and leaves the next one to try again. Three things can go wrong with a file that was well:
 *
 *   it cannot grow or be written   said; what could not be stored is the caller's to keep or drop
 *   it is damaged                  closed, renamed, begun anew at the next call
 *   it was deleted or replaced     noticed before each write; opened again
 *
 * Events have numbers that are never used twice, and an event that is there already is passed over:
 * whoever is not sure whether an event was stored may simply store it again.
 */

#include "store/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/text.h"
#include "store/checkpointer.h"
#include "store/sql.h"

/* Pages in the write-ahead log before they are moved: two megabytes. */
#define CHECKPOINT_PAGES 500

/* A larger file is not checked as a whole when opened: that would take seconds. */
#define QUICK_CHECK_BYTES_MAX ((off_t) 32 << 20)

/* Work of one store_prune(): some tens of milliseconds. */
#define PRUNE_ROWS 5000
#define PRUNE_PAGES 256

#define EVENTS_LISTED 1000U
#define POSITION_BYTES_MAX 1024U

/* What SQLite may add to the cap before it refuses to grow; pruning has its chance before. */
#define CAP_SLACK_DIVISOR 4

struct Store {
        char *path;
        StoreLimits limits;
        bool is_readonly;
        bool is_damaged;  /* to be set aside before the next use */
        bool was_damaged; /* for store_was_damaged() */
        sqlite3 *db;      /* NULL: not open */
        Checkpointer *checkpointer;
};

static void close_db(Store *store) {
        if (store->db)
                (void) sqlite3_close(store->db); /* no statement outlives its call */
        store->db = NULL;
}

/* What a failure means; a damaged file is remembered. */
static int fault(Store *store, int code) {
        int r = sql_errno(store->db, code);

        if (r == -EUCLEAN && !store->is_readonly)
                store->is_damaged = true;
        return r;
}

static int on_wal(void *userdata, sqlite3 *db, const char *name, int n_pages) {
        Store *store = userdata;

        (void) db;
        (void) name;

        if (n_pages >= CHECKPOINT_PAGES && store->checkpointer)
                checkpointer_post(store->checkpointer);
        return SQLITE_OK;
}

/* Deletes files set aside earlier: one damaged copy is evidence, ten fill the disk. */
static void forget_damaged(const Store *store) {
        const char *slash = strrchr(store->path, '/');
        const char *name = slash ? slash + 1 : store->path;
        char folder[PATH_MAX];
        char prefix[NAME_MAX + 1];
        const struct dirent *entry;

        (void) snprintf(folder, sizeof(folder), "%.*s", slash ? (int) (slash - store->path + 1) : 1,
                        slash ? store->path : ".");
        if (snprintf(prefix, sizeof(prefix), "%s.damaged-", name) >= (int) sizeof(prefix))
                return;

        CLEANUP_DIR DIR *dir = opendir(folder);
        if (!dir)
                return;

        while ((entry = readdir(dir)))
                if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
                        (void) unlinkat(dirfd(dir), entry->d_name,
                                        0); /* it stays; nothing depends on it */
}

static void set_aside(Store *store) {
        char from[PATH_MAX];
        char to[PATH_MAX];
        unsigned long long now_s = clock_realtime_usec() / USEC_PER_SEC;
        static const char *const parts[] = { "", "-wal", "-shm" };

        close_db(store);
        forget_damaged(store);

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                if (snprintf(from, sizeof(from), "%s%s", store->path, parts[i]) <
                            (int) sizeof(from) &&
                    snprintf(to, sizeof(to), "%s.damaged-%llu%s", store->path, now_s, parts[i]) <
                            (int) sizeof(to) &&
                    rename(from, to) < 0 && errno != ENOENT)
                        (void) unlink(from); /* if neither can be done, the next call tries again */

        log_warning(_("the history %s was damaged and is begun anew; the old file is beside it"),
                    store->path);
        store->is_damaged = false;
        store->was_damaged = true;
}

static int check_whole(sqlite3 *db, const char *path) {
        CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
        struct stat st;

        if (stat(path, &st) < 0 || st.st_size > QUICK_CHECK_BYTES_MAX)
                return SQLITE_OK;

        int code = sql_prepare(db, "PRAGMA quick_check(1)", &statement);
        if (code != SQLITE_OK)
                return code;

        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
                return code;

        const char *verdict = (const char *) sqlite3_column_text(statement, 0);
        return verdict && strcmp(verdict, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
}

static int set_up(Store *store, sqlite3 *db) {
        char cap[64];

        /* How the file is laid out must be said before its first table; all other settings are the connection's. */
        int code = sql_run(db, "PRAGMA auto_vacuum = INCREMENTAL;"
                               "PRAGMA journal_mode = WAL;"
                               "PRAGMA synchronous = NORMAL;"
                               "PRAGMA journal_size_limit = 4194304;");
        if (code != SQLITE_OK)
                return code;

        code = check_whole(db, store->path);
        if (code != SQLITE_OK)
                return code;

        code = sql_migrate(db);
        if (code != SQLITE_OK)
                return code;

        if (store->limits.max_bytes > 0) {
                uint64_t bytes =
                        store->limits.max_bytes + store->limits.max_bytes / CAP_SLACK_DIVISOR;

                (void) snprintf(cap, sizeof(cap), "PRAGMA max_page_count = %llu",
                                (unsigned long long) bytes / 4096 + 16);
                code = sql_run(db, cap);
                if (code != SQLITE_OK)
                        return code;
        }

        /* This also switches SQLite's own checkpoints off. */
        (void) sqlite3_wal_hook(db, on_wal, store);
        return SQLITE_OK;
}

static int open_db(Store *store) {
        sqlite3 *db;

        int code = sql_open(store->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db);
        if (code != SQLITE_OK)
                return fault(store, code);

        code = set_up(store, db);
        if (code != SQLITE_OK) {
                store->db = db;
                int r = fault(store, code);
                close_db(store);
                return r;
        }

        store->db = db;
        return 0;
}

/* Whether another file, or none, stands where ours was opened. */
static bool was_replaced(sqlite3 *db) {
        int has_moved = 0;

        return sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved) == SQLITE_OK &&
               has_moved != 0;
}

static int ensure_open(Store *store) {
        assert(store);

        if (store->is_damaged)
                set_aside(store);
        if (store->db && !store->is_readonly && was_replaced(store->db))
                close_db(store);
        if (store->db)
                return 0;
        if (store->is_readonly)
                return -EIO;

        int r = open_db(store);
        if (r == -EUCLEAN && store->is_damaged) {
                set_aside(store);
                r = open_db(store);
        }

        return r;
}

static void store_cleanup(Store **store) {
        *store = store_close(*store);
}

static int store_new(const char *path, Store **ret_store) {
        Store *store = calloc(1, sizeof(*store));
        if (!store)
                return -ENOMEM;

        store->path = strdup(path);
        if (!store->path) {
                free(store);
                return -ENOMEM;
        }

        *ret_store = store;
        return 0;
}

int store_open(const char *path, const StoreLimits *limits, Store **ret_store) {
        CLEANUP(store_cleanup) Store *store = NULL;

        assert(path);
        assert(limits);
        assert(ret_store);

        int r = store_new(path, &store);
        if (r < 0)
                return r;

        store->limits = *limits;

        r = checkpointer_new(path, &store->checkpointer);
        if (r < 0)
                return r;

        r = ensure_open(store);
        if (r == -EINVAL || r == -ENOMEM)
                return r;
        if (r < 0)
                (void) log_errno(LOG_LEVEL_WARNING, r, _("cannot open the history %s"), path);

        *ret_store = TAKE_PTR(store);
        return 0;
}

/* A first look tells whether the file can be read the way it was opened. */
static int try_readonly(const char *name, int flags, sqlite3 **ret_db) {
        sqlite3 *db;
        int64_t number;

        int code = sql_open(name, SQLITE_OPEN_READONLY | flags, &db);
        if (code != SQLITE_OK)
                return code;

        code = sql_number(db,
                          "SELECT count(*) FROM sqlite_master WHERE name IN ('event', 'sample')",
                          &number);
        if (code == SQLITE_OK && number < 2)
                code = SQLITE_MISMATCH;
        if (code != SQLITE_OK) {
                (void) sqlite3_close(db); /* no statement is open */
                return code;
        }

        *ret_db = db;
        return SQLITE_OK;
}

int store_open_readonly(const char *path, Store **ret_store) {
        CLEANUP(store_cleanup) Store *store = NULL;
        char name[PATH_MAX * 3 + 32];
        Buf uri = BUF_OVER(name);

        assert(path);
        assert(ret_store);

        if (access(path, R_OK) < 0)
                return -errno;

        int r = store_new(path, &store);
        if (r < 0)
                return r;

        store->is_readonly = true;

        int code = try_readonly(path, 0, &store->db);

        /* Reading beside a writer needs its shared memory file, which only a user who may write here can make. When no
         * writer has the file open, it is complete by itself. */
        if (code == SQLITE_CANTOPEN || (code & 0xFF) == SQLITE_READONLY) {
                buf_put(&uri, "file:");
                for (const char *p = path; *p; p++)
                        if (*p == '?' || *p == '#' || *p == '%')
                                buf_printf(&uri, "%%%02X", (unsigned) *p);
                        else
                                buf_put_n(&uri, p, 1);
                buf_put(&uri, "?immutable=1");
                if (!uri.is_truncated)
                        code = try_readonly(name, SQLITE_OPEN_URI, &store->db);
        }

        if (code != SQLITE_OK)
                return sql_errno(NULL, code);

        *ret_store = TAKE_PTR(store);
        return 0;
}

Store *store_close(Store *store) {
        if (!store)
                return NULL;

        store->checkpointer = checkpointer_free(store->checkpointer);
        close_db(store);
        free(store->path);
        free(store);
        return NULL;
}

bool store_was_damaged(Store *store) {
        assert(store);

        bool was_damaged = store->was_damaged;
        store->was_damaged = false;
        return was_damaged;
}

/* Ends a transaction: commits when all went well, takes it back otherwise. */
static int end_transaction(Store *store, int code) {
        if (code == SQLITE_OK)
                code = sql_run(store->db, "COMMIT");
        if (code == SQLITE_OK)
                return 0;

        int r = fault(store, code);
        (void) sql_run(store->db, "ROLLBACK"); /* some errors roll back by themselves */
        return r;
}

static int bind_text(sqlite3_stmt *statement, int index, const char *text) {
        return sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

static int insert_event(sqlite3_stmt *statement, const Event *event) {
        int code = sqlite3_bind_int64(statement, 1, (int64_t) event->seq);

        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 2, (int64_t) event->realtime_usec);
        if (code == SQLITE_OK)
                code = bind_text(statement, 3, event->service);
        if (code == SQLITE_OK)
                code = bind_text(statement, 4, event_kind_to_string(event->kind));
        if (code == SQLITE_OK)
                code = bind_text(statement, 5, level_to_string(event->level));
        if (code == SQLITE_OK)
                code = bind_text(statement, 6, event->text);
        if (code == SQLITE_OK)
                code = bind_text(statement, 7, event->reason);
        if (code == SQLITE_OK)
                code = sql_step_done(statement);

        (void) sqlite3_reset(statement); /* repeats the code of the step */
        return code;
}

static int insert_events(Store *store, const Event *events, size_t n_events) {
        CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;

        int code = sql_run(store->db, "BEGIN IMMEDIATE");
        if (code == SQLITE_OK)
                code = sql_prepare(
                        store->db,
                        "INSERT OR IGNORE INTO event (seq, time, service, kind, level, text, reason)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?)",
                        &statement);

        for (size_t i = 0; i < n_events && code == SQLITE_OK; i++)
                code = insert_event(statement, &events[i]);

        return end_transaction(store, code);
}

int store_put_events(Store *store, const Event *events, size_t n_events, uint64_t *ret_last_seq) {
        assert(events || n_events == 0);

        int r = ensure_open(store);
        if (r < 0)
                return r;

        r = insert_events(store, events, n_events);
        if (r < 0)
                return r;

        return ret_last_seq ? store_last_seq(store, ret_last_seq) : 0;
}

int store_last_seq(Store *store, uint64_t *ret_seq) {
        int64_t seq = 0;

        assert(ret_seq);

        int r = ensure_open(store);
        if (r < 0)
                return r;

        int code = sql_number(store->db, "SELECT max(seq) FROM event", &seq);
        if (code != SQLITE_OK && code != SQLITE_DONE)
                return fault(store, code);

        *ret_seq = (uint64_t) seq;
        return 0;
}

static Level level_of(const char *word) {
        for (Level level = LEVEL_NORMAL; level < _LEVEL_MAX; level++)
                if (strcmp(word, level_to_string(level)) == 0)
                        return level;

        return LEVEL_UNKNOWN;
}

static const char *column_text(sqlite3_stmt *statement, int column) {
        const char *text = (const char *) sqlite3_column_text(statement, column);

        return text ? text : "";
}

/* False for a kind that a later version wrote. */
static bool read_event(sqlite3_stmt *statement, Event *event) {
        int kind = event_kind_from_string(column_text(statement, 3));

        if (kind < 0)
                return false;

        event->seq = (uint64_t) sqlite3_column_int64(statement, 0);
        event->realtime_usec = (usec_t) sqlite3_column_int64(statement, 1);
        event->kind = (EventKind) kind;
        event->level = level_of(column_text(statement, 4));

        /* What we wrote fits; what another program wrote is cut. */
        (void) text_copy(event->service, sizeof(event->service), column_text(statement, 2));
        (void) text_copy(event->text, sizeof(event->text), column_text(statement, 5));
        (void) text_copy(event->reason, sizeof(event->reason), column_text(statement, 6));
        return true;
}

int store_list_events(Store *store,
                      const EventQuery *query,
                      StoreEventCallback callback,
                      void *userdata) {
        CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
        Event event;

        assert(query);
        assert(callback);

        int r = ensure_open(store);
        if (r < 0)
                return r;

        int code = sql_prepare(
                store->db,
                query->is_newest
                        ? "SELECT * FROM (SELECT seq, time, service, kind, level, text, reason FROM event"
                          " WHERE seq > ?1 AND time >= ?2 AND (?3 IS NULL OR service = ?3)"
                          " ORDER BY seq DESC LIMIT ?4) ORDER BY seq"
                        : "SELECT seq, time, service, kind, level, text, reason FROM event"
                          " WHERE seq > ?1 AND time >= ?2 AND (?3 IS NULL OR service = ?3)"
                          " ORDER BY seq LIMIT ?4",
                &statement);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 1, (int64_t) query->after_seq);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 2, (int64_t) query->since_usec);
        if (code == SQLITE_OK)
                code = query->service ? bind_text(statement, 3, query->service)
                                      : sqlite3_bind_null(statement, 3);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 4,
                                          query->limit > 0 ? query->limit : EVENTS_LISTED);
        if (code != SQLITE_OK)
                return fault(store, code);

        while ((code = sqlite3_step(statement)) == SQLITE_ROW)
                if (read_event(statement, &event) && !callback(&event, userdata))
                        return 0;

        return code == SQLITE_DONE ? 0 : fault(store, code);
}

#define FIND_SERIES "SELECT id FROM series WHERE metric = ? AND service = ?"

/* The number of a series, by a statement made of FIND_SERIES. SQLITE_DONE: there is none. */
static int
find_series(sqlite3_stmt *find, const char *metric, const char *service, int64_t *ret_id) {
        int code = bind_text(find, 1, metric);
        if (code == SQLITE_OK)
                code = bind_text(find, 2, service ? service : "");
        if (code == SQLITE_OK)
                code = sqlite3_step(find);
        if (code == SQLITE_ROW) {
                *ret_id = sqlite3_column_int64(find, 0);
                code = SQLITE_OK;
        }

        (void) sqlite3_reset(find); /* repeats the code of the step */
        return code;
}

static int make_series(sqlite3 *db, const char *metric, const char *service, int64_t *ret_id) {
        CLEANUP_STATEMENT sqlite3_stmt *make = NULL;

        int code = sql_prepare(db, "INSERT INTO series (metric, service) VALUES (?, ?)", &make);
        if (code == SQLITE_OK)
                code = bind_text(make, 1, metric);
        if (code == SQLITE_OK)
                code = bind_text(make, 2, service ? service : "");
        if (code == SQLITE_OK)
                code = sql_step_done(make);
        if (code == SQLITE_OK)
                *ret_id = sqlite3_last_insert_rowid(db);

        return code;
}

static int
insert_sample(sqlite3 *db, sqlite3_stmt *find, sqlite3_stmt *insert, const Sample *sample) {
        int64_t series = 0;

        int code = find_series(find, sample->metric, sample->service, &series);
        if (code == SQLITE_DONE)
                code = make_series(db, sample->metric, sample->service, &series);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(insert, 1, series);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(insert, 2,
                                          (int64_t) (sample->realtime_usec / USEC_PER_MSEC));
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(insert, 3, sample->value);
        if (code == SQLITE_OK)
                code = sql_step_done(insert);

        (void) sqlite3_reset(insert); /* as above */
        return code;
}

static int insert_samples(Store *store, const Sample *samples, size_t n_samples) {
        CLEANUP_STATEMENT sqlite3_stmt *find = NULL;
        CLEANUP_STATEMENT sqlite3_stmt *insert = NULL;

        int code = sql_run(store->db, "BEGIN IMMEDIATE");
        if (code == SQLITE_OK)
                code = sql_prepare(store->db, FIND_SERIES, &find);
        if (code == SQLITE_OK)
                code = sql_prepare(
                        store->db,
                        "INSERT OR REPLACE INTO sample (series, time, value) VALUES (?, ?, ?)",
                        &insert);

        for (size_t i = 0; i < n_samples && code == SQLITE_OK; i++)
                code = insert_sample(store->db, find, insert, &samples[i]);

        return end_transaction(store, code);
}

int store_put_samples(Store *store, const Sample *samples, size_t n_samples) {
        assert(samples || n_samples == 0);

        int r = ensure_open(store);
        return r < 0 ? r : insert_samples(store, samples, n_samples);
}

/* A stretch of samples being summed up. */
typedef struct Stretch {
        SamplePoint point;
        int64_t sum;
        int64_t number;
} Stretch;

static bool stretch_give(const Stretch *stretch, StoreSampleCallback callback, void *userdata) {
        SamplePoint point = stretch->point;

        if (point.count == 0)
                return true;

        point.value = stretch->sum / (int64_t) point.count;
        return callback(&point, userdata);
}

static void stretch_add(Stretch *stretch, int64_t value) {
        SamplePoint *point = &stretch->point;

        /* The sum of a year of byte counts is far from overflow; a wild value must not be undefined all the same. */
        if (__builtin_add_overflow(stretch->sum, value, &stretch->sum))
                stretch->sum = value > 0 ? INT64_MAX : INT64_MIN;

        point->low = point->count == 0 ? value : MIN(point->low, value);
        point->high = point->count == 0 ? value : MAX(point->high, value);
        point->count++;
}

/* The last instant of a series in milliseconds, for a query without an end. */
static int last_sample_ms(Store *store, int64_t series, int64_t *ret_ms) {
        char sql[96];

        (void) snprintf(sql, sizeof(sql), "SELECT max(time) FROM sample WHERE series = %lld",
                        (long long) series);
        return sql_number(store->db, sql, ret_ms);
}

static int first_sample_ms(Store *store, int64_t series, int64_t from_ms, int64_t *ret_ms) {
        char sql[128];

        (void) snprintf(sql, sizeof(sql),
                        "SELECT min(time) FROM sample WHERE series = %lld AND time >= %lld",
                        (long long) series, (long long) from_ms);
        return sql_number(store->db, sql, ret_ms);
}

static int list_series_samples(Store *store,
                               int64_t series,
                               const SampleQuery *query,
                               StoreSampleCallback callback,
                               void *userdata) {
        CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
        int64_t from_ms = (int64_t) (query->from_usec / USEC_PER_MSEC);
        int64_t to_ms = (int64_t) (query->to_usec / USEC_PER_MSEC);
        int64_t width_ms = 1;
        Stretch stretch = { .number = -1 };

        int code = SQLITE_OK;
        if (query->from_usec == 0)
                code = first_sample_ms(store, series, 0, &from_ms);
        if (code == SQLITE_OK && query->to_usec == 0)
                code = last_sample_ms(store, series, &to_ms);
        if (code != SQLITE_OK)
                return code;
        if (to_ms < from_ms)
                return SQLITE_DONE;

        if (query->points > 0)
                width_ms =
                        MAX((to_ms - from_ms + (int64_t) query->points) / (int64_t) query->points,
                            (int64_t) 1);

        code = sql_prepare(
                store->db,
                "SELECT time, value FROM sample WHERE series = ? AND time >= ? AND time <= ? ORDER BY time",
                &statement);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 1, series);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 2, from_ms);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 3, to_ms);
        if (code != SQLITE_OK)
                return code;

        while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
                int64_t time_ms = sqlite3_column_int64(statement, 0);
                int64_t number = (time_ms - from_ms) / width_ms;

                if (number != stretch.number) {
                        if (!stretch_give(&stretch, callback, userdata))
                                return SQLITE_DONE;
                        stretch = (Stretch){
                                .number = number,
                                .point.realtime_usec =
                                        (usec_t) (from_ms + number * width_ms) * USEC_PER_MSEC,
                        };
                }
                stretch_add(&stretch, sqlite3_column_int64(statement, 1));
        }

        if (code == SQLITE_DONE)
                (void) stretch_give(&stretch, callback,
                                    userdata); /* there is nothing after it to end */
        return code;
}

int store_list_samples(Store *store,
                       const SampleQuery *query,
                       StoreSampleCallback callback,
                       void *userdata) {
        CLEANUP_STATEMENT sqlite3_stmt *find = NULL;
        int64_t series = 0;

        assert(query);
        assert(query->metric);
        assert(callback);

        int r = ensure_open(store);
        if (r < 0)
                return r;

        int code = sql_prepare(store->db, FIND_SERIES, &find);
        if (code == SQLITE_OK)
                code = find_series(find, query->metric, query->service, &series);
        if (code == SQLITE_OK)
                code = list_series_samples(store, series, query, callback, userdata);

        return code == SQLITE_OK || code == SQLITE_DONE ? 0 : fault(store, code);
}

int store_list_series(Store *store, StoreSeriesCallback callback, void *userdata) {
        CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;

        assert(callback);

        int r = ensure_open(store);
        if (r < 0)
                return r;

        int code = sql_prepare(store->db,
                               "SELECT metric, service FROM series ORDER BY metric, service",
                               &statement);
        if (code != SQLITE_OK)
                return fault(store, code);

        while ((code = sqlite3_step(statement)) == SQLITE_ROW)
                if (!callback(column_text(statement, 0), column_text(statement, 1), userdata))
                        return 0;

        return code == SQLITE_DONE ? 0 : fault(store, code);
}

int store_put_position(Store *store, const char *key, const void *data, size_t length) {
        CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;

        assert(key);
        assert(data);
        assert(length <= POSITION_BYTES_MAX);

        int r = ensure_open(store);
        if (r < 0)
                return r;

        int code = sql_prepare(
                store->db, "INSERT OR REPLACE INTO position (key, data) VALUES (?, ?)", &statement);
        if (code == SQLITE_OK)
                code = bind_text(statement, 1, key);
        if (code == SQLITE_OK)
                code = sqlite3_bind_blob(statement, 2, data, (int) length, SQLITE_STATIC);
        if (code == SQLITE_OK)
                code = sql_step_done(statement);

        return code == SQLITE_OK ? 0 : fault(store, code);
}

int store_get_position(Store *store, const char *key, void *ret_data, size_t length) {
        CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;

        assert(key);
        assert(ret_data);

        int r = ensure_open(store);
        if (r < 0)
                return r;

        int code = sql_prepare(store->db, "SELECT data FROM position WHERE key = ?", &statement);
        if (code == SQLITE_OK)
                code = bind_text(statement, 1, key);
        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        if (code == SQLITE_DONE)
                return -ENOENT;
        if (code != SQLITE_ROW)
                return fault(store, code);

        const void *data = sqlite3_column_blob(statement, 0);
        if (!data || (size_t) sqlite3_column_bytes(statement, 0) != length)
                return -EMSGSIZE;

        memcpy(ret_data, data, length);
        return 0;
}

/* Runs a deletion with one number in it. Returns SQLite's code; `*ret_n` is how many rows went. */
static int delete_rows(sqlite3 *db, const char *sql, int64_t number, int *ret_n) {
        CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;

        int code = sql_prepare(db, sql, &statement);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 1, number);
        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 2, PRUNE_ROWS);
        if (code == SQLITE_OK)
                code = sql_step_done(statement);
        if (code == SQLITE_OK)
                *ret_n = sqlite3_changes(db);

        return code;
}

/* The last event is kept, however old: its number is what has been acknowledged. */
static int prune_events(sqlite3 *db, usec_t before_usec, int *ret_n) {
        return delete_rows(db,
                           "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE time < ?1"
                           " AND seq < (SELECT max(seq) FROM event) ORDER BY time LIMIT ?2)",
                           (int64_t) MIN(before_usec, (usec_t) INT64_MAX), ret_n);
}

static int prune_samples(sqlite3 *db, usec_t before_usec, int *ret_n) {
        int64_t before_ms = (int64_t) MIN(before_usec / USEC_PER_MSEC, (usec_t) INT64_MAX);

        return delete_rows(
                db,
                "DELETE FROM sample WHERE (series, time) IN (SELECT series, time FROM series"
                " JOIN sample ON sample.series = series.id WHERE time < ?1 LIMIT ?2)",
                before_ms, ret_n);
}

/* The oldest samples, else the oldest events: an hour more than the oldest each time. */
static int prune_oldest(sqlite3 *db, int *ret_n) {
        int64_t oldest_ms = 0;

        int code = sql_number(
                db,
                "SELECT min(oldest) FROM (SELECT (SELECT min(time) FROM sample WHERE series = id)"
                " AS oldest FROM series)",
                &oldest_ms);
        if (code == SQLITE_OK)
                return prune_samples(db, (usec_t) oldest_ms * USEC_PER_MSEC + USEC_PER_HOUR, ret_n);
        if (code != SQLITE_DONE)
                return code;

        return prune_events(db, USEC_INFINITY, ret_n);
}

static int used_bytes(sqlite3 *db, uint64_t *ret_used, int64_t *ret_free_pages) {
        int64_t pages = 0;
        int64_t free_pages = 0;
        int64_t page_size = 0;

        int code = sql_number(db, "PRAGMA page_count", &pages);
        if (code == SQLITE_OK)
                code = sql_number(db, "PRAGMA freelist_count", &free_pages);
        if (code == SQLITE_OK)
                code = sql_number(db, "PRAGMA page_size", &page_size);
        if (code == SQLITE_OK) {
                *ret_used = (uint64_t) (pages - free_pages) * (uint64_t) page_size;
                *ret_free_pages = free_pages;
        }

        return code;
}

static int prune_once(Store *store, usec_t realtime_now_usec, bool *ret_has_more) {
        usec_t keep_usec = store->limits.keep_usec;
        uint64_t max_bytes = store->limits.max_bytes;
        uint64_t used = 0;
        int64_t free_pages = 0;
        int n_events = 0;
        int n_samples = 0;
        int n_oldest = 0;
        int code = SQLITE_OK;

        /* A wall clock that says 1970 deletes nothing: everything is younger. */
        if (keep_usec > 0 && realtime_now_usec > keep_usec) {
                code = prune_events(store->db, realtime_now_usec - keep_usec, &n_events);
                if (code == SQLITE_OK)
                        code = prune_samples(store->db, realtime_now_usec - keep_usec, &n_samples);
        }

        if (code == SQLITE_OK)
                code = used_bytes(store->db, &used, &free_pages);
        if (code == SQLITE_OK && max_bytes > 0 && used > max_bytes)
                code = prune_oldest(store->db, &n_oldest);
        if (code == SQLITE_OK && free_pages > PRUNE_PAGES)
                code = sql_run(store->db, "PRAGMA incremental_vacuum(256)");

        *ret_has_more = n_events >= PRUNE_ROWS || n_samples >= PRUNE_ROWS || n_oldest > 0 ||
                        free_pages > 2 * PRUNE_PAGES;
        return code;
}

int store_prune(Store *store, usec_t realtime_now_usec) {
        bool has_more = false;

        int r = ensure_open(store);
        if (r < 0)
                return r;

        int code = prune_once(store, realtime_now_usec, &has_more);
        return code == SQLITE_OK ? has_more : fault(store, code);
}

int store_size(Store *store, uint64_t *ret_bytes) {
        char wal[PATH_MAX];
        struct stat st;
        uint64_t bytes = 0;

        assert(store);
        assert(ret_bytes);

        if (stat(store->path, &st) < 0)
                return -errno;
        bytes = (uint64_t) st.st_size;

        if (snprintf(wal, sizeof(wal), "%s-wal", store->path) < (int) sizeof(wal) &&
            stat(wal, &st) == 0)
                bytes += (uint64_t) st.st_size;

        *ret_bytes = bytes;
        return 0;
}
