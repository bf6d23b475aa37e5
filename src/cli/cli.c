/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Cli: from the words on the command line to the verb.
 *
 * Each file of this folder brings a table of verbs, the program may add more, and everything a
 * person is told about a verb comes from its row: the list, the usage, --help. So a verb cannot be
 * there and not be listed, or take an option its row does not name.
 *
 * A word that is no verb is answered with the one that is nearest, and does nothing: guessing
 * between `start` and `restart` is not ours to do.
 */

#include "cli/cli.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/macro.h"
#include "base/text.h"
#include "cli/options.h"
#include "cli/screen.h"
#include "cli/verbs.h"
#include "cli/where.h"

static const CliVerbs *const own_verbs[] = {
        &status_verbs, &events_verbs, &explain_verbs, &hand_verbs, &logs_verbs, &guard_verbs,
};

static const char *const group_titles[] = {
        [CLI_GROUP_LOOK] = N_("What is going on"),
        [CLI_GROUP_HAND] = N_("Your hand on it"),
        [CLI_GROUP_CARE] = N_("Care and evidence"),
        [CLI_GROUP_PAST] = N_("The past and the future"),
        [CLI_GROUP_SETUP] = N_("The guard itself"),
        [CLI_GROUP_HIDDEN] = "",
};

static_assert(ELEMENTSOF(group_titles) == _CLI_GROUP_MAX, "a title for each group");

/* The verb at that place among ours and the program's; NULL behind the last. */
static const CliVerb *verb_at(const CliApp *app, unsigned index) {
        for (size_t i = 0; i < ELEMENTSOF(own_verbs); i++) {
                if (index < own_verbs[i]->n_verbs)
                        return &own_verbs[i]->verbs[index];
                index -= own_verbs[i]->n_verbs;
        }

        return index < app->n_verbs ? &app->verbs[index] : NULL;
}

static const CliVerb *find_verb(const CliApp *app, const char *name) {
        const CliVerb *verb;

        for (unsigned i = 0; (verb = verb_at(app, i)); i++)
                if (strcmp(verb->name, name) == 0)
                        return verb;

        return NULL;
}

/* The verb that `name` may have been meant for; NULL when none is near: at most every third letter may be wrong. */
static const CliVerb *nearest_verb(const CliApp *app, const char *name) {
        const CliVerb *nearest = NULL;
        const CliVerb *verb;
        unsigned least = (unsigned) strnlen(name, 60) / 3 + 1;

        for (unsigned i = 0; (verb = verb_at(app, i)); i++) {
                unsigned distance = text_distance(name, verb->name);

                if (verb->group != CLI_GROUP_HIDDEN && distance <= least &&
                    (!nearest || distance < least)) {
                        nearest = verb;
                        least = distance;
                }
        }

        return nearest;
}

static void print_verbs(const CliApp *app, Screen *screen) {
        for (CliGroup group = CLI_GROUP_LOOK; group < CLI_GROUP_HIDDEN; group++) {
                const CliVerb *verb;
                bool is_titled = false;

                for (unsigned i = 0; (verb = verb_at(app, i)); i++) {
                        if (verb->group != group)
                                continue;
                        if (!is_titled) {
                                screen_line_feed(screen);
                                screen_put(screen, PAINT_BOLD, _(group_titles[group]));
                                screen_line_feed(screen);
                                is_titled = true;
                        }
                        screen_printf(screen, PAINT_PLAIN, "  %-10s ", verb->name);
                        screen_put_wrapped(screen, PAINT_PLAIN, _(verb->summary), 13);
                        screen_line_feed(screen);
                }
        }
}

static CliExit print_overview(const CliApp *app) {
        Screen screen;

        screen_open(&screen, stdout);
        screen_put_wrapped(
                &screen, PAINT_PLAIN,
                _("albraguard keeps long-lived services alive: it sees trouble early, explains it, acts within a budget, tells a person, and remembers."),
                0);
        screen_line_feed(&screen);
        screen_line_feed(&screen);
        screen_put(&screen, PAINT_PLAIN, _("Usage: albraguard VERB …"));
        screen_line_feed(&screen);
        print_verbs(app, &screen);
        screen_line_feed(&screen);
        screen_put_wrapped(
                &screen, PAINT_PLAIN,
                _("--config FILE, --name NAME, --json and --lang en|ko may stand before or behind the verb. `albraguard VERB --help` has the options and examples."),
                0);
        screen_line_feed(&screen);
        screen_put_wrapped(
                &screen, PAINT_PLAIN,
                _("Exit codes: 0 well, 1 findings or refused, 2 wrong usage or configuration, 3 the daemon cannot be reached, 4 not permitted."),
                0);
        screen_line_feed(&screen);
        return CLI_WELL;
}

