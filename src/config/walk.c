/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Walk: down the tree of the file, by the table of keys.
 *
 * A section is a map and the struct its values go into; the walk keeps those it is in on a stack of
 * its own. For every key met the table says what comes: a value, a section, or a list of records,
 * each of which is a section again. Lists of records that are absent and have a default are hung
 * into the tree before it is walked, so that a default takes the same way as a line of the file.
 *
 * Two names of the present place are kept side by side: `path` as the table writes it ("services[]")
 * and `where` as the file has it ("services[2]").
 */

#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/text.h"
#include "config/loader.h"

#define SECTIONS_MAX \
        8 /* deeper than the table is: top, services, service, logs, patterns, pattern */
#define NAME_SHOWN 48 /* of a key that does not exist; longer ones are cut */

typedef struct Section {
        Node *node;         /* its map, or the list of a VALUE_RECORDS */
        Node *next;         /* the child to take next */
        const Key *records; /* the key, when this is such a list */
        unsigned n_taken;   /* entries of it */
        KeyScope scope;
        void *base;  /* the struct of that scope; for a list, the array that is filled */
        Mark *marks; /* of that struct */
        size_t path_length;
        size_t where_length;
} Section;

typedef struct Walk {
        Loader *loader;
        unsigned depth;
        Section sections[SECTIONS_MAX];
        Buf path;
        Buf where;
        char path_text[256];
        char where_text[512];
        Mark *record_marks; /* of the pattern at hand; nobody asks for them later */
} Walk;

static void cut(Buf *buf, size_t length) {
        buf->length = length;
        buf->data[length] = '\0';
        buf->is_truncated = false;
}

static bool is_text(ValueType type) {
        return type == VALUE_TEXT || type == VALUE_NAME || type == VALUE_UNIT ||
               type == VALUE_PATH || type == VALUE_URL || type == VALUE_LISTEN ||
               type == VALUE_CHOICE;
}

static void put_empty(void *field) {
        *(const char **) field = "";
}

