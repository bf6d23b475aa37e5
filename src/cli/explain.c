/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Explain: the verb that answers "why?".
 *
 * Why was it restarted, and why was it not. The answer is made from the events alone, so it can be
 * had of last month as well as of now, and also while the daemon is gone; only what is left of an
 * incident needs somebody to ask.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/text.h"
#include "cli/field.h"
#include "cli/happened.h"
#include "cli/incident.h"
#include "cli/link.h"
#include "cli/status_screen.h"
#include "cli/story.h"
#include "cli/verbs.h"
#include "cli/where.h"

/* What was asked for: a service, a number of an event ("42", "#42"), or nothing. */
typedef struct Question {
        const char *service;
        uint64_t seq;
} Question;

static void print_json(const Incident *incident, const Happened *happened) {
        char first[TIME_TEXT_SIZE];
        char last[TIME_TEXT_SIZE];
        CLEANUP_JSON json_t *events = json_array();

        for (size_t i = 0; i < happened->count; i++) {
                char line[8 * (EVENT_TEXT_SIZE + EVENT_REASON_SIZE)];
                Buf buf = BUF_OVER(line);

                if (!incident_has(incident, &happened->events[i]))
                        continue;
                line[0] = '\0';
                event_render_json(&happened->events[i], &buf);
                (void) json_array_append_new(
                        events, field_parse_object(line, buf.length)); /* else it is left out */
        }

        CLEANUP_JSON json_t *json = json_pack(
                "{s:s, s:b, s:I, s:I, s:s, s:s, s:O}", "service", incident->service, "open",
                (int) incident->is_open, "first_seq", (json_int_t) incident->first_seq, "last_seq",
                (json_int_t) incident->last_seq, "from",
                time_render_utc(first, incident->first_usec), "to",
                time_render_utc(last, incident->last_usec), "events", events);

        (void) json_dumpf(json, stdout, 0); /* a reader that is gone ends us by itself */
        (void) printf("\n");                /* as above */
}

static CliExit say_nothing_found(const Question *question, const json_t *status, bool has_json) {
        Screen screen;

        if (question->service[0] != '\0' && status &&
            !status_has_service(status, question->service)) {
                (void) fprintf(stderr, _("albraguard: there is no service “%s”.\n"),
                               question->service);
                return CLI_USAGE;
        }
        if (question->seq > 0) {
                (void) fprintf(
                        stderr,
                        _("albraguard: event %llu is no part of an incident that is known.\n"),
                        (unsigned long long) question->seq);
                return CLI_USAGE;
        }
        if (has_json) {
                (void) printf("null\n"); /* as above */
                return CLI_WELL;
        }

        screen_open(&screen, stdout);
        screen_put_wrapped(&screen, PAINT_PLAIN, _("Nothing has happened that needs explaining."),
                           0);
        screen_line_feed(&screen);
        return CLI_WELL;
}

static CliExit
explain(const CliApp *app, const Where *where, const Question *question, bool has_json) {
        CLEANUP_HAPPENED Happened happened = { 0 };
        CLEANUP_LINK sd_bus *bus = NULL;
        CLEANUP_JSON json_t *status = NULL;
        Incident incident;
        LinkFault fault;
        Screen screen;

        CliExit code = link_open(where, &bus, &fault);
        if (code == CLI_WELL)
                code = link_get_status(bus, &status, /* ret_text= */ NULL, &fault);

        if (happened_gather(app, where, bus,
                            &(HappenedQuery){ .service = "", .most = HAPPENED_MOST },
                            &happened) < 0)
                return link_complain(where, code == CLI_WELL ? CLI_UNREACHABLE : code, &fault);

        if (incident_find(&happened, question->service, question->seq, &incident) < 0)
                return say_nothing_found(question, status, has_json);

        if (has_json) {
                print_json(&incident, &happened);
                return CLI_WELL;
        }

        screen_open(&screen, stdout);
        story_render(&screen, &incident, &happened, status, where->hint, where->config != NULL,
                     clock_realtime_usec());
        return CLI_WELL;
}

static CliExit run_explain(const CliApp *app, const CliOptions *options) {
        Question question = { .service = "" };
        Where where;

        if (options->n_arguments > 1) {
                (void) fprintf(
                        stderr, "%s\n",
                        _("albraguard explain: one service, one number of an event, or nothing"));
                return CLI_USAGE;
        }
        if (options->n_arguments == 1) {
                const char *word = options->arguments[0];

                if (text_parse_u64(word[0] == '#' ? word + 1 : word, &question.seq) < 0 ||
                    question.seq == 0)
                        question = (Question){ .service = word };
        }

        CliExit code = where_find(options, /* needs_config= */ false, &where);
        if (code == CLI_WELL)
                code = explain(app, &where, &question, options->has_json);

        where_done(&where);
        return code;
}

static const CliVerb verbs[] = {
        {
                .name = "explain",
                .group = CLI_GROUP_LOOK,
                .usage = "[SERVICE | EVENT]",
                .summary = N_(
                        "the story of the last incident: what was seen, decided, refused, and why"),
                .options = "cNjp",
                .help = N_(
                        "  albraguard explain\n"
                        "  albraguard explain albratrading-multi\n"
                        "  albraguard explain 42                 the incident event 42 belongs to"),
                .run = run_explain,
        },
};

const CliVerbs explain_verbs = { verbs, ELEMENTSOF(verbs) };
