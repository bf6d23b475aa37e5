/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "model/level.h"

static inline void json_cleanup(json_t **json) {
        json_decref(*json);
}

#define CLEANUP_JSON CLEANUP(json_cleanup)

/* What a number reads as that is not there, is null, or is no number. */
#define FIELD_ABSENT INT64_MIN

/* Members of a JSON object that may have come from another version: what is missing or of another type reads as "",
 * FIELD_ABSENT, false, or an empty array (NULL, of size 0). The text lives as long as the object. */
const char *field_text(const json_t *object, const char *key);
int64_t field_integer(const json_t *object, const char *key); /* fractions are cut off */
int64_t field_milli(const json_t *object, const char *key);   /* in thousandths */
bool field_is_true(const json_t *object, const char *key);
const json_t *field_array(const json_t *object, const char *key);

/* The level of that name; unknown when there is none. */
Level field_level(const json_t *object, const char *key);

/* Microseconds since the epoch of a time as we print it ("2026-11-23T10:00:00.123456Z"), 0 when it is none. */
uint64_t field_time(const json_t *object, const char *key);

/* Parses a whole JSON text into an object; NULL when it is not one. The caller owns it. */
json_t *field_parse_object(const char *text, size_t length);
