/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Status screen: the one that is read at four in the morning.
 *
 * The first line is the verdict, in words, and if nothing is wrong it is all that has to be read.
 * Then the machine, then the services. What is well is short and what is not is told at length: a
 * few services get their whole block each, of many only the troubled ones do and the others one row.
 * The last lines are commands to type, with what each does, chosen by how things stand; whoever was
 * woken should not have to remember them.
 *
 * Made only from the document of `status --json` and some events, and to any stream, so that each
 * screen can be kept as a file and compared byte for byte.
 */

#include "cli/status_screen.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/i18n.h"
#include "base/text.h"
#include "cli/field.h"
#include "cli/service_view.h"
#include "cli/when.h"

enum {
        VIEWS_MAX = 128, /* twice what a daemon of today guards */
        BLOCKS_MAX = 4,  /* up to here every service gets its block */
        HINTS_MAX = 6,   /* more commands than this are a manual */
        BAR_CELLS = 8,
        HINT_WIDTH_MAX = 44, /* leaves room for what it does on a usual terminal */
        TEXT_SIZE = 1024,
};

/* Processor time the hypervisor keeps from us is worth a place on the screen from 5 % on: less is everyday on shared
 * machines. */
#define STEAL_SHOWN_MILLI 5000

typedef struct Hints {
        unsigned count;
        struct {
                char command[PATH_SIZE + 128];
                const char *why;
        } items[HINTS_MAX];
} Hints;

/* All that the parts of the screen share. */
typedef struct Scene {
        Screen *screen;
        const StatusLook *look;
        const json_t *host;
        const json_t *watchdog;
        usec_t now_usec;
        unsigned n_views;
        ServiceView views[VIEWS_MAX];
} Scene;

static bool is_clerk_gone(const json_t *status) {
        const json_t *watchdog = json_object_get(status, "watchdog");
        const json_t *clerk = json_object_get(watchdog, "clerk_pid");

        return clerk && json_integer_value(clerk) <= 0; /* null reads as 0 */
}

/* Whether the daemon itself is not whole. */
static bool is_unwell(const json_t *status) {
        return is_clerk_gone(status) ||
               field_text(json_object_get(status, "watchdog"), "reason")[0] != '\0';
}

static bool is_shown(const char *wanted, const json_t *service) {
        return wanted[0] == '\0' || strcmp(wanted, field_text(service, "name")) == 0;
}

bool status_has_service(const json_t *status, const char *service) {
        size_t index;
        json_t *item;

        json_array_foreach(field_array(status, "services"), index, item) {
                if (strcmp(service, field_text(item, "name")) == 0)
                        return true;
        }

        return false;
}

CliExit status_judge(const json_t *status, const char *service) {
        size_t index;
        json_t *item;

        if (is_unwell(status))
                return CLI_FINDINGS;

        Level host = field_level(json_object_get(status, "host"), "level");
        if (service[0] == '\0' && (host == LEVEL_WARNING || host == LEVEL_CRITICAL))
                return CLI_FINDINGS;

        json_array_foreach(field_array(status, "services"), index, item) {
                ServiceView view;

                service_view_init(&view, item);
                if (is_shown(service, item) && standing_is_finding(view.standing))
                        return CLI_FINDINGS;
        }

        return CLI_WELL;
}

static const ServiceView *worst_view(const Scene *scene, unsigned *ret_n_troubled) {
        const ServiceView *worst = NULL;
        unsigned count = 0;

        for (unsigned i = 0; i < scene->n_views; i++) {
                if (scene->views[i].standing == STANDING_WELL)
                        continue;
                count++;
                if (!worst || scene->views[i].standing > worst->standing)
                        worst = &scene->views[i];
        }

        *ret_n_troubled = count;
        return worst;
}

static void put_verdict_line(Scene *scene, Paint paint, const char *text) {
        screen_put(scene->screen, paint, "● ");
        screen_put_wrapped(scene->screen, paint == PAINT_GREEN ? PAINT_BOLD : paint, text, 2);
        screen_line_feed(scene->screen);
}

