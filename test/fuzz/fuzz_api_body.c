/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as the answer of a health check: it is judged, never believed.
 *
 * The same answer once more is judged the same, and long afterwards it is stale, because nothing in
 * it has moved.
 */

#include "fuzz.h"
#include "hear/probe.h"

#define REALTIME_USEC (UINT64_C(1795428000) * USEC_PER_SEC)
#define BOOT_USEC (2 * USEC_PER_DAY)

static CheckReading judge(const FetchResult *result, ProbeMemory *memory, usec_t after_usec) {
        static const ApiConfig config = {
                .url = "http://localhost/",
                .fresh_field = "a.b",
                .fresh_max_age_usec = 300 * USEC_PER_SEC,
        };
        CheckReading reading;

        probe_judge(&config, result, REALTIME_USEC + after_usec, BOOT_USEC + after_usec, memory,
                    &reading);
        assert(reading.is_configured);
        assert((reading.outcome == OUTCOME_OK) == (reading.cause == CAUSE_NONE));
        assert(reading.cause == CAUSE_NONE || reading.cause == CAUSE_BAD_BODY ||
               reading.cause == CAUSE_STALE_BODY);
        return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        FetchResult result = {
                .outcome = FETCH_OK,
                .http_status = 200,
                .body = (const char *) data,
                .body_length = size,
                .error = "",
        };
        ProbeMemory memory = { 0 };

        CheckReading first = judge(&result, &memory, 0);
        CheckReading second = judge(&result, &memory, 0);
        CheckReading third = judge(&result, &memory, USEC_PER_HOUR);

        assert(first.cause == second.cause && first.detail == second.detail);
        assert((third.cause == CAUSE_BAD_BODY) == (first.cause == CAUSE_BAD_BODY));
        assert(third.cause != CAUSE_NONE);
        return 0;
}
