/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Time as text: "2026-11-23T10:00:00.123456Z", both ways.
 *
 * The day is reckoned here and not by libc, whose conversions may open the time zone files and have
 * no inverse for UTC in the standard. Years run from March, so that the leap day is the last of its
 * year; then the days before a month are a straight line with a slope of 153 / 5, and 400 years are
 * exactly 146097 days (the Gregorian calendar's period).
 *
 * Dates end with the year 9999; a later instant is shown as the last one.
 */

#include "model/time_text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/event.h"

#define DAYS_PER_ERA 146097U      /* 400 years */
#define DAYS_BEFORE_EPOCH 719468U /* from 1 March of the year 0 to 1 January 1970 */
#define LAST_USEC (253402300800ULL * USEC_PER_SEC - 1) /* the last microsecond of 9999 */

typedef struct Day {
        unsigned year;
        unsigned month;
        unsigned day;
} Day;

static Day day_of(uint64_t days_since_epoch) {
        uint64_t days = days_since_epoch + DAYS_BEFORE_EPOCH;
        unsigned era = (unsigned) (days / DAYS_PER_ERA);
        unsigned in_era = (unsigned) (days % DAYS_PER_ERA);
        /* Leap days taken out, an era has 365 days a year. */
        unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
        unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
        unsigned from_march = (5 * in_year + 2) / 153;

        return (Day){
                .year = era * 400 + year + (from_march >= 10),
                .month = from_march < 10 ? from_march + 3 : from_march - 9,
                .day = in_year - (153 * from_march + 2) / 5 + 1,
        };
}

static uint64_t days_until(Day day) {
        unsigned year = day.year - (day.month <= 2);
        unsigned from_march = day.month > 2 ? day.month - 3 : day.month + 9;
        unsigned in_era_year = year % 400;
        unsigned in_year = (153 * from_march + 2) / 5 + day.day - 1;
        uint64_t in_era = 365U * in_era_year + in_era_year / 4 - in_era_year / 100 + in_year;

        return (uint64_t) (year / 400) * DAYS_PER_ERA + in_era - DAYS_BEFORE_EPOCH;
}

const char *time_render_utc(char buffer[static TIME_TEXT_SIZE], usec_t realtime_usec) {
        usec_t shown = realtime_usec < LAST_USEC ? realtime_usec : LAST_USEC;
        Day day = day_of(shown / USEC_PER_DAY);
        unsigned second = (unsigned) (shown % USEC_PER_DAY / USEC_PER_SEC);

        (void) snprintf(buffer, TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", day.year,
                        day.month, day.day, second / 3600, second / 60 % 60, second % 60,
                        (unsigned) (shown % USEC_PER_SEC));
        return buffer;
}

int time_parse_utc(const char *text, usec_t *ret_realtime_usec) {
        static const char pattern[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
        unsigned fields[7] = { 0 };
        unsigned field = 0;

        assert(text);

        if (strlen(text) != sizeof(pattern) - 1)
                return -EINVAL;

        for (size_t i = 0; i < sizeof(pattern) - 1; i++)
                if (pattern[i] != 'd') {
                        if (text[i] != pattern[i])
                                return -EINVAL;
                        field++;
                } else if (text[i] >= '0' && text[i] <= '9')
                        fields[field] = fields[field] * 10 + (unsigned) (text[i] - '0');
                else
                        return -EINVAL;

        Day day = { .year = fields[0], .month = fields[1], .day = fields[2] };
        if (day.year < 1970 || day.month < 1 || day.month > 12 || day.day < 1)
                return -EINVAL;
        if (fields[3] > 23 || fields[4] > 59 || fields[5] > 59)
                return -EINVAL;

        /* A day that does not exist, such as 30 February, comes back as another one. */
        uint64_t days = days_until(day);
        if (day_of(days).day != day.day)
                return -EINVAL;

        *ret_realtime_usec = days * USEC_PER_DAY +
                             (fields[3] * 3600ULL + fields[4] * 60ULL + fields[5]) * USEC_PER_SEC +
                             fields[6];
        return 0;
}
