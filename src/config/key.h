/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef enum ValueType {
        VALUE_SECTION, /* a map of further keys */
        VALUE_RECORDS, /* a list of such maps */
        VALUE_TEXT,
        VALUE_TEXTS, /* a list of texts, and so on */
        VALUE_NAME,  /* of a service */
        VALUE_UNIT,
        VALUE_PATH, /* made absolute */
        VALUE_PATHS,
        VALUE_URL,
        VALUE_URLS,
        VALUE_WORDS,    /* an argv */
        VALUE_DURATION, /* usec */
        VALUE_SIZE,     /* bytes */
        VALUE_PERCENT,  /* permille */
        VALUE_COUNT,
        VALUE_SWITCH, /* bool: two words, the false one first */
        VALUE_CHOICE, /* one of some words */
        VALUE_SIGNAL,
        VALUE_LEVEL,
        VALUE_LISTEN, /* ADDRESS:PORT or "off" */
        _VALUE_TYPE_MAX,
} ValueType;

/* Which struct a key's value lies in. */
typedef enum KeyScope {
        SCOPE_CONFIG,
        SCOPE_SERVICE,
        SCOPE_PATTERN,
        _KEY_SCOPE_MAX,
} KeyScope;

typedef struct Key {
        const char *path; /* "services[].api.url" */
        ValueType type;
        KeyScope scope;
        size_t offset;       /* in the struct of its scope; for a list, of its array */
        size_t size;         /* of a number: 4 or 8; of a switch: 1 */
        size_t offset_count; /* of a list: its `unsigned n_…` */
        uint64_t min;        /* of a number, in the stored unit */
        uint64_t max;
        const char *choices;  /* "en|ko" */
        const char *fallback; /* as it would stand in the file; NULL: none */
        const char *
                computed; /* how the default comes about where it is not a constant, for the documentation */
        const char *help;     /* one sentence for the documentation */
        unsigned most;        /* of a list: how many fit */
        bool is_required;     /* whenever its section is there */
        bool is_command_only; /* says nothing about a unit */
        bool is_stored; /* in that struct; else a number is only kept aside while loading, the rest dropped */
} Key;

/* The one table. */
extern const Key config_keys[];
extern const size_t n_config_keys;

/* The key of that path (lists written as `[]`), or NULL. */
const Key *key_find(const char *path);

/* The number of a key in the table. */
size_t key_index(const Key *key);

/* The last part of its path: "url". */
const char *key_name(const Key *key);

/* Whether the key stands directly in the section of that path ("" for the top). */
bool key_is_child(const Key *key, const char *section);

/* For a key that does not exist in `section`: appends "; did you mean `interval`?", or which keys there are. */
void key_put_suggestion(Buf *buf, const char *section, const char *name);

/* "a duration such as 30s", translated. */
const char *value_type_to_words(ValueType type);

/* A number as it would be written for a key of this type: "1.5%", "30 s", "3.0 GB". */
void value_put_number(Buf *buf, ValueType type, uint64_t number);
