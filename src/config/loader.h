/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "config/arena.h"
#include "config/key.h"
#include "config/load.h"
#include "config/tree.h"
#include "model/config.h"

/* A configuration in the making. The arrays are indexed as the table of keys is. */
typedef struct Loader {
        const char *path; /* of the file; "" for none */
        ConfigError *error;
        Arena *scratch;   /* the tree, and what follows */
        const Node *root; /* what the file says of the root, if anything */
        Config *config;
        Arena *arena;        /* of the configuration */
        Mark *marks;         /* where each key was given; column 0: it was not */
        Mark *service_marks; /* the same, one such array after the other for each service */
        uint64_t *aside;     /* numbers of keys that have no place in the configuration */
} Loader;

/* Fills in the error and returns -EINVAL. `key` is the key as it stands in this file ("services[0].api"); "" for none. */
int loader_refuse(Loader *loader, Mark mark, const char *key, const char *format, ...)
        PRINTF_LIKE(4, 5);

/* The same in the words "expected …, got …". */
int loader_refuse_value(Loader *loader, const char *where, ValueType type, const Node *node);

/* Checks a value and puts it where the key says; `base` is the struct of the key's scope, `where` the key's name in
 * messages. -EINVAL, told, or -ENOMEM. */
int value_put(Loader *loader, const Key *key, const char *where, const Node *node, void *base);

/* The same for the default of the key, if it has one. */
int value_put_fallback(Loader *loader, const Key *key, void *base);

/* A number that was put, whatever its size. */
uint64_t value_get_number(const Loader *loader, const Key *key, const void *base);

/* Takes the whole tree, key by key, over the defaults. */
int walk_tree(Loader *loader, Node *root);

/* Fills in the defaults that depend on other keys, then checks what no key can know alone: which go together, which exclude each other, what must be smaller than what. */
int verify(Loader *loader);
