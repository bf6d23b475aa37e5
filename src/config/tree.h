/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/arena.h"

/* A place in the file, from 1. What did not come from a file has line 0; what was not there at all, column 0 too. */
typedef struct Mark {
        unsigned line;
        unsigned column;
} Mark;

typedef enum NodeKind {
        NODE_TEXT,
        NODE_LIST,
        NODE_MAP,
        _NODE_KIND_MAX,
} NodeKind;

/* A value of the file. The children of a map are key, value, key, value, …; the keys are texts. */
typedef struct Node Node;
struct Node {
        NodeKind kind;
        bool is_plain; /* a text without quotes */
        Mark mark;
        const char *text;
        unsigned n_children;
        Node *first;
        Node *last;
        Node *next;
};

#define TREE_PROBLEM_SIZE 320

typedef struct TreeError {
        Mark mark;
        char problem[TREE_PROBLEM_SIZE];
} TreeError;

/* Reads YAML as a tree in `arena`; an empty file gives NULL. Anchors, aliases, merge keys, tags, further documents and
 * deep nesting are refused. -EINVAL with `reterr_error`, or -ENOMEM. */
int tree_parse(
        const char *text, size_t length, Arena *arena, Node **ret_root, TreeError *reterr_error);

/* The same for a text of our own: it is right, and its nodes stand on line 0. -ENOMEM. */
int tree_parse_own(const char *text, Arena *arena, Node **ret_root);

/* The value of a key of a map, or NULL. */
Node *tree_find(const Node *map, const char *key);

/* Hangs `child` onto a list or map. */
void tree_append(Node *parent, Node *child);

/* Plain `~`, `null` or nothing at all. */
bool node_is_nothing(const Node *node);
