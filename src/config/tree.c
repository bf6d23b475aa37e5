/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tree: YAML without its traps.
 *
 * libyaml turns the text into events, each with its place; here they become a tree of texts, lists
 * and maps, and nothing is interpreted: whether `5` is a number or a name is for the key to say, so
 * that no `no` turns into a falsehood on the way.
 *
 * What makes YAML hard to read for people, and dangerous to expand for programs, is refused with a
 * plain sentence: anchors, aliases, merge keys, tags, a second document, keys that are not words, a
 * depth that no configuration needs. The number of nodes is bounded, so that hostile text costs
 * memory in proportion to the limit and not to its cunning.
 */

#include "config/tree.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/i18n.h"
#include "base/text.h"

#define DEPTH_MAX 12         /* ours is 6 deep at its deepest */
#define NODES_MAX 50000      /* twice what 64 services with 64 patterns each need */
#define TEXT_LENGTH_MAX 4096 /* of one key or value */

typedef struct Reader {
        const char *text;
        size_t length;
        Arena *arena;
        TreeError *error;
        Node *root;
        Node *open[DEPTH_MAX];
        unsigned depth;
        unsigned n_nodes;
        unsigned n_documents;
        bool is_own; /* not from a file */
} Reader;

static Mark mark_of(yaml_mark_t mark) {
        return (Mark){ .line = (unsigned) mark.line + 1, .column = (unsigned) mark.column + 1 };
}

static int refuse(const Reader *reader, Mark mark, const char *problem) {
        reader->error->mark = mark;
        (void) text_copy(reader->error->problem, sizeof(reader->error->problem),
                         problem); /* may be cut */
        return -EINVAL;
}

Node *tree_find(const Node *map, const char *key) {
        for (Node *child = map->first; child; child = child->next->next)
                if (strcmp(child->text, key) == 0)
                        return child->next;

        return NULL;
}

void tree_append(Node *parent, Node *child) {
        if (parent->last)
                parent->last->next = child;
        else
                parent->first = child;

        parent->last = child;
        parent->n_children++;
}

bool node_is_nothing(const Node *node) {
        return node->kind == NODE_TEXT && node->is_plain &&
               (*node->text == '\0' || strcmp(node->text, "~") == 0 ||
                strcmp(node->text, "null") == 0);
}

/* A line and a column from a byte offset, for the errors that come without a mark. */
static Mark mark_at(const Reader *reader, size_t offset) {
        Mark mark = { .line = 1, .column = 1 };

        for (size_t i = 0; i < offset && i < reader->length; i++)
                if (reader->text[i] == '\n') {
                        mark.line++;
                        mark.column = 1;
                } else if (((unsigned char) reader->text[i] & 0xC0U) != 0x80U)
                        mark.column++;

        return mark;
}

/* A tab among the blanks at the start of a line is invisible to people and forbidden in YAML: name it. */
static bool is_indented_by_tab(const Reader *reader, unsigned line) {
        const char *p = reader->text;
        const char *end = reader->text + reader->length;

        for (unsigned i = 1; i < line && p < end; i++) {
                const char *feed = memchr(p, '\n', (size_t) (end - p));

                p = feed ? feed + 1 : end;
        }

        while (p < end && *p == ' ')
                p++;

        return p < end && *p == '\t';
}

static int refuse_syntax(const Reader *reader, const yaml_parser_t *parser) {
        char problem[TREE_PROBLEM_SIZE];
        Mark mark = mark_of(parser->problem_mark);

        if (parser->error == YAML_MEMORY_ERROR)
                return -ENOMEM;

        if (parser->error == YAML_READER_ERROR) {
                (void) snprintf(problem, sizeof(problem), _("cannot be read as UTF-8 text: %s"),
                                parser->problem);
                return refuse(reader, mark_at(reader, parser->problem_offset), problem);
        }

        if (is_indented_by_tab(reader, mark.line))
                return refuse(reader, mark,
                              _("the line begins with a tab; YAML is indented with blanks only"));

        /* What libyaml says is English and stays so: it is what a search engine knows. */
        const char *said = parser->problem ? parser->problem : "";
        const char *context = parser->context ? parser->context : "";
        Mark begun = mark_of(parser->context_mark);

        if (*context && begun.line != mark.line)
                (void) snprintf(problem, sizeof(problem),
                                _("this is not YAML: %s that begins on line %u, %s"), context,
                                begun.line, said);
        else
                (void) snprintf(problem, sizeof(problem), _("this is not YAML: %s%s%s"), context,
                                *context ? ", " : "", said);
        return refuse(reader, mark, problem);
}

static bool awaits_key(const Reader *reader) {
        const Node *parent = reader->depth > 0 ? reader->open[reader->depth - 1] : NULL;

        return parent && parent->kind == NODE_MAP && parent->n_children % 2 == 0;
}

static int add_node(Reader *reader, NodeKind kind, Mark mark, Node **ret_node) {
        if (++reader->n_nodes > NODES_MAX)
                return refuse(reader, mark, _("too many values for a configuration"));
        if (kind != NODE_TEXT && awaits_key(reader))
                return refuse(reader, mark, _("a key must be a word"));

        Node *node = arena_take(reader->arena, sizeof(Node));
        if (!node)
                return -ENOMEM;
        node->kind = kind;
        node->mark = mark;
        node->text = "";

        if (reader->depth > 0)
                tree_append(reader->open[reader->depth - 1], node);
        else
                reader->root = node;

        *ret_node = node;
        return 0;
}

