/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Field: reading JSON without trusting it.
 *
 * The tool and the daemon are one executable but not always of one day: an upgrade replaces the file
 * while the old daemon still runs. So a screen is made from whatever is there. Each getter has an
 * answer for "missing" and for "of another type", and none of them can fail; what a screen does
 * without a number is the screen's business.
 *
 * JSON numbers come as floating point and leave here as integers in thousandths, which is more than
 * any of the values shown is worth.
 */

#include "cli/field.h"

#include "cli/when.h"

const char *field_text(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

/* Beyond this a double no longer counts in whole numbers (2^53), and nothing we show comes near. */
#define NUMBER_MAX 9007199254740992.0

int64_t field_milli(const json_t *object, const char *key) {
        const json_t *field = json_object_get(object, key);

        if (!json_is_number(field))
                return FIELD_ABSENT;

        double number = json_number_value(field) * 1000.0;
        if (!(number > -NUMBER_MAX && number < NUMBER_MAX))
                return FIELD_ABSENT;

        return (int64_t) (number < 0 ? number - 0.5 : number + 0.5);
}

int64_t field_integer(const json_t *object, const char *key) {
        const json_t *field = json_object_get(object, key);

        if (json_is_integer(field))
                return (int64_t) json_integer_value(field);

        int64_t milli = field_milli(object, key);
        return milli == FIELD_ABSENT ? FIELD_ABSENT : milli / 1000;
}

bool field_is_true(const json_t *object, const char *key) {
        return json_is_true(json_object_get(object, key));
}

const json_t *field_array(const json_t *object, const char *key) {
        const json_t *field = json_object_get(object, key);

        return json_is_array(field) ? field : NULL;
}

Level field_level(const json_t *object, const char *key) {
        int level = level_from_string(field_text(object, key));

        return level < 0 ? LEVEL_UNKNOWN : (Level) level;
}

uint64_t field_time(const json_t *object, const char *key) {
        usec_t time_usec;

        return when_parse_utc(field_text(object, key), &time_usec) < 0 ? 0 : time_usec;
}

json_t *field_parse_object(const char *text, size_t length) {
        json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);

        if (json && !json_is_object(json)) {
                json_decref(json);
                return NULL;
        }

        return json;
}
