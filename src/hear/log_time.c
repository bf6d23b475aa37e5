/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Log time: the date at the start of a line.
 *
 * Every program dates its lines a little differently, so this is a reader of parts, not a list of
 * formats: a year-first date in any of its usual punctuations, a time of day behind it, a fraction, a
 * zone; a day-first date of the web; the month-first date of syslog, which has no year; or plain
 * seconds since 1970. What stands in front may be a bracket or a syslog severity. A part that is out
 * of its range (month 13, hour 25) makes the whole no date: better no time than a wrong one.
 *
 * Turning a date without a zone into an instant needs the machine's zone. localtime_r(3) knows it,
 * but asking it for every line is slow; the answer is good for the quarter of an hour around (zones
 * change on quarters), so it is kept.
 */

#include "hear/log_time.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"

/* No date is longer than this, and none begins later than this many bytes into a line. */
#define LEAD_MAX 8

#define QUARTER_S 900

typedef struct Cursor {
        const char *at;
        const char *end;
} Cursor;

typedef struct Civil {
        int64_t year;
        int64_t month;
        int64_t day;
        int64_t hour;
        int64_t minute;
        int64_t second;
        int64_t usec;
} Civil;

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_char(Cursor *cursor, const char *any_of) {
        if (cursor->at >= cursor->end || *cursor->at == '\0' || !strchr(any_of, *cursor->at))
                return false;

        cursor->at++;
        return true;
}

/* Exactly `n` digits, at most `most`. */
static bool take_number(Cursor *cursor, size_t n, int64_t least, int64_t most, int64_t *ret) {
        int64_t value = 0;

        if ((size_t) (cursor->end - cursor->at) < n)
                return false;

        for (size_t i = 0; i < n; i++) {
                if (!is_digit(cursor->at[i]))
                        return false;
                value = value * 10 + (cursor->at[i] - '0');
        }

        if (value < least || value > most)
                return false;

        cursor->at += n;
        *ret = value;
        return true;
}

/* ".5" or ",123": microseconds; digits beyond the sixth are dropped. */
static void take_fraction(Cursor *cursor, int64_t *ret_usec) {
        Cursor ahead = *cursor;
        int64_t usec = 0;
        int64_t scale = 100000;

        *ret_usec = 0;
        if (!take_char(&ahead, ".,") || ahead.at >= ahead.end || !is_digit(*ahead.at))
                return;

        for (; ahead.at < ahead.end && is_digit(*ahead.at); ahead.at++) {
                usec += (*ahead.at - '0') * scale;
                scale /= 10;
        }

        *ret_usec = usec;
        *cursor = ahead;
}

/* Days from 1970-01-01 in the Gregorian calendar: years are counted from March, so that the leap day is the last. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
        int64_t y = month <= 2 ? year - 1 : year;
        int64_t m = month <= 2 ? month + 9 : month - 3;
        int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;

        return days - 719468; /* 0000-03-01 to 1970-01-01 */
}

static bool is_real_day(const Civil *civil) {
        static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool is_leap = (civil->year % 4 == 0 && civil->year % 100 != 0) || civil->year % 400 == 0;

        return civil->day <= lengths[civil->month - 1] + (civil->month == 2 && is_leap);
}

static int64_t civil_to_usec(const Civil *civil) {
        int64_t days = days_from_civil(civil->year, civil->month, civil->day);
        int64_t seconds = days * 86400 + civil->hour * 3600 + civil->minute * 60 + civil->second;

        return seconds * (int64_t) USEC_PER_SEC + civil->usec;
}

/* "Z", "UTC", "+09:00", "+0900", "-05", with a space in front or not. Nothing there: naive. */
static LogTimeZone take_zone(Cursor *cursor, int64_t *ret_offset_s) {
        Cursor ahead = *cursor;
        int64_t hours;
        int64_t minutes = 0;

        *ret_offset_s = 0;
        (void) take_char(&ahead, " "); /* there may be none */

        if (take_char(&ahead, "Zz")) {
                /* Not the first letter of a word. */
                if (ahead.at < ahead.end && is_letter(*ahead.at))
                        return LOG_TIME_NAIVE;
                *cursor = ahead;
                return LOG_TIME_ZONED;
        }

        if (ahead.end - ahead.at >= 3 &&
            (memcmp(ahead.at, "UTC", 3) == 0 || memcmp(ahead.at, "GMT", 3) == 0)) {
                ahead.at += 3;
                *cursor = ahead;
                return LOG_TIME_ZONED;
        }

        if (ahead.at >= ahead.end || (*ahead.at != '+' && *ahead.at != '-'))
                return LOG_TIME_NAIVE;

        int64_t sign = *ahead.at++ == '-' ? -1 : 1;
        if (!take_number(&ahead, 2, 0, 14, &hours))
                return LOG_TIME_NAIVE;

        Cursor behind = ahead;
        (void) take_char(&behind, ":"); /* as above */
        if (take_number(&behind, 2, 0, 59, &minutes))
                ahead = behind;

        /* "-05" is a zone, "-0515x" or "-051" part of something else. */
        if (ahead.at < ahead.end && is_digit(*ahead.at))
                return LOG_TIME_NAIVE;

        *ret_offset_s = sign * (hours * 3600 + minutes * 60);
        *cursor = ahead;
        return LOG_TIME_ZONED;
}