static void put_well(Scene *scene) {
        char text[TEXT_SIZE];
        char uptime[DURATION_TEXT_SIZE];
        Buf buf = BUF_OVER(text);
        int64_t uptime_s = field_integer(scene->watchdog, "uptime_s");

        text[0] = '\0';
        buf_put(&buf, _("All is well."));
        if (uptime_s >= 0) {
                buf_put(&buf, " ");
                buf_printf(&buf,
                           ngettext("%u service, watched for %s.", "%u services, watched for %s.",
                                    scene->n_views),
                           scene->n_views,
                           text_render_duration(uptime, (usec_t) uptime_s * USEC_PER_SEC));
        }
        put_verdict_line(scene, PAINT_GREEN, text);
}

static void put_high(Buf *buf, const char *label, const char *path, int64_t milli, Level level) {
        char percent[CHECK_VALUE_SIZE];

        if (level == LEVEL_WARNING || level == LEVEL_CRITICAL)
                buf_printf(buf, "%s%s%s%s %s", buf->length > 0 ? ", " : "", label,
                           path[0] != '\0' ? " " : "", path, percent_render(percent, milli));
}

static void put_host_verdict(Scene *scene, Level level) {
        char text[TEXT_SIZE];
        char what[TEXT_SIZE];
        Buf buf = BUF_OVER(what);
        size_t index;
        json_t *disk;

        what[0] = '\0';
        put_high(&buf, _("cpu"), "", field_milli(scene->host, "cpu_percent"),
                 field_level(scene->host, "cpu_level"));
        put_high(&buf, _("memory"), "", field_milli(scene->host, "memory_percent"),
                 field_level(scene->host, "memory_level"));
        json_array_foreach(field_array(scene->host, "disk"), index, disk) {
                put_high(&buf, _("disk"), field_text(disk, "path"), field_milli(disk, "percent"),
                         field_level(disk, "level"));
        }

        buf = BUF_OVER(text);
        text[0] = '\0';
        buf_printf(&buf, _("The machine: %s"), level_to_words(level));
        if (what[0] != '\0')
                buf_printf(&buf, " — %s", what);
        put_verdict_line(scene, paint_of(level), text);
}

static void put_verdict(Scene *scene) {
        char text[TEXT_SIZE];
        Buf buf = BUF_OVER(text);
        unsigned n_troubled;
        const ServiceView *worst = worst_view(scene, &n_troubled);
        Level host = field_level(scene->host, "level");
        bool is_host = scene->look->service[0] == '\0' &&
                       (host == LEVEL_WARNING || host == LEVEL_CRITICAL);

        text[0] = '\0';
        if (worst && standing_is_finding(worst->standing)) {
                buf_printf(&buf, "%s: ", worst->name);
                service_view_put_headline(worst, scene->now_usec, &buf);
                if (n_troubled > 1)
                        buf_printf(&buf,
                                   ngettext(" (and %u more)", " (and %u more)", n_troubled - 1),
                                   n_troubled - 1);
                put_verdict_line(scene, standing_paint(worst->standing), text);
        }
        if (is_host)
                put_host_verdict(scene, host);
        if (field_text(scene->watchdog, "reason")[0] != '\0')
                put_verdict_line(scene, PAINT_YELLOW, field_text(scene->watchdog, "reason"));
        else if (is_clerk_gone(scene->look->status))
                put_verdict_line(
                        scene, PAINT_YELLOW,
                        _("The clerk is gone: nobody asks over HTTP, reads logs or sends messages until it is back."));

        if ((worst && standing_is_finding(worst->standing)) || is_host ||
            is_unwell(scene->look->status))
                return;
        if (!worst) {
                put_well(scene);
                return;
        }

        buf_init(&buf, text, sizeof(text));
        buf_put(&buf, _("Nothing is wrong, but: "));
        buf_printf(&buf, "%s: ", worst->name);
        service_view_put_headline(worst, scene->now_usec, &buf);
        if (n_troubled > 1)
                buf_printf(&buf, ngettext(" (and %u more)", " (and %u more)", n_troubled - 1),
                           n_troubled - 1);
        put_verdict_line(scene, standing_paint(worst->standing), text);
}

