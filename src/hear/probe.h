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
        uint64_t value_hash; /* of the freshness field as it stood */
        int64_t changed_boot_usec; /* boot time of its last change; before the first change we saw, by its own date */
} ProbeMemory;

/* Judges one answer. Fresh means that the field's value changed less than fresh_max_age ago on the boot clock; only
 * the first sight of a value uses its date and the wall clock, so that a stepping clock changes no verdict. `at_usec`
 * of the reading is `boot_now_usec`, its value the latency. Without a fresh_field any 2xx answer is well. Pure. */
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
