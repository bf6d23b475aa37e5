/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* A place in a JSON text (RFC 8259) that is being read from front to back. Every function skips blanks first, moves
 * `at` behind what it took, and returns false, with `at` anywhere, when the text is not that. */
typedef struct JsonScan {
        const char *at;
        const char *end;
} JsonScan;

/* Takes this punctuation mark if it is the next one; else nothing is taken. */
bool json_scan_mark(JsonScan *scan, char mark);

/* Takes a string. Its decoded text is appended to `text` unless that is NULL; a zero character is refused, half of a
 * surrogate pair becomes U+FFFD. */
bool json_scan_text(JsonScan *scan, Buf *text);

/* Takes any one value, nested at most 8 deep. */
bool json_scan_value(JsonScan *scan);

/* Moves to the next character that is not blank. */
void json_scan_blanks(JsonScan *scan);

/* Nothing but blanks is left. */
bool json_scan_is_done(JsonScan *scan);
