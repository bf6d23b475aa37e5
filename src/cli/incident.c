/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Incident: where a story begins and where it ends.
 *
 * Events are single sentences. A person asks "what was that last night?" and means all that belongs
 * together: the first sign, the failures after it, the decision, the refusals, the restart, and that
 * it was well again. So we walk along one service's events and keep account of what is not well: it
 * is down, these checks fail, these values are too high, it is held, an act is under way. An incident
 * begins when the account stops being empty and ends with the event that empties it.
 *
 * Accounts go wrong when an event is missing, say because the daemon was killed at the wrong moment.
 * Two things keep one lost word from joining a month into one story: being up and well clears
 * everything, and after half a day of silence what follows is a new story.
 */

#include "cli/incident.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/macro.h"
#include "base/text.h"
#include "cli/field.h"
#include "model/check.h"

#define SILENCE_USEC (12 * USEC_PER_HOUR)

/* What comes this soon after the end (the alert, the event that it is up) still belongs to the story. */
#define EPILOGUE_USEC (2 * USEC_PER_MINUTE)

/* What is not well. */
typedef struct Account {
        bool is_down;
        bool is_held;
        bool is_acting;
        bool is_leaking;
        uint64_t checks; /* bits by CheckKind; one more for what has no name */
        uint64_t levels; /* the same, for values */
} Account;

static const Role roles[] = {
        [EVENT_STARTED] = ROLE_NONE,
        [EVENT_READY] = ROLE_NONE,
        [EVENT_SERVICE_DOWN] = ROLE_SEEN,
        [EVENT_SERVICE_UP] = ROLE_ENDED,
        [EVENT_OPERATOR_STOP] = ROLE_SEEN,
        [EVENT_CHECK_FAILED] = ROLE_SEEN,
        [EVENT_CHECK_RECOVERED] = ROLE_ENDED,
        [EVENT_LEVEL_CHANGED] = ROLE_SEEN,
        [EVENT_RESTART_DECIDED] = ROLE_DECIDED,
        [EVENT_RESTART_REFUSED] = ROLE_REFUSED,
        [EVENT_RESTART_DONE] = ROLE_ENDED,
        [EVENT_RESTART_FAILED] = ROLE_ENDED,
        [EVENT_HELD] = ROLE_DECIDED,
        [EVENT_RELEASED] = ROLE_ENDED,
        [EVENT_PAUSED] = ROLE_DECIDED,
        [EVENT_RESUMED] = ROLE_ENDED,
        [EVENT_GC_ASKED] = ROLE_DECIDED,
        [EVENT_GC_RESULT] = ROLE_ENDED,
        [EVENT_TRIM_RESULT] = ROLE_ENDED,
        [EVENT_LEAK_SUSPECTED] = ROLE_SEEN,
        [EVENT_LEAK_CLEARED] = ROLE_ENDED,
        [EVENT_LOG_ROTATED] = ROLE_NONE,
        [EVENT_LOGS_PRUNED] = ROLE_NONE,
        [EVENT_BACKUP_MADE] = ROLE_NONE,
        [EVENT_EVIDENCE_CAPTURED] = ROLE_DECIDED,
        [EVENT_OOM_KILL] = ROLE_SEEN,
        [EVENT_CONFIG_RELOADED] = ROLE_NONE,
        [EVENT_CONFIG_REJECTED] = ROLE_NONE,
        [EVENT_CLERK_DIED] = ROLE_SEEN,
        [EVENT_CLERK_RESTARTED] = ROLE_ENDED,
        [EVENT_ALERT_SENT] = ROLE_TOLD,
        [EVENT_ALERT_FAILED] = ROLE_TOLD,
        [EVENT_HISTORY_UNWRITABLE] = ROLE_SEEN,
        [EVENT_HISTORY_WRITABLE] = ROLE_ENDED,
        [EVENT_REMINDER] = ROLE_TOLD,
};

static_assert(ELEMENTSOF(roles) == _EVENT_KIND_MAX, "a role for each kind of event");

Role incident_role_of(const Event *event) {
        assert(event->kind < _EVENT_KIND_MAX);

        /* The same kind tells of a level that rose and of one that fell. */
        if (event->kind == EVENT_LEVEL_CHANGED && event->level == LEVEL_NORMAL)
                return ROLE_ENDED;

        return roles[event->kind];
}

/* The bit of the check that an event is about. */
static uint64_t bit_of(const Event *event) {
        CLEANUP_JSON json_t *reason = field_parse_object(event->reason, strlen(event->reason));
        const char *name = field_text(reason, "check");
        int kind = check_from_string(name);

        if (kind >= 0)
                return 1ULL << kind;

        return 1ULL << (_CHECK_MAX + (strcmp(name, "disk") == 0 ? 1 : 0));
}

