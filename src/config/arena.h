/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>

#include "base/macro.h"

/* Memory that is taken in pieces and dropped as a whole. */
typedef struct Arena Arena;

/* NULL when there is no memory; so do the others. */
Arena *arena_new(void);

/* Zeroed memory, aligned for anything. */
void *arena_take(Arena *arena, size_t size);

/* A terminated copy. */
char *arena_copy(Arena *arena, const char *text, size_t length);

/* Drops all of it; NULL is fine. Returns NULL. */
Arena *arena_free(Arena *arena);

static inline void arena_cleanup(Arena **arena) {
        *arena = arena_free(*arena);
}

#define CLEANUP_ARENA CLEANUP(arena_cleanup)
