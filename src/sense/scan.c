/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Scan: lines, words and numbers out of the kernel's text files.
 *
 * The kernel is trusted to mean well but not to be of the version we know: fields are added, files
 * are cut at the size of a buffer, and a process chooses its own name. So the readers here look at
 * bytes between two pointers, never at a terminator, never past the end, and say "no" to whatever
 * is not whole. They know nothing about any one file.
 *
 * Pure: no memory, no file, no clock.
 */

#include "sense/scan.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "base/text.h"

bool scan_line(const char **cursor, const char *end, Span *ret) {
        assert(cursor);
        assert(ret);

        if (*cursor >= end)
                return false;

        const char *newline = memchr(*cursor, '\n', (size_t) (end - *cursor));
        if (!newline)
                return false;

        *ret = (Span){ .start = *cursor, .end = newline };
        *cursor = newline + 1;
        return true;
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

bool scan_word(const char **cursor, const char *end, Span *ret) {
        assert(cursor);
        assert(ret);

        const char *p = *cursor;

        while (p < end && is_blank(*p))
                p++;
        if (p >= end)
                return false;

        const char *start = p;
        while (p < end && !is_blank(*p))
                p++;

        *ret = (Span){ .start = start, .end = p };
        *cursor = p;
        return true;
}

bool scan_is(Span span, const char *text) {
        size_t length = strlen(text);

        return (size_t) (span.end - span.start) == length && memcmp(span.start, text, length) == 0;
}

bool scan_after(Span line, const char *key, Span *ret_rest) {
        size_t length = strlen(key);

        if ((size_t) (line.end - line.start) < length || memcmp(line.start, key, length) != 0)
                return false;

        const char *p = line.start + length;
        while (p < line.end && is_blank(*p))
                p++;

        *ret_rest = (Span){ .start = p, .end = line.end };
        return true;
}

bool scan_u64(Span span, uint64_t *ret) {
        const char *p = span.start;
        uint64_t value;

        if (!text_scan_u64(&p, span.end, &value) || p != span.end)
                return false;

        *ret = value;
        return true;
}

bool scan_kilobytes(Span rest, uint64_t *ret_bytes) {
        const char *p = rest.start;
        Span unit;
        uint64_t value;

        if (!text_scan_u64(&p, rest.end, &value) || !scan_word(&p, rest.end, &unit) ||
            !scan_is(unit, "kB"))
                return false;

        return !__builtin_mul_overflow(value, 1024U, ret_bytes);
}

int64_t scan_to_i64(uint64_t value) {
        return value > (uint64_t) INT64_MAX ? INT64_MAX : (int64_t) value;
}

int64_t scan_permille(uint64_t part, uint64_t whole) {
        assert(whole > 0);

        if (part >= whole)
                return 1000;

        /* Numbers too large to multiply lose bits that a permille does not show. */
        while (whole > UINT64_MAX / 2000) {
                whole >>= 1;
                part >>= 1;
        }

        return (int64_t) ((part * 1000 + whole / 2) / whole);
}
