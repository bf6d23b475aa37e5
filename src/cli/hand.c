/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Hand: what a person does to a service.
 *
 * The tool decides nothing: it passes on what was asked and shows the sentence that comes back. The
 * one thing it adds is to spare typing where only one service can be meant; where several could be,
 * it names them and does nothing. Stopping the wrong bot is worse than typing a name.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/i18n.h"
#include "base/text.h"
#include "cli/field.h"
#include "cli/link.h"
#include "cli/screen.h"
#include "cli/status_screen.h"
#include "cli/verbs.h"
#include "cli/where.h"

/* One request: which method, for whom, for how long. */
typedef struct Request {
        const char *method;
        const char *service;
        usec_t for_usec;
        bool has_duration;  /* Pause takes one */
        bool is_for_all;    /* no name means all of them, else the only one that can be meant */
        bool is_for_daemon; /* Reload takes no service */
} Request;

static bool may_be_meant(const Request *request, const json_t *service) {
        return strcmp(request->method, "Release") != 0 || field_is_true(service, "held");
}

/* The only service that can be meant. CLI_USAGE when there are several, or none. */
static CliExit
choose(const Request *request, const json_t *status, char ret_name[static NAME_SIZE]) {
        unsigned count = 0;
        size_t index;
        json_t *service;

        json_array_foreach(field_array(status, "services"), index, service) {
                if (may_be_meant(request, service) && count++ == 0)
                        (void) text_copy(
                                ret_name, NAME_SIZE,
                                field_text(service, "name")); /* names are checked to fit */
        }

        if (count == 1)
                return CLI_WELL;
        if (count == 0) {
                (void) fprintf(stderr, "%s\n",
                               _("albraguard: there is no service this could be meant for."));
                return CLI_USAGE;
        }

        (void) fprintf(stderr, "%s\n", _("albraguard: which one? Say its name:"));
        json_array_foreach(field_array(status, "services"), index, service) {
                if (may_be_meant(request, service)) {
                        Screen screen;

                        screen_open(&screen, stderr);
                        screen_printf(&screen, PAINT_PLAIN, "  %s", field_text(service, "name"));
                        screen_line_feed(&screen);
                }
        }
        return CLI_USAGE;
}

static CliExit call(sd_bus *bus, const Request *request, char **ret_text, LinkFault *reterr_fault) {
        if (request->is_for_daemon)
                return link_call_text(bus, ret_text, reterr_fault, request->method, NULL);
        if (request->has_duration)
                return link_call_text(bus, ret_text, reterr_fault, request->method, "st",
                                      request->service, request->for_usec);

        return link_call_text(bus, ret_text, reterr_fault, request->method, "s", request->service);
}

static void show_answer(const char *text, bool has_json) {
        Screen screen;

        if (has_json) {
                CLEANUP_JSON json_t *json = json_pack("{s:b, s:s}", "done", 1, "text", text);

                (void) json_dumpf(json, stdout, 0); /* a reader that is gone ends us by itself */
                (void) printf("\n");                /* as above */
                return;
        }

        screen_open(&screen, stdout);
        screen_put_wrapped(&screen, PAINT_PLAIN, text, 0);
        screen_line_feed(&screen);
}

static CliExit ask(const Where *where, const Request *wanted, bool has_json) {
        Request request = *wanted;
        CLEANUP_LINK sd_bus *bus = NULL;
        CLEANUP_FREE char *text = NULL;
        char name[NAME_SIZE] = "";
        LinkFault fault;

        CliExit code = link_open(where, &bus, &fault);
        if (code != CLI_WELL)
                return link_complain(where, code, &fault);

        if (request.service[0] == '\0' && !request.is_for_all && !request.is_for_daemon) {
                CLEANUP_JSON json_t *status = NULL;

                code = link_get_status(bus, &status, /* ret_text= */ NULL, &fault);
                if (code != CLI_WELL)
                        return link_complain(where, code, &fault);
                code = choose(&request, status, name);
                if (code != CLI_WELL)
                        return code;
                request.service = name;
        }

        code = call(bus, &request, &text, &fault);
        if (code != CLI_WELL)
                return link_complain(where, code, &fault);

        show_answer(text, has_json);
        return CLI_WELL;
}

static CliExit run_request(const CliOptions *options, const Request *request) {
        Where where;
        CliExit code = where_find(options, /* needs_config= */ false, &where);

        if (code == CLI_WELL)
                code = ask(&where, request, options->has_json);

        where_done(&where);
        return code;
}

/* The verbs that take one service at the most. */
static CliExit run_simple(const CliOptions *options, const char *method, bool is_for_all) {
        Request request = { .method = method, .service = "", .is_for_all = is_for_all };

        if (options->n_arguments > 1) {
                (void) fprintf(stderr, "%s\n", _("albraguard: one service at a time"));
                return CLI_USAGE;
        }
        if (options->n_arguments == 1)
                request.service = options->arguments[0];

        return run_request(options, &request);
}

