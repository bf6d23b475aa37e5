/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Status: the verb that asks the daemon how things stand.
 *
 * One question and one answer; for --json the answer is passed on as it came, because it is the
 * documented thing and any hand on it could only spoil it. A screen also gets the last few events.
 *
 * When nobody answers, what the daemon left behind is better than nothing, provided it says how old
 * it is: its checkpoint is read, and the exit code still says that it could not be reached.
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/text.h"
#include "cli/field.h"
#include "cli/happened.h"
#include "cli/link.h"
#include "cli/screen.h"
#include "cli/status_screen.h"
#include "cli/verbs.h"
#include "cli/where.h"

enum {
        EVENTS_SHOWN = 5,
        WATCH_MSEC = 2000,
        CHECKPOINT_BYTES_MAX = 4 << 20, /* many times what 64 services need */
};

static void show_absent(const Where *where) {
        char path[PATH_SIZE + sizeof("/watchdog_state.json")];
        CLEANUP_FREE char *text = NULL;
        struct stat about;
        size_t length;
        Screen screen;

        (void) snprintf(path, sizeof(path), "%s/watchdog_state.json", where->folders.state_dir);
        if (stat(path, &about) < 0 ||
            file_read_alloc(path, CHECKPOINT_BYTES_MAX, &text, &length) < 0)
                return;

        CLEANUP_JSON json_t *checkpoint = field_parse_object(text, length);
        usec_t written_usec = (usec_t) about.st_mtim.tv_sec * USEC_PER_SEC;

        screen_open(&screen, stdout);
        if (checkpoint)
                status_render_absent(&screen, checkpoint,
                                     usec_sub(clock_realtime_usec(), written_usec));
}

/* The one that is meant by a word that is no service here. */
static CliExit refuse_service(const json_t *status, const char *service) {
        const char *nearest = NULL;
        unsigned least = UINT32_MAX;
        size_t index;
        json_t *item;

        json_array_foreach(field_array(status, "services"), index, item) {
                unsigned distance = text_distance(service, field_text(item, "name"));

                if (distance < least) {
                        least = distance;
                        nearest = field_text(item, "name");
                }
        }

        if (nearest && least <= strlen(service) / 2)
                (void) fprintf(stderr,
                               _("albraguard: there is no service “%s”. Did you mean “%s”?\n"),
                               service, nearest);
        else
                (void) fprintf(stderr, _("albraguard: there is no service “%s”.\n"), service);

        return CLI_USAGE;
}

static void show(const CliApp *app,
                 const Where *where,
                 sd_bus *bus,
                 const json_t *status,
                 const char *service) {
        CLEANUP_HAPPENED Happened happened = { 0 };
        Screen screen;

        if (happened_gather(app, where, bus,
                            &(HappenedQuery){ .service = service, .most = EVENTS_SHOWN },
                            &happened) < 0)
                happened.count = 0; /* the screen is worth showing without them */

        screen_open(&screen, stdout);
        status_render(&screen, &(StatusLook){ .status = status,
                                              .happened = &happened,
                                              .service = service,
                                              .hint = where->hint,
                                              .has_logs = where->config != NULL });
}

/* The document with one service in it. */
static void print_one(json_t *status, const char *service) {
        json_t *services = json_object_get(status, "services");

        for (size_t i = json_array_size(services); i > 0; i--)
                if (strcmp(field_text(json_array_get(services, i - 1), "name"), service) != 0)
                        (void) json_array_remove(services, i - 1); /* the index is right */

        (void) json_dumpf(status, stdout,
                          JSON_COMPACT | JSON_REAL_PRECISION(
                                                 6)); /* a reader that is gone ends us by itself */
        (void) printf("\n");                          /* as above */
}

static CliExit
look_once(const CliApp *app, const Where *where, const CliOptions *options, const char *service) {
        CLEANUP_LINK sd_bus *bus = NULL;
        CLEANUP_JSON json_t *status = NULL;
        CLEANUP_FREE char *text = NULL;
        LinkFault fault;

        CliExit code = link_open(where, &bus, &fault);
        if (code == CLI_WELL)
                code = link_get_status(bus, &status, &text, &fault);
        if (code != CLI_WELL) {
                (void) link_complain(where, code, &fault); /* returns what it was given */
                if (code == CLI_UNREACHABLE && !options->has_json)
                        show_absent(where);
                return code;
        }

        if (service[0] != '\0' && !status_has_service(status, service))
                return refuse_service(status, service);

        if (options->has_watch && isatty(STDOUT_FILENO) == 1)
                (void) fputs("\033[H\033[2J",
                             stdout); /* a terminal that is gone ends us by itself */

        if (options->has_json) {
                if (service[0] != '\0')
                        print_one(status, service);
                else
                        (void) printf("%s\n", text); /* as above */
        } else
                show(app, where, bus, status, service);

        (void) fflush(stdout); /* as above */
        return status_judge(status, service);
}

static CliExit run_status(const CliApp *app, const CliOptions *options) {
        const char *service = options->n_arguments > 0 ? options->arguments[0] : "";
        Where where;

        if (options->n_arguments > 1) {
                (void) fprintf(stderr, "%s\n",
                               _("albraguard status: one service, or none for all"));
                return CLI_USAGE;
        }

        CliExit code = where_find(options, /* needs_config= */ false, &where);

        while (code == CLI_WELL) {
                CliExit now = look_once(app, &where, options, service);

                if (!options->has_watch || now == CLI_USAGE || now == CLI_NOT_PERMITTED) {
                        code = now;
                        break;
                }
                (void) poll(NULL, 0, WATCH_MSEC); /* an interrupted wait only looks again earlier */
        }

        where_done(&where);
        return code;
}

static const CliVerb verbs[] = {
        {
                .name = "status",
                .group = CLI_GROUP_LOOK,
                .usage = "[SERVICE] [--watch] [--json]",
                .summary = N_(
                        "one screen: the machine, each service, what is wrong, what to type next"),
                .options = "cNwjp",
                .help = N_("Exit code 1 when something is at warning or worse, failed or held.\n"
                           "\n"
                           "  albraguard status\n"
                           "  albraguard status albratrading-multi\n"
                           "  albraguard status --json | jq .level"),
                .run = run_status,
        },
};

const CliVerbs status_verbs = { verbs, ELEMENTSOF(verbs) };