static const struct {
        char letter;
        const char *option;
        const char *words;
} option_help[] = {
        { 'c', "--config FILE", N_("the configuration of the daemon that is meant") },
        { 'N', "--name NAME", N_("an instance started by `albraguard run`") },
        { 'f', "-f, --follow", N_("go on showing what comes") },
        { 'n', "-n, --lines N", N_("how many, the newest") },
        { 's', "--since T",
          N_("from then on: 2h, today, 10:30, 2026-11-23, \"2026-11-23 10:30\"") },
        { 'w', "--watch", N_("again every two seconds, until interrupted") },
        { 'd', "-n, --dry-run", N_("only check, change nothing") },
        { 'j', "--json", N_("for programs; docs/json.md has the fields") },
};

static void print_option(Screen *screen, const char *option, const char *words) {
        screen_printf(screen, PAINT_PLAIN, "  %-16s ", option);
        screen_put_wrapped(screen, PAINT_PLAIN, words, 19);
        screen_line_feed(screen);
}

/* Options and examples stay as they were written: there are commands in them. */
static void print_lines(Screen *screen, const char *lines) {
        screen_line_feed(screen);

        while (*lines != '\0') {
                const char *end = strchrnul(lines, '\n');

                screen_printf(screen, PAINT_PLAIN, "%.*s", (int) (end - lines), lines);
                screen_line_feed(screen);
                lines = *end == '\n' ? end + 1 : end;
        }
}

static CliExit print_help(const CliVerb *verb) {
        const char *letters = verb->options ? verb->options : "";
        Screen screen;

        screen_open(&screen, stdout);
        screen_printf(&screen, PAINT_BOLD, _("Usage: albraguard %s %s"), verb->name, verb->usage);
        screen_line_feed(&screen);
        screen_line_feed(&screen);
        screen_put_wrapped(&screen, PAINT_PLAIN, _(verb->summary), 0);
        screen_line_feed(&screen);
        screen_line_feed(&screen);

        for (size_t i = 0; i < ELEMENTSOF(option_help); i++)
                if (strchr(letters, option_help[i].letter))
                        print_option(&screen, option_help[i].option, _(option_help[i].words));
        print_option(&screen, "--lang en|ko", _("the language of what you read"));
        print_option(&screen, "--help", _("this"));

        if (verb->help[0] != '\0')
                print_lines(&screen, _(verb->help));

        return CLI_WELL;
}

static CliExit refuse_word(const CliApp *app, const char *word) {
        const CliVerb *nearest = nearest_verb(app, word);
        Screen screen;

        screen_open(&screen, stderr);
        if (nearest)
                screen_printf(&screen, PAINT_PLAIN,
                              _("albraguard: “%s” is no verb. Did you mean “%s”?"), word,
                              nearest->name);
        else
                screen_printf(&screen, PAINT_PLAIN,
                              _("albraguard: “%s” is no verb. `albraguard help` lists them."),
                              word);
        screen_line_feed(&screen);
        return CLI_USAGE;
}

static CliExit
run_verb(const CliApp *app, const CliVerb *verb, int argc, char **argv, CliOptions *options) {
        bool wants_help = false;

        if (verb->is_raw) {
                wants_help = verb->options && argc > 1 && strcmp(argv[1], "--help") == 0;
                options->n_arguments = argc - 1;
                options->arguments = argv + 1;
        } else {
                CliExit code = options_parse(verb, argc, argv, options, &wants_help);
                if (code != CLI_WELL)
                        return code;
        }

        if (options->language)
                i18n_open(options->language);

        return wants_help ? print_help(verb) : verb->run(app, options);
}

/* `help`, `help VERB`, and everything that is no verb. */
static CliExit run_word(const CliApp *app, int argc, char **argv, CliOptions *options) {
        static const CliVerb help = { .name = "help", .options = "cNjp" };
        bool wants_help;

        if (strcmp(argv[0], help.name) != 0)
                return refuse_word(app, argv[0]);

        CliExit code = options_parse(&help, argc, argv, options, &wants_help);
        if (code != CLI_WELL)
                return code;
        if (options->language)
                i18n_open(options->language);
        if (wants_help || options->n_arguments == 0)
                return print_overview(app);

        const CliVerb *verb = find_verb(app, options->arguments[0]);
        return verb ? print_help(verb) : refuse_word(app, options->arguments[0]);
}

int cli_main(int argc, char **argv, const CliApp *app) {
        CliOptions options = { 0 };
        bool wants_help;
        bool wants_version;
        int index;

        assert(argc > 0);
        assert(app);

        i18n_open(language_of_environment());

        CliExit code =
                options_parse_global(argc, argv, &options, &index, &wants_help, &wants_version);
        if (code != CLI_WELL)
                return (int) code;
        if (options.language)
                i18n_open(options.language);

        if (wants_version) {
                (void) printf("albraguard %s\n", app->version);
                return CLI_WELL;
        }
        if (index >= argc)
                return (int) print_overview(app);

        const CliVerb *verb = find_verb(app, argv[index]);
        if (!verb)
                return (int) run_word(app, argc - index, argv + index, &options);
        if (wants_help)
                return (int) print_help(verb);

        return (int) run_verb(app, verb, argc - index, argv + index, &options);
}