static CliExit run_start(const CliApp *app, const CliOptions *options) {
        (void) app;
        return run_simple(options, "Start", /* is_for_all= */ false);
}

static CliExit run_stop(const CliApp *app, const CliOptions *options) {
        (void) app;
        return run_simple(options, "Stop", /* is_for_all= */ false);
}

static CliExit run_restart(const CliApp *app, const CliOptions *options) {
        (void) app;
        return run_simple(options, "Restart", /* is_for_all= */ false);
}

static CliExit run_release(const CliApp *app, const CliOptions *options) {
        (void) app;
        return run_simple(options, "Release", /* is_for_all= */ false);
}

static CliExit run_ack(const CliApp *app, const CliOptions *options) {
        (void) app;
        return run_simple(options, "Ack", /* is_for_all= */ false);
}

static CliExit run_resume(const CliApp *app, const CliOptions *options) {
        (void) app;
        return run_simple(options, "Resume", /* is_for_all= */ true);
}

static CliExit run_reload(const CliApp *app, const CliOptions *options) {
        Request request = { .method = "Reload", .service = "", .is_for_daemon = true };

        (void) app;
        return run_request(options, &request);
}

/* A duration begins with a digit, and the name of a service may too: both are tried, the duration first. */
static bool take_duration(const char *word, usec_t *ret_usec) {
        return word[0] >= '0' && word[0] <= '9' && text_parse_duration(word, ret_usec) >= 0 &&
               *ret_usec > 0;
}

static CliExit run_pause(const CliApp *app, const CliOptions *options) {
        Request request = {
                .method = "Pause",
                .service = "",
                .for_usec = USEC_INFINITY,
                .has_duration = true,
                .is_for_all = true,
        };
        bool is_good = options->n_arguments <= 2;

        (void) app;
        if (options->n_arguments == 1 && !take_duration(options->arguments[0], &request.for_usec))
                request.service = options->arguments[0];
        if (options->n_arguments == 2) {
                request.service = options->arguments[0];
                is_good = take_duration(options->arguments[1], &request.for_usec);
        }

        if (!is_good) {
                (void) fprintf(
                        stderr, "%s\n",
                        _("albraguard pause: a service, a duration such as 30m or 2h, or both in this order"));
                return CLI_USAGE;
        }

        return run_request(options, &request);
}

static const CliVerb verbs[] = {
        {
                .name = "pause",
                .group = CLI_GROUP_HAND,
                .usage = "[SERVICE] [30m]",
                .summary = N_("keep watching but do nothing, for a while or until resumed"),
                .options = "cNjp",
                .help = N_("  albraguard pause                        all services, until resumed\n"
                           "  albraguard pause 30m                    all, for half an hour\n"
                           "  albraguard pause albratrading-multi 2h"),
                .run = run_pause,
        },
        {
                .name = "resume",
                .group = CLI_GROUP_HAND,
                .usage = "[SERVICE]",
                .summary = N_("end a pause"),
                .options = "cNjp",
                .help = "",
                .run = run_resume,
        },
        {
                .name = "start",
                .group = CLI_GROUP_HAND,
                .usage = "SERVICE",
                .summary = N_("start a service, and guard it again"),
                .options = "cNjp",
                .help = N_("The name may be left out when there is only one service."),
                .run = run_start,
        },
        {
                .name = "stop",
                .group = CLI_GROUP_HAND,
                .usage = "SERVICE",
                .summary = N_("stop a service; it stays stopped and does not alarm"),
                .options = "cNjp",
                .help = N_("The name may be left out when there is only one service."),
                .run = run_stop,
        },
        {
                .name = "restart",
                .group = CLI_GROUP_HAND,
                .usage = "SERVICE",
                .summary = N_("stop it, wait until it is gone, start it"),
                .options = "cNjp",
                .help = N_(
                        "The name may be left out when there is only one service. A person's restart is counted,\n"
                        "but not refused when the budget is spent."),
                .run = run_restart,
        },
        {
                .name = "release",
                .group = CLI_GROUP_HAND,
                .usage = "[SERVICE]",
                .summary = N_("end a hold: the restart budget is whole again"),
                .options = "cNjp",
                .help = N_("The name may be left out when only one service is held."),
                .run = run_release,
        },
        {
                .name = "ack",
                .group = CLI_GROUP_HAND,
                .usage = "[SERVICE]",
                .summary = N_("say that you have seen it: no more reminders"),
                .options = "cNjp",
                .help = N_("The name may be left out when there is only one service."),
                .run = run_ack,
        },
        {
                .name = "reload",
                .group = CLI_GROUP_SETUP,
                .usage = "",
                .summary = N_(
                        "read the configuration again; a bad one is refused and the old one stays"),
                .options = "cNj",
                .help = N_(
                        "The same as `systemctl reload albratrading-watchdog`, with the answer on the screen."),
                .run = run_reload,
        },
};

const CliVerbs hand_verbs = { verbs, ELEMENTSOF(verbs) };
