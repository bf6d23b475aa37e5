/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Text: numbers, durations and sizes read strictly, and written for people.
 *
 * A configuration that is misread is worse than one that is refused. So each reader takes the whole
 * text or nothing: no leading blanks, no forgotten tail, no silent overflow. The C library's own
 * readers stop at the first letter they do not like and keep quiet about it, which is why they are
 * banned from the tree.
 */

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "base/macro.h"

typedef struct Unit {
        const char *name;
        uint64_t factor;
} Unit;

/* The longest names first, so that "ms" is not read as "m". */
static const Unit duration_units[] = {
        { "usec", 1 },
        { "us", 1 },
        { "msec", USEC_PER_MSEC },
        { "ms", USEC_PER_MSEC },
        { "sec", USEC_PER_SEC },
        { "s", USEC_PER_SEC },
        { "min", USEC_PER_MINUTE },
        { "m", USEC_PER_MINUTE },
        { "hours", USEC_PER_HOUR },
        { "hour", USEC_PER_HOUR },
        { "h", USEC_PER_HOUR },
        { "days", USEC_PER_DAY },
        { "day", USEC_PER_DAY },
        { "d", USEC_PER_DAY },
        { "w", 7 * USEC_PER_DAY },
};

static const Unit size_units[] = {
        { "KiB", 1ULL << 10 },
        { "MiB", 1ULL << 20 },
        { "GiB", 1ULL << 30 },
        { "TiB", 1ULL << 40 },
        { "KB", 1ULL << 10 },
        { "MB", 1ULL << 20 },
        { "GB", 1ULL << 30 },
        { "TB", 1ULL << 40 },
        { "K", 1ULL << 10 },
        { "M", 1ULL << 20 },
        { "G", 1ULL << 30 },
        { "T", 1ULL << 40 },
        { "B", 1 },
};

bool text_scan_u64(const char **cursor, const char *end, uint64_t *ret) {
        const char *p = *cursor;
        uint64_t value = 0;

        for (; p < end && *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(value, 10U, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (*p - '0'), &value))
                        return false;

        if (p == *cursor)
                return false;

        *cursor = p;
        *ret = value;
        return true;
}

int text_parse_u64(const char *text, uint64_t *ret) {
        assert(text);

        const char *p = text;
        const char *end = text + strlen(text);
        uint64_t value;

        if (!text_scan_u64(&p, end, &value))
                return *p >= '0' && *p <= '9' ? -ERANGE : -EINVAL;
        if (p != end)
                return -EINVAL;

        *ret = value;
        return 0;
}

int text_parse_i64(const char *text, int64_t *ret) {
        assert(text);

        bool is_negative = text[0] == '-';
        uint64_t magnitude;

        int r = text_parse_u64(text + is_negative, &magnitude);
        if (r < 0)
                return r;
        if (magnitude > (uint64_t) INT64_MAX)
                return -ERANGE;

        *ret = is_negative ? -(int64_t) magnitude : (int64_t) magnitude;
        return 0;
}

/* Reads "12" or "12.5" in thousandths; at most three decimals are kept exactly, a fourth is refused. */
static int scan_milli(const char **cursor, const char *end, uint64_t *ret_milli) {
        uint64_t whole;
        uint64_t milli = 0;

        if (!text_scan_u64(cursor, end, &whole))
                return **cursor >= '0' && **cursor <= '9' ? -ERANGE : -EINVAL;

        if (*cursor < end && **cursor == '.') {
                uint64_t scale = 100;

                (*cursor)++;
                if (*cursor == end || **cursor < '0' || **cursor > '9')
                        return -EINVAL;

                for (; *cursor < end && **cursor >= '0' && **cursor <= '9'; (*cursor)++) {
                        if (scale == 0)
                                return -EINVAL;
                        milli += (uint64_t) (**cursor - '0') * scale;
                        scale /= 10;
                }
        }

        if (__builtin_mul_overflow(whole, 1000U, &whole) ||
            __builtin_add_overflow(whole, milli, &whole))
                return -ERANGE;

        *ret_milli = whole;
        return 0;
}

static const Unit *unit_at(const Unit *units, size_t count, const char **cursor) {
        for (size_t i = 0; i < count; i++) {
                size_t length = strlen(units[i].name);

                if (strncmp(*cursor, units[i].name, length) == 0) {
                        *cursor += length;
                        return &units[i];
                }
        }

        return NULL;
}

static int milli_times(uint64_t milli, uint64_t factor, uint64_t *ret) {
        uint64_t product;

        if (__builtin_mul_overflow(milli, factor, &product))
                return -ERANGE;

        *ret = product / 1000;
        return 0;
}

static bool ends_in_blank(const char *text) {
        size_t length = strlen(text);

        return length > 0 && text[length - 1] == ' ';
}

int text_parse_duration(const char *text, usec_t *ret_usec) {
        assert(text);

        const char *p = text;
        const char *end = text + strlen(text);
        usec_t total = 0;

        if (ends_in_blank(text))
                return -EINVAL;

        do {
                bool is_first = p == text;
                uint64_t milli;
                uint64_t part;

                int r = scan_milli(&p, end, &milli);
                if (r < 0)
                        return r;

                while (p < end && *p == ' ')
                        p++;

                bool is_bare = p == end && is_first;
                const Unit *unit =
                        is_bare ? NULL : unit_at(duration_units, ELEMENTSOF(duration_units), &p);

                if (!unit && !is_bare)
                        return -EINVAL;

                r = milli_times(milli, unit ? unit->factor : USEC_PER_SEC, &part);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(total, part, &total))
                        return -ERANGE;

                while (p < end && *p == ' ')
                        p++;
        } while (p < end);

        *ret_usec = total;
        return 0;
}

