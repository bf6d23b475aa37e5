/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Window: how many lines, and how many bad ones, in the last minutes.
 *
 * A ring of buckets, each the sixtieth part of the window. A bucket knows its number since the clock
 * began, so that nothing has to be swept: one that comes round again with another number starts from
 * zero, and one that is too old is passed over when reading. The ring has a few buckets more than the
 * window needs, so that its oldest part is not overwritten while it still counts.
 *
 * Pure: the caller says what time it is, on a clock that does not step.
 */

#include "hear/window.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"

#define WINDOW_BUCKETS 60

static_assert(WINDOW_BUCKETS < LOG_BUCKETS - 1,
              "the ring holds a window and the bucket it begins in");

void window_init(LogWindow *window, usec_t window_usec) {
        assert(window);

        memset(window, 0, sizeof(*window));
        window->window_usec = MAX(window_usec, USEC_PER_SEC);
        window->bucket_usec = (window->window_usec + WINDOW_BUCKETS - 1) / WINDOW_BUCKETS;
}

void window_add(LogWindow *window,
                usec_t at_usec,
                usec_t now_usec,
                uint64_t lines,
                uint64_t critical,
                uint64_t warning) {
        assert(window);

        at_usec = MIN(at_usec, now_usec);
        if (now_usec - at_usec >= window->window_usec)
                return;

        uint64_t number = at_usec / window->bucket_usec + 1;
        LogBucket *bucket = &window->buckets[number % LOG_BUCKETS];

        if (bucket->number > number)
                return;
        if (bucket->number < number)
                *bucket = (LogBucket){ .number = number };

        bucket->lines += lines;
        bucket->critical += critical;
        bucket->warning += warning;
}

void window_read(const LogWindow *window, usec_t now_usec, LogCounts *ret_counts) {
        LogCounts counts = { 0 };
        usec_t begin_usec = usec_sub(now_usec, window->window_usec);

        assert(window);
        assert(ret_counts);

        for (size_t i = 0; i < LOG_BUCKETS; i++) {
                const LogBucket *bucket = &window->buckets[i];

                /* A bucket counts as long as any part of it lies in the window. */
                if (bucket->number == 0 || bucket->number * window->bucket_usec <= begin_usec)
                        continue;

                counts.lines += bucket->lines;
                counts.critical += bucket->critical;
                counts.warning += bucket->warning;
        }

        uint64_t severe = counts.critical + counts.warning;

        /* The number of lines is known a block at a time: never more bad lines than lines. */
        if (severe > 0)
                counts.error_permille = (uint32_t) (severe * 1000 / MAX(counts.lines, severe));

        *ret_counts = counts;
}
