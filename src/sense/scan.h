/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of a text somebody else holds; not terminated. */
typedef struct Span {
        const char *start;
        const char *end;
} Span;

/* The next line, without its newline. A last line that has no newline was cut short by whoever
 * read it, and is not given: half a number is a wrong number. */
bool scan_line(const char **cursor, const char *end, Span *ret);

/* The next word of the line: what stands between blanks (spaces and tabs). */
bool scan_word(const char **cursor, const char *end, Span *ret);

/* Whether the span is exactly this text. */
bool scan_is(Span span, const char *text);

/* Whether the line begins with `key`; then the rest of it, blanks skipped. */
bool scan_after(Span line, const char *key, Span *ret_rest);

/* The whole span as an unsigned decimal. */
bool scan_u64(Span span, uint64_t *ret);

/* "123 kB" behind its key, as the files of proc(5) write sizes, in bytes. */
bool scan_kilobytes(Span rest, uint64_t *ret_bytes);

/* Bytes or other unsigned counts into the signed numbers of the model; too large stops at the
 * most. */
int64_t scan_to_i64(uint64_t value);

/* part of whole in permille, rounded to the nearest; `whole` must not be zero, more than it counts
 * as all of it. */
int64_t scan_permille(uint64_t part, uint64_t whole);