static void account_put(Account *account, const Event *event) {
        switch (event->kind) {
        case EVENT_SERVICE_DOWN:
                /* One that ended cleanly is left alone: that is its end. */
                account->is_down = event->level == LEVEL_CRITICAL;
                if (!account->is_down)
                        *account = (Account){ 0 };
                break;
        case EVENT_SERVICE_UP:
        case EVENT_OPERATOR_STOP:
                *account = (Account){ 0 };
                break;
        case EVENT_CHECK_FAILED:
                account->checks |= bit_of(event);
                break;
        case EVENT_CHECK_RECOVERED:
                account->checks &= ~bit_of(event);
                break;
        case EVENT_LEVEL_CHANGED:
                if (event->level == LEVEL_NORMAL)
                        account->levels &= ~bit_of(event);
                else
                        account->levels |= bit_of(event);
                break;
        case EVENT_RESTART_DECIDED:
        case EVENT_GC_ASKED:
                account->is_acting = true;
                break;
        case EVENT_RESTART_DONE:
                account->is_down = false;
                account->checks = 0;
                account->is_acting = false;
                break;
        case EVENT_RESTART_FAILED:
                account->is_down = true;
                account->is_acting = false;
                break;
        case EVENT_GC_RESULT:
        case EVENT_TRIM_RESULT:
                account->is_acting = false;
                break;
        case EVENT_HELD:
                account->is_held = true;
                break;
        case EVENT_RELEASED:
                account->is_held = false;
                break;
        case EVENT_LEAK_SUSPECTED:
                account->is_leaking = true;
                break;
        case EVENT_LEAK_CLEARED:
                account->is_leaking = false;
                break;
        case EVENT_CLERK_DIED:
        case EVENT_HISTORY_UNWRITABLE:
                account->checks |= 1ULL << 62;
                break;
        case EVENT_CLERK_RESTARTED:
        case EVENT_HISTORY_WRITABLE:
                account->checks &= ~(1ULL << 62);
                break;
        case EVENT_OOM_KILL:
        case EVENT_RESTART_REFUSED:
        case EVENT_STARTED:
        case EVENT_READY:
        case EVENT_PAUSED:
        case EVENT_RESUMED:
        case EVENT_LOG_ROTATED:
        case EVENT_LOGS_PRUNED:
        case EVENT_BACKUP_MADE:
        case EVENT_EVIDENCE_CAPTURED:
        case EVENT_CONFIG_RELOADED:
        case EVENT_CONFIG_REJECTED:
        case EVENT_ALERT_SENT:
        case EVENT_ALERT_FAILED:
        case EVENT_REMINDER:
        case _EVENT_KIND_MAX:
                break;
        }
}

static bool is_empty(const Account *account) {
        return !account->is_down && !account->is_held && !account->is_acting &&
               !account->is_leaking && account->checks == 0 && account->levels == 0;
}

/* A story can begin with it. An end alone is none, nor is a person's pause. */
static bool may_begin(const Event *event) {
        Role role = incident_role_of(event);

        return (role == ROLE_SEEN || role == ROLE_DECIDED || role == ROLE_REFUSED) &&
               event->kind != EVENT_PAUSED;
}

static void begin(Incident *incident, const Event *event) {
        *incident = (Incident){ .first_seq = event->seq, .first_usec = event->realtime_usec };
        (void) text_copy(incident->service, NAME_SIZE, event->service); /* of the same size */
}

static void extend(Incident *incident, const Event *event, bool is_open) {
        incident->last_seq = event->seq;
        incident->last_usec = event->realtime_usec;
        incident->is_open = is_open;
}

/* Walks one service's events; true when an incident was found: with `seq` the one that has it, else the last. */
static bool walk(const Happened *happened, const char *service, uint64_t seq, Incident *ret) {
        Account account = { 0 };
        Incident incident = { 0 };
        bool has_one = false;

        for (size_t i = 0; i < happened->count; i++) {
                const Event *event = &happened->events[i];
                usec_t silence_usec = usec_sub(event->realtime_usec, incident.last_usec);

                if (strcmp(event->service, service) != 0 || incident_role_of(event) == ROLE_NONE)
                        continue;

                bool belongs =
                        has_one &&
                        (incident.is_open ? silence_usec < SILENCE_USEC || account.is_held
                                          : silence_usec < EPILOGUE_USEC && !may_begin(event));
                if (!belongs) {
                        if (!may_begin(event))
                                continue;
                        if (has_one && seq > 0 && seq <= incident.last_seq)
                                break;
                        account = (Account){ 0 };
                        begin(&incident, event);
                        has_one = true;
                }

                account_put(&account, event);
                extend(&incident, event, !is_empty(&account));
        }

        if (!has_one || (seq > 0 && (seq < incident.first_seq || seq > incident.last_seq)))
                return false;

        *ret = incident;
        return true;
}

static const Event *event_of_seq(const Happened *happened, uint64_t seq) {
        for (size_t i = 0; i < happened->count; i++)
                if (happened->events[i].seq == seq)
                        return &happened->events[i];

        return NULL;
}

int incident_find(const Happened *happened, const char *service, uint64_t seq, Incident *ret) {
        const Event *named = seq > 0 ? event_of_seq(happened, seq) : NULL;

        if (seq > 0)
                return named && walk(happened, named->service, seq, ret) ? 0 : -ENOENT;
        if (service[0] != '\0')
                return walk(happened, service, 0, ret) ? 0 : -ENOENT;

        /* The last of all: that of the newest event that is part of one. */
        for (size_t i = happened->count; i > 0; i--) {
                const Event *event = &happened->events[i - 1];

                if (may_begin(event))
                        return walk(happened, event->service, event->seq, ret) ? 0 : -ENOENT;
        }

        return -ENOENT;
}

bool incident_has(const Incident *incident, const Event *event) {
        if (event->seq < incident->first_seq || event->seq > incident->last_seq)
                return false;
        if (strcmp(event->service, incident->service) == 0)
                return incident_role_of(event) != ROLE_NONE;

        return event->service[0] == '\0' && incident_role_of(event) == ROLE_SEEN;
}
