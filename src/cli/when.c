/* SPDX-License-Identifier: Apache-2.0 */

/*
 * When: times as people write and read them.
 *
 * Programs get UTC with microseconds. A person gets the clock on the wall, in the machine's time
 * zone, and the date only when it is not today's: at four in the morning "03:58:12" is read and
 * "2026-11-23T03:58:12.004211Z" is not. The other way round anything that can only mean one thing is
 * taken. Nothing here asks what time it is; whoever calls says so.
 */

#include "cli/when.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/text.h"

/* Takes exactly `digits` digits off the text and then, when it is not '\0', the separator. */
static bool take_number(const char **text, unsigned digits, char separator, int *ret) {
        int value = 0;

        for (unsigned i = 0; i < digits; i++, (*text)++) {
                if (**text < '0' || **text > '9')
                        return false;
                value = value * 10 + (**text - '0');
        }

        if (separator != '\0') {
                if (**text != separator)
                        return false;
                (*text)++;
        }

        *ret = value;
        return true;
}

static bool take_date(const char **text, struct tm *broken) {
        const char *p = *text;
        int year;
        int month;

        if (!take_number(&p, 4, '-', &year) || !take_number(&p, 2, '-', &month) ||
            !take_number(&p, 2, '\0', &broken->tm_mday))
                return false;
        if (year < 1970 || month < 1 || month > 12 || broken->tm_mday < 1 || broken->tm_mday > 31)
                return false;

        broken->tm_year = year - 1900;
        broken->tm_mon = month - 1;
        *text = p;
        return true;
}

static bool take_time_of_day(const char **text, struct tm *broken) {
        const char *p = *text;

        broken->tm_sec = 0;
        if (!take_number(&p, 2, ':', &broken->tm_hour) ||
            !take_number(&p, 2, '\0', &broken->tm_min))
                return false;
        if (*p == ':') {
                p++;
                if (!take_number(&p, 2, '\0', &broken->tm_sec))
                        return false;
        }
        if (broken->tm_hour > 23 || broken->tm_min > 59 || broken->tm_sec > 60)
                return false;

        *text = p;
        return true;
}

/* ".123456", at most to the microsecond. */
static bool take_fraction(const char **text, usec_t *ret_usec) {
        usec_t value = 0;
        usec_t scale = USEC_PER_SEC;

        if (**text != '.')
                return true;

        for ((*text)++; **text >= '0' && **text <= '9' && scale > 1; (*text)++) {
                scale /= 10;
                value += (usec_t) (**text - '0') * scale;
        }

        *ret_usec = value;
        return scale < USEC_PER_SEC;
}

int when_parse_utc(const char *text, usec_t *ret_usec) {
        struct tm broken = { 0 };
        usec_t fraction_usec = 0;

        if (!take_date(&text, &broken) || *text != 'T')
                return -EINVAL;
        text++;
        if (!take_time_of_day(&text, &broken) || !take_fraction(&text, &fraction_usec) ||
            strcmp(text, "Z") != 0)
                return -EINVAL;

        time_t seconds = timegm(&broken);
        if (seconds < 0)
                return -EINVAL;

        *ret_usec = (usec_t) seconds * USEC_PER_SEC + fraction_usec;
        return 0;
}

static int from_local(struct tm *broken, usec_t *ret_usec) {
        broken->tm_isdst = -1;

        time_t seconds = mktime(broken);
        if (seconds < 0)
                return -EINVAL;

        *ret_usec = (usec_t) seconds * USEC_PER_SEC;
        return 0;
}

static void to_local(usec_t usec, struct tm *ret) {
        time_t seconds = (time_t) (usec / USEC_PER_SEC);

        if (!localtime_r(&seconds, ret))
                *ret = (struct tm){ .tm_mday = 1, .tm_year = 70 };
}

int when_parse_since(const char *text, usec_t now_usec, usec_t *ret_usec) {
        struct tm broken;
        usec_t ago_usec;

        if (when_parse_utc(text, ret_usec) >= 0)
                return 0;
        if (text_parse_duration(text, &ago_usec) >= 0) {
                *ret_usec = usec_sub(now_usec, ago_usec);
                return 0;
        }

        to_local(now_usec, &broken);
        if (take_time_of_day(&text, &broken)) {
                int r = *text == '\0' ? from_local(&broken, ret_usec) : -EINVAL;
                if (r < 0 || *ret_usec <= now_usec)
                        return r;
                /* "23:00" at two in the morning was yesterday. */
                broken.tm_mday--;
                return from_local(&broken, ret_usec);
        }

        broken.tm_hour = broken.tm_min = broken.tm_sec = 0;
        if (strcmp(text, "today") == 0)
                return from_local(&broken, ret_usec);
        if (strcmp(text, "yesterday") == 0) {
                broken.tm_mday--; /* mktime(3) brings a zeroth of the month into order */
                return from_local(&broken, ret_usec);
        }

        if (!take_date(&text, &broken))
                return -EINVAL;
        if (*text == '\0')
                return from_local(&broken, ret_usec);
        if (*text != ' ' && *text != 'T')
                return -EINVAL;
        text++;
        if (!take_time_of_day(&text, &broken) || *text != '\0')
                return -EINVAL;

        return from_local(&broken, ret_usec);
}

static void render_day(char buffer[static WHEN_TEXT_SIZE], const struct tm *then, usec_t now_usec) {
        struct tm now;

        to_local(now_usec, &now);
        buffer[0] = '\0';
        if (then->tm_year != now.tm_year)
                (void) strftime(buffer, WHEN_TEXT_SIZE, "%Y-%m-%d ", then);
        else if (then->tm_yday != now.tm_yday)
                (void) strftime(buffer, WHEN_TEXT_SIZE, "%m-%d ", then);
}

const char *when_render(char buffer[static WHEN_TEXT_SIZE], usec_t usec, usec_t now_usec) {
        struct tm then;

        to_local(usec, &then);
        render_day(buffer, &then, now_usec);

        size_t length = strlen(buffer);
        (void) strftime(buffer + length, WHEN_TEXT_SIZE - length, "%H:%M:%S", &then);
        return buffer;
}

const char *when_render_short(char buffer[static WHEN_TEXT_SIZE], usec_t usec, usec_t now_usec) {
        struct tm then;

        to_local(usec, &then);
        render_day(buffer, &then, now_usec);

        size_t length = strlen(buffer);
        (void) strftime(buffer + length, WHEN_TEXT_SIZE - length, "%H:%M", &then);
        return buffer;
}
