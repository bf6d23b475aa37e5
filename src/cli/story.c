/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Story: an incident in the order in which a person asks.
 *
 * What was seen, what was decided and why, what was refused and why, how it ended, what is left. The
 * events bring their own sentences; what is added here is the rule behind them. "Not now, because of
 * the cool-down" makes somebody at night ask what that is for, so beneath each decision and each
 * refusal stands what the rule is and which key of the configuration holds it.
 *
 * The numbers of an event's reason are shown as they are, in one line, for those who want to check.
 */

#include "cli/story.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/i18n.h"
#include "base/text.h"
#include "cli/field.h"
#include "cli/service_view.h"
#include "cli/when.h"

static const char *const titles[] = {
        [ROLE_NONE] = "",
        [ROLE_SEEN] = N_("What was seen"),
        [ROLE_DECIDED] = N_("What was decided, and why"),
        [ROLE_REFUSED] = N_("What was refused, and why"),
        [ROLE_TOLD] = N_("Who was told"),
        [ROLE_ENDED] = N_("How it ended"),
};

static_assert(ELEMENTSOF(titles) == _ROLE_MAX, "a title for each role");

/* The rule behind a decision or a refusal, by the code of its reason. */
static const struct {
        Role role;
        const char *code;
        const char *words;
} rules[] = {
        { ROLE_DECIDED, "consecutive-failures",
          N_("One failed check proves little; so many in a row (watch.failures) do.") },
        { ROLE_DECIDED, "crash",
          N_("It ended without being asked to; after a delay it is started again.") },
        { ROLE_DECIDED, "first-start", N_("It is to be running, and was not yet.") },
        { ROLE_DECIDED, "memory-max",
          N_("Over its own ceiling it is better stopped cleanly than killed with its neighbours.") },
        { ROLE_DECIDED, "operator",
          N_("A person asked for it; that counts, but is never refused for the budget.") },
        { ROLE_DECIDED, "slow-retry",
          N_("Held is not given up: from time to time one attempt is made, ever more rarely.") },
        { ROLE_DECIDED, "budget",
          N_("Restarts that do not help are stopped (watch.max_restarts per watch.per); watching goes on.") },
        { ROLE_REFUSED, "cooldown",
          N_("It gets time to become well before the next act (watch.cooldown), and more after many starts "
             "(start_limit).") },
        { ROLE_REFUSED, "budget",
          N_("So many restarts in that time are the limit (watch.max_restarts, watch.per).") },
        { ROLE_REFUSED, "grace",
          N_("It has only just started; that it does not answer yet proves nothing (watch.grace).") },
        { ROLE_REFUSED, "paused", N_("A person paused it: it is watched, and nothing is done.") },
        { ROLE_REFUSED, "held",
          N_("It is held after too many restarts, until it is released or well for a while.") },
        { ROLE_REFUSED, "operator-stop", N_("A person stopped it, and knows why.") },
        { ROLE_REFUSED, "host-starved",
          N_("The machine itself had no time or memory to give: a restart would punish the wrong one.") },
        { ROLE_REFUSED, "outside-unreachable",
          N_("Nothing outside could be reached (watch.outside): a restart would not bring the network back.") },
        { ROLE_REFUSED, "disk-full",
          N_("Without room on the disk it might not start again: room first.") },
        { ROLE_REFUSED, "systemd-pending",
          N_("systemd was about to restart it by itself, and that counts as one.") },
};

static const char *rule_of(Role role, const char *code) {
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                if (rules[i].role == role && strcmp(rules[i].code, code) == 0)
                        return rules[i].words;

        return NULL;
}

static void put_separator(Buf *buf) {
        if (buf->length > 0)
                buf_put(buf, " · ");
}

static bool is_duration(const char *key) {
        size_t length = strlen(key);

        return length > 2 && strcmp(key + length - 2, "_s") == 0;
}

/* One number of the reason: "failures 3", "left 4 m". */
static void put_fact(Buf *buf, const char *key, const json_t *value) {
        char duration[DURATION_TEXT_SIZE];

        if (json_is_string(value)) {
                if (json_string_length(value) == 0)
                        return;
                put_separator(buf);
                if (strcmp(key, "code") != 0)
                        buf_printf(buf, "%s ", key);
                buf_put(buf, json_string_value(value));
        } else if (json_is_integer(value) && is_duration(key) && json_integer_value(value) >= 0) {
                usec_t usec = (usec_t) MIN(json_integer_value(value),
                                           (json_int_t) (USEC_INFINITY / USEC_PER_SEC / 2)) *
                              USEC_PER_SEC;

                put_separator(buf);
                buf_printf(buf, "%.*s %s", (int) strlen(key) - 2, key,
                           text_render_duration(duration, usec));
        } else if (json_is_integer(value)) {
                put_separator(buf);
                buf_printf(buf, "%s %lld", key, (long long) json_integer_value(value));
        } else if (json_is_boolean(value)) {
                put_separator(buf);
                buf_printf(buf, "%s %s", key, json_is_true(value) ? _("yes") : _("no"));
        }
}

static void put_line(Screen *screen, Paint paint, const char *text) {
        screen_move_to(screen, 12);
        screen_put_wrapped(screen, paint, text, 12);
        screen_line_feed(screen);
}

