/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checkpoint: everything the watch must not forget, in one small file.
 *
 * The judge's state is plain data, and so is its picture on disk: a table names each field, says
 * where it is and what values make sense, and serves both ways. The file is replaced whole, so it
 * is either the state before a step or the state after it, with the events of that step and the
 * acts it decided. Whoever reads it after a kill finds a watch that never stopped thinking.
 *
 * It is JSON because a person looks at it when nothing else answers. It is our own file, but it is
 * read as if it were not: a value that makes no sense is passed over, not believed. What happened
 * cannot have happened later than now; a document whose clock makes no sense is not taken up at all,
 * because every other time in it is told by that clock.
 */

#include "app/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>

#include "app/json_text.h"
#include "base/cleanup.h"
#include "base/macro.h"

/* Changes when the meaning of a number in the file changes; an older file is then not taken up. */
#define CHECKPOINT_VERSION 1

/* Longer than any watch lasts. Beyond it a clock is broken, and sums of its times would no longer fit. */
#define CLOCK_MOST_USEC (1000 * 365 * USEC_PER_DAY)

/* Higher than anything is counted here. */
#define COUNT_MOST (1 << 20)

typedef enum FieldType {
        FIELD_U64,
        FIELD_UNSIGNED,
        FIELD_INT,
        FIELD_BOOL,
} FieldType;

typedef struct Field {
        const char *name;
        size_t offset;
        FieldType type;
        int64_t end;  /* values of enumerations are below it; 0: any */
        bool is_past; /* a moment that is over, or zero */
} Field;

/* The member's own type chooses how it is kept, so that a field that changes its type cannot be forgotten here. */
#define FIELD_TYPE(type, member)                \
        _Generic(((type *) 0)->member, uint64_t \
                 : FIELD_U64, int               \
                 : FIELD_INT, bool              \
                 : FIELD_BOOL, default          \
                 : FIELD_UNSIGNED)