/* One of the machine's gauges; goes to the next line when it does not fit this one. */
static void put_gauge(Scene *scene, const char *label, int64_t milli, Level level) {
        Screen *screen = scene->screen;
        char percent[CHECK_VALUE_SIZE];
        Paint paint = level == LEVEL_UNKNOWN ? PAINT_PLAIN : paint_of(level);
        unsigned width = screen_width_of(label) + 1 + 6 + 1 + BAR_CELLS;

        if (screen->column > 2) {
                if (screen->column + 3 + width > screen->width) {
                        screen_line_feed(screen);
                        screen_move_to(screen, 2);
                } else
                        screen_put(screen, PAINT_PLAIN, "   ");
        }

        screen_put(screen, PAINT_PLAIN, label);
        screen_put_field(screen, level == LEVEL_NORMAL ? PAINT_PLAIN : paint,
                         percent_render(percent, milli), 7,
                         /* to_right= */ true);
        screen_put(screen, PAINT_PLAIN, " ");
        screen_put_bar(screen, paint, milli == FIELD_ABSENT ? 0 : (int) MIN(milli / 100, 1000),
                       BAR_CELLS);
}

static Level level_or_unknown(const json_t *object, const char *key) {
        return json_object_get(object, key) ? field_level(object, key) : LEVEL_UNKNOWN;
}

static void put_host(Scene *scene) {
        size_t index;
        json_t *disk;

        if (!json_is_object(scene->host))
                return;

        screen_move_to(scene->screen, 2);
        put_gauge(scene, _("cpu"), field_milli(scene->host, "cpu_percent"),
                  level_or_unknown(scene->host, "cpu_level"));
        put_gauge(scene, _("memory"), field_milli(scene->host, "memory_percent"),
                  level_or_unknown(scene->host, "memory_level"));
        json_array_foreach(field_array(scene->host, "disk"), index, disk) {
                char label[64];

                (void) snprintf(label, sizeof(label), "%s %.40s", _("disk"),
                                field_text(disk, "path"));
                put_gauge(scene, label, field_milli(disk, "percent"),
                          level_or_unknown(disk, "level"));
        }
        if (field_milli(scene->host, "steal_percent") >= STEAL_SHOWN_MILLI)
                put_gauge(scene, _("stolen by other machines"),
                          field_milli(scene->host, "steal_percent"), LEVEL_UNKNOWN);
        screen_line_feed(scene->screen);
}

/* "running for 1 m 26 s", "not known". */
static void put_state(Buf *buf, const ServiceView *view) {
        char text[DURATION_TEXT_SIZE];
        int64_t since_s = field_integer(view->json, "state_age_s");

        if (since_s < 0 && view->state == SERVICE_RUNNING)
                since_s = field_integer(view->json, "age_s");

        buf_put(buf, view->state == _SERVICE_STATE_MAX ? _("state not known")
                                                       : service_state_to_words(view->state));
        if (since_s > 0)
                buf_printf(buf, _(" for %s"),
                           text_render_duration(text, (usec_t) since_s * USEC_PER_SEC));
}

static void put_separator(Buf *buf) {
        if (buf->length > 0)
                buf_put(buf, " · ");
}

static void put_numbers(Buf *buf, const json_t *service) {
        char text[SIZE_TEXT_SIZE];
        int64_t pid = field_integer(service, "pid");
        int64_t memory = field_integer(service, "memory_bytes");
        int64_t fds = field_integer(service, "fds");
        int64_t limit = field_integer(service, "fds_limit");
        int64_t connections = field_integer(service, "connections");

        if (pid > 0)
                buf_printf(buf, _("pid %lld"), (long long) pid);
        if (memory >= 0) {
                put_separator(buf);
                buf_printf(buf, _("memory %s"), text_render_size(text, (uint64_t) memory));
        }
        if (fds >= 0) {
                put_separator(buf);
                if (limit > 0)
                        buf_printf(buf, _("open files %lld of %lld"), (long long) fds,
                                   (long long) limit);
                else
                        buf_printf(buf, _("open files %lld"), (long long) fds);
        }
        if (connections >= 0) {
                put_separator(buf);
                buf_printf(buf, _("connections %lld"), (long long) connections);
        }
}

static void put_budget(Buf *buf, const json_t *service) {
        const json_t *restarts = json_object_get(service, "restarts");
        int64_t used = field_integer(restarts, "used");
        int64_t limit = field_integer(restarts, "limit");
        int64_t per_s = field_integer(restarts, "per_s");
        int64_t cooldown_s = field_integer(restarts, "cooldown_left_s");
        int64_t failures = field_integer(service, "failures");
        char text[DURATION_TEXT_SIZE];

        if (used >= 0 && limit >= 0 && per_s > 0)
                buf_printf(buf, _("restarts %lld of %lld in %s"), (long long) used,
                           (long long) limit,
                           text_render_duration(text, (usec_t) per_s * USEC_PER_SEC));
        if (cooldown_s > 0) {
                put_separator(buf);
                buf_printf(buf, _("cool-down %s left"),
                           text_render_duration(text, (usec_t) cooldown_s * USEC_PER_SEC));
        }
        if (failures > 0) {
                put_separator(buf);
                buf_printf(buf, _("failures in a row %lld"), (long long) failures);
        }
}