/* "10:00:00" or, in the basic form, "100000"; a leap second counts as the one before. */
static bool take_clock(Cursor *cursor, bool is_basic, Civil *civil) {
        if (!take_number(cursor, 2, 0, 23, &civil->hour))
                return false;
        if (!is_basic && !take_char(cursor, ":"))
                return false;
        if (!take_number(cursor, 2, 0, 59, &civil->minute))
                return false;
        if (!is_basic && !take_char(cursor, ":"))
                return false;
        if (!take_number(cursor, 2, 0, 60, &civil->second))
                return false;

        civil->second = MIN(civil->second, (int64_t) 59);
        take_fraction(cursor, &civil->usec);
        return true;
}

static bool take_year_first(Cursor *cursor, LogTime *time) {
        Cursor ahead = *cursor;
        Civil civil = { 0 };
        int64_t offset_s;

        if (!take_number(&ahead, 4, 1970, 9999, &civil.year))
                return false;

        if (ahead.at == ahead.end)
                return false;

        char separator = *ahead.at;
        bool is_basic = is_digit(separator);

        if (!is_basic && !take_char(&ahead, "-/."))
                return false;
        if (!take_number(&ahead, 2, 1, 12, &civil.month))
                return false;
        if (!is_basic && (ahead.at >= ahead.end || *ahead.at++ != separator))
                return false;
        if (!take_number(&ahead, 2, 1, 31, &civil.day) || !is_real_day(&civil))
                return false;
        if (!take_char(&ahead, "Tt _"))
                return false;
        if (!take_clock(&ahead, is_basic && ahead.end - ahead.at > 2 && ahead.at[2] != ':', &civil))
                return false;

        time->zone = take_zone(&ahead, &offset_s);
        time->civil_usec = civil_to_usec(&civil) - offset_s * (int64_t) USEC_PER_SEC;
        *cursor = ahead;
        return true;
}

/* "Nov"; zero when it is no month. */
static int64_t take_month(Cursor *cursor) {
        static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

        if (cursor->end - cursor->at < 3)
                return 0;

        for (int64_t month = 1; month <= 12; month++)
                if (memcmp(cursor->at, names + 3 * (month - 1), 3) == 0) {
                        cursor->at += 3;
                        return month;
                }

        return 0;
}

/* "23/Nov/2026:10:00:00 +0900" of web servers, "Mon, 23 Nov 2026 10:00:00 GMT" of HTTP (RFC 9110). */
static bool take_day_first(Cursor *cursor, LogTime *time) {
        Cursor ahead = *cursor;
        Civil civil = { 0 };
        int64_t offset_s;

        if (ahead.end - ahead.at > 5 && ahead.at[3] == ',' && ahead.at[4] == ' ')
                ahead.at += 5;
        if (!take_number(&ahead, 2, 1, 31, &civil.day) || !take_char(&ahead, " /-"))
                return false;

        civil.month = take_month(&ahead);
        if (civil.month == 0 || !take_char(&ahead, " /-"))
                return false;
        if (!take_number(&ahead, 4, 1970, 9999, &civil.year) || !is_real_day(&civil))
                return false;
        if (!take_char(&ahead, " :") || !take_clock(&ahead, /* is_basic= */ false, &civil))
                return false;

        time->zone = take_zone(&ahead, &offset_s);
        time->civil_usec = civil_to_usec(&civil) - offset_s * (int64_t) USEC_PER_SEC;
        *cursor = ahead;
        return true;
}

