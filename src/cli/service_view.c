/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Service view: what one service's part of the status document comes down to.
 *
 * The document has a state, a level, a hold, a pause, a person's stop; each can be there with each.
 * A person wants one word first, and of several services the one that needs them most first. So the
 * five are put on one staircase, the standing, and a sentence is made of what matters on that step:
 * for a held service when it is tried again, for a paused one until when, for a failing one what is
 * about to be done about it, or why nothing is.
 */

#include "cli/service_view.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "base/macro.h"
#include "base/text.h"
#include "cli/field.h"
#include "cli/when.h"
#include "model/check.h"
#include "model/decision.h"

static ServiceState state_of(const json_t *service) {
        const char *name = field_text(service, "state");

        for (ServiceState state = SERVICE_STOPPED; state < _SERVICE_STATE_MAX; state++)
                if (strcmp(name, service_state_to_string(state)) == 0)
                        return state;

        return _SERVICE_STATE_MAX;
}

static usec_t paused_until(const json_t *service) {
        if (field_text(service, "paused_until")[0] == '\0')
                return 0;

        usec_t until_usec = field_time(service, "paused_until");
        return until_usec > 0 ? until_usec : USEC_INFINITY;
}

static Standing standing_of(const ServiceView *view) {
        if (view->state == SERVICE_HELD || field_is_true(view->json, "held"))
                return STANDING_HELD;
        if (view->is_operator_stopped)
                return STANDING_STOPPED;
        if (view->state == SERVICE_FAILED)
                return STANDING_FAILED;
        if (view->level == LEVEL_CRITICAL)
                return STANDING_CRITICAL;
        if (view->level == LEVEL_WARNING)
                return STANDING_WARNING;
        if (view->paused_until_usec > 0)
                return STANDING_PAUSED;
        if (view->state == SERVICE_STOPPED)
                return STANDING_STOPPED;
        if (view->level == LEVEL_UNKNOWN || view->state == _SERVICE_STATE_MAX)
                return STANDING_UNKNOWN;

        return STANDING_WELL;
}

void service_view_init(ServiceView *view, const json_t *service) {
        *view = (ServiceView){
                .json = service,
                .name = field_text(service, "name"),
                .state = state_of(service),
                .level = field_level(service, "level"),
                .paused_until_usec = paused_until(service),
                .is_operator_stopped = field_is_true(service, "operator_stopped"),
        };
        view->standing = standing_of(view);
}

bool standing_is_finding(Standing standing) {
        return standing >= STANDING_WARNING;
}

Paint standing_paint(Standing standing) {
        switch (standing) {
        case STANDING_WELL:
                return PAINT_GREEN;
        case STANDING_STOPPED:
        case STANDING_PAUSED:
        case STANDING_UNKNOWN:
                return PAINT_BOLD;
        case STANDING_WARNING:
                return PAINT_YELLOW;
        case STANDING_FAILED:
        case STANDING_CRITICAL:
        case STANDING_HELD:
        case _STANDING_MAX:
                break;
        }

        return PAINT_RED;
}

const char *percent_render(char buffer[static CHECK_VALUE_SIZE], int64_t milli) {
        if (milli == FIELD_ABSENT || milli < 0)
                (void) text_copy(buffer, CHECK_VALUE_SIZE, "?"); /* fits */
        else if (milli >= 10000)
                (void) snprintf(buffer, CHECK_VALUE_SIZE, "%lld %%",
                                (long long) ((milli + 500) / 1000));
        else
                (void) snprintf(buffer, CHECK_VALUE_SIZE, "%lld.%lld %%",
                                (long long) (milli / 1000), (long long) (milli % 1000 / 100));

        return buffer;
}

const char *check_value_render(char buffer[static CHECK_VALUE_SIZE], const json_t *check) {
        int64_t milli = field_milli(check, "value");
        const char *unit = field_text(check, "unit");
        char text[DURATION_TEXT_SIZE];

        if (milli == FIELD_ABSENT)
                (void) text_copy(buffer, CHECK_VALUE_SIZE, ""); /* fits */
        else if (strcmp(unit, "s") == 0 && milli >= 0)
                (void) text_copy(
                        buffer, CHECK_VALUE_SIZE,
                        text_render_duration(text, (usec_t) milli * USEC_PER_MSEC)); /* fits */
        else if (strcmp(unit, "ratio") == 0)
                (void) percent_render(buffer, milli * 100);
        else
                (void) snprintf(buffer, CHECK_VALUE_SIZE, "%lld%s%.8s", (long long) (milli / 1000),
                                unit[0] != '\0' ? " " : "", unit);

        return buffer;
}

const char *check_words(const json_t *check) {
        int kind = check_from_string(field_text(check, "name"));

        return kind < 0 ? field_text(check, "name") : check_to_words((CheckKind) kind);
}

