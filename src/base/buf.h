/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

/* Text being built in memory the caller owns. Always terminated; what does not fit is cut and remembered. */
typedef struct Buf {
        char *data;
        size_t size;
        size_t length;
        bool is_truncated;
} Buf;

/* A Buf over a char array in scope. */
#define BUF_OVER(array) ((Buf){ .data = (array), .size = sizeof(array) })

/* Empties the buffer; `size` must be at least 1. */
void buf_init(Buf *buf, char *data, size_t size);

/* Appends, cutting at the end of the buffer. Cuts never leave half a UTF-8 character behind. */
void buf_put(Buf *buf, const char *text);
void buf_put_n(Buf *buf, const char *text, size_t length);
void buf_printf(Buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(Buf *buf, const char *format, va_list arguments) PRINTF_LIKE(2, 0);

/* Appends `text` as a quoted JSON string (RFC 8259); bytes that are not UTF-8 become U+FFFD. */
void buf_put_json(Buf *buf, const char *text);
