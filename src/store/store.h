/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "model/event.h"

/* History on disk: events, samples and where the log followers are. One SQLite file in WAL mode; the clerk writes, any
 * number of readers read meanwhile. Losing it never stops the watch: what cannot be stored is an error the caller
 * counts, a damaged file is set aside. No call waits longer than 200 ms for another process. */
typedef struct Store Store;

typedef struct StoreLimits {
        uint64_t max_bytes; /* of the file; 0: no cap */
        usec_t keep_usec;   /* samples and events older than this go; 0: kept for ever */
} StoreLimits;

/* Opens or makes the file for writing. A damaged file is renamed to PATH.damaged-SECONDS and a new one begun
 * (store_was_damaged()). When it cannot be opened or written now, this still succeeds and every store_put_ call tries
 * again: -ENOMEM and -EINVAL (a newer schema) are the only errors. */
int store_open(const char *path, const StoreLimits *limits, Store **ret_store);

/* For the command line and the page: reads beside a writer, also without the right to write. Negative errno when there
 * is nothing to read. */
int store_open_readonly(const char *path, Store **ret_store);

Store *store_close(Store *store);

/* Whether a damaged file was set aside since the last call. */
bool store_was_damaged(Store *store);

/* Errors of all calls below: -ENOSPC (disk full), -EROFS (cannot write), -EBUSY (locked by another process),
 * -EUCLEAN (damaged; the next call begins anew), -EIO (anything else of the disk). */

/* Stores events in one transaction; one whose seq is there already is passed over. The highest seq now in the store is
 * what may be acknowledged. */
int store_put_events(Store *store, const Event *events, size_t n_events, uint64_t *ret_last_seq);

/* Zero when there is none. */
int store_last_seq(Store *store, uint64_t *ret_seq);

/* False ends the listing. */
typedef bool (*StoreEventCallback)(const Event *event, void *userdata);

typedef struct EventQuery {
        uint64_t after_seq;  /* only later ones */
        usec_t since_usec;   /* only as late or later */
        const char *service; /* NULL: all */
        unsigned limit;      /* 0: 1000 */
        bool is_newest; /* the last `limit` ones instead of the first; either way oldest first */
} EventQuery;

int store_list_events(Store *store,
                      const EventQuery *query,
                      StoreEventCallback callback,
                      void *userdata);

/* One number at one time. Metric and service are short names; service is empty for the machine. */
typedef struct Sample {
        usec_t realtime_usec;
        const char *metric;
        const char *service;
        int64_t value;
} Sample;

/* In one transaction; a second sample of the same instant replaces the first. */
int store_put_samples(Store *store, const Sample *samples, size_t n_samples);

/* Without `points` each sample as it is; with them, at most that many stretches of equal length, each with its mean,
 * lowest and highest value. */
typedef struct SampleQuery {
        const char *metric;
        const char *service; /* NULL or empty: the machine */
        usec_t from_usec;
        usec_t to_usec;  /* 0: no end */
        unsigned points; /* 0: all */
} SampleQuery;

typedef struct SamplePoint {
        usec_t realtime_usec; /* of the sample, or the start of the stretch */
        int64_t value;
        int64_t low;
        int64_t high;
        uint64_t count;
} SamplePoint;

typedef bool (*StoreSampleCallback)(const SamplePoint *point, void *userdata);

int store_list_samples(Store *store,
                       const SampleQuery *query,
                       StoreSampleCallback callback,
                       void *userdata);

/* The names for which there are samples. */
typedef bool (*StoreSeriesCallback)(const char *metric, const char *service, void *userdata);
int store_list_series(Store *store, StoreSeriesCallback callback, void *userdata);

/* A few bytes under a name, for whoever must remember where it was (log positions, outbox marks). At most 1024 bytes. */
int store_put_position(Store *store, const char *key, const void *data, size_t length);

/* -ENOENT when there is none; -EMSGSIZE when it has another length than `length`. */
int store_get_position(Store *store, const char *key, void *ret_data, size_t length);

/* Deletes what is too old, and the oldest while the file is too large; gives pages back. Does a bounded piece of work:
 * positive when more is waiting, zero when done. */
int store_prune(Store *store, usec_t realtime_now_usec);

/* Size of the file in bytes, with what is not yet checkpointed. */
int store_size(Store *store, uint64_t *ret_bytes);
