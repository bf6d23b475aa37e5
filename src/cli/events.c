/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Events: what happened, and what happens.
 *
 * Following listens first and asks for the past second, so that nothing falls between the two; what
 * comes twice is known by its number. The daemon may be restarted meanwhile, by an upgrade or by a
 * person: a follower waits for it, asks for what it missed, and goes on.
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/text.h"
#include "cli/happened.h"
#include "cli/link.h"
#include "cli/screen.h"
#include "cli/verbs.h"
#include "cli/when.h"
#include "cli/where.h"

enum {
        LINES_USUAL = 50,
        RETRY_MSEC = 1000,
        EVENT_LINE_SIZE = 8 * (EVENT_TEXT_SIZE + EVENT_REASON_SIZE),
};

/* Where the next event goes, and which was the last. */
typedef struct Printer {
        Screen screen;
        HappenedQuery query;
        bool has_json;
        uint64_t last_seq;
} Printer;

static void print_event(Printer *printer, const Event *event) {
        if (printer->has_json) {
                char line[EVENT_LINE_SIZE];
                Buf buf = BUF_OVER(line);

                line[0] = '\0';
                event_render_json(event, &buf);
                (void) printf("%s\n", line); /* a reader that is gone ends us by itself */
        } else
                happened_show(&printer->screen, event, clock_realtime_usec(),
                              printer->query.service[0] == '\0');
}

static int on_event(const Event *event, void *userdata) {
        Printer *printer = userdata;

        if (event->seq > printer->last_seq) {
                printer->last_seq = event->seq;
                if (happened_is_wanted(&printer->query, event)) {
                        print_event(printer, event);
                        (void) fflush(stdout); /* as above */
                }
        }

        return 0;
}

/* Listens for as long as the daemon lives. */
static CliExit follow_once(Printer *printer, sd_bus *bus, LinkFault *reterr_fault) {
        CliExit code = link_subscribe(bus, on_event, printer, reterr_fault);

        if (code == CLI_WELL)
                code = link_list_events(bus, printer->last_seq, on_event, printer, reterr_fault);
        if (code == CLI_WELL)
                code = link_run(bus, reterr_fault);

        return code;
}

static CliExit follow(const Where *where, Printer *printer) {
        bool is_told = false;

        for (;;) {
                CLEANUP_LINK sd_bus *bus = NULL;
                LinkFault fault;
                CliExit code = link_open(where, &bus, &fault);

                if (code == CLI_WELL) {
                        is_told = false;
                        code = follow_once(printer, bus, &fault);
                }
                if (code != CLI_UNREACHABLE)
                        return link_complain(where, code, &fault);

                if (!is_told)
                        (void) fprintf(
                                stderr, "%s\n",
                                _("albraguard: the daemon is gone; waiting for it to come back"));
                is_told = true;
                (void) poll(NULL, 0, RETRY_MSEC); /* an interrupted wait only tries again earlier */
        }
}

static CliExit parse_query(const CliOptions *options, HappenedQuery *ret) {
        uint64_t lines = LINES_USUAL;

        *ret = (HappenedQuery){ .service = options->n_arguments > 0 ? options->arguments[0] : "" };

        if (options->since &&
            when_parse_since(options->since, clock_realtime_usec(), &ret->since_usec) < 0) {
                (void) fprintf(
                        stderr,
                        _("albraguard events: --since: “%s” is no time; try 2h, today, 10:30, 2026-11-23\n"),
                        options->since);
                return CLI_USAGE;
        }
        if (options->lines && (text_parse_u64(options->lines, &lines) < 0 || lines == 0)) {
                (void) fprintf(stderr, _("albraguard events: -n: “%s” is no number from 1 on\n"),
                               options->lines);
                return CLI_USAGE;
        }
        if (options->n_arguments > 1) {
                (void) fprintf(stderr, "%s\n",
                               _("albraguard events: one service, or none for all"));
                return CLI_USAGE;
        }

        ret->most = options->since && !options->lines
                            ? HAPPENED_MOST
                            : (size_t) MIN(lines, (uint64_t) HAPPENED_MOST);
        return CLI_WELL;
}

static CliExit
list(const CliApp *app, const Where *where, const CliOptions *options, Printer *printer) {
        CLEANUP_HAPPENED Happened happened = { 0 };
        CLEANUP_LINK sd_bus *bus = NULL;
        LinkFault fault;

        CliExit code = link_open(where, &bus, &fault);
        int r = happened_gather(app, where, bus, &printer->query, &happened);
        if (r < 0)
                return link_complain(where, code == CLI_WELL ? CLI_UNREACHABLE : code, &fault);

        for (size_t i = 0; i < happened.count; i++)
                print_event(printer, &happened.events[i]);
        if (happened.count > 0)
                printer->last_seq = happened.events[happened.count - 1].seq;

        if (happened.count == 0 && !options->has_json && !options->has_follow) {
                screen_put_wrapped(&printer->screen, PAINT_PLAIN, _("Nothing that is known of."),
                                   0);
                screen_line_feed(&printer->screen);
        }
        if (code != CLI_WELL)
                (void) fprintf(stderr, "albraguard: %s\n%s\n", fault.text,
                               _("What is shown is what is in the history."));

        (void) fflush(stdout); /* a reader that is gone ends us by itself */
        return options->has_follow ? follow(where, printer) : CLI_WELL;
}

static CliExit run_events(const CliApp *app, const CliOptions *options) {
        Printer printer = { .has_json = options->has_json };
        Where where;

        CliExit code = parse_query(options, &printer.query);
        if (code != CLI_WELL)
                return code;

        code = where_find(options, /* needs_config= */ false, &where);
        screen_open(&printer.screen, stdout);
        if (code == CLI_WELL)
                code = list(app, &where, options, &printer);

        where_done(&where);
        return code;
}

static const CliVerb verbs[] = {
        {
                .name = "events",
                .group = CLI_GROUP_LOOK,
                .usage = "[SERVICE] [-f] [--since T] [-n N] [--json]",
                .summary = N_("what happened, oldest first; the last 50 unless told otherwise"),
                .options = "cNfnsjp",
                .help = N_("  albraguard events -f\n"
                           "  albraguard events albratrading-multi --since yesterday\n"
                           "  albraguard events --since 2h --json | jq -r .text"),
                .run = run_events,
        },
};

const CliVerbs events_verbs = { verbs, ELEMENTSOF(verbs) };