int text_parse_size(const char *text, uint64_t *ret_bytes) {
        assert(text);

        const char *p = text;
        const char *end = text + strlen(text);
        uint64_t milli;

        if (ends_in_blank(text))
                return -EINVAL;

        int r = scan_milli(&p, end, &milli);
        if (r < 0)
                return r;

        if (p < end && *p == ' ')
                p++;

        const Unit *unit = p < end ? unit_at(size_units, ELEMENTSOF(size_units), &p) : NULL;
        if (p != end)
                return -EINVAL;

        return milli_times(milli, unit ? unit->factor : 1, ret_bytes);
}

int text_parse_percent(const char *text, uint32_t *ret_permille) {
        assert(text);

        const char *p = text;
        const char *end = text + strlen(text);
        uint64_t milli;

        if (ends_in_blank(text))
                return -EINVAL;

        int r = scan_milli(&p, end, &milli);
        if (r < 0)
                return r;

        if (p < end && *p == ' ')
                p++;
        if (p < end && *p == '%')
                p++;
        if (p != end)
                return -EINVAL;
        if (milli > 1000 * 1000)
                return -ERANGE;
        if (milli % 100 != 0)
                return -EINVAL; /* finer than is kept: 0.05% would become nothing */

        *ret_permille = (uint32_t) (milli / 100);
        return 0;
}

bool text_copy(char *target, size_t size, const char *source) {
        assert(target);
        assert(size > 0);
        assert(source);

        size_t length = strnlen(source, size);
        bool fits = length < size;

        if (!fits)
                length = size - 1;

        memcpy(target, source, length);
        target[length] = '\0';
        return fits;
}

const char *text_render_duration(char buffer[static DURATION_TEXT_SIZE], usec_t usec) {
        uint64_t seconds = usec / USEC_PER_SEC;

        if (usec < USEC_PER_SEC)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, _("%u ms"),
                                (unsigned) (usec / USEC_PER_MSEC));
        else if (usec < 10 * USEC_PER_SEC && usec % USEC_PER_SEC >= 100 * USEC_PER_MSEC)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, _("%u.%u s"), (unsigned) seconds,
                                (unsigned) (usec % USEC_PER_SEC / (100 * USEC_PER_MSEC)));
        else if (seconds < 60)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, _("%u s"), (unsigned) seconds);
        else if (seconds < 3600 && seconds % 60 == 0)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, _("%u m"), (unsigned) (seconds / 60));
        else if (seconds < 3600)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, _("%u m %u s"),
                                (unsigned) (seconds / 60), (unsigned) (seconds % 60));
        else if (seconds < 86400 && seconds % 3600 < 60)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, _("%u h"), (unsigned) (seconds / 3600));
        else if (seconds < 86400)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, _("%u h %u m"),
                                (unsigned) (seconds / 3600), (unsigned) (seconds % 3600 / 60));
        else if (seconds % 86400 < 3600)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, _("%llu d"),
                                (unsigned long long) (seconds / 86400));
        else
                (void) snprintf(buffer, DURATION_TEXT_SIZE, _("%llu d %u h"),
                                (unsigned long long) (seconds / 86400),
                                (unsigned) (seconds % 86400 / 3600));

        return buffer;
}

const char *text_render_size(char buffer[static SIZE_TEXT_SIZE], uint64_t bytes) {
        static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
        uint64_t tenths = bytes > UINT64_MAX / 10 ? UINT64_MAX : bytes * 10;
        size_t unit = 0;

        while (tenths >= 10240 && unit + 1 < ELEMENTSOF(units)) {
                tenths /= 1024;
                unit++;
        }

        if (unit >= 3 && tenths < 1000)
                (void) snprintf(buffer, SIZE_TEXT_SIZE, "%llu.%llu %s",
                                (unsigned long long) (tenths / 10),
                                (unsigned long long) (tenths % 10), units[unit]);
        else
                (void) snprintf(buffer, SIZE_TEXT_SIZE, "%llu %s",
                                (unsigned long long) (tenths / 10), units[unit]);

        return buffer;
}

unsigned text_distance(const char *a, const char *b) {
        size_t length_a = strlen(a);
        size_t length_b = strlen(b);
        unsigned row[64];

        if (length_a >= ELEMENTSOF(row) || length_b >= ELEMENTSOF(row))
                return UINT32_MAX;

        for (size_t j = 0; j <= length_b; j++)
                row[j] = (unsigned) j;

        for (size_t i = 1; i <= length_a; i++) {
                unsigned diagonal = row[0];

                row[0] = (unsigned) i;
                for (size_t j = 1; j <= length_b; j++) {
                        unsigned above = row[j];
                        unsigned change = diagonal + (a[i - 1] != b[j - 1]);

                        unsigned insert_or_drop = MIN(above, row[j - 1]) + 1;

                        row[j] = MIN(insert_or_drop, change);
                        diagonal = above;
                }
        }

        return row[length_b];
}