static const char *render_age(char *buffer, size_t size, const json_t *check) {
        int64_t age_s = field_integer(check, "age_s");
        char text[DURATION_TEXT_SIZE];

        if (age_s == FIELD_ABSENT || age_s < 0)
                (void) text_copy(buffer, size, _("never"));
        else if (age_s == 0)
                (void) text_copy(buffer, size, _("now"));
        else
                (void) snprintf(buffer, size, _("%s ago"),
                                text_render_duration(text, (usec_t) age_s * USEC_PER_SEC));

        return buffer;
}

/* Widths of the columns of one table of checks. */
typedef struct Columns {
        unsigned name;
        unsigned level;
        unsigned value;
        unsigned age;
} Columns;

static void measure(Columns *columns, const json_t *check) {
        char text[CHECK_VALUE_SIZE];

        columns->name = MIN(MAX(columns->name, screen_width_of(check_words(check))), 24U);
        columns->level =
                MAX(columns->level, screen_width_of(level_to_words(field_level(check, "level"))));
        columns->value = MAX(columns->value, screen_width_of(check_value_render(text, check)));
        columns->age = MAX(columns->age, screen_width_of(render_age(text, sizeof(text), check)));
}

static void put_check(Scene *scene, const Columns *columns, const json_t *check) {
        Screen *screen = scene->screen;
        Level level = field_level(check, "level");
        char text[CHECK_VALUE_SIZE];

        screen_move_to(screen, 4);
        screen_put_field(screen, PAINT_PLAIN, check_words(check), columns->name,
                         /* to_right= */ false);
        screen_put(screen, PAINT_PLAIN, "  ");
        screen_put_field(screen, paint_of(level), level_to_words(level), columns->level,
                         /* to_right= */ false);
        screen_put(screen, PAINT_PLAIN, "  ");
        screen_put_field(screen, PAINT_PLAIN, check_value_render(text, check), columns->value,
                         /* to_right= */ true);
        screen_put(screen, PAINT_PLAIN, "  ");
        screen_put_field(screen, PAINT_DIM, render_age(text, sizeof(text), check), columns->age,
                         /* to_right= */ true);
        if (field_text(check, "reason")[0] != '\0') {
                screen_put(screen, PAINT_PLAIN, "  ");
                screen_put_wrapped(screen, PAINT_PLAIN, field_text(check, "reason"),
                                   screen->column);
        }
        screen_line_feed(screen);
}

static void put_checks(Scene *scene, const json_t *service) {
        const json_t *checks = field_array(service, "checks");
        Columns columns = { 0 };
        size_t index;
        json_t *check;

        json_array_foreach(checks, index, check) {
                measure(&columns, check);
        }
        json_array_foreach(checks, index, check) {
                put_check(scene, &columns, check);
        }
}

static void put_indented(Scene *scene, Paint paint, const Buf *buf) {
        if (buf->length == 0)
                return;

        screen_move_to(scene->screen, 4);
        screen_put_wrapped(scene->screen, paint, buf->data, 4);
        screen_line_feed(scene->screen);
}

static void put_block(Scene *scene, const ServiceView *view) {
        char text[TEXT_SIZE];
        Buf buf = BUF_OVER(text);

        screen_line_feed(scene->screen);
        screen_put(scene->screen, standing_paint(view->standing), "● ");
        screen_put(scene->screen, PAINT_BOLD, view->name);
        screen_put(scene->screen, PAINT_PLAIN, "  ");
        buf_init(&buf, text, sizeof(text));
        put_state(&buf, view);
        screen_put_wrapped(scene->screen, PAINT_PLAIN, text, 4);
        screen_line_feed(scene->screen);

        /* Of a single service the verdict has said it. */
        if (view->standing != STANDING_WELL && scene->n_views > 1) {
                buf_init(&buf, text, sizeof(text));
                service_view_put_headline(view, scene->now_usec, &buf);
                put_indented(scene, standing_paint(view->standing), &buf);
        }

        buf_init(&buf, text, sizeof(text));
        put_numbers(&buf, view->json);
        put_indented(scene, PAINT_PLAIN, &buf);

        buf_init(&buf, text, sizeof(text));
        put_budget(&buf, view->json);
        put_indented(scene, PAINT_PLAIN, &buf);

        put_checks(scene, view->json);
}

