/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Logs: the service's own lines, with the severe ones marked.
 *
 * Which files they are in is known from the configuration, so nobody has to remember. A line that
 * one of the service's patterns calls severe is marked in front, by a sign that can be searched for
 * in a pager, and in colour where there is one. The lines are a stranger's: they are shown cleaned.
 *
 * A service that logs to the journal has a better tool for it; that one is started with the right
 * words.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/i18n.h"
#include "base/text.h"
#include "cli/screen.h"
#include "cli/tail.h"
#include "cli/verbs.h"
#include "cli/where.h"

enum {
        LINES_USUAL = 20,
        LINES_MAX = 100000,
        FOLLOW_MSEC = 500,
        FILES_MAX = LOG_FILES_MAX + 1, /* and where its output goes */
};

typedef struct LogView {
        const CliApp *app;
        const ServiceConfig *service;
        Screen screen;
        bool has_titles;
        const Tail *shown; /* the file the last line was of */
        unsigned n_tails;
        Tail *tails;
} LogView;

static const char *mark_of(Level level) {
        switch (level) {
        case LEVEL_WARNING:
                return "!  ";
        case LEVEL_CRITICAL:
                return "!! ";
        case LEVEL_NORMAL:
        case LEVEL_UNKNOWN:
        case _LEVEL_MAX:
                break;
        }

        return "   ";
}

static void show_title(LogView *view, const Tail *tail) {
        if (view->shown)
                screen_line_feed(&view->screen);
        screen_printf(&view->screen, PAINT_BOLD, "==> %s <==", tail->path);
        screen_line_feed(&view->screen);
}

static void show_line(const Tail *tail, const char *line, size_t length, void *userdata) {
        LogView *view = userdata;
        Level level = view->app->match_line ? view->app->match_line(view->service, line, length)
                                            : LEVEL_NORMAL;
        Paint paint =
                level == LEVEL_WARNING || level == LEVEL_CRITICAL ? paint_of(level) : PAINT_PLAIN;

        if (view->has_titles && view->shown != tail)
                show_title(view, tail);
        view->shown = tail;

        screen_put(&view->screen, paint, mark_of(level));
        screen_put(&view->screen, paint, line);
        if (tail->is_line_cut)
                screen_put(&view->screen, PAINT_DIM, " …");
        screen_line_feed(&view->screen);
}

static void show_last(LogView *view, size_t lines) {
        for (unsigned i = 0; i < view->n_tails; i++) {
                int r = tail_read_last(&view->tails[i], lines, show_line, view);

                if (r < 0)
                        (void) fprintf(stderr, "albraguard: %s: %s\n", view->tails[i].path,
                                       strerror(-r));
        }
        (void) fflush(stdout); /* a reader that is gone ends us by itself */
}

static CliExit follow(LogView *view) {
        for (;;) {
                (void) poll(NULL, 0,
                            FOLLOW_MSEC); /* an interrupted wait only looks again earlier */

                for (unsigned i = 0; i < view->n_tails; i++) {
                        int r = tail_read_new(&view->tails[i], show_line, view);

                        if (r < 0) {
                                (void) fprintf(stderr, "albraguard: %s: %s\n", view->tails[i].path,
                                               strerror(-r));
                                return CLI_FINDINGS;
                        }
                }
                (void) fflush(stdout); /* as above */
        }
}

static bool add_file(LogView *view, const char *path) {
        for (unsigned i = 0; i < view->n_tails; i++)
                if (strcmp(view->tails[i].path, path) == 0)
                        return false;

        tail_init(&view->tails[view->n_tails++], path);
        return true;
}