static void put_why(Screen *screen, Role role, const Event *event) {
        CLEANUP_JSON json_t *reason = field_parse_object(event->reason, strlen(event->reason));
        const char *rule = rule_of(role, field_text(reason, "code"));
        char text[2 * EVENT_REASON_SIZE];
        Buf buf = BUF_OVER(text);
        const char *key;
        json_t *value;

        if (rule)
                put_line(screen, PAINT_PLAIN, _(rule));

        text[0] = '\0';
        json_object_foreach(reason, key, value) {
                put_fact(&buf, key, value);
        }
        if (buf.length > 0)
                put_line(screen, PAINT_DIM, text);
}

static void put_chapter(Screen *screen,
                        Role role,
                        const Incident *incident,
                        const Happened *happened,
                        usec_t now_usec) {
        bool has_title = false;

        for (size_t i = 0; i < happened->count; i++) {
                const Event *event = &happened->events[i];

                if (!incident_has(incident, event) || incident_role_of(event) != role)
                        continue;

                if (!has_title) {
                        screen_line_feed(screen);
                        screen_put(screen, PAINT_BOLD, _(titles[role]));
                        screen_line_feed(screen);
                        has_title = true;
                }

                screen_move_to(screen, 2);
                happened_show(screen, event, now_usec, /* has_service= */ false);
                if (role == ROLE_DECIDED || role == ROLE_REFUSED)
                        put_why(screen, role, event);
        }
}

static void put_head(Screen *screen, const Incident *incident, usec_t now_usec) {
        const char *whom = incident->service[0] != '\0' ? incident->service : _("The machine");
        usec_t lasted_usec =
                usec_sub(incident->is_open ? now_usec : incident->last_usec, incident->first_usec);
        char first[WHEN_TEXT_SIZE];
        char last[WHEN_TEXT_SIZE];
        char lasted[DURATION_TEXT_SIZE];

        (void) text_render_duration(lasted, lasted_usec); /* returns its buffer */
        screen_put(screen, incident->is_open ? PAINT_RED : PAINT_GREEN, "● ");
        screen_printf(screen, PAINT_BOLD, "%s: ", whom);
        if (incident->is_open)
                screen_printf(screen, PAINT_BOLD, _("not over; for %s now"), lasted);
        else
                screen_printf(screen, PAINT_BOLD, _("over; it lasted %s"), lasted);
        screen_line_feed(screen);
        screen_move_to(screen, 2);
        screen_printf(screen, PAINT_DIM, _("from %s to %s, events %llu to %llu"),
                      when_render(first, incident->first_usec, now_usec),
                      when_render(last, incident->last_usec, now_usec),
                      (unsigned long long) incident->first_seq,
                      (unsigned long long) incident->last_seq);
        screen_line_feed(screen);
}

static const json_t *find_service(const json_t *status, const char *name) {
        size_t index;
        json_t *service;

        json_array_foreach(field_array(status, "services"), index, service) {
                if (strcmp(field_text(service, "name"), name) == 0)
                        return service;
        }

        return NULL;
}

static void put_left(Buf *buf, const json_t *service, usec_t now_usec) {
        const json_t *restarts = json_object_get(service, "restarts");
        int64_t used = field_integer(restarts, "used");
        int64_t limit = field_integer(restarts, "limit");
        int64_t per_s = field_integer(restarts, "per_s");
        int64_t cooldown_s = field_integer(restarts, "cooldown_left_s");
        char text[DURATION_TEXT_SIZE];
        ServiceView view;

        service_view_init(&view, service);
        service_view_put_headline(&view, now_usec, buf);
        if (used >= 0 && limit >= 0 && per_s > 0) {
                buf_put(buf, ". ");
                buf_printf(buf, _("Restarts used: %lld of %lld in %s"), (long long) used,
                           (long long) limit,
                           text_render_duration(text, (usec_t) per_s * USEC_PER_SEC));
        }
        if (cooldown_s > 0) {
                buf_put(buf, "; ");
                buf_printf(buf, _("cool-down %s left"),
                           text_render_duration(text, (usec_t) cooldown_s * USEC_PER_SEC));
        }
        buf_put(buf, ".");
}

void story_render(Screen *screen,
                  const Incident *incident,
                  const Happened *happened,
                  const json_t *status,
                  const char *hint,
                  bool has_logs,
                  usec_t now_usec) {
        const json_t *service = find_service(status, incident->service);
        char text[1024];
        Buf buf = BUF_OVER(text);

        put_head(screen, incident, now_usec);
        for (Role role = ROLE_SEEN; role < _ROLE_MAX; role++)
                put_chapter(screen, role, incident, happened, now_usec);

        if (!service)
                return;

        text[0] = '\0';
        screen_line_feed(screen);
        screen_put(screen, PAINT_BOLD, _("What is left of it"));
        screen_line_feed(screen);
        put_left(&buf, service, now_usec);
        screen_move_to(screen, 2);
        screen_put_wrapped(screen, PAINT_PLAIN, text, 2);
        screen_line_feed(screen);

        screen_line_feed(screen);
        screen_put(screen, PAINT_BOLD, _("What to type next"));
        screen_line_feed(screen);
        screen_printf(screen, PAINT_BOLD, "  albraguard status %s%s", incident->service, hint);
        screen_line_feed(screen);
        if (has_logs) {
                screen_printf(screen, PAINT_BOLD, "  albraguard logs %s%s", incident->service,
                              hint);
                screen_line_feed(screen);
        }
}
