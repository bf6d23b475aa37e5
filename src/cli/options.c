/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Options: one table for all verbs.
 *
 * An option means the same wherever it is taken, and each verb says by letters which ones it takes.
 * What a verb does not take is refused rather than passed over: whoever typed --follow to a verb
 * that ends at once should know that it will end. --config, --lang, --name and --json may also stand
 * in front of the verb, because that is where an alias puts them.
 */

#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "base/macro.h"
#include "base/text.h"

enum {
        OPTION_LANGUAGE = 256,
        OPTION_CONFIG,
        OPTION_JSON,
        OPTION_NAME,
        OPTION_SINCE,
        OPTION_WATCH,
        OPTION_DRY_RUN,
        OPTION_VERSION,
};

static const struct option long_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "lang", required_argument, NULL, OPTION_LANGUAGE },
        { "config", required_argument, NULL, OPTION_CONFIG },
        { "json", no_argument, NULL, OPTION_JSON },
        { "name", required_argument, NULL, OPTION_NAME },
        { "follow", no_argument, NULL, 'f' },
        { "lines", required_argument, NULL, 'n' },
        { "since", required_argument, NULL, OPTION_SINCE },
        { "watch", no_argument, NULL, OPTION_WATCH },
        { "dry-run", no_argument, NULL, OPTION_DRY_RUN },
        { "version", no_argument, NULL, OPTION_VERSION },
        { 0 },
};

static bool takes(const char *letters, char letter) {
        return strchr(letters, letter) != NULL;
}

static CliExit complain(const char *verb, const char *words, const char *what) {
        (void) fprintf(stderr, "albraguard%s%s: %s: %s\n", verb[0] != '\0' ? " " : "", verb, words,
                       what);
        (void) fprintf(stderr, _("Try: albraguard %s%s--help\n"), verb, verb[0] != '\0' ? " " : "");
        return CLI_USAGE;
}

/* Takes one option if its letter is among those allowed. */
static bool take(const char *letters, int option, CliOptions *options) {
        switch (option) {
        case OPTION_LANGUAGE:
                options->language = optarg;
                return true;
        case OPTION_CONFIG:
                options->config = optarg;
                return takes(letters, 'c');
        case OPTION_JSON:
                options->has_json = true;
                return takes(letters, 'j');
        case OPTION_NAME:
                options->name = optarg;
                return takes(letters, 'N');
        case OPTION_SINCE:
                options->since = optarg;
                return takes(letters, 's');
        case OPTION_WATCH:
                options->has_watch = true;
                return takes(letters, 'w');
        case OPTION_DRY_RUN:
                options->is_dry_run = true;
                return takes(letters, 'd');
        case 'f':
                options->has_follow = true;
                return takes(letters, 'f');
        case 'n':
                if (takes(letters, 'd') && !optarg) {
                        options->is_dry_run = true;
                        return true;
                }
                options->lines = optarg;
                return takes(letters, 'n');
        default:
                return false;
        }
}

static CliExit check_language(const char *verb, const CliOptions *options) {
        if (!options->language || strcmp(options->language, "en") == 0 ||
            strcmp(options->language, "ko") == 0)
                return CLI_WELL;

        return complain(verb, _("no such language (en, ko)"), options->language);
}

CliExit options_parse(
        const CliVerb *verb, int argc, char **argv, CliOptions *options, bool *ret_wants_help) {
        const char *letters = verb->options ? verb->options : "";
        char short_options[16];

        /* For `watch` -n is a switch, for others it has a number. */
        (void) snprintf(short_options, sizeof(short_options), "%s:hf%s",
                        takes(letters, '+') ? "+" : "", takes(letters, 'd') ? "n" : "n:");
        *ret_wants_help = false;

        opterr = 0;
        optind = 0; /* begin anew (getopt(3), NOTES) */
        for (;;) {
                int before = MAX(optind, 1);
                int option = getopt_long(argc, argv, short_options, long_options, NULL);

                if (option < 0)
                        break;
                if (option == 'h') {
                        *ret_wants_help = true; /* read on: a language may follow */
                        continue;
                }
                if (option == ':')
                        return complain(verb->name, _("this option needs a value"), argv[before]);
                if (!take(letters, option, options))
                        return complain(verb->name, _("no such option here"), argv[before]);
        }

        options->n_arguments = argc - optind;
        options->arguments = argv + optind;

        if (options->n_arguments > 0 && !*ret_wants_help && !takes(letters, 'p') &&
            !takes(letters, '+'))
                return complain(verb->name, _("takes no argument"), options->arguments[0]);

        return check_language(verb->name, options);
}

CliExit options_parse_global(int argc,
                             char **argv,
                             CliOptions *options,
                             int *ret_index,
                             bool *ret_wants_help,
                             bool *ret_wants_version) {
        *ret_wants_help = *ret_wants_version = false;

        opterr = 0;
        optind = 0;
        for (;;) {
                int before = MAX(optind, 1);
                int option = getopt_long(argc, argv, "+:hV", long_options, NULL);

                if (option < 0)
                        break;
                if (option == 'h')
                        *ret_wants_help = true;
                else if (option == 'V' || option == OPTION_VERSION)
                        *ret_wants_version = true;
                else if (option == ':')
                        return complain("", _("this option needs a value"), argv[before]);
                else if (!take("cjN", option, options))
                        return complain("", _("no such option in front of a verb"), argv[before]);
        }

        *ret_index = optind;
        return check_language("", options);
}
