/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Load: from a file to the typed configuration.
 *
 *      text ──tree──► nodes ──walk, by the table of keys──► Config ──verify──► handed out
 *
 * The first error ends it: one sentence that can be acted on, not a cascade. Nothing half-made ever
 * leaves: the caller gets a whole configuration or none, and keeps the one in force.
 *
 * What `run` guards goes through the same doors: its words become nodes, and the same table, the same
 * readers and the same checks make the configuration of them.
 */

#include "config/load.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/text.h"
#include "config/loader.h"

int loader_refuse(Loader *loader, Mark mark, const char *key, const char *format, ...) {
        ConfigError *error = loader->error;
        Buf buf;
        va_list arguments;

        (void) text_copy(error->path, sizeof(error->path), loader->path); /* cut at worst */
        error->line = mark.line;
        error->column = mark.line > 0 ? mark.column : 0;

        buf_init(&buf, error->message, sizeof(error->message));
        buf_put(&buf, loader->path);
        if (mark.line > 0)
                buf_printf(&buf, ":%u:%u", mark.line, mark.column);
        if (buf.length > 0)
                buf_put(&buf, ": ");
        if (*key)
                buf_printf(&buf, "%s: ", key);

        va_start(arguments, format);
        buf_vprintf(&buf, format, arguments);
        va_end(arguments);
        return -EINVAL;
}

/* Errors that are not about the content. */
static int fail(const char *path, ConfigError *error, int r) {
        Loader loader = { .path = path, .error = error };
        Mark nowhere = { 0 };

        if (r == -EFBIG)
                (void) loader_refuse(&loader, nowhere, "",
                                     _("larger than 1 MB, which no configuration is"));
        else if (r == -ENOMEM)
                (void) loader_refuse(&loader, nowhere, "", _("there is no memory to load it"));
        else
                (void) loader_refuse(&loader, nowhere, "", _("cannot be read: %s"), strerror(-r));
        return r; /* loader_refuse() fills in the error; the number is the caller's */
}

/* Sets everything that every configuration has; `config` is left in the loader. */
static int begin(Loader *loader) {
        Config *config = arena_take(loader->arena, sizeof(Config));

        loader->config = config;
        loader->marks = arena_take(loader->scratch, n_config_keys * sizeof(Mark));
        loader->aside = arena_take(loader->scratch, n_config_keys * sizeof(uint64_t));
        if (!config || !loader->marks || !loader->aside)
                return -ENOMEM;

        config->arena = loader->arena;
        config->root = "";
        config->path = arena_copy(loader->arena, loader->path, strlen(loader->path));
        return config->path ? 0 : -ENOMEM;
}

static int finish(Loader *loader, Node *root) {
        int r = walk_tree(loader, root);

        return r < 0 ? r : verify(loader);
}

static int parse(Loader *loader, const char *text, size_t length) {
        Node nothing = { .kind = NODE_MAP, .text = "" };
        TreeError error;
        Node *root;

        int r = begin(loader);
        if (r < 0)
                return r;

        r = tree_parse(text, length, loader->scratch, &root, &error);
        if (r == -EINVAL)
                return loader_refuse(loader, error.mark, "", "%s", error.problem);
        if (r < 0)
                return r;

        return finish(loader, root ? root : &nothing);
}

/* Hangs "key: value" onto a map. Without memory nothing is hung, and the caller is told by NULL. */
static Node *put(Loader *loader, Node *map, const char *key, NodeKind kind, const char *text) {
        Node *name = arena_take(loader->scratch, sizeof(Node));
        Node *value = arena_take(loader->scratch, sizeof(Node));

        if (!name || !value)
                return NULL;

        *name = (Node){ .kind = NODE_TEXT, .mark = { .column = 1 }, .text = key };
        *value = (Node){ .kind = kind, .mark = { .column = 1 }, .text = text };
        tree_append(map, name);
        tree_append(map, value);
        return value;
}

static int put_words(Loader *loader, Node *list, const char *const *argv) {
        for (const char *const *word = argv; *word; word++) {
                Node *node = arena_take(loader->scratch, sizeof(Node));
                if (!node)
                        return -ENOMEM;

                *node = (Node){ .kind = NODE_TEXT, .mark = { .column = 1 }, .text = *word };
                tree_append(list, node);
        }

        return 0;
}