static void put_row(Scene *scene, const ServiceView *view, unsigned name_width) {
        Screen *screen = scene->screen;
        const json_t *restarts = json_object_get(view->json, "restarts");
        int64_t memory = field_integer(view->json, "memory_bytes");
        int64_t used = field_integer(restarts, "used");
        char text[TEXT_SIZE];
        Buf buf = BUF_OVER(text);

        screen_put(screen, standing_paint(view->standing), "● ");
        screen_put_field(screen, PAINT_PLAIN, view->name, name_width, /* to_right= */ false);
        screen_put(screen, PAINT_PLAIN, "  ");
        buf_init(&buf, text, sizeof(text));
        put_state(&buf, view);
        screen_put_field(screen, PAINT_PLAIN, text, 24, /* to_right= */ false);
        screen_put_field(screen, PAINT_PLAIN,
                         memory >= 0 ? text_render_size(text, (uint64_t) memory) : "", 8,
                         /* to_right= */ true);
        if (used > 0)
                screen_printf(screen, PAINT_PLAIN, _("  restarts %lld of %lld"), (long long) used,
                              (long long) field_integer(restarts, "limit"));
        screen_line_feed(screen);
}

static void put_services(Scene *scene) {
        bool has_rows = scene->n_views > BLOCKS_MAX;
        unsigned name_width = 0;
        bool is_first = true;

        for (unsigned i = 0; i < scene->n_views; i++) {
                name_width = MIN(MAX(name_width, screen_width_of(scene->views[i].name)), 28U);
                if (!has_rows || scene->views[i].standing != STANDING_WELL)
                        put_block(scene, &scene->views[i]);
        }

        for (unsigned i = 0; has_rows && i < scene->n_views; i++) {
                if (scene->views[i].standing != STANDING_WELL)
                        continue;
                if (is_first)
                        screen_line_feed(scene->screen);
                is_first = false;
                put_row(scene, &scene->views[i], name_width);
        }
}

static void put_events(Scene *scene) {
        const Happened *happened = scene->look->happened;

        if (!happened || happened->count == 0)
                return;

        screen_line_feed(scene->screen);
        screen_put(scene->screen, PAINT_BOLD, _("What happened last"));
        screen_line_feed(scene->screen);
        for (size_t i = 0; i < happened->count; i++) {
                screen_move_to(scene->screen, 2);
                happened_show(scene->screen, &happened->events[i], scene->now_usec,
                              scene->n_views > 1);
        }
}

static void
hint(Hints *hints, const StatusLook *look, const char *verb, const char *service, const char *why) {
        char command[PATH_SIZE + 128];

        (void) snprintf(command, sizeof(command), "albraguard %s%s%.63s%s", verb,
                        service[0] != '\0' ? " " : "", service, look->hint);

        for (unsigned i = 0; i < hints->count; i++)
                if (strcmp(hints->items[i].command, command) == 0)
                        return;

        if (hints->count < HINTS_MAX) {
                (void) text_copy(hints->items[hints->count].command, sizeof(command),
                                 command); /* of the same size */
                hints->items[hints->count++].why = why;
        }
}

static void hint_for(Hints *hints, const StatusLook *look, const ServiceView *view) {
        switch (view->standing) {
        case STANDING_HELD:
                hint(hints, look, "explain", view->name, _("why it was given up for now"));
                if (look->has_logs)
                        hint(hints, look, "logs", view->name, _("what it wrote last"));
                hint(hints, look, "release", view->name,
                     _("when it is mended: end the hold and start it"));
                break;
        case STANDING_CRITICAL:
        case STANDING_FAILED:
                hint(hints, look, "explain", view->name,
                     _("what was seen and what was done about it"));
                if (look->has_logs)
                        hint(hints, look, "logs", view->name, _("what it wrote last"));
                if (view->paused_until_usec > 0)
                        hint(hints, look, "resume", view->name, _("let it be acted on again"));
                else
                        hint(hints, look, "pause", view->name,
                             _("keep our hands off while you look"));
                break;
        case STANDING_WARNING:
                hint(hints, look, "explain", view->name,
                     _("what was seen and what was done about it"));
                if (view->paused_until_usec > 0)
                        hint(hints, look, "resume", view->name, _("let it be acted on again"));
                break;
        case STANDING_PAUSED:
                hint(hints, look, "resume", view->name, _("let it be acted on again"));
                break;
        case STANDING_STOPPED:
                hint(hints, look, "start", view->name, _("start it, and guard it again"));
                break;
        case STANDING_UNKNOWN:
                hint(hints, look, "events", view->name, _("what is known of it"));
                break;
        case STANDING_WELL:
        case _STANDING_MAX:
                break;
        }
}