static CliExit show_files(LogView *view, const CliOptions *options, size_t lines) {
        const LogsConfig *logs = &view->service->logs;
        CLEANUP_FREE Tail *tails = malloc(FILES_MAX * sizeof(Tail));

        if (!tails)
                return CLI_FINDINGS;

        view->tails = tails;
        for (unsigned i = 0; i < logs->n_files; i++)
                (void) add_file(view, logs->files[i]); /* one that is named twice is read once */
        if (view->service->output[0] != '\0')
                (void) add_file(view, view->service->output); /* as above */

        view->has_titles = view->n_tails > 1;
        screen_open(&view->screen, stdout);
        show_last(view, lines);

        CliExit code = options->has_follow ? follow(view) : CLI_WELL;

        for (unsigned i = 0; i < view->n_tails; i++)
                tail_done(&view->tails[i]);
        return code;
}

/* Becomes journalctl(1). Returns only when that cannot be. */
static CliExit show_journal(const ServiceConfig *service, const CliOptions *options, size_t lines) {
        char number[24];
        const char *words[] = { "journalctl", "--unit", service->unit,
                                "--lines",    number,   options->has_follow ? "--follow" : NULL,
                                NULL };

        (void) snprintf(number, sizeof(number), "%zu", lines);
        (void) execvp(
                words[0],
                (char **) (void *) words); /* returns only with an error, which is told below */
        (void) fprintf(stderr, _("albraguard: cannot run journalctl: %s\n"), strerror(errno));
        return CLI_FINDINGS;
}

static const ServiceConfig *choose(const Config *config, const char *name) {
        if (name[0] != '\0') {
                int index = config_find_service(config, name);

                if (index < 0)
                        (void) fprintf(stderr, _("albraguard: there is no service “%s”.\n"), name);
                return index < 0 ? NULL : &config->services[index];
        }
        if (config->n_services == 1)
                return &config->services[0];

        (void) fprintf(stderr, "%s\n", _("albraguard: which one? Say its name:"));
        for (unsigned i = 0; i < config->n_services; i++)
                (void) fprintf(stderr, "  %s\n", config->services[i].name);
        return NULL;
}

static CliExit
show_logs(const CliApp *app, const Where *where, const CliOptions *options, size_t lines) {
        LogView view = { .app = app };

        if (!where->config) {
                (void) fprintf(
                        stderr, "%s\n",
                        _("albraguard: no configuration says where this one's logs are; `run` leaves the output where it was."));
                return CLI_USAGE;
        }

        view.service = choose(where->config, options->n_arguments > 0 ? options->arguments[0] : "");
        if (!view.service)
                return CLI_USAGE;
        if (view.service->logs.n_files > 0 || view.service->output[0] != '\0')
                return show_files(&view, options, lines);
        if (view.service->unit[0] != '\0')
                return show_journal(view.service, options, lines);

        (void) fprintf(stderr,
                       _("albraguard: the configuration names no log of %s (logs: files:).\n"),
                       view.service->name);
        return CLI_FINDINGS;
}

static CliExit run_logs(const CliApp *app, const CliOptions *options) {
        uint64_t lines = LINES_USUAL;
        Where where;

        if (options->n_arguments > 1 ||
            (options->lines &&
             (text_parse_u64(options->lines, &lines) < 0 || lines == 0 || lines > LINES_MAX))) {
                (void) fprintf(stderr, _("albraguard logs: one service, and -n from 1 to %d\n"),
                               LINES_MAX);
                return CLI_USAGE;
        }

        CliExit code = where_find(options, /* needs_config= */ false, &where);
        if (code == CLI_WELL)
                code = show_logs(app, &where, options, (size_t) lines);

        where_done(&where);
        return code;
}

static const CliVerb verbs[] = {
        {
                .name = "logs",
                .group = CLI_GROUP_LOOK,
                .usage = "[SERVICE] [-f] [-n N]",
                .summary = N_("the service's own log lines, severe ones marked"),
                .options = "cNfnp",
                .help = N_(
                        "Lines that match a pattern of the configuration are marked: !! critical, ! warning.\n"
                        "\n"
                        "  albraguard logs albratrading-multi -n 100\n"
                        "  albraguard logs -f"),
                .run = run_logs,
        },
};

const CliVerbs logs_verbs = { verbs, ELEMENTSOF(verbs) };
