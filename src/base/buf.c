/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Buf: text built in memory that was there before.
 *
 * The warden must not grow in its steady state, so what it writes goes into arrays of known size. A
 * text that is too long is cut, never overrun, and says so; a cut falls between characters, so that
 * what is printed stays readable in any language.
 */

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

void buf_init(Buf *buf, char *data, size_t size) {
        assert(buf);
        assert(data);
        assert(size > 0);

        *buf = (Buf){ .data = data, .size = size };
        data[0] = '\0';
}

/* Length of the longest prefix that fits and ends between characters. */
static size_t whole_prefix(const char *text, size_t length) {
        while (length > 0 && ((unsigned char) text[length] & 0xC0U) == 0x80U)
                length--;

        return length;
}

void buf_put_n(Buf *buf, const char *text, size_t length) {
        assert(buf);
        assert(buf->size > buf->length);

        size_t room = buf->size - buf->length - 1;

        if (buf->is_truncated)
                return;

        if (length > room) {
                length = whole_prefix(text, room);
                buf->is_truncated = true;
        }

        memcpy(buf->data + buf->length, text, length);
        buf->length += length;
        buf->data[buf->length] = '\0';
}

void buf_put(Buf *buf, const char *text) {
        buf_put_n(buf, text, strlen(text));
}

void buf_vprintf(Buf *buf, const char *format, va_list arguments) {
        assert(buf);
        assert(buf->size > buf->length);

        size_t room = buf->size - buf->length;

        if (buf->is_truncated)
                return;

        int written = vsnprintf(buf->data + buf->length, room, format, arguments);
        if (written < 0)
                return;

        if ((size_t) written < room) {
                buf->length += (size_t) written;
                return;
        }

        /* vsnprintf() cut wherever the room ended: take a started character back. */
        char *end = buf->data + buf->length + room - 1;
        char *last = end;

        while (last > buf->data + buf->length && ((unsigned char) last[-1] & 0xC0U) == 0x80U)
                last--;
        if (last > buf->data + buf->length && (unsigned char) last[-1] >= 0xC0U)
                last--;
        else
                last = end;

        *last = '\0';
        buf->length = (size_t) (last - buf->data);
        buf->is_truncated = true;
}

void buf_printf(Buf *buf, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        buf_vprintf(buf, format, arguments);
        va_end(arguments);
}

/* Length of the valid UTF-8 sequence at `text` (RFC 3629), or zero. Never reads past a terminator. */
static size_t utf8_sequence(const unsigned char *text) {
        size_t length = text[0] < 0x80                       ? 1
                        : text[0] >= 0xC2 && text[0] <= 0xDF ? 2
                        : text[0] >= 0xE0 && text[0] <= 0xEF ? 3
                        : text[0] >= 0xF0 && text[0] <= 0xF4 ? 4
                                                             : 0;

        for (size_t i = 1; i < length; i++)
                if ((text[i] & 0xC0U) != 0x80U)
                        return 0;

        if ((text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xED && text[1] > 0x9F) ||
            (text[0] == 0xF0 && text[1] < 0x90) || (text[0] == 0xF4 && text[1] > 0x8F))
                return 0;

        return length;
}

void buf_put_json(Buf *buf, const char *text) {
        assert(buf);
        assert(text);

        buf_put(buf, "\"");

        for (const unsigned char *p = (const unsigned char *) text; *p;) {
                size_t length = utf8_sequence(p);

                if (length == 0) {
                        buf_put(buf, "\xEF\xBF\xBD");
                        p++;
                        continue;
                }

                if (*p == '"' || *p == '\\')
                        buf_printf(buf, "\\%c", *p);
                else if (*p == '\n')
                        buf_put(buf, "\\n");
                else if (*p == '\t')
                        buf_put(buf, "\\t");
                else if (*p < 0x20 || *p == 0x7F)
                        buf_printf(buf, "\\u%04x", *p);
                else
                        buf_put_n(buf, (const char *) p, length);

                p += length;
        }

        buf_put(buf, "\"");
}
