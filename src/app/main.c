/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Main: the tool, with the daemon and the clerk put behind it.
 *
 * Everything begins as a verb. This file only connects the tool's door (cli/cli.h) with the rooms
 * behind it, none of which the tool knows.
 */

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "app/module.h"
#include "app/run.h"
#include "app/warden.h"
#include "base/log.h"
#include "base/macro.h"
#include "cli/cli.h"

static int watch(const char *config_path) {
        char path[PATH_MAX];

        /* Absolute, because it is read again later and named in messages. */
        if (!realpath(config_path, path)) {
                log_errno(LOG_LEVEL_ERROR, -errno, "%s", config_path);
                return CLI_USAGE;
        }

        const WardenOptions options = { .config_path = path };
        return warden_run(&options);
}

static int clerk(int argc, char **argv) {
        const ClerkModule *module = module_load();

        return module ? module->run(argc > 0 ? argv[argc - 1] : "") : EXIT_FAILURE;
}

static int list_events(const char *state_dir,
                       uint64_t since_seq,
                       usec_t since_realtime_usec,
                       const char *service,
                       unsigned limit,
                       CliEventFunction function,
                       void *userdata) {
        const ClerkModule *module = module_load();

        return module ? module->list_events(state_dir, since_seq, since_realtime_usec, service,
                                            limit, function, userdata)
                      : -ENOENT;
}

static Level match_line(const ServiceConfig *service, const char *line, size_t length) {
        const ClerkModule *module = module_load();

        return module ? module->match_line(service, line, length) : LEVEL_NORMAL;
}

int main(int argc, char **argv) {
        const CliApp app = {
                .version = ALBRAGUARD_VERSION,
                .watch = watch,
                .run = run_command_guarded,
                .clerk = clerk,
                .list_events = list_events,
                .match_line = match_line,
        };

        return cli_main(argc, argv, &app);
}
