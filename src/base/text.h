/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

/* Strict readers: the whole text must be the value, nothing before or after. -EINVAL when it is not, -ERANGE when it
 * does not fit. Pure. */
int text_parse_u64(const char *text, uint64_t *ret);
int text_parse_i64(const char *text, int64_t *ret);

/* "30s", "5m", "1h", "7d", "2w", "250ms", a bare number of seconds, or a sum such as "1h30m". */
int text_parse_duration(const char *text, usec_t *ret_usec);

/* "3G", "100MB", "512KiB", "1024": multiples of 1024, as systemd reads MemoryMax= (systemd.resource-control(5)). */
int text_parse_size(const char *text, uint64_t *ret_bytes);

/* "70%", "1.5%", or a bare number of per cent with one decimal at most; up to one thousand per cent, in permille. */
int text_parse_percent(const char *text, uint32_t *ret_permille);

/* Reads an unsigned decimal at *cursor and moves it behind the last digit. For parsers of kernel files: false when
 * there is no digit, or it overflows. Stops at `end`. */
bool text_scan_u64(const char **cursor, const char *end, uint64_t *ret);

/* Copies at most size - 1 bytes and always terminates; returns whether everything fitted. */
bool text_copy(char *target, size_t size, const char *source);

#define DURATION_TEXT_SIZE 32
#define SIZE_TEXT_SIZE 32

/* "0.4 s", "42 s", "5 m", "1 h 30 m", "3 d 4 h": two units at the most. Returns `buffer`. */
const char *text_render_duration(char buffer[static DURATION_TEXT_SIZE], usec_t usec);

/* "812 MB", "3.0 GB": units of 1024, as free(1) and the guide use them. Returns `buffer`. */
const char *text_render_size(char buffer[static SIZE_TEXT_SIZE], uint64_t bytes);

/* Distance of two short words in single-letter edits, for "did you mean"; words over 63 letters are far from all. */
unsigned text_distance(const char *a, const char *b);