static int open_node(Reader *reader, NodeKind kind, Mark mark) {
        Node *node;

        if (reader->depth == DEPTH_MAX)
                return refuse(reader, mark, _("nested too deeply"));

        int r = add_node(reader, kind, mark, &node);
        if (r < 0)
                return r;

        reader->open[reader->depth++] = node;
        return 0;
}

static int add_text(Reader *reader, const yaml_event_t *event, Mark mark) {
        const char *text = (const char *) event->data.scalar.value;
        size_t length = event->data.scalar.length;
        bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        Node *node;

        if (length > TEXT_LENGTH_MAX)
                return refuse(reader, mark, _("this text is too long"));
        if (is_plain && strcmp(text, "<<") == 0 && awaits_key(reader))
                return refuse(reader, mark,
                              _("merge keys (<<) are not supported; write the values out"));
        for (size_t i = 0; i < length; i++)
                if ((unsigned char) text[i] < 0x20 || text[i] == 0x7F)
                        return refuse(
                                reader, mark,
                                _("a text may not contain control characters or line breaks"));

        int r = add_node(reader, NODE_TEXT, mark, &node);
        if (r < 0)
                return r;

        node->is_plain = is_plain;
        node->text = arena_copy(reader->arena, text, length);
        return node->text ? 0 : -ENOMEM;
}

/* Anchors and tags can stand before any of the three kinds of value. */
static int refuse_ornaments(const Reader *reader, Mark mark, const void *anchor, const void *tag) {
        if (anchor)
                return refuse(reader, mark,
                              _("anchors (&name) are not supported; write the value out"));
        if (tag)
                return refuse(reader, mark,
                              _("tags (!name) are not supported; write the value alone"));

        return 0;
}

static int take_event(Reader *reader, const yaml_event_t *event) {
        Mark mark = mark_of(event->start_mark);
        int r = 0;

        if (reader->is_own)
                mark.line = 0;

        switch (event->type) {
        case YAML_DOCUMENT_START_EVENT:
                if (++reader->n_documents > 1)
                        r = refuse(reader, mark,
                                   _("a second document begins here; there can be only one"));
                return r;
        case YAML_ALIAS_EVENT:
                return refuse(reader, mark,
                              _("aliases (*name) are not supported; write the value out"));
        case YAML_SCALAR_EVENT:
                r = refuse_ornaments(reader, mark, event->data.scalar.anchor,
                                     event->data.scalar.tag);
                return r < 0 ? r : add_text(reader, event, mark);
        case YAML_SEQUENCE_START_EVENT:
                r = refuse_ornaments(reader, mark, event->data.sequence_start.anchor,
                                     event->data.sequence_start.tag);
                return r < 0 ? r : open_node(reader, NODE_LIST, mark);
        case YAML_MAPPING_START_EVENT:
                r = refuse_ornaments(reader, mark, event->data.mapping_start.anchor,
                                     event->data.mapping_start.tag);
                return r < 0 ? r : open_node(reader, NODE_MAP, mark);
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
                reader->depth--;
                return 0;
        case YAML_NO_EVENT:
        case YAML_STREAM_START_EVENT:
        case YAML_STREAM_END_EVENT:
        case YAML_DOCUMENT_END_EVENT:
                return 0;
        }

        return 0;
}

static int take_events(Reader *reader, yaml_parser_t *parser) {
        bool is_over = false;

        while (!is_over) {
                yaml_event_t event;

                if (!yaml_parser_parse(parser, &event))
                        return refuse_syntax(reader, parser);

                int r = take_event(reader, &event);
                is_over = event.type == YAML_STREAM_END_EVENT;
                yaml_event_delete(&event);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int parse(Reader *reader) {
        yaml_parser_t parser;

        if (!yaml_parser_initialize(&parser))
                return -ENOMEM;
        /* Told, not guessed: else two bytes at the start could make it UTF-16. */
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser, (const unsigned char *) reader->text, reader->length);

        int r = take_events(reader, &parser);
        yaml_parser_delete(&parser);
        return r;
}

int tree_parse_own(const char *text, Arena *arena, Node **ret_root) {
        TreeError error;
        Reader reader = {
                .text = text,
                .length = strlen(text),
                .arena = arena,
                .error = &error,
                .is_own = true,
        };

        int r = parse(&reader);
        assert(r >= 0 || r == -ENOMEM);
        if (r < 0)
                return r;

        *ret_root = reader.root;
        return 0;
}

int tree_parse(
        const char *text, size_t length, Arena *arena, Node **ret_root, TreeError *reterr_error) {
        static const char byte_order_mark[] = "\xEF\xBB\xBF";

        assert(text);
        assert(ret_root);
        assert(reterr_error);

        /* Some editors put it there; it says nothing. */
        if (length >= 3 && memcmp(text, byte_order_mark, 3) == 0) {
                text += 3;
                length -= 3;
        }

        Reader reader = { .text = text, .length = length, .arena = arena, .error = reterr_error };

        int r = parse(&reader);
        if (r < 0)
                return r;

        *ret_root = reader.root && !node_is_nothing(reader.root) ? reader.root : NULL;
        return 0;
}
