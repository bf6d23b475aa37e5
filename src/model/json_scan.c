/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON scan: just enough of a reader for the lines we write ourselves.
 *
 * The spool is read back by the process that must not fail, so its reader is small, strict and keeps
 * no memory: it walks over the text once and checks all of it, also the parts that are only skipped,
 * because those are handed on as they stand. What strangers send is read elsewhere, by a library.
 *
 * Nesting is counted in the bits of a word instead of by recursion: one bit a level, set for an
 * object. Eight levels are far more than a reason has.
 */

#include "model/json_scan.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define DEPTH_MAX 8

void json_scan_blanks(JsonScan *scan) {
        while (scan->at < scan->end &&
               (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
                scan->at++;
}

bool json_scan_mark(JsonScan *scan, char mark) {
        json_scan_blanks(scan);
        if (scan->at == scan->end || *scan->at != mark)
                return false;

        scan->at++;
        return true;
}

bool json_scan_is_done(JsonScan *scan) {
        json_scan_blanks(scan);
        return scan->at == scan->end;
}

/* Length of the UTF-8 sequence at `at` (RFC 3629), or zero. */
static size_t sequence_length(const JsonScan *scan) {
        const unsigned char *p = (const unsigned char *) scan->at;
        size_t room = (size_t) (scan->end - scan->at);
        size_t length = p[0] < 0x80                    ? 1
                        : p[0] >= 0xC2 && p[0] <= 0xDF ? 2
                        : p[0] >= 0xE0 && p[0] <= 0xEF ? 3
                        : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4
                                                       : 0;

        if (length > room)
                return 0;
        for (size_t i = 1; i < length; i++)
                if ((p[i] & 0xC0U) != 0x80U)
                        return 0;

        if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
            (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
                return 0;

        return length;
}

static void put_character(Buf *text, uint32_t code) {
        char bytes[4];
        size_t length;

        if (code < 0x80) {
                bytes[0] = (char) code;
                length = 1;
        } else if (code < 0x800) {
                bytes[0] = (char) (0xC0U | code >> 6);
                bytes[1] = (char) (0x80U | (code & 0x3FU));
                length = 2;
        } else if (code < 0x10000) {
                bytes[0] = (char) (0xE0U | code >> 12);
                bytes[1] = (char) (0x80U | (code >> 6 & 0x3FU));
                bytes[2] = (char) (0x80U | (code & 0x3FU));
                length = 3;
        } else {
                bytes[0] = (char) (0xF0U | code >> 18);
                bytes[1] = (char) (0x80U | (code >> 12 & 0x3FU));
                bytes[2] = (char) (0x80U | (code >> 6 & 0x3FU));
                bytes[3] = (char) (0x80U | (code & 0x3FU));
                length = 4;
        }

        buf_put_n(text, bytes, length);
}

static bool take_hex(JsonScan *scan, uint32_t *ret) {
        uint32_t value = 0;

        if (scan->end - scan->at < 4)
                return false;

        for (unsigned i = 0; i < 4; i++) {
                char c = *scan->at++;
                uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t) (c - '0')
                                 : c >= 'a' && c <= 'f' ? (uint32_t) (c - 'a') + 10
                                 : c >= 'A' && c <= 'F' ? (uint32_t) (c - 'A') + 10
                                                        : 16;
                if (digit == 16)
                        return false;
                value = value << 4 | digit;
        }

        *ret = value;
        return true;
}

/* Behind "\u": four digits, and the second half when they are the first half of a pair. */
static bool take_unicode(JsonScan *scan, uint32_t *ret) {
        uint32_t code;

        if (!take_hex(scan, &code) || code == 0)
                return false;

        if (code >= 0xD800 && code <= 0xDBFF && scan->end - scan->at >= 6 && scan->at[0] == '\\' &&
            scan->at[1] == 'u') {
                JsonScan ahead = { .at = scan->at + 2, .end = scan->end };
                uint32_t low;

                if (!take_hex(&ahead, &low))
                        return false;
                if (low >= 0xDC00 && low <= 0xDFFF) {
                        scan->at = ahead.at;
                        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                }
        }

        *ret = code >= 0xD800 && code <= 0xDFFF ? 0xFFFD : code;
        return true;
}

static bool take_escape(JsonScan *scan, uint32_t *ret) {
        static const char names[] = "\"\\/bfnrt";
        static const char meanings[] = "\"\\/\b\f\n\r\t";

        if (scan->at == scan->end)
                return false;

        char c = *scan->at++;
        if (c == 'u')
                return take_unicode(scan, ret);

        const char *found = c != '\0' ? strchr(names, c) : NULL;
        if (!found)
                return false;

        *ret = (unsigned char) meanings[found - names];
        return true;
}

bool json_scan_text(JsonScan *scan, Buf *text) {
        if (!json_scan_mark(scan, '"'))
                return false;

        while (scan->at < scan->end && *scan->at != '"') {
                if (*scan->at == '\\') {
                        uint32_t code;

                        scan->at++;
                        if (!take_escape(scan, &code))
                                return false;
                        if (text)
                                put_character(text, code);
                        continue;
                }

                size_t length = sequence_length(scan);
                if (length == 0 || (unsigned char) *scan->at < 0x20)
                        return false;
                if (text)
                        buf_put_n(text, scan->at, length);
                scan->at += length;
        }

        return json_scan_mark(scan, '"');
}

static bool take_digits(JsonScan *scan) {
        const char *start = scan->at;

        while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
                scan->at++;

        return scan->at > start;
}

static bool take_number(JsonScan *scan) {
        if (scan->at < scan->end && *scan->at == '-')
                scan->at++;

        const char *whole = scan->at;
        if (!take_digits(scan) || (*whole == '0' && scan->at > whole + 1))
                return false;

        if (scan->at < scan->end && *scan->at == '.') {
                scan->at++;
                if (!take_digits(scan))
                        return false;
        }

        if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
                scan->at++;
                if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
                        scan->at++;
                if (!take_digits(scan))
                        return false;
        }

        return true;
}

static bool take_word(JsonScan *scan, const char *word) {
        size_t length = strlen(word);

        if ((size_t) (scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
                return false;

        scan->at += length;
        return true;
}

static bool take_scalar(JsonScan *scan) {
        json_scan_blanks(scan);
        if (scan->at < scan->end && *scan->at == '"')
                return json_scan_text(scan, NULL);

        return take_word(scan, "true") || take_word(scan, "false") || take_word(scan, "null") ||
               take_number(scan);
}

static bool take_key(JsonScan *scan) {
        return json_scan_text(scan, NULL) && json_scan_mark(scan, ':');
}

typedef struct Nesting {
        unsigned depth;
        uint32_t objects; /* bit n: level n is an object, else an array */
} Nesting;

static bool is_object(const Nesting *nesting) {
        return (nesting->objects >> nesting->depth & 1U) != 0;
}

/* Goes into a container. An empty one is left again at once; in any other a value is due. */
static bool enter(JsonScan *scan, Nesting *nesting, bool as_object, bool *ret_is_empty) {
        if (nesting->depth == DEPTH_MAX)
                return false;

        *ret_is_empty = json_scan_mark(scan, as_object ? '}' : ']');
        if (*ret_is_empty)
                return true;

        nesting->depth++;
        nesting->objects &= ~(1U << nesting->depth);
        nesting->objects |= (uint32_t) as_object << nesting->depth;
        return !as_object || take_key(scan);
}

/* Behind a value: leaves what ends here; stops when another value is due or all are left. */
static bool leave(JsonScan *scan, Nesting *nesting) {
        while (nesting->depth > 0) {
                if (json_scan_mark(scan, ','))
                        return !is_object(nesting) || take_key(scan);
                if (!json_scan_mark(scan, is_object(nesting) ? '}' : ']'))
                        return false;
                nesting->depth--;
        }

        return true;
}

bool json_scan_value(JsonScan *scan) {
        Nesting nesting = { 0 };

        assert(scan);
        assert(scan->at <= scan->end);

        do {
                bool is_complete = true;

                if (json_scan_mark(scan, '{')) {
                        if (!enter(scan, &nesting, /* as_object= */ true, &is_complete))
                                return false;
                } else if (json_scan_mark(scan, '[')) {
                        if (!enter(scan, &nesting, /* as_object= */ false, &is_complete))
                                return false;
                } else if (!take_scalar(scan))
                        return false;

                if (is_complete && !leave(scan, &nesting))
                        return false;
                if (is_complete && nesting.depth == 0)
                        return true;
        } while (true);
}
