/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Run: one command, guarded, with nothing written down beforehand.
 *
 * The command line is turned into the configuration a person would have written, as text, and from
 * there on everything is as with a file: the same parser checks it and the clerk is handed the same
 * bytes. JSON strings are YAML, so quoting is no invention of ours.
 */

#include "app/run.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/warden.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/i18n.h"
#include "base/log.h"
#include "cli/where.h"

enum {
        RUN_CONFIG_SIZE = 64 << 10,
};

static void put_entry(Buf *buf, const char *key, const char *value) {
        buf_printf(buf, "%s: ", key);
        buf_put_json(buf, value);
        buf_put(buf, "\n");
}

static void put_config(Buf *buf,
                       const char *name,
                       char *const *command,
                       const Folders *folders,
                       const char *root) {
        put_entry(buf, "language", i18n_language());
        put_entry(buf, "root", root);
        put_entry(buf, "state_dir", folders->state_dir);
        put_entry(buf, "run_dir", folders->run_dir);
        /* The working folder may hold a folder `logs` that is none of ours. */
        buf_put(buf, "serve: { listen: off }\nprevention: { logs: { dirs: [] } }\nservices:\n");
        put_entry(buf, "  - name", name);
        buf_put(buf, "    command: [ ");
        for (size_t i = 0; command[i]; i++) {
                buf_put(buf, i > 0 ? ", " : "");
                buf_put_json(buf, command[i]);
        }
        buf_put(buf, " ]\n");
}

int run_command_guarded(const char *name, char *const *command) {
        CLEANUP_FREE char *text = malloc(RUN_CONFIG_SIZE);
        char root[PATH_SIZE];
        Folders folders;
        Buf buf;

        if (!text)
                return CLI_FINDINGS;
        if (!getcwd(root, sizeof(root))) {
                log_errno(LOG_LEVEL_ERROR, -errno, _("cannot tell the current folder"));
                return CLI_FINDINGS;
        }

        int r = run_folders(name, &folders);
        if (r >= 0)
                r = run_folders_make(&folders);
        if (r < 0) {
                log_errno(LOG_LEVEL_ERROR, r, _("cannot make the folders for %s"), name);
                return CLI_FINDINGS;
        }

        buf_init(&buf, text, RUN_CONFIG_SIZE);
        put_config(&buf, name, command, &folders, root);
        if (buf.is_truncated) {
                log_error(_("the command line is too long"));
                return CLI_USAGE;
        }

        const WardenOptions options = {
                .config_path = "",
                .config_text = text,
                .config_length = buf.length,
                .is_single = true,
        };
        return warden_run(&options);
}