static void put_hints(Scene *scene) {
        Screen *screen = scene->screen;
        Hints hints = { 0 };
        unsigned width = 0;

        /* Worst first: what there is no room for is what matters least. */
        for (int standing = _STANDING_MAX - 1; standing > STANDING_WELL; standing--)
                for (unsigned i = 0; i < scene->n_views; i++)
                        if (scene->views[i].standing == (Standing) standing)
                                hint_for(&hints, scene->look, &scene->views[i]);
        if (is_clerk_gone(scene->look->status))
                hint(&hints, scene->look, "events", "", _("when and why the clerk went"));
        if (hints.count == 0)
                return;

        for (unsigned i = 0; i < hints.count; i++) {
                unsigned wanted = screen_width_of(hints.items[i].command);

                if (wanted <= HINT_WIDTH_MAX)
                        width = MAX(width, wanted);
        }

        screen_line_feed(screen);
        screen_put(screen, PAINT_BOLD, _("What to type next"));
        screen_line_feed(screen);
        for (unsigned i = 0; i < hints.count; i++) {
                screen_move_to(screen, 2);
                screen_put(screen, PAINT_BOLD, hints.items[i].command);
                if (screen->column > width + 2) {
                        /* Too long for the table: what it does goes below. */
                        screen_line_feed(screen);
                        screen_move_to(screen, 6);
                        screen_put_wrapped(screen, PAINT_PLAIN, hints.items[i].why, 6);
                } else {
                        screen_move_to(screen, width + 4);
                        screen_put_wrapped(screen, PAINT_PLAIN, hints.items[i].why, width + 4);
                }
                screen_line_feed(screen);
        }
}

void status_render(Screen *screen, const StatusLook *look) {
        Scene scene = {
                .screen = screen,
                .look = look,
                .host = json_object_get(look->status, "host"),
                .watchdog = json_object_get(look->status, "watchdog"),
                .now_usec = field_time(look->status, "time"),
        };
        size_t index;
        json_t *service;

        json_array_foreach(field_array(look->status, "services"), index, service) {
                if (is_shown(look->service, service) && scene.n_views < VIEWS_MAX)
                        service_view_init(&scene.views[scene.n_views++], service);
        }

        put_verdict(&scene);
        screen_line_feed(screen);
        put_host(&scene);
        put_services(&scene);
        put_events(&scene);
        put_hints(&scene);
}

void status_render_absent(Screen *screen, const json_t *checkpoint, usec_t age_usec) {
        const json_t *services = field_array(checkpoint, "services");
        char text[TEXT_SIZE];
        size_t index;
        json_t *service;

        if (json_array_size(services) == 0)
                return;

        screen_printf(screen, PAINT_BOLD, _("What was known %s ago"),
                      text_render_duration(text, age_usec));
        screen_line_feed(screen);
        json_array_foreach(services, index, service) {
                int64_t state = field_integer(service, "state");
                const char *words = state >= 0 && state < _SERVICE_STATE_MAX
                                            ? service_state_to_words((ServiceState) state)
                                            : _("state not known");

                if (field_integer(service, "is_held") > 0)
                        words = service_state_to_words(SERVICE_HELD);
                else if (field_integer(service, "is_operator_stopped") > 0)
                        words = _("stopped by a person");

                screen_move_to(screen, 2);
                screen_put(screen, PAINT_BOLD, field_text(service, "name"));
                screen_put(screen, PAINT_PLAIN, ": ");
                screen_put_wrapped(screen, PAINT_PLAIN, words, 4);
                screen_line_feed(screen);
        }
}
