/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "model/config.h"
#include "model/event.h"
#include "model/level.h"

/* What a verb ends with; also the exit code of the program. */
typedef enum CliExit {
        CLI_WELL = 0,
        CLI_FINDINGS = 1,    /* something was found, or the daemon refused */
        CLI_USAGE = 2,       /* wrong usage or configuration */
        CLI_UNREACHABLE = 3, /* the daemon cannot be reached */
        CLI_NOT_PERMITTED = 4,
} CliExit;

/* Where a verb stands in the list that `albraguard help` prints. */
typedef enum CliGroup {
        CLI_GROUP_LOOK,   /* what is going on */
        CLI_GROUP_HAND,   /* an operator's hand */
        CLI_GROUP_CARE,   /* prevention, files, evidence */
        CLI_GROUP_PAST,   /* history, reports, forecasts */
        CLI_GROUP_SETUP,  /* the daemon itself and its installation */
        CLI_GROUP_HIDDEN, /* not for people */
        _CLI_GROUP_MAX,
} CliGroup;

/* The options that were given, before or behind the verb. Strings point into argv; NULL when not given. */
typedef struct CliOptions {
        const char *config;
        const char *language;
        const char *name; /* --name N: an instance of `run`, or the name of the one to start */
        const char *since;
        const char *lines; /* -n N */
        bool has_json;
        bool has_follow; /* -f */
        bool has_watch;  /* --watch */
        bool is_dry_run; /* -n of `watch`, --dry-run */
        int n_arguments; /* what is left: services, durations, the command of `run` */
        char **arguments;
} CliOptions;

typedef struct CliApp CliApp;

/* One verb. `run` gets the options and returns what the program ends with. Verbs of the app that have options of their
 * own set `is_raw`: they get everything behind the verb in `arguments`, unread, and read --help themselves when
 * `options` below is NULL. */
typedef struct CliVerb {
        const char *name;
        CliGroup group;
        bool is_raw;
        const char *usage;   /* what stands behind the name: "[SERVICE] [30m]" */
        const char *summary; /* one line, N_() */
        const char *options; /* the letters it takes, see cli/options.h */
        const char *help;    /* options and examples, N_() */
        CliExit (*run)(const CliApp *app, const CliOptions *options);
} CliVerb;

/* Given every event, oldest first; a negative errno ends the listing. */
typedef int (*CliEventFunction)(const Event *event, void *userdata);

/* What the program puts behind the tool, so that the tool needs neither the daemon's code nor the store's. Any of the
 * functions may be NULL: the verb says that it is not part of this build, or does with less. */
struct CliApp {
        const char *version;

        /* The daemon, with a configuration file that exists. Returns the exit code. */
        int (*watch)(const char *config_path);

        /* Guards one command; `command` is a NULL-terminated argv, the folders are those of run_folders(). */
        int (*run)(const char *name, char *const *command);

        /* The clerk: what stands behind the verb is its own business. */
        int (*clerk)(int argc, char **argv);

        /* Events of the store in `state_dir` with a seq above `since_seq` and not before `since_realtime_usec`, oldest
         * first; of one service unless it is "". When there are more than `limit`, the newest. The tool itself merges
         * what the warden still remembers. Negative errno when there is no store to read. */
        int (*list_events)(const char *state_dir,
                           uint64_t since_seq,
                           usec_t since_realtime_usec,
                           const char *service,
                           unsigned limit,
                           CliEventFunction function,
                           void *userdata);

        /* How severe a line of the service's log is by its patterns; LEVEL_NORMAL when none matches. */
        Level (*match_line)(const ServiceConfig *service, const char *line, size_t length);

        /* Verbs that live elsewhere. */
        const CliVerb *verbs;
        unsigned n_verbs;
};

/* Reads the command line, does what it says, returns the exit code. Sets the language of the process. */
int cli_main(int argc, char **argv, const CliApp *app);