/* "./bin/my bot.py" is guarded as "my_bot.py". */
static void name_of(const char *program, char ret_name[static NAME_SIZE]) {
        static const char allowed[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@-";
        const char *slash = strrchr(program, '/');

        (void) text_copy(ret_name, NAME_SIZE, slash ? slash + 1 : program); /* cut is fine */
        if (*ret_name == '\0')
                (void) text_copy(ret_name, NAME_SIZE, "command"); /* it fits */

        for (char *p = ret_name; *p; p++)
                if (!strchr(allowed, *p) || (p == ret_name && (*p == '-' || *p == '.')))
                        *p = '_';
}

/* What a file would have said. */
static int write_out(Loader *loader, const CommandOptions *options, const char *name, Node *root) {
        const struct {
                const char *key;
                const char *text;
        } texts[] = {
                { "language", options->language },
                { "root", options->root },
                { "state_dir", options->state_dir },
                { "run_dir", options->run_dir },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (texts[i].text && !put(loader, root, texts[i].key, NODE_TEXT, texts[i].text))
                        return -ENOMEM;

        if (options->serve_listen) {
                const char *listen = *options->serve_listen ? options->serve_listen : "off";
                Node *serve = put(loader, root, "serve", NODE_MAP, "");

                if (!serve || !put(loader, serve, "listen", NODE_TEXT, listen))
                        return -ENOMEM;
        }

        /* The working folder may hold a folder `logs` that is none of ours. */
        Node *prevention = put(loader, root, "prevention", NODE_MAP, "");
        Node *logs = prevention ? put(loader, prevention, "logs", NODE_MAP, "") : NULL;
        if (!logs || !put(loader, logs, "dirs", NODE_LIST, ""))
                return -ENOMEM;

        Node *services = put(loader, root, "services", NODE_LIST, "");
        Node *service = arena_take(loader->scratch, sizeof(Node));
        if (!services || !service)
                return -ENOMEM;
        *service = (Node){ .kind = NODE_MAP, .mark = { .column = 1 }, .text = "" };
        tree_append(services, service);

        Node *command = put(loader, service, "command", NODE_LIST, "");
        if (!command || !put(loader, service, "name", NODE_TEXT, name))
                return -ENOMEM;

        return put_words(loader, command, options->argv);
}

static int make_for_command(Loader *loader, const CommandOptions *options) {
        Node root = { .kind = NODE_MAP, .text = "" };
        char name[NAME_SIZE];

        int r = begin(loader);
        if (r < 0)
                return r;

        name_of(options->argv[0], name);
        r = write_out(loader, options, options->name ? options->name : name, &root);
        if (r < 0)
                return r;

        return finish(loader, &root);
}

typedef struct Source {
        const char *path;
        const char *text;
        size_t length;
        const CommandOptions *options; /* instead of the text */
} Source;

static int make(const Source *source, Config **ret_config, ConfigError *reterr_error) {
        CLEANUP_ARENA Arena *arena = arena_new();
        CLEANUP_ARENA Arena *scratch = arena_new();
        Loader loader = {
                .path = source->path,
                .error = reterr_error,
                .arena = arena,
                .scratch = scratch,
        };

        if (!arena || !scratch)
                return fail(source->path, reterr_error, -ENOMEM);

        int r = source->options ? make_for_command(&loader, source->options)
                                : parse(&loader, source->text, source->length);
        if (r == -ENOMEM)
                return fail(source->path, reterr_error, r);
        if (r < 0)
                return r;

        (void) TAKE_PTR(arena); /* the configuration owns it from here on */
        *ret_config = loader.config;
        return 0;
}

int config_parse(const char *text,
                 size_t length,
                 const char *path,
                 Config **ret_config,
                 ConfigError *reterr_error) {
        assert(text);
        assert(path);
        assert(ret_config);
        assert(reterr_error);

        if (length > CONFIG_BYTES_MAX)
                return fail(path, reterr_error, -EFBIG);

        Source source = { .path = path, .text = text, .length = length };
        return make(&source, ret_config, reterr_error);
}

int config_load(const char *path, Config **ret_config, ConfigError *reterr_error) {
        char absolute[PATH_MAX];
        Buf buf;

        assert(path);
        assert(ret_config);
        assert(reterr_error);

        /* A later reload may start from another folder than this one. */
        buf_init(&buf, absolute, sizeof(absolute));
        if (*path != '/') {
                if (!getcwd(absolute, sizeof(absolute)))
                        return fail(path, reterr_error, -errno);
                buf.length = strlen(absolute);
                buf_put(&buf, "/");
        }
        buf_put(&buf, path);
        if (buf.is_truncated)
                return fail(path, reterr_error, -ENAMETOOLONG);

        CLEANUP_FREE char *text = NULL;
        size_t length;
        int r = file_read_alloc(absolute, CONFIG_BYTES_MAX, &text, &length);
        if (r < 0)
                return fail(absolute, reterr_error, r);

        return config_parse(text, length, absolute, ret_config, reterr_error);
}

int config_new_for_command(const CommandOptions *options,
                           Config **ret_config,
                           ConfigError *reterr_error) {
        assert(options);
        assert(options->argv && options->argv[0]);
        assert(ret_config);
        assert(reterr_error);

        Source source = { .path = "", .options = options };
        return make(&source, ret_config, reterr_error);
}

Config *config_free(Config *config) {
        if (config)
                (void) arena_free(config->arena); /* the configuration lies in it */

        return NULL;
}
