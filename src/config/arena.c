/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Arena: one lifetime, one release.
 *
 * A configuration is made whole and dropped whole, so nothing in it is ever freed alone. Blocks are
 * chained; the newest is used first, and one that is asked for more than a block gets its own. The
 * typical configuration fits into the first block.
 */

#include "config/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The default configuration takes about 9 KB; malloc(3) serves this size without mmap(2). */
#define BLOCK_SIZE ((size_t) 32 * 1024)

typedef struct Block Block;

struct Block {
        Block *next;
        size_t size;
        size_t used;
        alignas(max_align_t) char data[];
};

struct Arena {
        Block *blocks;
};

Arena *arena_new(void) {
        return calloc(1, sizeof(Arena));
}

void *arena_take(Arena *arena, size_t size) {
        assert(arena);

        if (size > SIZE_MAX / 2)
                return NULL;
        size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);

        Block *block = arena->blocks;
        if (!block || block->size - block->used < size) {
                size_t room = MAX(size, BLOCK_SIZE);

                block = calloc(1, sizeof(Block) + room);
                if (!block)
                        return NULL;
                block->size = room;
                block->next = arena->blocks;
                arena->blocks = block;
        }

        void *taken = block->data + block->used;
        block->used += size;
        return taken;
}

char *arena_copy(Arena *arena, const char *text, size_t length) {
        char *copy = arena_take(arena, length + 1);

        if (copy)
                memcpy(copy, text, length);
        return copy;
}

Arena *arena_free(Arena *arena) {
        if (!arena)
                return NULL;

        for (Block *block = arena->blocks; block;) {
                Block *next = block->next;

                free(block);
                block = next;
        }

        free(arena);
        return NULL;
}