#define FIELD(type, member) \
        { #member, offsetof(type, member), FIELD_TYPE(type, member), 0, false }
#define FIELD_BELOW(type, member, end) \
        { #member, offsetof(type, member), FIELD_TYPE(type, member), end, false }
#define FIELD_PAST(type, member) \
        { #member, offsetof(type, member), FIELD_TYPE(type, member), 0, true }

static const Field level_fields[] = {
        FIELD_BELOW(LevelState, level, LEVEL_UNKNOWN),   FIELD(LevelState, direction),
        FIELD_BELOW(LevelState, nearest, LEVEL_UNKNOWN), FIELD_PAST(LevelState, since_usec),
        FIELD_PAST(LevelState, changes_since_usec),      FIELD(LevelState, n_changes),
};

static const Field streak_fields[] = {
        FIELD(Streak, failures),
        FIELD(Streak, successes),
        FIELD(Streak, is_failing),
        FIELD(Streak, n_episodes),
        FIELD_PAST(Streak, episodes_since_usec),
};

static const Field budget_fields[] = {
        FIELD(Budget, n_unhealthy),
        FIELD(Budget, is_unproven),
};

static const Field check_fields[] = {
        FIELD_PAST(CheckState, counted_usec),
        FIELD_PAST(CheckState, known_usec),
        FIELD(CheckState, is_worst_told),
};

static const Field service_fields[] = {
        FIELD(ServiceJudgement, incarnation),
        FIELD_PAST(ServiceJudgement, started_usec),
        FIELD(ServiceJudgement, has_run),
        FIELD_BELOW(ServiceJudgement, state, _SERVICE_STATE_MAX),
        FIELD_BELOW(ServiceJudgement, down, _DOWN_MAX),
        FIELD_PAST(ServiceJudgement, died_usec),
        FIELD_BELOW(ServiceJudgement, level, _LEVEL_MAX),
        FIELD(ServiceJudgement, is_down_told),
        FIELD(ServiceJudgement, n_deaths_told),
        FIELD_PAST(ServiceJudgement, deaths_since_usec),
        FIELD(ServiceJudgement, is_start_owed),
        FIELD(ServiceJudgement, is_start_charged),
        FIELD_PAST(ServiceJudgement, act_usec),
        FIELD_PAST(ServiceJudgement, stop_usec),
        FIELD(ServiceJudgement, is_held),
        FIELD_PAST(ServiceJudgement, held_since_usec),
        FIELD(ServiceJudgement, retry_usec),
        FIELD(ServiceJudgement, n_retries),
        FIELD(ServiceJudgement, paused_until_usec),
        FIELD_PAST(ServiceJudgement, paused_usec),
        FIELD(ServiceJudgement, is_pause_reminded),
        FIELD(ServiceJudgement, is_operator_stopped),
        FIELD(ServiceJudgement, is_stop_seen),
        FIELD(ServiceJudgement, is_stop_told),
        FIELD_PAST(ServiceJudgement, operator_stop_usec),
        FIELD_PAST(ServiceJudgement, reminded_usec),
        FIELD_PAST(ServiceJudgement, healthy_since_usec),
        FIELD_BELOW(ServiceJudgement, refusal, _REFUSAL_MAX),
        FIELD_BELOW(ServiceJudgement, wanted, _REASON_MAX),
        FIELD(ServiceJudgement, refusals_told),
        FIELD_PAST(ServiceJudgement, refusals_since_usec),
        FIELD_BELOW(ServiceJudgement, last_exit_cause, _EXIT_CAUSE_MAX),
        FIELD(ServiceJudgement, last_exit_value),
        FIELD(ServiceJudgement, n_same_exits),
};

static const Field host_fields[] = {
        FIELD_PAST(JudgeState, cpu_counted_usec),
        FIELD_PAST(JudgeState, memory_counted_usec),
        FIELD_BELOW(JudgeState, host_level, _LEVEL_MAX),
};

static const Field pending_fields[] = {
        FIELD_BELOW(PendingAct, action, _ACTION_MAX),
        FIELD_BELOW(PendingAct, reason, _REASON_MAX),
        FIELD(PendingAct, incarnation),
};

static void json_cleanup(json_t **json) {
        json_decref(*json);
}

#define CLEANUP_JSON CLEANUP(json_cleanup)

static int64_t field_get(const Field *field, const void *object) {
        const char *at = (const char *) object + field->offset;

        switch (field->type) {
        case FIELD_U64:
                return (int64_t) *
                       (const uint64_t *) (const void *) at; /* USEC_INFINITY becomes -1 and back */
        case FIELD_UNSIGNED:
                return *(const unsigned *) (const void *) at;
        case FIELD_INT:
                return *(const int *) (const void *) at;
        case FIELD_BOOL:
                return *(const bool *) (const void *) at;
        }

        assert(false);
        return 0;
}

static void field_set(const Field *field, void *object, int64_t value, usec_t now_usec) {
        char *at = (char *) object + field->offset;

        if (field->end > 0 && (value < 0 || value >= field->end))
                return;
        if (field->is_past && (value < 0 || (usec_t) value > now_usec))
                return;

        switch (field->type) {
        case FIELD_U64:
                *(uint64_t *) (void *) at = (uint64_t) value;
                break;
        case FIELD_UNSIGNED:
                if (value >= 0 && value <= COUNT_MOST)
                        *(unsigned *) (void *) at = (unsigned) value;
                break;
        case FIELD_INT:
                if (value >= INT_MIN && value <= INT_MAX)
                        *(int *) (void *) at = (int) value;
                break;
        case FIELD_BOOL:
                *(bool *) (void *) at = value != 0;
                break;
        }
}

/* Whatever could not be had leaves NULL behind, up to the whole: a document is complete or there is none. Both take
 * `part`, and `whole` when they fail. */
static json_t *put(json_t *whole, const char *name, json_t *part) {
        if (json_object_set_new(whole, name, part) >= 0)
                return whole;

        json_decref(whole);
        return NULL;
}

static json_t *append(json_t *whole, json_t *part) {
        if (json_array_append_new(whole, part) >= 0)
                return whole;

        json_decref(whole);
        return NULL;
}

static json_t *fields_render(const Field *fields, size_t n_fields, const void *object) {
        json_t *json = json_object();

        for (size_t i = 0; i < n_fields; i++)
                json = put(json, fields[i].name, json_integer(field_get(&fields[i], object)));

        return json;
}

static void fields_parse(
        const Field *fields, size_t n_fields, const json_t *json, void *object, usec_t now_usec) {
        for (size_t i = 0; i < n_fields; i++) {
                const json_t *value = json_object_get(json, fields[i].name);

                if (json_is_integer(value))
                        field_set(&fields[i], object, json_integer_value(value), now_usec);
        }
}

#define RENDER(fields, object) fields_render(fields, ELEMENTSOF(fields), object)
#define PARSE(fields, json, object, now_usec) \
        fields_parse(fields, ELEMENTSOF(fields), json, object, now_usec)

static json_t *times_render(const usec_t *times_usec, unsigned n) {
        json_t *json = json_array();

        for (unsigned i = 0; i < n; i++)
                json = append(json, json_integer((json_int_t) times_usec[i]));

        return json;
}

static void times_parse(const json_t *json,
                        usec_t times_usec[static LEDGER_MAX],
                        unsigned *n_times,
                        usec_t now_usec) {
        size_t count = json_array_size(json);
        usec_t found_usec[LEDGER_MAX] = { 0 };
        unsigned n = 0;

        if (!json_is_array(json))
                return;

        /* The newest are last, and they are what matters. */
        for (size_t i = count > LEDGER_MAX ? count - LEDGER_MAX : 0; i < count; i++) {
                const json_t *value = json_array_get(json, i);
                json_int_t at_usec = json_integer_value(value);

                if (json_is_integer(value) && at_usec >= 0 && (usec_t) at_usec <= now_usec &&
                    (n == 0 || (usec_t) at_usec >= found_usec[n - 1]))
                        found_usec[n++] = (usec_t) at_usec;
        }

        memcpy(times_usec, found_usec, sizeof(found_usec));
        *n_times = n;
}

static json_t *budget_render(const Budget *budget) {
        json_t *json = RENDER(budget_fields, budget);

        json = put(json, "restarts", times_render(budget->restarts_usec, budget->n_restarts));
        return put(json, "starts", times_render(budget->starts_usec, budget->n_starts));
}

static json_t *check_render(const CheckState *state) {
        json_t *json = RENDER(check_fields, state);

        json = put(json, "streak", RENDER(streak_fields, &state->streak));
        return put(json, "level", RENDER(level_fields, &state->level));
}

static json_t *
service_render(const ServiceJudgement *service, const PendingAct *pending, const char *name) {
        json_t *json = RENDER(service_fields, service);
        json_t *checks = json_object();

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                checks = put(checks, check_to_string(kind), check_render(&service->checks[kind]));

        json = put(json, "name", json_string(name));
        json = put(json, "pending", RENDER(pending_fields, pending));
        json = put(json, "budget", budget_render(&service->budget));
        return put(json, "checks", checks);
}

static void
service_parse(const json_t *json, ServiceJudgement *service, PendingAct *pending, usec_t now_usec) {
        const json_t *budget = json_object_get(json, "budget");
        const json_t *checks = json_object_get(json, "checks");

        PARSE(service_fields, json, service, now_usec);
        PARSE(pending_fields, json_object_get(json, "pending"), pending, now_usec);
        PARSE(budget_fields, budget, &service->budget, now_usec);
        times_parse(json_object_get(budget, "restarts"), service->budget.restarts_usec,
                    &service->budget.n_restarts, now_usec);
        times_parse(json_object_get(budget, "starts"), service->budget.starts_usec,
                    &service->budget.n_starts, now_usec);

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++) {
                const json_t *check = json_object_get(checks, check_to_string(kind));
                CheckState *state = &service->checks[kind];

                PARSE(check_fields, check, state, now_usec);
                PARSE(streak_fields, json_object_get(check, "streak"), &state->streak, now_usec);
                PARSE(level_fields, json_object_get(check, "level"), &state->level, now_usec);
        }
}

static json_t *disk_render(const JudgeState *judge, unsigned index) {
        return put(RENDER(level_fields, &judge->disks[index]), "counted_usec",
                   json_integer((json_int_t) judge->disks_counted_usec[index]));
}

static json_t *host_render(const JudgeState *judge, const HostConfig *config) {
        json_t *json = RENDER(host_fields, judge);
        json_t *disks = json_object();

        for (unsigned i = 0; i < config->n_disk_paths; i++)
                disks = put(disks, config->disk_paths[i], disk_render(judge, i));

        json = put(json, "cpu", RENDER(level_fields, &judge->cpu));
        json = put(json, "memory", RENDER(level_fields, &judge->memory));
        return put(json, "disks", disks);
}

static void
host_parse(const json_t *json, const HostConfig *config, JudgeState *judge, usec_t now_usec) {
        static const Field counted = { "counted_usec", 0, FIELD_U64, 0, true };
        const json_t *disks = json_object_get(json, "disks");

        PARSE(host_fields, json, judge, now_usec);
        PARSE(level_fields, json_object_get(json, "cpu"), &judge->cpu, now_usec);
        PARSE(level_fields, json_object_get(json, "memory"), &judge->memory, now_usec);

        for (unsigned i = 0; i < config->n_disk_paths; i++) {
                const json_t *disk = json_object_get(disks, config->disk_paths[i]);

                PARSE(level_fields, disk, &judge->disks[i], now_usec);
                fields_parse(&counted, 1, disk, &judge->disks_counted_usec[i], now_usec);
        }
}

static json_t *events_render(const EventLog *events) {
        json_t *json = json_array();

        for (unsigned i = 0; i < eventlog_peek_unspooled(events); i++) {
                const Event *event = eventlog_get_unspooled(events, i);
                char line[SPOOL_LINE_MAX];
                Buf buf;

                if (!event)
                        continue;
                buf_init(&buf, line, sizeof(line));
                event_render_json(event, &buf);
                json = append(json, json_string(line));
        }

        return json;
}

int checkpoint_render(const Checkpoint *checkpoint,
                      usec_t boottime_usec,
                      usec_t realtime_usec,
                      char **ret_text) {
        const Clockwork *clock = checkpoint->clock;
        const Config *config = checkpoint->config;
        json_t *services = json_array();

        for (unsigned i = 0; i < config->n_services; i++)
                services = append(services, service_render(&checkpoint->judge->services[i],
                                                           &checkpoint->pending[i],
                                                           config->services[i].name));

        const struct {
                const char *name;
                json_t *value;
        } parts[] = {
                { "version", json_integer(CHECKPOINT_VERSION) },
                { "boot_id", json_string(clock->boot_id) },
                { "offset_usec", json_integer((json_int_t) clock->offset_usec) },
                { "now_usec",
                  json_integer((json_int_t) usec_add(boottime_usec, clock->offset_usec)) },
                { "realtime_usec", json_integer((json_int_t) realtime_usec) },
                { "next_seq",
                  json_integer((json_int_t) eventlog_peek_next_seq(checkpoint->events)) },
                { "host", host_render(checkpoint->judge, &config->host) },
                { "services", services },
                { "events", events_render(checkpoint->events) },
        };
        json_t *whole = json_object();

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                whole = put(whole, parts[i].name, parts[i].value);

        CLEANUP_JSON json_t *json = whole;
        char *text = json_text(json, JSON_COMPACT);
        if (!text)
                return -ENOMEM;

        *ret_text = text;
        return 0;
}

/* The time that stands there, or -EINVAL. */
static int take_time(const json_t *json, const char *name, usec_t *ret_usec) {
        const json_t *value = json_object_get(json, name);
        json_int_t usec = json_integer_value(value);

        if (!json_is_integer(value) || usec < 0 || (usec_t) usec > CLOCK_MOST_USEC)
                return -EINVAL;

        *ret_usec = (usec_t) usec;
        return 0;
}

static void events_parse(const json_t *json, EventLog *events, const json_t *next_seq) {
        for (size_t i = 0; i < json_array_size(json); i++) {
                const char *line = json_string_value(json_array_get(json, i));
                Event event;

                if (line && event_parse_json(line, strlen(line), &event) >= 0)
                        (void) eventlog_readmit(events, &event); /* it may be spooled by now */
        }

        if (eventlog_peek_unspooled(events) == 0 && json_integer_value(next_seq) > 0)
                eventlog_set_floor(events, (uint64_t) json_integer_value(next_seq));
}

int checkpoint_parse(const Checkpoint *checkpoint,
                     const char *text,
                     size_t length,
                     usec_t boottime_usec,
                     usec_t realtime_usec) {
        CLEANUP_JSON json_t *json = json_loadb(text, length, 0, NULL);
        const char *boot_id = json_string_value(json_object_get(json, "boot_id"));
        usec_t saved_offset_usec;
        usec_t saved_now_usec;
        usec_t saved_realtime_usec;

        if (json_integer_value(json_object_get(json, "version")) != CHECKPOINT_VERSION ||
            !boot_id || take_time(json, "offset_usec", &saved_offset_usec) < 0 ||
            take_time(json, "now_usec", &saved_now_usec) < 0 ||
            take_time(json, "realtime_usec", &saved_realtime_usec) < 0)
                return -EINVAL;

        bool is_reboot = checkpoint->clock->boot_id[0] == '\0' ||
                         strcmp(boot_id, checkpoint->clock->boot_id) != 0;

        clockwork_resume(checkpoint->clock, boot_id, saved_offset_usec, saved_now_usec,
                         saved_realtime_usec, boottime_usec, realtime_usec);
        usec_t now_usec = usec_add(boottime_usec, checkpoint->clock->offset_usec);

        events_parse(json_object_get(json, "events"), checkpoint->events,
                     json_object_get(json, "next_seq"));
        host_parse(json_object_get(json, "host"), &checkpoint->config->host, checkpoint->judge,
                   now_usec);

        const json_t *services = json_object_get(json, "services");
        for (size_t i = 0; i < json_array_size(services); i++) {
                const json_t *service = json_array_get(services, i);
                const char *name = json_string_value(json_object_get(service, "name"));
                int index = name ? config_find_service(checkpoint->config, name) : -ENOENT;

                if (index < 0)
                        continue;

                ServiceJudgement *judgement = &checkpoint->judge->services[index];

                service_parse(service, judgement, &checkpoint->pending[index], now_usec);
                if (is_reboot && judgement->down == DOWN_ENDED)
                        judgement->down = DOWN_NEVER;
        }

        return 0;
}