/* The check that is worst, of several the first; NULL when all are well. */
static const json_t *worst_check(const json_t *service) {
        const json_t *found = NULL;
        Level worst = LEVEL_NORMAL;
        size_t index;
        json_t *check;

        json_array_foreach(field_array(service, "checks"), index, check) {
                Level level = field_level(check, "level");

                if (level != worst && level_worse(worst, level) == level) {
                        worst = level;
                        found = check;
                }
        }

        return found;
}

/* The service's own reason, else what its worst check says. */
static void put_reason(const ServiceView *view, Buf *buf) {
        const char *reason = field_text(view->json, "reason");
        const json_t *check = worst_check(view->json);
        char value[CHECK_VALUE_SIZE];

        if (reason[0] != '\0')
                buf_printf(buf, " — %s", reason);
        else if (check && field_text(check, "reason")[0] != '\0')
                buf_printf(buf, " — %s: %s", check_words(check), field_text(check, "reason"));
        else if (check)
                buf_printf(buf, " — %s %s", check_words(check), check_value_render(value, check));
}

static RefusalCode refusal_of(const json_t *service) {
        const char *name = field_text(service, "refusal");

        for (RefusalCode code = REFUSAL_COOLDOWN; code < _REFUSAL_MAX; code++)
                if (strcmp(name, refusal_to_string(code)) == 0)
                        return code;

        return REFUSAL_NONE;
}

/* What is about to be done about it, or why not. */
static void put_prospect(const ServiceView *view, Buf *buf) {
        RefusalCode refusal = refusal_of(view->json);
        int64_t next_s = field_integer(view->json, "next_act_s");
        int64_t failures = field_integer(view->json, "failures");
        int64_t limit = field_integer(view->json, "failures_limit");
        char text[DURATION_TEXT_SIZE];

        /* The reason may have said so already. */
        if (refusal != REFUSAL_NONE &&
            !strstr(field_text(view->json, "reason"), refusal_to_words(refusal))) {
                buf_put(buf, "; ");
                buf_printf(buf, _("it is not restarted now: %s"), refusal_to_words(refusal));
        } else if (refusal == REFUSAL_NONE && view->paused_until_usec > 0) {
                buf_put(buf, "; ");
                buf_put(buf, _("paused, so nothing is done about it"));
        }

        if (next_s >= 0) {
                (void) text_render_duration(text, (usec_t) next_s *
                                                          USEC_PER_SEC); /* returns its buffer */
                buf_put(buf, "; ");
                if (view->standing == STANDING_HELD)
                        buf_printf(buf, _("next attempt in %s"), text);
                else
                        buf_printf(buf, _("restart in %s"), text);
        } else if (refusal == REFUSAL_NONE && view->paused_until_usec == 0 && failures > 0 &&
                   limit > 0) {
                buf_put(buf, "; ");
                buf_printf(buf, _("failure %lld of %lld in a row"), (long long) failures,
                           (long long) limit);
        }
}

static void put_pause(const ServiceView *view, usec_t now_usec, Buf *buf) {
        char when[WHEN_TEXT_SIZE];
        char left[DURATION_TEXT_SIZE];

        if (view->paused_until_usec == USEC_INFINITY)
                buf_put(buf, _("paused until you resume it: watched, but not acted on"));
        else
                buf_printf(buf, _("paused until %s (%s left): watched, but not acted on"),
                           when_render_short(when, view->paused_until_usec, now_usec),
                           text_render_duration(left, usec_sub(view->paused_until_usec, now_usec)));
}

void service_view_put_headline(const ServiceView *view, usec_t now_usec, Buf *buf) {
        switch (view->standing) {
        case STANDING_WELL:
                buf_put(buf, _("well"));
                break;
        case STANDING_STOPPED:
                if (view->is_operator_stopped)
                        buf_put(buf,
                                _("stopped by a person; it stays stopped until it is started"));
                else {
                        buf_put(buf, service_state_to_words(SERVICE_STOPPED));
                        put_reason(view, buf);
                }
                break;
        case STANDING_PAUSED:
                put_pause(view, now_usec, buf);
                break;
        case STANDING_UNKNOWN:
                buf_put(buf, _("cannot be judged"));
                put_reason(view, buf);
                break;
        case STANDING_WARNING:
        case STANDING_CRITICAL:
                buf_put(buf, level_to_words(view->level));
                put_reason(view, buf);
                put_prospect(view, buf);
                break;
        case STANDING_FAILED:
                buf_put(buf, service_state_to_words(SERVICE_FAILED));
                put_reason(view, buf);
                put_prospect(view, buf);
                break;
        case STANDING_HELD:
                /* The reason may have said so already. */
                if (strstr(field_text(view->json, "reason"), service_state_to_words(SERVICE_HELD)))
                        buf_put(buf, field_text(view->json, "reason"));
                else {
                        buf_put(buf, service_state_to_words(SERVICE_HELD));
                        put_reason(view, buf);
                }
                if (field_integer(view->json, "next_act_s") >= 0)
                        put_prospect(view, buf);
                break;
        case _STANDING_MAX:
                break;
        }
}
