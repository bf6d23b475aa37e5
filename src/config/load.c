/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Load: from a file to the typed configuration.
 *
 *      text ──tree──► nodes ──walk, by the table of keys──► Config ──verify──► handed out
 *
 * The first error ends it: one sentence that can be acted on, not a cascade. Nothing half-made ever
 * leaves: the caller gets a whole configuration or none, and keeps the one in force.
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

        r = walk_tree(loader, root ? root : &nothing);
        return r < 0 ? r : verify(loader);
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

        CLEANUP_ARENA Arena *arena = arena_new();
        CLEANUP_ARENA Arena *scratch = arena_new();
        Loader loader = {
                .path = path,
                .error = reterr_error,
                .arena = arena,
                .scratch = scratch,
        };

        if (!arena || !scratch)
                return fail(path, reterr_error, -ENOMEM);

        int r = parse(&loader, text, length);
        if (r == -ENOMEM)
                return fail(path, reterr_error, r);
        if (r < 0)
                return r;

        (void) TAKE_PTR(arena); /* the configuration owns it from here on */
        *ret_config = loader.config;
        return 0;
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

Config *config_free(Config *config) {
        if (config)
                (void) arena_free(config->arena); /* the configuration lies in it */

        return NULL;
}
