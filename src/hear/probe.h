/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "io/fetch.h"
#include "model/check.h"
#include "model/config.h"

/* What one check of one service remembers from answer to answer. Begins as zeroes. */
typedef struct ProbeMemory {
        bool has_value;
        bool is_dated_old; /* by its own date and the wall clock the value was too old when it came */
        uint64_t value_hash;       /* of the freshness field as it stood */
        int64_t changed_boot_usec; /* boot time of its last change; at first sight, what its date says */
} ProbeMemory;

/* Judges one answer. The freshness field may be a date (also seconds or milliseconds since 1970) or a counter. It is
 * fresh as long as it changes: its age is the time since its last change on the boot clock, so that a step of the wall
 * clock changes no verdict. The wall clock is asked at first sight, and of values that change but are too old by their
 * own date time after time. `at_usec` of the reading is `boot_now_usec`, its value the latency. Without a fresh_field
 * any 2xx answer is well. Pure but for the time zone. */
void probe_judge(const ApiConfig *config,
                 const FetchResult *result,
                 usec_t realtime_now_usec,
                 usec_t boot_now_usec,
                 ProbeMemory *memory,
                 CheckReading *ret_reading);

typedef void (*ProbeCallback)(const CheckReading *reading, void *userdata);

/* One service's HTTP check: the request, the judgement and the memory between. */
typedef struct Probe {
        Fetch *fetch;
        const ApiConfig *config;
        ProbeMemory memory;
        uint64_t fetch_id; /* 0: none under way */
        ProbeCallback callback;
        void *userdata;
} Probe;

/* `config` and `fetch` must outlive the probe, which must not move in memory while a look is under way. */
void probe_init(Probe *probe,
                Fetch *fetch,
                const ApiConfig *config,
                ProbeCallback callback,
                void *userdata);

/* Begins one look; calls back when it ended. -EALREADY while one is under way. */
int probe_begin(Probe *probe);

/* Ends a look under way without calling back. */
void probe_done(Probe *probe);