/* Every field of a fresh struct has its default, and no text is NULL. */
static int put_fallbacks(Loader *loader, KeyScope scope, void *base) {
        for (size_t i = 0; i < n_config_keys; i++) {
                const Key *key = &config_keys[i];

                if (key->scope != scope)
                        continue;
                if (is_text(key->type) && key->is_stored)
                        put_empty((char *) base + key->offset);

                /* The root that the file gives must be there before the defaults that start at it. */
                bool is_root = loader->root && strcmp(key->path, "root") == 0;
                int r = is_root ? value_put(loader, key, key->path, loader->root, base)
                                : value_put_fallback(loader, key, base);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* Hangs the default of an absent list of records into the section. */
static int add_fallback_records(const Walk *walk, Node *map) {
        Arena *scratch = walk->loader->scratch;

        for (size_t i = 0; i < n_config_keys; i++) {
                const Key *key = &config_keys[i];

                if (key->type != VALUE_RECORDS || !key->fallback ||
                    !key_is_child(key, walk->path.data) || tree_find(map, key_name(key)))
                        continue;

                Node *name = arena_take(scratch, sizeof(Node));
                Node *value;
                if (!name)
                        return -ENOMEM;
                *name = (Node){ .kind = NODE_TEXT, .mark = { .column = 1 }, .text = key_name(key) };

                int r = tree_parse_own(key->fallback, scratch, &value);
                if (r < 0)
                        return r;
                tree_append(map, name);
                tree_append(map, value);
        }

        return 0;
}

static int enter(Walk *walk, Node *node, KeyScope scope, void *base, Mark *marks) {
        if (node->kind != NODE_MAP)
                return loader_refuse_value(walk->loader, walk->where.data, VALUE_SECTION, node);

        int r = add_fallback_records(walk, node);
        if (r < 0)
                return r;

        assert(walk->depth < SECTIONS_MAX);
        walk->sections[walk->depth++] = (Section){
                .node = node,
                .next = node->first,
                .scope = scope,
                .base = base,
                .marks = marks,
                .path_length = walk->path.length,
                .where_length = walk->where.length,
        };
        return 0;
}

/* The array that a list of records fills: the services get theirs here, patterns have it already. */
static int make_room(Loader *loader, const Key *key, unsigned n, void *base, void **ret_array) {
        if (key->scope != SCOPE_CONFIG) {
                *ret_array = (char *) base + key->offset;
                memcpy((char *) base + key->offset_count, &n, sizeof(n));
                return 0;
        }

        loader->config->services = arena_take(loader->arena, n * sizeof(ServiceConfig));
        loader->service_marks = arena_take(loader->scratch, n * n_config_keys * sizeof(Mark));
        if (!loader->config->services || !loader->service_marks)
                return -ENOMEM;

        loader->config->n_services = n;
        *ret_array = loader->config->services;
        return 0;
}

static int enter_list(Walk *walk, const Key *key, Node *node, void *base) {
        void *array;

        if (node->kind != NODE_LIST)
                return loader_refuse_value(walk->loader, walk->where.data, VALUE_RECORDS, node);
        if (node->n_children > key->most)
                return loader_refuse(walk->loader, node->mark, walk->where.data,
                                     _("%u entries are too many; there is room for %u"),
                                     node->n_children, key->most);

        int r = make_room(walk->loader, key, node->n_children, base, &array);
        if (r < 0)
                return r;

        buf_put(&walk->path, "[]");
        assert(walk->depth < SECTIONS_MAX);
        walk->sections[walk->depth++] = (Section){
                .node = node,
                .next = node->first,
                .records = key,
                .base = array,
                .path_length = walk->path.length,
                .where_length = walk->where.length,
        };
        return 0;
}

static int take_record(Walk *walk, Section *list) {
        Node *entry = list->next;
        unsigned number = list->n_taken++;
        bool is_service = list->records->scope == SCOPE_CONFIG;
        KeyScope scope = is_service ? SCOPE_SERVICE : SCOPE_PATTERN;
        size_t stride = is_service ? sizeof(ServiceConfig) : sizeof(PatternConfig);
        void *record = (char *) list->base + number * stride;
        Mark *marks = walk->record_marks;

        list->next = entry->next;
        cut(&walk->path, list->path_length);
        cut(&walk->where, list->where_length);
        buf_printf(&walk->where, "[%u]", number);

        if (is_service)
                marks = walk->loader->service_marks + number * n_config_keys;
        else {
                memset(marks, 0, n_config_keys * sizeof(Mark));
                ((PatternConfig *) record)->line = entry->mark.line;
        }

        int r = put_fallbacks(walk->loader, scope, record);
        if (r < 0)
                return r;

        return enter(walk, entry, scope, record, marks);
}

static int refuse_unknown(Walk *walk, const Section *section, const Node *name) {
        char suggestion[512];
        Buf buf;

        buf_init(&buf, suggestion, sizeof(suggestion));
        cut(&walk->path, section->path_length);
        key_put_suggestion(&buf, walk->path.data, name->text);

        return loader_refuse(walk->loader, name->mark, walk->where.data,
                             _("there is no such key%s"), suggestion);
}

static int take_key(Walk *walk, Section *section) {
        const Node *name = section->next;
        Node *value = name->next;

        section->next = value->next;
        cut(&walk->path, section->path_length);
        cut(&walk->where, section->where_length);
        buf_printf(&walk->path, "%s%s", walk->path.length > 0 ? "." : "", name->text);
        buf_printf(&walk->where, "%s%.*s", walk->where.length > 0 ? "." : "", NAME_SHOWN,
                   name->text);

        const Key *key = key_find(walk->path.data);
        if (!key || walk->path.is_truncated)
                return refuse_unknown(walk, section, name);

        Mark *mark = &section->marks[key_index(key)];
        if (mark->column > 0)
                return loader_refuse(walk->loader, name->mark, walk->where.data,
                                     _("this key was given already, on line %u"), mark->line);
        *mark = name->mark;

        if (key->type == VALUE_SECTION)
                return enter(walk, value, section->scope, section->base, section->marks);
        if (key->type == VALUE_RECORDS)
                return enter_list(walk, key, value, section->base);

        return value_put(walk->loader, key, walk->where.data, value, section->base);
}

static int leave(Walk *walk) {
        const Section *section = &walk->sections[walk->depth - 1];
        Loader *loader = walk->loader;

        cut(&walk->path, section->path_length);
        cut(&walk->where, section->where_length);

        for (size_t i = 0; i < n_config_keys && !section->records; i++)
                if (config_keys[i].is_required && section->marks[i].column == 0 &&
                    key_is_child(&config_keys[i], walk->path.data))
                        return loader_refuse(loader, section->node->mark, walk->where.data,
                                             _("`%s` is missing here"), key_name(&config_keys[i]));

        walk->depth--;
        return 0;
}

int walk_tree(Loader *loader, Node *root) {
        Walk walk = { .loader = loader };

        buf_init(&walk.path, walk.path_text, sizeof(walk.path_text));
        buf_init(&walk.where, walk.where_text, sizeof(walk.where_text));
        walk.record_marks = arena_take(loader->scratch, n_config_keys * sizeof(Mark));
        if (!walk.record_marks)
                return -ENOMEM;

        int r = enter(&walk, root, SCOPE_CONFIG, loader->config, loader->marks);
        if (r < 0)
                return r;

        loader->root = tree_find(root, "root");
        r = put_fallbacks(loader, SCOPE_CONFIG, loader->config);

        while (r >= 0 && walk.depth > 0) {
                Section *section = &walk.sections[walk.depth - 1];

                if (!section->next)
                        r = leave(&walk);
                else if (section->records)
                        r = take_record(&walk, section);
                else
                        r = take_key(&walk, section);
        }

        return r;
}