/* "Nov 23 10:00:00": the year that brings it nearest to now. */
static bool take_month_first(Cursor *cursor, usec_t realtime_now_usec, LogTime *time) {
        Cursor ahead = *cursor;
        Civil civil = { 0 };
        int64_t now_usec = (int64_t) MIN(realtime_now_usec, (usec_t) INT64_MAX);
        int64_t now_year = 1970 + now_usec / (int64_t) USEC_PER_DAY * 400 / 146097;
        int64_t nearest = INT64_MAX;

        civil.month = take_month(&ahead);
        if (civil.month == 0 || !take_char(&ahead, " "))
                return false;
        if (take_char(&ahead, " ") ? !take_number(&ahead, 1, 1, 9, &civil.day)
                                   : !take_number(&ahead, 2, 1, 31, &civil.day))
                return false;
        if (!take_char(&ahead, " ") || !take_clock(&ahead, /* is_basic= */ false, &civil))
                return false;

        for (int64_t year = now_year - 1; year <= now_year + 1; year++) {
                civil.year = year;
                if (!is_real_day(&civil))
                        continue;

                int64_t usec = civil_to_usec(&civil);
                int64_t distance = usec > now_usec ? usec - now_usec : now_usec - usec;

                if (distance < nearest) {
                        nearest = distance;
                        time->civil_usec = usec;
                }
        }

        if (nearest == INT64_MAX)
                return false;

        time->zone = LOG_TIME_NAIVE;
        *cursor = ahead;
        return true;
}

/* Ten digits of seconds, thirteen of milliseconds, sixteen of microseconds: 2001 to 2286. */
static bool take_epoch(Cursor *cursor, LogTime *time) {
        Cursor ahead = *cursor;
        int64_t value = 0;
        int64_t fraction_usec = 0;
        size_t n = 0;

        while (ahead.at < ahead.end && is_digit(*ahead.at) && n <= 16) {
                value = value * 10 + (*ahead.at++ - '0');
                n++;
        }

        if (n == 10) {
                take_fraction(&ahead, &fraction_usec);
                value = value * (int64_t) USEC_PER_SEC + fraction_usec;
        } else if (n == 13)
                value *= (int64_t) USEC_PER_MSEC;
        else if (n != 16)
                return false;

        if (value < 1000000000 * (int64_t) USEC_PER_SEC)
                return false;
        if (ahead.at < ahead.end && is_letter(*ahead.at))
                return false;

        time->zone = LOG_TIME_ZONED;
        time->civil_usec = value;
        *cursor = ahead;
        return true;
}

/* "<6>", "[", "(" or blanks may stand in front. */
static void skip_lead(Cursor *cursor) {
        Cursor ahead = *cursor;

        if (take_char(&ahead, "<")) {
                while (ahead.at < ahead.end && is_digit(*ahead.at) && ahead.at - cursor->at < 4)
                        ahead.at++;
                if (take_char(&ahead, ">"))
                        *cursor = ahead;
        }

        for (int i = 0; i < LEAD_MAX && take_char(cursor, "[( \t\""); i++)
                continue;
}

bool log_time_parse(const char *text, size_t length, usec_t realtime_now_usec, LogTime *ret_time) {
        assert(text || length == 0);
        assert(ret_time);

        if (length == 0)
                return false;

        Cursor cursor = { .at = text, .end = text + length };
        LogTime time = { 0 };

        skip_lead(&cursor);
        if (!take_year_first(&cursor, &time) && !take_day_first(&cursor, &time) &&
            !take_month_first(&cursor, realtime_now_usec, &time) && !take_epoch(&cursor, &time))
                return false;

        time.length = (size_t) (cursor.at - text);
        *ret_time = time;
        return true;
}

/* Seconds to add to a local clock's reading to have UTC, as of about then. */
static int64_t local_offset_s(int64_t civil_s, ZoneCache *cache) {
        if (civil_s >= cache->from_s && civil_s < cache->to_s)
                return cache->offset_s;

        /* The first guess takes the local reading for UTC; the second corrects it by the offset found, which is
         * wrong only inside the hour of a change, where a local reading may be ambiguous anyway. */
        int64_t offset_s = 0;
        for (int i = 0; i < 2; i++) {
                time_t guess = (time_t) (civil_s - offset_s);
                struct tm local;

                if (!localtime_r(&guess, &local))
                        break;
                offset_s = local.tm_gmtoff;
        }

        cache->from_s = civil_s - civil_s % QUARTER_S;
        cache->to_s = cache->from_s + QUARTER_S;
        cache->offset_s = offset_s;
        return offset_s;
}

usec_t log_time_to_realtime(const LogTime *time, ZoneCache *cache) {
        assert(time);
        assert(cache);

        int64_t usec = time->civil_usec;

        if (time->zone == LOG_TIME_NAIVE)
                usec -= local_offset_s(usec / (int64_t) USEC_PER_SEC, cache) *
                        (int64_t) USEC_PER_SEC;

        return usec > 0 ? (usec_t) usec : 0;
}
