/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Guard: the verbs that become the daemon.
 *
 * Only what is on the command line is read here; what follows is the program's own. `watch -n` is
 * the exception: it reads the configuration as the daemon would and says whether it is good, so that
 * a person can look before they leap, and a script before it reloads.
 */

#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "base/macro.h"
#include "cli/verbs.h"
#include "cli/where.h"

static CliExit say_missing(void) {
        (void) fprintf(stderr, "%s\n", _("albraguard: this build has no daemon in it"));
        return CLI_USAGE;
}

static CliExit check_only(const Where *where) {
        (void) printf(ngettext("%s: the configuration is good: %u service.\n",
                               "%s: the configuration is good: %u services.\n",
                               where->config->n_services),
                      where->config_path, where->config->n_services);
        for (unsigned i = 0; i < where->config->n_services; i++) {
                const ServiceConfig *service = &where->config->services[i];

                (void) printf("  %s  %s\n", service->name,
                              service->unit[0] != '\0' ? service->unit : service->command[0]);
        }

        return CLI_WELL;
}

static CliExit run_watch(const CliApp *app, const CliOptions *options) {
        Where where;
        CliExit code = where_find(options, /* needs_config= */ true, &where);

        if (code == CLI_WELL && options->is_dry_run)
                code = check_only(&where);
        else if (code == CLI_WELL)
                code = app->watch ? (CliExit) app->watch(where.config_path) : say_missing();

        where_done(&where);
        return code;
}

static CliExit run_run(const CliApp *app, const CliOptions *options) {
        char name[NAME_SIZE];
        Folders folders;

        if (options->n_arguments == 0) {
                (void) fprintf(
                        stderr, "%s\n",
                        _("albraguard run: what is to be run? Try: albraguard run -- COMMAND …"));
                return CLI_USAGE;
        }

        (void) run_name_of(name, options->arguments[0]); /* returns its buffer */
        if (options->name && run_folders(options->name, &folders) < 0) {
                (void) fprintf(stderr, _("albraguard: “%s” cannot be the name of an instance\n"),
                               options->name);
                return CLI_USAGE;
        }

        i18n_open(options->language ? options->language : language_of_environment());
        return app->run ? (CliExit) app->run(options->name ? options->name : name,
                                             options->arguments)
                        : say_missing();
}

static CliExit run_clerk(const CliApp *app, const CliOptions *options) {
        return app->clerk ? (CliExit) app->clerk(options->n_arguments, options->arguments)
                          : say_missing();
}

static const CliVerb verbs[] = {
        {
                .name = "watch",
                .group = CLI_GROUP_SETUP,
                .usage = "[-n] [--config FILE]",
                .summary = N_("the daemon itself; -n only checks the configuration"),
                .options = "cd",
                .help = N_(
                        "Without --config it reads /etc/albraguard/config.yaml. SIGHUP reads it again.\n"
                        "\n"
                        "  albraguard watch -n --config new.yaml"),
                .run = run_watch,
        },
        {
                .name = "run",
                .group = CLI_GROUP_SETUP,
                .usage = "[--name NAME] -- COMMAND …",
                .summary = N_("guard one command, with no configuration at all"),
                .options = "N+",
                .help = N_(
                        "It is started, restarted within the usual budget when it dies, and seen by `status`.\n"
                        "\n"
                        "  albraguard run -- python3 bot.py\n"
                        "  albraguard run --name bot -- ./bot --live"),
                .run = run_run,
        },
        {
                .name = "clerk",
                .group = CLI_GROUP_HIDDEN,
                .usage = "",
                .summary =
                        N_("the part that hears, tells, stores and serves; started by the daemon"),
                .help = "",
                .is_raw = true,
                .run = run_clerk,
        },
};

const CliVerbs guard_verbs = { verbs, ELEMENTSOF(verbs) };
