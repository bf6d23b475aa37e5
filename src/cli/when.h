/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "base/time.h"

#define WHEN_TEXT_SIZE 40

/* "2026-11-23T10:00:00.123456Z"; other programs' fractions may be shorter or missing. -EINVAL. Pure. */
int when_parse_utc(const char *text, usec_t *ret_usec);

/* What a person types behind --since: a duration back from `now_usec` ("2h", "7d"), "today", "yesterday", a date, a
 * date and time of day ("2026-11-23 10:00", also with T and seconds) in the local time zone, a time of day that
 * was last passed ("10:30"), or a time in UTC as JSON has it. -EINVAL. */
int when_parse_since(const char *text, usec_t now_usec, usec_t *ret_usec);

/* Local time for people: "10:00:00" when it is the day of `now_usec`, else "11-23 10:00:00", in another year with the
 * year in front. Returns `buffer`. */
const char *when_render(char buffer[static WHEN_TEXT_SIZE], usec_t usec, usec_t now_usec);

/* Only "10:00", for something that is not far away; with the date when it is another day. Returns `buffer`. */
const char *when_render_short(char buffer[static WHEN_TEXT_SIZE], usec_t usec, usec_t now_usec);
