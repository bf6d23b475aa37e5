/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as the beginning of a log line: either no date, or one that ends inside the text, lies in
 * the years a date may have, and is the same when nothing but the date is given.
 *
 * The text has no terminator: reading one byte too far is seen by the sanitizer.
 */

#include "fuzz.h"
#include "hear/log_time.h"

#define NOW_USEC (UINT64_C(1795428000) * USEC_PER_SEC)

/* The year 10000, and a day for zones. */
#define END_USEC (INT64_C(253402300800) * 1000000 + (int64_t) USEC_PER_DAY)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *) data;
        ZoneCache cache = { 0 };
        LogTime time;
        LogTime again;

        if (!log_time_parse(text, size, NOW_USEC, &time))
                return 0;

        assert(time.length > 0 && time.length <= size);
        assert(time.civil_usec > -(int64_t) USEC_PER_DAY && time.civil_usec < END_USEC);
        assert(log_time_parse(text, time.length, NOW_USEC, &again));
        assert(again.civil_usec == time.civil_usec && again.length == time.length);

        usec_t realtime = log_time_to_realtime(&time, &cache);
        assert(log_time_to_realtime(&time, &cache) == realtime);
        assert(time.zone == LOG_TIME_NAIVE || time.civil_usec < 0 ||
               realtime == (usec_t) time.civil_usec);
        return 0;
}
